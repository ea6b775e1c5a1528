/* SPDX-License-Identifier: ISC */
/* Who may sign what this store publishes: the first key, and whom a signed list
 * has announced as its successor (carnation-mirror(7)). */
#include <string.h>

#include "archive/publish_internal.h"

static enum result
keys_refuse(const struct publish *p, struct report *r, const char *what)
{
	report_add(r, REPORT_ERROR, p->o->store, 0, "%s", what);
	return RESULT_REFUSED;
}

/* The first key of that standing; NULL: none. */
static const struct signify_key *
key_of(const struct keyring *ring, enum keyring_standing standing)
{
	for (size_t i = 0; i < ring->n; i++)
		if (ring->key[i].standing == standing)
			return &ring->key[i].key;
	return NULL;
}

/* The key that the last release announces: all mirrors that have it know that
 * key, and perhaps no other one. NULL: none. */
static const struct signify_key *
announced(const struct publish *p)
{
	const struct manifest *last = p->plan.before;

	if (last != NULL)
		return last->has_next_key ? &last->next_key : NULL;
	/* The manifest is lost. */
	return key_of(&p->state.ring, KEYRING_ANNOUNCED);
}

static bool
is_announced(const struct publish *p, const struct signify_key *key)
{
	const struct signify_key *next = announced(p);

	return next != NULL && signify_key_equal(next, key);
}

static enum result
check_signer(struct publish *p, const struct signify_key *key, struct report *r)
{
	const struct keyring *ring = &p->state.ring;
	const struct keyring_key *known = keyring_find(ring, key);

	if (ring->n == 0)
		return RESULT_GOOD;
	if (known != NULL && known->standing == KEYRING_RETIRED)
		return keys_refuse(p, r,
		    "this key is retired: its successor has signed already");
	p->plan.other_key = known == NULL || known->standing != KEYRING_PINNED;
	if (!p->plan.other_key || is_announced(p, key))
		return RESULT_GOOD;
	return keys_refuse(p, r,
	    "pins another key, and the last release does not announce this "
	    "key: mirrors would refuse what it signs; have the key that signs "
	    "now announce it (--next-key), and wait until they have that");
}

/* Another key than the one announced so far, or none any more. */
static void
superseded_report(const struct publish *p, const struct signify_key *signer,
    const struct signify_key *next, struct report *r)
{
	const struct signify_key *before = announced(p);
	uint8_t memory[SIGNIFY_PUBLIC_TEXT + 1];
	struct buf text;

	if (before == NULL || signify_key_equal(before, signer) ||
	    (next != NULL && signify_key_equal(before, next)))
		return;
	buf_wrap(&text, memory, sizeof(memory));
	(void)signify_key_text(before, &text);
	report_add(r, REPORT_WARNING, p->o->store, 0,
	    "the key %.*s, announced so far, is announced no more: it must "
	    "not sign unless it is announced again",
	    SLICE_ARGS(buf_view(&text)));
}

static enum result
check_next(const struct publish *p, const struct signify_key *signer,
    const struct signify_key *next, struct report *r)
{
	const struct keyring *ring = &p->state.ring;
	const struct keyring_key *known =
	    next == NULL ? NULL : keyring_find(ring, next);
	const struct keyring_key *signing = keyring_find(ring, signer);

	if (next != NULL && signify_key_equal(signer, next)) {
		report_add(r, REPORT_ERROR, NULL, 0,
		    "--next-key is the key that signs already");
		return RESULT_USAGE;
	}
	if (known != NULL &&
	    (known->standing == KEYRING_RETIRED ||
		(signing != NULL && signing->standing != KEYRING_PINNED)))
		return keys_refuse(p, r,
		    "--next-key: this key is retired, or would be with this "
		    "release, and mirrors take nothing that it signs: announce "
		    "one that is new");
	superseded_report(p, signer, next, r);
	return RESULT_GOOD;
}

enum result
publish_accept_key(struct publish *p, struct report *r)
{
	const struct publish_options *o = p->o;
	const struct keyring *ring = &p->state.ring;
	const struct signify_key *signer = o->key;
	enum result result = RESULT_GOOD;

	if (o->sealed.len > 0 && (o->key != NULL || ring->n > 0))
		return RESULT_GOOD;
	if (o->sealed.len > 0) {
		report_add(r, REPORT_ERROR, NULL, 0,
		    "the first time, say which key it is signed with: --key "
		    "NAME.pub");
		return RESULT_USAGE;
	}
	if (o->key != NULL)
		result = check_signer(p, o->key, r);
	/* To be signed elsewhere, by nobody knows whom: by whom it was before. */
	else
		signer = key_of(ring, KEYRING_PINNED);
	if (result != RESULT_GOOD || o->next_key == NULL || signer == NULL)
		return result;
	return check_next(p, signer, o->next_key, r);
}

enum result
publish_accept_sealed(struct publish *p, struct report *r)
{
	const struct manifest *m = &p->after;
	enum result result = check_signer(p, &p->signer, r);

	if (result != RESULT_GOOD)
		return result;
	return check_next(
	    p, &p->signer, m->has_next_key ? &m->next_key : NULL, r);
}

const struct signify_key *
publish_successor(const struct publish *p)
{
	const struct publish_options *o = p->o;

	if (o->next_key != NULL)
		return o->next_key;
	return o->key != NULL && is_announced(p, o->key) ? NULL : announced(p);
}
