/* SPDX-License-Identifier: ISC */
/* What a store remembers between runs, STORE/state; and the unsigned note that it
 * serves of it as mirror/trace: who it is, which serial it has, since when
 * (carnation-mirror(7)). Depends on util, proto, records, keyring, store,
 * manifest. */
#ifndef ARCHIVE_STATE_H
#define ARCHIVE_STATE_H

#include "archive/keyring.h"
#include "archive/manifest.h"
#include "archive/records.h"
#include "proto/hostname.h"
#include "util/why.h"

struct store;

enum {
	STATE_MAX = 64 * 1024, /* bytes of one */
	STATE_PINS_MAX = 64,
	STATE_ALSO_MAX = 8,
	STATE_RETRACTED_MAX = 256,
	STATE_TEXT_MAX = RECORD_TEXT_MAX,
	STATE_STALE_S = 14 * 86400, /* when stale_after is 0 */
	TRACE_MAX = 8 * 1024,       /* bytes of one */
};

/* The certificate that a source of a mirror showed when it was last heard. */
struct state_pin {
	char source[MANIFEST_ORIGIN_MAX]; /* "gemini://host[:port]/" */
	char certificate[DIGEST_HEX_SIZE];
};

/* Texts are printable UTF-8; "" and 0 mean: not known, or not given. Moments are
 * seconds since 1970. */
struct state {
	bool is_mirror;
	char origin[MANIFEST_ORIGIN_MAX];
	/* Where the last serial came from. */
	char upstream[MANIFEST_ORIGIN_MAX];
	struct keyring ring;
	uint64_t serial;               /* the highest ever accepted; 0: none */
	uint8_t manifest[DIGEST_SIZE]; /* SHA-256 of its signed part */
	int64_t created, refresh;      /* its */
	bool final;
	int64_t tried;   /* last run, however it ended */
	int64_t checked; /* last run that ended well */
	int64_t heard;   /* last word of the origin, or as good as that */
	int64_t synced;  /* last time that something new was taken over */
	uint64_t archive_begun; /* serial whose archive was begun with */
	uint64_t retracted[STATE_RETRACTED_MAX]; /* serials: to be removed */
	size_t n_retracted;
	struct state_pin pin[STATE_PINS_MAX];
	size_t n_pins;
	char host[HOSTNAME_SIZE]; /* our own name, for the trace */
	char contact[STATE_TEXT_MAX];

	/* A mirror's options, as they were last given. */
	char url[MANIFEST_ORIGIN_MAX];
	char also[STATE_ALSO_MAX][MANIFEST_ORIGIN_MAX];
	size_t n_also;
	uint64_t max_file, max_bytes, max_files;
	uint64_t limit_rate; /* bytes a second */
	char proxy[STATE_TEXT_MAX];
	bool strict_tls;
	int64_t stale_after; /* seconds; 0: STATE_STALE_S, -1: never */
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

/* The manifest of a release, as one of st's keys, retired ones too, has signed it.
 * The caller frees out. False and why. */
bool state_open_release(const struct store *s, const struct state *st,
    uint64_t serial, struct manifest *out, struct why *why);

/* A manifest by that key is the store's latest, from now (seconds since 1970) on. Changes
 * of keys go to said, a line each (may be NULL). */
void state_accept(struct state *st, const struct manifest *m,
    const struct signify_key *signer, int64_t now, struct buf *said);

/* Whether a release is one that is to be removed. */
bool state_retracts(const struct state *st, uint64_t serial);

/* Whether the origin was not heard for longer than st->stale_after. Never, when
 * the series is final, or was never heard. */
bool state_is_stale(const struct state *st, int64_t now);

/* The text alone; version 1 too. False and why: "line 3: ..." of what cannot be
 * read; a value that cannot be written. */
bool state_parse(struct slice text, struct state *out, struct why *why);
bool state_format(const struct state *st, struct buf *out);

/* ------------------------------------------------------------------ trace */

/* What a survey reads of another's; "" and 0: not said. */
struct trace {
	char host[HOSTNAME_SIZE]; /* canonical */
	char origin[MANIFEST_ORIGIN_MAX];
	uint64_t serial;
	uint8_t manifest[DIGEST_SIZE];
	int64_t created, synced, checked;
	int64_t heard; /* last word of the origin, or as good as that */
	char upstream[MANIFEST_ORIGIN_MAX];
	char software[STATE_TEXT_MAX], contact[STATE_TEXT_MAX];
	bool stale; /* refresh had passed, and the series is not final */
};

/* Lines of "name: value" of a release, m; those not known are left out. */
bool trace_format(const struct state *st, const struct manifest *m, int64_t now,
    struct buf *out);

/* Writes STORE/trace: of the release that is current, as its manifest says, which
 * one of st's keys must have signed; all else as st does. The lock must be held.
 * False and why: the trace is what it was. */
bool trace_write(
    struct store *s, const struct state *st, int64_t now, struct why *why);

/* Unknown lines are passed over. False: no trace (malformed, a name twice, no
 * origin or serial). Texts in out are safe to show. */
bool trace_parse(struct slice text, struct trace *out);

#endif
