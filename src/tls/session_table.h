/* SPDX-License-Identifier: ISC */
/* Sessions of TLS 1.3 in memory that all workers of all generations share: a
 * ticket is then a random name, and its secret never leaves the server. Any
 * worker may resume what another has begun; each session is resumed once. A
 * table, not a cache: its memory is known from the start. Depends on os and
 * OpenSSL. */
#ifndef TLS_SESSION_TABLE_H
#define TLS_SESSION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SESSION_ID_SIZE = 32,      /* the name: what a client sees of it */
	SESSION_CONTEXT_SIZE = 32, /* the capsule's session id context */
	SESSION_SECRET_MAX = 48,   /* a hash's size (RFC 8446 4.6.1) */
	SESSION_LIFETIME_S = 600,  /* as long as a ticket may live */
	/* Sessions kept at once, in 512 KiB. A flood replaces the oldest of a
	 * few: those clients make full handshakes. */
	SESSION_TABLE_ROWS = 4096,
	/* A name chooses a set of so many rows; its session is in one. */
	SESSION_TABLE_SET = 4,
};

struct session {
	uint8_t id[SESSION_ID_SIZE]; /* random: its first bytes choose rows */
	uint8_t context[SESSION_CONTEXT_SIZE];
	uint8_t secret[SESSION_SECRET_MAX];
	uint32_t made_s; /* by session_table_now; set by session_table_put */
	uint16_t suite;  /* RFC 8446 B.4 */
	uint8_t secret_len;
	uint8_t spare; /* 0 */
};

struct session_table;

/* Empty, shared with processes forked later; NULL and errno on failure. */
struct session_table *session_table_new(void);
void session_table_free(struct session_table **t);

/* Seconds of a clock that goes on while the machine sleeps and is never set
 * (CLOCK_BOOTTIME in clock_gettime(2)). */
uint32_t session_table_now(void);

/* Keeps s until it is taken, replaced, or too old. In the place of the oldest
 * where there is no free row; not at all when other processes are writing each
 * row that it may have. secret_len must be 1 to SESSION_SECRET_MAX. */
void session_table_put(
    struct session_table *t, const struct session *s, uint32_t now_s);

/* Takes the session of that name out: of several callers in any processes one
 * gets it. False when there is none, or it is too old or damaged. The caller
 * cleanses *out. Whatever the memory holds, secret_len is 1 to
 * SESSION_SECRET_MAX and the session is not too old; suite is not checked. */
bool session_table_take(struct session_table *t,
    const uint8_t id[SESSION_ID_SIZE], uint32_t now_s, struct session *out);

/* Erases what is too old, and what a process that died was writing. */
void session_table_sweep(struct session_table *t, uint32_t now_s);

/* The memory of all rows, for tests that damage it; *size bytes. */
void *session_table_memory(struct session_table *t, size_t *size);

#endif
