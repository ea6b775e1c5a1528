/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/manifest.h"
#include "archive/state.h"
#include "archive/store.h"
#include "archive/trace.h"
#include "archive/verify.h"
#include "os/file.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/why.h"
#include "verbs/args.h"
#include "verbs/store_verb.h"
#include "verbs/verbs.h"

const char rollback_usage[] =
    "usage: carnation rollback STORE [SERIAL]\n"
    "\n"
    "Serves the release before the current one again, or that with SERIAL, if "
    "it has\n"
    "not been pruned. Visitors see it at once. Mirrors do not: they follow "
    "higher\n"
    "serials alone, and what they have is replaced only by publishing again.\n"
    "Every file of the release is hashed first; one that is not as signed is "
    "not served.\n";

struct job {
	const char *path;
	uint64_t wanted; /* 0: the one before */
	struct store *store;
	uint64_t *release; /* those that are there */
	size_t n;
};

static bool
parse(struct job *j, int argc, char **argv)
{
	static const struct args_option known[] = { { NULL, 0, false } };
	struct args a = {
		.verb = "rollback", .options = known, .argc = argc, .argv = argv
	};
	int letter;

	while ((letter = args_next(&a)) != ARGS_END) {
		if (letter == ARGS_BAD)
			return false;
		if (j->path == NULL) {
			j->path = a.value;
		} else if (j->wanted != 0) {
			fprintf(stderr,
			    "carnation rollback: one serial, not also "
			    "\"%s\"\n",
			    a.value);
			return false;
		} else if (!slice_number(slice_str(a.value), STORE_SERIAL_MAX,
			       &j->wanted) ||
			   j->wanted == 0) {
			fprintf(stderr,
			    "carnation rollback: \"%s\" is no serial\n",
			    a.value);
			return false;
		}
	}
	if (j->path == NULL)
		fprintf(stderr, "carnation rollback: name a store\n");
	return j->path != NULL;
}

static bool
is_there(const struct job *j, uint64_t serial)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->release[i] == serial)
			return true;
	return false;
}

/* The last release before current; the last of all when nothing is served. */
static uint64_t
one_before(const struct job *j, uint64_t current)
{
	uint64_t found = 0;

	for (size_t i = 0; i < j->n; i++)
		if (current == 0 || j->release[i] < current)
			found = j->release[i];
	return found;
}

static void
tell_choice(const struct job *j)
{
	struct buf text;

	buf_init(&text, LOG_LINE_MAX);
	for (size_t i = 0; i < j->n; i++)
		(void)buf_printf(
		    &text, "%s%" PRIu64, i == 0 ? "" : ", ", j->release[i]);
	if (j->n == 0)
		(void)buf_str(&text, "none");
	log_info("%s: the releases that are there: %.*s", j->path,
	    SLICE_ARGS(buf_view(&text)));
	buf_fini(&text);
}

/* What it takes to reach those who have the higher serial already. */
static void
tell_mirrors(const struct job *j, uint64_t now)
{
	struct state *st = calloc(1, sizeof(*st));
	uint64_t highest = j->n == 0 ? 0 : j->release[j->n - 1];
	struct why why;

	why_clear(&why);
	if (st == NULL)
		log_warn("out of memory");
	else
		(void)state_read(j->store, st, &why);
	if (why.text[0] != '\0')
		log_warn("%s", why.text);
	if (st != NULL && (st->serial > highest || st->is_mirror))
		highest = st->serial;
	if (now >= highest)
		;
	else if (st != NULL && st->is_mirror)
		log_info("this mirror itself takes over only what is higher "
			 "than serial %" PRIu64,
		    highest);
	else
		log_info("mirrors follow higher serials alone: they stay at "
			 "%" PRIu64 " until the pages are published again, as "
			 "%" PRIu64,
		    highest, highest + 1);
	free(st);
}

static const char *const faults[VERIFY_NEWS] = {
	[VERIFY_CHANGED] = "is not what was signed",
	[VERIFY_MISSING] = "is missing",
	[VERIFY_EXTRA] = "is not in the manifest",
	[VERIFY_UNREADABLE] = "cannot be read",
};

struct fault {
	struct why *why;
	bool found;
};

/* The first fault is enough to refuse by; verify lists them all. */
static void
note_fault(void *arg, enum verify_news news, const char *path)
{
	struct fault *f = arg;

	if (f->found)
		return;
	f->found = true;
	why_set(f->why, "%s: %s", path, faults[news]);
}

