/* SPDX-License-Identifier: ISC */
/* Who may sign what this store publishes: the first key, and whom a signed list
 * has announced as its successor (carnation-mirror(7)). */
#include <string.h>

#include "archive/publish_internal.h"

/* Where the state has the key; n_keys: nowhere. */
static size_t
keys_place_of(const struct state *st, const struct signify_key *key)
{
	size_t i = 0;

	while (i < st->n_keys && !signify_key_equal(&st->key[i].key, key))
		i++;
	return i;
}

static enum result
keys_refuse(const struct publish *p, struct report *r, const char *what)
{
	report_add(r, REPORT_ERROR, p->o->store, 0, "%s", what);
	return RESULT_REFUSED;
}

/* The key that signed last: the first one that is not retired. */
static size_t
place_of_current(const struct state *st)
{
	size_t i = 0;

	while (i < st->n_keys && st->key[i].retired)
		i++;
	return i;
}

/* The key that the last release announces: all mirrors that have it know that
 * key, and perhaps no other one. NULL: none. */
static const struct signify_key *
announced(const struct publish *p)
{
	const struct manifest *last = p->plan.before;
	const struct state *st = &p->state;

	if (last != NULL)
		return last->has_next_key ? &last->next_key : NULL;
	/* The manifest is lost; in the state it is the last one. */
	if (place_of_current(st) + 1 >= st->n_keys ||
	    st->key[st->n_keys - 1].retired)
		return NULL;
	return &st->key[st->n_keys - 1].key;
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
	const struct state *st = &p->state;
	size_t i = keys_place_of(st, key);

	if (st->n_keys == 0)
		return RESULT_GOOD;
	if (i == st->n_keys)
		return keys_refuse(p, r,
		    "pins another key: mirrors would refuse what this one "
		    "signs, unless an earlier serial announces it "
		    "(--next-key)");
	if (st->key[i].retired)
		return keys_refuse(p, r,
		    "this key is retired: its successor has signed already");
	p->plan.other_key = i != place_of_current(st);
	if (!p->plan.other_key || is_announced(p, key))
		return RESULT_GOOD;
	return keys_refuse(p, r,
	    "the last release does not announce this key, and mirrors that "
	    "know no other would refuse what it signs: have the key that "
	    "signs now announce it again (--next-key), and wait until they "
	    "have that");
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
	const struct state *st = &p->state;
	size_t current = place_of_current(st);
	size_t at = next == NULL ? st->n_keys : keys_place_of(st, next);

	if (next != NULL && signify_key_equal(signer, next)) {
		report_add(r, REPORT_ERROR, NULL, 0,
		    "--next-key is the key that signs already");
		return RESULT_USAGE;
	}
	if (next != NULL && at < st->n_keys &&
	    (st->key[at].retired || keys_place_of(st, signer) != current))
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
	const struct state *st = &p->state;
	const struct signify_key *signer = o->key;
	enum result result = RESULT_GOOD;

	if (o->sealed.len > 0 && (o->key != NULL || st->n_keys > 0))
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
	else if (place_of_current(st) < st->n_keys)
		signer = &st->key[place_of_current(st)].key;
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

/* Behind all others. */
static bool
pin_last(struct state *st, const struct signify_key *key)
{
	size_t i = keys_place_of(st, key);

	if (i == st->n_keys && st->n_keys == STATE_KEYS_MAX)
		return false;
	if (i < st->n_keys)
		memmove(&st->key[i], &st->key[i + 1],
		    (--st->n_keys - i) * sizeof(st->key[0]));
	st->key[st->n_keys++] = (struct state_key){ .key = *key };
	return true;
}

enum result
publish_turn_keys(struct publish *p, struct report *r)
{
	const struct manifest *m = &p->after;
	struct state *st = &p->state;
	bool ok = st->n_keys > 0 || pin_last(st, &p->signer);
	size_t signer;

	signer = keys_place_of(st, &p->signer);
	/* Those that were announced and superseded too: in a mirror's order they
	 * may stand before it. */
	if (signer != place_of_current(st))
		for (size_t i = 0; i < st->n_keys; i++)
			st->key[i].retired = i != signer;
	ok = ok && (!m->has_next_key || pin_last(st, &m->next_key));
	if (ok)
		return RESULT_GOOD;
	report_add(r, REPORT_ERROR, p->o->store, 0,
	    "no more than %d keys can be pinned", STATE_KEYS_MAX);
	return RESULT_LOCAL;
}
