/* SPDX-License-Identifier: ISC */
/* What a store remembers between runs: STORE/state, lines of "name: value".
 * Depends on util, proto, store, manifest and signify. */
#ifndef ARCHIVE_STATE_H
#define ARCHIVE_STATE_H

#include "archive/manifest.h"
#include "proto/hostname.h"
#include "util/why.h"

struct store;

enum {
	STATE_MAX = 64 * 1024,
	STATE_KEYS_MAX = 16,
	STATE_PINS_MAX = 64,
	STATE_TEXT_MAX = 512,
};

struct state_key {
	struct signify_key key;
	bool
	    retired; /* signs no more: a later serial came from its successor */
};

/* The certificate that a source of a mirror showed when it was last heard. */
struct state_pin {
	char source[MANIFEST_ORIGIN_MAX]; /* "gemini://host[:port]/" */
	char certificate[DIGEST_HEX_SIZE];
};

/* Texts are printable UTF-8; "" and 0 mean: not known. */
struct state {
	bool is_mirror;
	char origin[MANIFEST_ORIGIN_MAX];
	char
	    upstream[MANIFEST_ORIGIN_MAX]; /* where the last serial came from */
	struct state_key key[STATE_KEYS_MAX];
	size_t n_keys;
	uint64_t serial;               /* the highest ever accepted; 0: none */
	uint8_t manifest[DIGEST_SIZE]; /* SHA-256 of its signed part */
	int64_t created, refresh;      /* its; seconds since 1970 */
	bool final;
	int64_t checked; /* last time that the origin (or another) was heard */
	int64_t synced;  /* last time that something new was taken over */
	struct state_pin pin[STATE_PINS_MAX];
	size_t n_pins;
	char host[HOSTNAME_SIZE]; /* our own name, for the trace; "" */
	char contact[STATE_TEXT_MAX];
};

/* What state_read came to; why says more of the last two. */
enum state_read {
	STATE_READ,
	STATE_NONE,   /* a store without one yet: out is zeroed */
	STATE_BROKEN, /* its text is not a state; why has the line */
	STATE_UNREAD, /* no memory, no permission: what it says is not known */
};
enum state_read
state_read(const struct store *s, struct state *out, struct why *why);

/* Atomically, and on the disk when true. The lock must be held. */
bool state_write(struct store *s, const struct state *st, struct why *why);

/* The manifest of a release, as one of st's keys, retired ones too, has signed it;
 * digest (may be NULL) is of its signed part. The caller frees out. False and why. */
bool state_open_release(const struct store *s, const struct state *st,
    uint64_t serial, struct manifest *out, uint8_t digest[DIGEST_SIZE],
    struct why *why);

/* The text alone. False and why: "line 3: ..." of what cannot be read; a value that
 * cannot be written. */
bool state_parse(struct slice text, struct state *out, struct why *why);
bool state_format(const struct state *st, struct buf *out);

/* Whether a text may be kept and shown: UTF-8 without controls, without blanks at
 * its ends, shorter than STATE_TEXT_MAX. */
bool state_text_ok(struct slice text);

#endif
