/* SPDX-License-Identifier: ISC */
/* The holder of the private keys, in a process of its own. It signs nothing but
 * what a TLS server signs in a handshake (signer_input.h), on contexts prepared
 * at start. The checks alone serve short-lived processes, too. Depends on cert,
 * ctx, sign. */
#ifndef TLS_SIGNER_H
#define TLS_SIGNER_H

#include "tls/cert.h"
#include "tls/ctx.h"

struct signer;

struct signer_pair {
	const char *name;     /* of the capsule, for messages */
	const char *crt_path; /* of a pair in the certs directory, for
			       * messages; NULL: a configured one */
	const char *key_path;
	const struct cert *cert;
};

/* settings are those of the server, for the trial handshake; with tls13_only
 * nothing of TLS 1.2 is signed. NULL and why. */
struct signer *signer_new(const struct tls_settings *settings, struct why *why);

/* Reads the key of the next slot, checks that it belongs to the certificate,
 * that clients can connect with both, and that what it signs is verified by the
 * certificate's key. Nothing of pair is kept but the key. False and why when
 * that pair cannot be used: then its slot refuses, and the others work. */
bool
signer_add(struct signer *s, const struct signer_pair *pair, struct why *why);

/* Answers requests on the n seats, SOCK_SEQPACKET ends that are made
 * non-blocking; each has its turn. jail is called once all that needs memory,
 * files or descriptors is done; false: exit status 1. After it, only read,
 * write, poll, getpid, getrandom, clock_gettime and exit_group are needed (brk
 * and mmap may fail). Exits with 0 once the other ends of all seats are closed.
 * SIGPIPE is ignored. */
_Noreturn void
signer_serve(struct signer *s, const int *seats, size_t n, bool (*jail)(void));

void signer_free(struct signer **s);

#endif
