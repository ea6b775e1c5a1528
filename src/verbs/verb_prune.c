/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "archive/state.h"
#include "archive/store.h"
#include "util/log.h"
#include "verbs/verbs.h"

enum { KEEP_MAX = 1000000 };

struct prune_job {
	const char *path;
	uint64_t keep;
};

/* Each release of before: removed, or why it was kept though it is not among the
 * newest. What a successful prune (good_end) kept for no other reason was in
 * use. */
static void
pruned_print(const struct store *s, const struct store_keeping *keep,
    const uint64_t *before, size_t n, bool good_end)
{
	uint64_t current = store_current(s);
	size_t good = 0;
	int fd;

	while (
	    good < n && (keep->highest == 0 || before[good] <= keep->highest))
		good++;
	for (size_t i = 0; i < n; i++) {
		fd = store_release_fd(s, before[i]);
		if (fd == -1 && errno == ENOENT) {
			printf("prune: removed %" PRIu64 "\n", before[i]);
			continue;
		}
		if (fd != -1)
			close(fd);
		if (i < good && i + keep->newest >= good)
			continue;
		if (before[i] == current)
			printf("prune: kept %" PRIu64 ": it is being served\n",
			    before[i]);
		else if (store_is_recent(s, before[i]))
			printf("prune: kept %" PRIu64 ": superseded less than "
			       "%d s ago, it may still be served\n",
			    before[i], STORE_SUPERSEDED_S);
		else if (good_end)
			printf("prune: kept %" PRIu64 ": in use\n", before[i]);
	}
}

/* Releases of a mirror above the serial in its state were revoked, as those of a
 * thief. An author's serial counts as used though its release was never
 * finished. */
static bool
highest_find(const struct store *s, uint64_t *highest, struct why *why)
{
	struct state *st = calloc(1, sizeof(*st));
	bool known = true;

	*highest = 0;
	if (st == NULL)
		return why_memory(why);
	switch (state_read(s, st, why)) {
	case STATE_READ:
		if (st->is_mirror)
			*highest = st->serial;
		break;
	case STATE_NONE:
	case STATE_BROKEN:
		why_clear(why);
		break;
	case STATE_UNREAD:
		known = false;
		break;
	}
	free(st);
	return known;
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

static enum result
prune(struct store *s, unsigned newest)
{
	struct store_keeping keep = { .newest = newest };
	enum result result = RESULT_LOCAL;
	unsigned releases, objects;
	uint64_t *before;
	struct why why;
	size_t n;

	if (!highest_find(s, &keep.highest, &why)) {
		log_error("%s", why.text);
		return RESULT_LOCAL;
	}
	before = store_releases(s, &n);
	if (store_prune(s, &keep, &releases, &objects, &why))
		result = RESULT_GOOD;
	else
		log_error("%s", why.text);
	if (before != NULL)
		pruned_print(s, &keep, before, n, result == RESULT_GOOD);
	/* After a failure there is no sum; what was removed is listed above. */
	if (result == RESULT_GOOD)
		sum_print(s, releases, objects);
	free(before);
	return result;
}

static enum result
prune_run(void *job)
{
	const struct prune_job *j = job;
	struct store *s;
	enum result result = verb_store_take(j->path, &s);

	if (result != RESULT_GOOD)
		return result;
	result = prune(s, (unsigned)j->keep);
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
