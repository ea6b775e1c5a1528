/* SPDX-License-Identifier: ISC */
/* Who may sign what this store publishes: the first key, and whom a signed list
 * has announced as its successor (mirroring.md 4). */
#include <string.h>

#include "archive/publish_internal.h"

/* Where the state has the key; n_keys: nowhere. */
static size_t
place_of(const struct state *st, const struct signify_key *key)
{
	size_t i = 0;

	while (i < st->n_keys && !signify_key_equal(&st->key[i].key, key))
		i++;
	return i;
}

static enum publish_result
refuse(const struct publish *p, struct report *r, const char *what)
{
	report_add(r, REPORT_ERROR, p->o->store, 0, "%s", what);
	return PUBLISH_REFUSED;
}

enum publish_result
publish_accept_key(struct publish *p, struct report *r)
{
	const struct publish_options *o = p->o;
	const struct state *st = &p->state;
	size_t i;

	if (o->key == NULL) {
		if (o->sealed.len == 0 || st->n_keys > 0)
			return PUBLISH_GOOD;
		report_add(r, REPORT_ERROR, NULL, 0,
		    "the first time, say which key it is signed with: --key "
		    "NAME.pub");
		return PUBLISH_MISUSED;
	}
	if (o->next_key != NULL && signify_key_equal(o->key, o->next_key)) {
		report_add(r, REPORT_ERROR, NULL, 0,
		    "--next-key is the key that signs already");
		return PUBLISH_MISUSED;
	}
	if (st->n_keys == 0)
		return PUBLISH_GOOD;
	i = place_of(st, o->key);
	if (i == st->n_keys)
		return refuse(p, r,
		    "pins another key: mirrors would refuse what this one "
		    "signs, unless an earlier serial announces it "
		    "(--next-key)");
	if (st->key[i].retired)
		return refuse(p, r,
		    "this key is retired: its successor has signed already");
	for (size_t k = 0; k < i; k++)
		p->plan.other_key |= !st->key[k].retired;
	return PUBLISH_GOOD;
}

const struct signify_key *
publish_successor(const struct publish *p)
{
	const struct publish_options *o = p->o;
	const struct state *st = &p->state;
	size_t signer = 0;

	if (o->next_key != NULL)
		return o->next_key;
	if (st->n_keys == 0 || st->key[st->n_keys - 1].retired)
		return NULL;
	/* Signed elsewhere, by nobody knows whom: by the one that signs still. */
	while (st->key[signer].retired)
		signer++;
	if (o->key != NULL)
		signer = place_of(st, o->key);
	return signer + 1 < st->n_keys ? &st->key[st->n_keys - 1].key : NULL;
}

static bool
pin(struct state *st, const struct signify_key *key)
{
	if (place_of(st, key) < st->n_keys)
		return true;
	if (st->n_keys == STATE_KEYS_MAX)
		return false;
	st->key[st->n_keys++] = (struct state_key){ .key = *key };
	return true;
}

enum publish_result
publish_turn_keys(struct publish *p, struct report *r)
{
	const struct manifest *m = &p->after;
	struct state *st = &p->state;
	bool ok = pin(st, &p->signer);
	size_t signer = place_of(st, &p->signer);

	/* Keys stand in the order in which they were announced. */
	for (size_t i = 0; i < signer && ok; i++)
		st->key[i].retired = true;
	ok = ok && (!m->has_next_key || pin(st, &m->next_key));
	if (ok)
		return PUBLISH_GOOD;
	report_add(r, REPORT_ERROR, p->o->store, 0,
	    "no more than %d keys can be pinned", STATE_KEYS_MAX);
	return PUBLISH_LOCAL;
}
