/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/state.h"
#include "archive/store.h"
#include "util/log.h"
#include "util/why.h"
#include "verbs/args.h"
#include "verbs/store_verb.h"
#include "verbs/verbs.h"

enum { OPTION_KEEP = ARGS_LONG, KEEP_MAX = 1000000 };

const char prune_usage[] =
    "usage: carnation prune [--keep N] STORE\n"
    "\n"
    "Removes all but the newest releases of a store, and the objects that are "
    "then in\n"
    "none. The current release is never removed, nor one that was superseded "
    "less than\n"
    "two minutes ago and may still be on its way to a visitor.\n"
    "\n"
    "  --keep N   how many releases to keep (3)\n";

static bool
parse(const char **path, unsigned *keep, int argc, char **argv)
{
	static const struct args_option known[] = {
		{ "--keep", OPTION_KEEP, true },
		{ NULL, 0, false },
	};
	struct args a = {
		.verb = "prune", .options = known, .argc = argc, .argv = argv
	};
	long number;
	int letter;

	while ((letter = args_next(&a)) != ARGS_END) {
		if (letter == ARGS_BAD)
			return false;
		if (letter == OPTION_KEEP) {
			if (!args_number(&a, "--keep", 1, KEEP_MAX, &number))
				return false;
			*keep = (unsigned)number;
		} else if (*path == NULL) {
			*path = a.value;
		} else {
			fprintf(stderr,
			    "carnation prune: one store, not also \"%s\"\n",
			    a.value);
			return false;
		}
	}
	if (*path == NULL)
		fprintf(stderr, "carnation prune: name a store\n");
	return *path != NULL;
}

/* Each release that was there: gone, or why it was kept beyond the newest. What a
 * prune that succeeded (good_end) has left for no other reason was in use. */
static void
tell(const struct store *s, const struct store_keeping *keep,
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
			(void)close(fd);
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

/* A mirror's releases above the serial that it goes by were taken back, as those of
 * a thief. An author's serial counts as used, though the release was never finished. */
static bool
find_highest(const struct store *s, uint64_t *highest, struct why *why)
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
sum_up(const struct store *s, unsigned releases, unsigned objects)
{
	uint64_t current = store_current(s);

	printf("prune: %u release%s and %u object%s removed", releases,
	    releases == 1 ? "" : "s", objects, objects == 1 ? "" : "s");
	if (current == 0)
		printf("; nothing is being served\n");
	else
		printf("; now serving %" PRIu64 "\n", current);
}

static int
prune(struct store *s, unsigned newest)
{
	struct store_keeping keep = { .newest = newest };
	unsigned releases, objects;
	uint64_t *before;
	struct why why;
	int status = EXIT_GOOD;
	size_t n;

	if (!find_highest(s, &keep.highest, &why)) {
		return store_failed(&why);
	}
	before = store_releases(s, &n);
	if (!store_prune(s, &keep, &releases, &objects, &why))
		status = store_failed(&why);
	if (before != NULL)
		tell(s, &keep, before, n, status == EXIT_GOOD);
	/* After a failure the sums are not those of a prune: what went is named
	 * above. */
	if (status == EXIT_GOOD)
		sum_up(s, releases, objects);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_GOOD) {
		log_error("standard output: %s", strerror(errno));
		status = EXIT_FAILED;
	}
	free(before);
	return status;
}

int
verb_prune(int argc, char **argv)
{
	const char *path = NULL;
	unsigned keep = STORE_KEEP;
	struct store *s;
	int status;

	if (!parse(&path, &keep, argc, argv))
		return verb_misused("prune");
	status = store_take(path, &s);
	if (status != EXIT_GOOD)
		return status;
	status = prune(s, keep);
	store_close(&s);
	return status;
}
