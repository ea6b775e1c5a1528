/* SPDX-License-Identifier: ISC */
/* The parts that make a handshake cheaper than OpenSSL's own way, each of which
 * can be off: by the environment, or because its self-test failed. Off means
 * OpenSSL's own way, not a refusal. Depends on buf, why. */
#ifndef TLS_PARTS_H
#define TLS_PARTS_H

#include "util/buf.h"
#include "util/why.h"

enum tls_part {
	TLS_PART_SESSIONS,     /* sessions in shared memory */
	TLS_PART_KEY_SCHEDULE, /* TLS13-KDF and HMAC */
	TLS_PART_SENDING,      /* gathered sends */
	TLS_PART_MEMORY,       /* the allocator */
	TLS_PART_CONTEXT,      /* a provider with fewer algorithms */
	TLS_PART_KEY_PAIR,     /* X25519 key pairs by the general function */
	TLS_PARTS
};

/* Parts that are off: their names, with commas. */
#define TLS_PARTS_VARIABLE "CARNATION_WITHOUT"

/* Whether the part is to be used. The environment is read at the first call of
 * this process or of one it was forked from. */
bool tls_part_on(enum tls_part part);

/* Turns the part off; reason is kept for tls_parts_put and must be static. */
void tls_part_fail(enum tls_part part, const char *reason);

/* False and why when the environment names a part that does not exist. */
bool tls_parts_check(struct why *why);

/* Runs the self-tests of all parts that are on; those that fail are off
 * afterwards. In a server's parent, before it forks, and before any call of
 * OpenSSL but tls_memory_install. */
void tls_parts_test(void);

/* Whether all parts are on; their text if not, such as
 * "without key-schedule (self-test failed), memory". */
bool tls_parts_all(void);
bool tls_parts_put(struct buf *out);

#endif