/* Whether a release is what one of these keys has signed: each file is hashed. */
static bool
is_whole(const struct job *j, uint64_t serial, const struct state *st,
    struct why *why)
{
	struct signify_key keys[STATE_KEYS_MAX];
	struct fault f = { .why = why };
	struct verify v = { .keys = keys,
		.n_keys = st->n_keys,
		.tell = note_fault,
		.arg = &f };
	bool whole;

	for (size_t i = 0; i < st->n_keys; i++)
		keys[i] = st->key[i].key;
	whole = verify_release(&v, j->store, serial, why) == VERIFY_GOOD;
	verify_fini(&v);
	return whole;
}

/* What an operator has taken a key away for is not put on the air again by a slip.
 * A store that knows no keys, or whose state is broken, cannot tell: then it is no
 * time to refuse. */
static bool
is_fit(const struct job *j, uint64_t serial, struct why *why)
{
	struct state *st = calloc(1, sizeof(*st));
	bool fit = false;

	if (st == NULL)
		return why_memory(why);
	switch (state_read(j->store, st, why)) {
	case STATE_READ:
		fit = st->n_keys == 0 || is_whole(j, serial, st, why);
		break;
	case STATE_NONE:
	case STATE_BROKEN:
		fit = true;
		break;
	case STATE_UNREAD:
		break;
	}
	free(st);
	return fit;
}

/* The trace tells of what is served, whatever the highest serial is. */
static void
write_trace(struct job *j)
{
	struct state *st = calloc(1, sizeof(*st));
	bool written = false;
	struct why why;

	if (st == NULL)
		why_memory(&why);
	/* A store that never had a state has no trace either; a broken one is
	 * reported by tell_mirrors. */
	else if (state_read(j->store, st, &why) != STATE_READ)
		written = true;
	else
		written = trace_write(j->store, st, clock_wall(), &why);
	if (!written)
		log_warn("the trace is an old one: %s", why.text);
	free(st);
}

static int
switch_to(struct job *j, uint64_t from, uint64_t to)
{
	int status = EXIT_GOOD;
	struct why why;

	if (!store_switch(j->store, to, &why)) {
		status = store_failed(&why);
	} else if (from == 0) {
		printf("rollback: now serving %" PRIu64 "\n", to);
	} else {
		printf("rollback: serial %" PRIu64 " -> %" PRIu64
		       "; now serving %" PRIu64 "\n",
		    from, to, to);
	}
	if (status == EXIT_GOOD) {
		write_trace(j);
		tell_mirrors(j, to);
	}
	return status;
}

static int
go_back(struct job *j, uint64_t from, uint64_t to)
{
	int status = EXIT_LOCAL;
	struct why why;

	if (is_fit(j, to, &why)) {
		status = switch_to(j, from, to);
	} else {
		log_error("%s/releases/%" PRIu64 ": %s: not served", j->path,
		    to, why.text);
		tell_choice(j);
	}
	return status;
}

static int
roll_back(struct job *j)
{
	uint64_t current = store_current(j->store);
	uint64_t to = j->wanted;

	/* The one before what nobody knows could be any. */
	if (to == 0 && current == 0 && !file_is_absent(errno)) {
		log_error("%s/current: %s", j->path, strerror(errno));
		return EXIT_LOCAL;
	}
	if (to == 0)
		to = one_before(j, current);
	if (to == 0 && current == 0)
		log_error("%s: there is no release", j->path);
	else if (to == 0)
		log_error("%s: there is no release before %" PRIu64
			  ", which is being served",
		    j->path, current);
	else if (!is_there(j, to))
		log_error("%s: there is no release %" PRIu64, j->path, to);
	else
		return go_back(j, current, to);
	tell_choice(j);
	return EXIT_FAILED;
}

int
verb_rollback(int argc, char **argv)
{
	struct job j = { 0 };
	int status;

	if (!parse(&j, argc, argv))
		return verb_misused("rollback");
	status = store_take(j.path, &j.store);
	if (status != EXIT_GOOD)
		return status;
	j.release = store_releases(j.store, &j.n);
	if (j.release == NULL && j.n != 0) {
		log_error("%s/releases: %s", j.path, strerror(errno));
		status = EXIT_LOCAL;
	} else {
		status = roll_back(&j);
	}
	free(j.release);
	store_close(&j.store);
	return status;
}
