/* SPDX-License-Identifier: ISC */
/* A store verified; a mirror's mended, and verified again. */
#include <stdlib.h>
#include <string.h>

#include "archive/verify_internal.h"

struct note {
	char *path;
	bool older; /* of an older release */
};

/* Paths that were told, for comparison. */
struct notes {
	const struct verify *from;
	struct verify *v; /* hears it too; NULL: nobody does */
	struct note *at;
	size_t n;
	bool lost; /* memory was short */
};

/* To the caller's, as of the same release. */
static void
pass_on(struct verify *v, bool older, enum verify_news news, const char *path)
{
	v->in_older = older;
	verify_report(v, news, path);
	v->in_older = false;
}

static void
repaired_note(void *arg, enum verify_news news, const char *path)
{
	struct notes *k = arg;
	struct note *grown;

	if (k->v != NULL)
		pass_on(k->v, k->from->in_older, news, path);
	/* Nothing brings what is in excess away. */
	if (news == VERIFY_EXTRA || k->lost)
		return;
	if ((k->n & (k->n - 1)) == 0) {
		grown =
		    realloc(k->at, (k->n == 0 ? 1 : k->n * 2) * sizeof(*grown));
		if (grown == NULL) {
			k->lost = true;
			return;
		}
		k->at = grown;
	}
	k->at[k->n].older = k->from->in_older;
	k->at[k->n].path = strdup(path);
	k->lost = k->at[k->n].path == NULL;
	k->n += !k->lost;
}

static void
notes_fini(struct notes *k)
{
	while (k->n > 0)
		free(k->at[--k->n].path);
	free(k->at);
	k->at = NULL;
}

static int
repaired_compare(const void *a, const void *b)
{
	const struct note *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* Of what was told the first time, what is not told again. */
static void
repaired_report(
    struct verify *v, const struct notes *first, struct notes *second)
{
	if (first->lost || second->lost)
		return;
	if (second->n > 0)
		qsort(second->at, second->n, sizeof(*second->at),
		    repaired_compare);
	for (size_t i = 0; i < first->n; i++)
		if (second->n == 0 ||
		    bsearch(&first->at[i], second->at, second->n,
			sizeof(*second->at), repaired_compare) == NULL)
			pass_on(v, first->at[i].older, VERIFY_REPAIRED,
			    first->at[i].path);
}

/* The caller's is what the last scan found. */
static void
repaired_settle(struct verify *v, const struct verify_scan *x)
{
	struct verify *last = x->v;

	v->sound = x->looked;
	for (int i = 0; i < VERIFY_NEWS; i++)
		v->sound = v->sound && last->reported[i] == last->older[i];
	free(v->serial);
	v->serial = last->serial;
	v->n_serials = last->n_serials;
	last->serial = NULL;
}

/* The keys that a store pins. One that is retired has signed what a rollback leads
 * to. */
static bool
take_keys(struct verify *v, const struct state *st)
{
	if (v->n_keys > 0 || st->n_keys == 0)
		return true;
	v->own = calloc(st->n_keys, sizeof(*v->own));
	if (v->own == NULL)
		return false;
	for (size_t i = 0; i < st->n_keys; i++)
		v->own[i] = st->key[i].key;
	v->keys = v->own;
	v->n_keys = st->n_keys;
	return true;
}

/* After a repair: whether all is whole, and what has become so. */
static enum verify_result
scan_again(struct verify_scan *first, const struct notes *before,
    enum verify_result repaired, struct why *why)
{
	struct notes after = { 0 };
	struct verify v = { .keys = first->v->keys,
		.n_keys = first->v->n_keys,
		.report = repaired_note,
		.arg = &after };
	struct verify_scan again = {
		.v = &v, .store = first->store, .state = first->state
	};
	enum verify_result result;
	struct why said;

	after.from = &v;
	result = verify_scan(&again, &said);
	repaired_report(before->v, before, &after);
	repaired_settle(before->v, &again);
	if (result == VERIFY_GOOD || v.reported[VERIFY_EXTRA] > 0) {
		why_clear(why);
		repaired = result;
	}
	if (repaired == VERIFY_GOOD)
		repaired = result;
	if (repaired != VERIFY_GOOD && why->text[0] == '\0')
		why_set(why, "%s", said.text);
	notes_fini(&after);
	verify_scan_fini(&again);
	verify_fini(&v);
	return repaired;
}

static bool
can_be_mended(const struct verify_scan *x)
{
	return x->state->is_mirror && x->v->opened &&
	       (x->n_rot > 0 || x->to_relink || x->manifest_faulty ||
		   x->v->archive_faulty);
}

static enum verify_result
scan_and_mend(
    struct verify *v, struct store *s, const struct state *st, struct why *why)
{
	struct notes before = { .v = v };
	struct verify first = { .keys = v->keys,
		.n_keys = v->n_keys,
		.report = repaired_note,
		.arg = &before };
	struct verify_scan x = { .v = &first, .store = s, .state = st };
	enum verify_result result;

	before.from = &first;
	result = verify_scan(&x, why);
	repaired_settle(v, &x);
	if (result != VERIFY_LATER && can_be_mended(&x)) {
		why_clear(why);
		result = verify_repair(&x, why);
		result = scan_again(&x, &before, result, why);
	}
	verify_scan_fini(&x);
	notes_fini(&before);
	/* The answer is the caller's. */
	v->opened = first.opened;
	v->manifest = first.manifest;
	v->signer = first.signer;
	v->text = first.text;
	v->mark = first.mark;
	return result;
}

static enum verify_result
verify_with(
    struct verify *v, struct store *s, struct state *st, struct why *why)
{
	switch (state_read(s, st, why)) {
	case STATE_READ:
	case STATE_NONE:
		break;
	case STATE_BROKEN:
	case STATE_UNREAD:
		return VERIFY_LOCAL;
	}
	if (!take_keys(v, st)) {
		why_memory(why);
		return VERIFY_LOCAL;
	}
	return v->n_keys == 0 ? VERIFY_KEYLESS : scan_and_mend(v, s, st, why);
}

enum verify_result
verify_store(struct verify *v, const char *path, struct why *why)
{
	enum verify_result result = VERIFY_LOCAL;
	struct store *s = store_open(path, false, why);
	struct state *st = calloc(1, sizeof(*st));

	if (s != NULL && st == NULL)
		why_memory(why);
	if (s != NULL && st != NULL)
		result = verify_with(v, s, st, why);
	free(st);
	store_close(&s);
	return result;
}
