/* SPDX-License-Identifier: ISC */
#include "archive/found.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/store.h"

void
found_init(struct found *f)
{
	*f = (struct found){ 0 };
	buf_init(&f->text, MANIFEST_MAX);
}

void
found_fini(struct found *f)
{
	manifest_fini(&f->m);
	buf_fini(&f->text);
	*f = (struct found){ 0 };
}

/* Serials alone. */
static enum found_result
serial_compare(const struct found *f, const struct state *st, uint64_t allowed,
    struct why *why)
{
	uint64_t serial = f->m.serial;

	if (st->serial == 0)
		return FOUND_NEWER;
	if (serial == st->serial && digest_equal(f->m.digest, st->manifest))
		return FOUND_SAME;
	if (serial == st->serial) {
		why_set(why, "equivocation: the store has another manifest of "
			     "this serial");
		return FOUND_EQUIVOCATION;
	}
	if (serial == allowed)
		return FOUND_NEWER;
	if (serial < st->serial) {
		why_set(why, "older than %" PRIu64 " (rollback)", st->serial);
		return FOUND_BEHIND;
	}
	if (serial - st->serial > FOUND_AHEAD_MAX) {
		why_set(why, "more than %d ahead of %" PRIu64,
		    (int)FOUND_AHEAD_MAX, st->serial);
		return FOUND_FAR_AHEAD;
	}
	return FOUND_NEWER;
}

static enum found_result
opened_check(const struct found *f, const struct state *st, uint64_t allowed,
    struct why *why)
{
	char number[SIGNIFY_NUMBER_TEXT];
	enum found_result v;

	if (st->origin[0] != '\0' && strcmp(st->origin, f->m.origin) != 0) {
		why_set(
		    why, "its origin is %s, not %s", f->m.origin, st->origin);
		return FOUND_OTHER_ORIGIN;
	}
	v = serial_compare(f, st, allowed, why);
	/* What a retired key once signed may still lie on a slow mirror; of
	 * what is new, nothing is its. */
	if (f->signer.standing != KEYRING_RETIRED || v == FOUND_SAME ||
	    v == FOUND_BEHIND)
		return v;
	signify_number_text(f->signer.key.number, number);
	keyring_distrust(&st->ring, number, "is retired", why);
	return FOUND_FORGED;
}

/* Whether a release in the store has that manifest. */
static bool
is_kept(const struct store *s, struct slice text)
{
	bool kept = false;
	struct buf have;
	size_t n;
	struct store_release *list = store_releases(s, &n);

	buf_init(&have, MANIFEST_MAX);
	for (size_t i = 0; list != NULL && i < n && !kept; i++) {
		buf_reset(&have);
		kept = store_read(s, list[i].serial, MANIFEST_PATH, &have) &&
		       slice_equal(buf_view(&have), text);
	}
	buf_fini(&have);
	free(list);
	return kept;
}

enum found_result
found_check(struct found *f, const struct store *s, const struct state *st,
    uint64_t allowed, struct why *why)
{
	const struct keyring_key *signer;
	enum manifest_result opened =
	    manifest_open(buf_view(&f->text), &st->ring, &signer, &f->m, why);
	enum found_result v =
	    opened == MANIFEST_UNSOUND ? FOUND_UNSOUND : FOUND_FORGED;

	if (opened == MANIFEST_GOOD) {
		f->signer = *signer;
		v = opened_check(f, st, allowed, why);
	}
	if (v == FOUND_NEWER || v == FOUND_SAME || s == NULL ||
	    !is_kept(s, buf_view(&f->text)))
		return v;
	why_clear(why);
	return FOUND_KEPT;
}
