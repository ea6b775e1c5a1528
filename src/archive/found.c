/* SPDX-License-Identifier: ISC */
#include "archive/found.h"

#include <inttypes.h>
#include <string.h>

void
found_init(struct found *f)
{
	*f = (struct found){ 0 };
	buf_init(&f->text, MANIFEST_MAX);
}

void
found_fini(struct found *f)
{
	if (f->held)
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
		return FOUND_ROLLBACK;
	}
	if (serial - st->serial > FOUND_AHEAD_MAX) {
		why_set(why, "more than %d ahead of %" PRIu64,
		    (int)FOUND_AHEAD_MAX, st->serial);
		return FOUND_FAR_AHEAD;
	}
	return FOUND_NEWER;
}

enum found_result
found_check(
    struct found *f, const struct state *st, uint64_t allowed, struct why *why)
{
	const struct keyring_key *signer;
	enum found_result v;

	switch (
	    manifest_open(buf_view(&f->text), &st->ring, &signer, &f->m, why)) {
	case MANIFEST_UNSIGNED:
		return FOUND_UNSIGNED;
	case MANIFEST_UNSOUND:
		return FOUND_UNSOUND;
	case MANIFEST_GOOD:
		break;
	}
	f->held = true;
	f->signer = *signer;
	if (st->origin[0] != '\0' && strcmp(st->origin, f->m.origin) != 0) {
		why_set(
		    why, "its origin is %s, not %s", f->m.origin, st->origin);
		return FOUND_OTHER_ORIGIN;
	}
	v = serial_compare(f, st, allowed, why);
	/* What a retired key once signed may still lie on a slow mirror; new is
	 * nothing of it. */
	if (v == FOUND_NEWER && signer->standing == KEYRING_RETIRED) {
		why_set(why, "signed with a retired key");
		return FOUND_UNSIGNED;
	}
	return v;
}

bool
found_is_refused(enum found_result v)
{
	return v != FOUND_NEWER && v != FOUND_SAME;
}
