/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "archive/state.h"
#include "archive/store.h"
#include "util/log.h"
#include "verbs/verbs.h"

enum { KEEP_MAX = 1000000 };

struct prune_job {
	const char *path;
	uint64_t keep;
};

/* Each release that is gone, or why it was kept though it is not among the newest. */
static void
pruned_print(const struct store_release *r)
{
	static const char *const kept[] = {
		[STORE_IS_OLD] = "it was served long ago",
		[STORE_IS_SERVED] = "it is being served",
		[STORE_IS_RECENT] =
		    "superseded less than 120 s ago, it may still be served",
		[STORE_IS_HELD] = "in use",
	};

	if (r->decision == STORE_GOES)
		printf("prune: removed %" PRIu64 "\n", r->serial);
	else if (r->decision != STORE_IS_NEW)
		printf("prune: kept %" PRIu64 ": %s\n", r->serial,
		    kept[r->decision]);
}

static void
sum_print(const struct store *s, unsigned releases, unsigned objects)
{
	uint64_t current = store_current(s);

	printf("prune: %u release%s and %u object%s removed", releases,
	    releases == 1 ? "" : "s", objects, objects == 1 ? "" : "s");
	if (current == 0)
		printf("; nothing is being served\n");
	else
		printf("; now serving %" PRIu64 "\n", current);
}

/* What was retracted while a server still held it. RESULT_FAILED: one still does. */
static enum result
prune_retracted(struct store *s, struct state *st, struct why *why)
{
	enum result result = RESULT_GOOD;
	size_t before = st->n_retracted;

	if (before == 0)
		return RESULT_GOOD;
	if (!store_retract(s, st->retracted, &st->n_retracted, 0, why) ||
	    (st->n_retracted != before && !state_write(s, st, why)))
		return RESULT_LOCAL;
	for (size_t i = 0; i < st->n_retracted; i++) {
		log_error("release %" PRIu64
			  " was retracted, but is still in use: stop what "
			  "serves it, then prune again",
		    st->retracted[i]);
		result = RESULT_FAILED;
	}
	return result;
}

static enum result
prune(struct store *s, unsigned newest, struct why *why)
{
	struct state st;
	enum state_read known = state_read(s, &st, why);
	struct store_keeping keep = { .newest = newest };
	enum result result = RESULT_GOOD;
	struct store_pruned pruned;
	unsigned removed = 0;
	bool good;

	if (known == STATE_UNREAD)
		return RESULT_LOCAL;
	/* Releases of a mirror above its serial were revoked, as those of a thief. An
	 * author's serial counts as used though its release was never finished. */
	if (known == STATE_READ && st.is_mirror)
		keep.highest = st.serial;
	if (known == STATE_READ)
		result = prune_retracted(s, &st, why);
	if (result == RESULT_LOCAL)
		return result;
	good = store_prune(s, &keep, &pruned, why);
	for (size_t i = 0; i < pruned.n; i++) {
		pruned_print(&pruned.release[i]);
		removed += pruned.release[i].decision == STORE_GOES;
	}
	free(pruned.release);
	/* After a failure there is no sum; what was removed is listed above. */
	if (good)
		sum_print(s, removed, pruned.objects);
	return good ? result : RESULT_LOCAL;
}

static enum result
prune_run(void *job)
{
	const struct prune_job *j = job;
	struct store *s;
	struct why why;
	enum result result = verb_store_take(j->path, &s);

	if (result != RESULT_GOOD)
		return result;
	result = prune(s, (unsigned)j->keep, &why);
	if (result == RESULT_LOCAL)
		log_error("%s", why.text);
	store_close(&s);
	return result;
}

/* clang-format off */
const struct verb verb_prune = {
	.name = "prune",
	.summary = "remove old releases from a store",
	.about =
	    "Removes all but the newest releases of a store, and the objects "
	    "that no release needs any longer. The current release is never "
	    "removed, nor one that was superseded less than two minutes ago "
	    "and may still be on its way to a client.\n",
	.args = (const struct arg[]){
		{ "--keep", 0, "N", "how many releases to keep (3)",
		    ARG_NUMBER(struct prune_job, keep, 1, KEEP_MAX) },
		{ "STORE", 0, NULL, NULL, ARG_TEXT(struct prune_job, path) },
		{ .name = NULL },
	},
	.job_size = sizeof(struct prune_job),
	.defaults = &(const struct prune_job){ .keep = STORE_KEEP },
	.run = prune_run,
};
/* clang-format on */
