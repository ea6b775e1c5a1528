/* SPDX-License-Identifier: ISC */
/* The side of those who have no keys: a worker, whose handshakes have their
 * signatures made by the process that holds them (signer.h), and the parent,
 * which asks whether that process is alive. Depends on signing_wire. */
#ifndef TLS_SIGNING_H
#define TLS_SIGNING_H

#include "tls/signing_wire.h"
#include "util/slice.h"

enum {
	/* The worker stands still for a signature that does not come, so: */
	SIGNING_TIMEOUT_MS = 250, /* for one signature, then it has failed */
	SIGNING_FAILURES = 3,    /* so many in a row, then they fail at once, */
	SIGNING_PAUSE_MS = 1000, /* for so long */
};

/* In a worker, after the fork: signatures come over fd from now on, this
 * process's end of its seat, which remains the caller's and blocks. What an
 * earlier holder of the seat was sent is thrown away. Allocates and logs
 * nothing; -1: signatures fail at once, as before the first call. */
void signing_attach(int fd);

/* Signs input with the key of slot in that process; for provider_keyd.c alone. The
 * length of the signature, at most SIGNING_SIGNATURE_MAX and room; 0 when it does not
 * come. */
size_t signing_sign(unsigned slot, enum signing_scheme scheme,
    enum signing_digest digest, struct slice input, uint8_t *out, size_t room);

/* In the parent, of its own seat: sends a ping without waiting. False when it
 * cannot be sent. */
bool signing_ping(int fd);

/* Takes all that has come over fd; true when one was the answer to a ping. */
bool signing_pong(int fd);

#endif
