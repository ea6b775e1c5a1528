/* SPDX-License-Identifier: ISC */
/* What a store remembers between runs: STORE/state, lines of "name: value".
 * Depends on util, os, manifest and signify. */
#ifndef ARCHIVE_STATE_H
#define ARCHIVE_STATE_H

#include "archive/manifest.h"

struct store;

enum { STATE_MAX = 64 * 1024, STATE_KEYS_MAX = 16, STATE_TEXT_MAX = 512 };

struct state_key {
	struct signify_key key;
	bool retired; /* signs no more: a later serial came from its successor */
};

struct state {
	bool is_mirror;
	char origin[MANIFEST_ORIGIN_MAX];
	char upstream[MANIFEST_ORIGIN_MAX]; /* where the last serial came from */
	struct state_key key[STATE_KEYS_MAX];
	size_t n_keys;
	uint64_t serial; /* the highest ever accepted; 0: none */
	uint8_t manifest[DIGEST_SIZE]; /* SHA-256 of its signed part */
	int64_t created, refresh; /* its */
	bool final;
	int64_t checked; /* last time that the origin (or another) was heard */
	int64_t synced;  /* last time that something new was taken over */
	char tls[DIGEST_HEX_SIZE]; /* SHA-256 of the upstream's certificate; "" */
	char host[HOSTNAME_SIZE]; /* our own name, for the trace; "" */
	char contact[STATE_TEXT_MAX];
};

/* STATE_NONE: a store without one yet (out is zeroed). A broken one is an error
 * with its line. */
enum state_read { STATE_READ, STATE_NONE, STATE_BROKEN };
enum state_read state_read(const struct store *s, struct state *out, struct buf *why);
bool state_write(const struct store *s, const struct state *st, struct buf *why);

/* The unsigned note that a mirror serves as mirror/trace: host, origin, serial,
 * manifest, created, synced, checked, upstream, software, contact; "stale" when
 * refresh has passed and the series is not final. */
bool trace_format(const struct state *st, int64_t now, struct buf *out);

struct trace { /* what a survey reads of another's */
	char host[HOSTNAME_SIZE];
	char origin[MANIFEST_ORIGIN_MAX];
	uint64_t serial;
	char manifest[DIGEST_HEX_SIZE];
	int64_t created, synced, checked;
	char software[STATE_TEXT_MAX], contact[STATE_TEXT_MAX];
};
bool trace_parse(struct slice text, struct trace *out);

#endif
