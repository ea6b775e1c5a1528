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
	if (serial == st->serial && digest_equal(f->digest, st->manifest))
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
	struct signify_key keys[STATE_KEYS_MAX];
	enum found_result v;
	struct slice signed_part;

	for (size_t i = 0; i < st->n_keys; i++)
		keys[i] = st->key[i].key;
	switch (manifest_open(buf_view(&f->text), keys, st->n_keys, &f->key,
	    &f->m, &signed_part, why)) {
	case MANIFEST_UNSIGNED:
		return FOUND_UNSIGNED;
	case MANIFEST_UNSOUND:
		return FOUND_UNSOUND;
	case MANIFEST_GOOD:
		break;
	}
	f->held = true;
	digest_sha256(signed_part, f->digest);
	if (st->origin[0] != '\0' && strcmp(st->origin, f->m.origin) != 0) {
		why_set(
		    why, "its origin is %s, not %s", f->m.origin, st->origin);
		return FOUND_OTHER_ORIGIN;
	}
	v = serial_compare(f, st, allowed, why);
	/* What a retired key once signed may still lie on a slow mirror; new is
	 * nothing of it. */
	if (v == FOUND_NEWER && st->key[f->key].retired) {
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

static bool
key_report(struct buf *said, const char *before, const struct signify_key *k,
    const char *after)
{
	return buf_str(said, before) && signify_key_text(k, said) &&
	       buf_str(said, after);
}

/* The oldest retired key makes room: nothing can be accepted from it. */
static bool
make_room(struct state *st)
{
	for (size_t i = 0; i < st->n_keys; i++) {
		if (!st->key[i].retired)
			continue;
		st->n_keys--;
		memmove(&st->key[i], &st->key[i + 1],
		    (st->n_keys - i) * sizeof(st->key[i]));
		return true;
	}
	return false;
}

static bool
knows(const struct state *st, const struct signify_key *k)
{
	for (size_t i = 0; i < st->n_keys; i++)
		if (signify_key_equal(&st->key[i].key, k))
			return true;
	return false;
}

bool
found_keys(struct state *st, const struct found *f, struct buf *said)
{
	for (size_t i = 0; i < f->key && i < st->n_keys; i++) {
		if (st->key[i].retired)
			continue;
		st->key[i].retired = true;
		(void)key_report(said, "key ", &st->key[i].key,
		    " is retired: its successor has signed\n");
	}
	if (!f->m.has_next_key || knows(st, &f->m.next_key))
		return true;
	if (st->n_keys == STATE_KEYS_MAX && !make_room(st))
		return false;
	st->key[st->n_keys++] = (struct state_key){ .key = f->m.next_key };
	(void)key_report(said, "key ", &f->m.next_key,
	    " is announced, and now pinned as well\n");
	return true;
}
