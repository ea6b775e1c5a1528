/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/manifest.h"
#include "archive/state.h"
#include "archive/store.h"
#include "archive/verify.h"
#include "os/file.h"
#include "util/clock.h"
#include "util/log.h"
#include "verbs/verbs.h"

struct rollback_job {
	const char *path;
	uint64_t wanted; /* 0: the one before */
	struct store *store;
	uint64_t *release; /* those in the store, in order */
	size_t n;
};

static bool
release_exists(const struct rollback_job *j, uint64_t serial)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->release[i] == serial)
			return true;
	return false;
}

/* The last release before current; the last of all when nothing is served. */
static uint64_t
release_before(const struct rollback_job *j, uint64_t current)
{
	uint64_t found = 0;

	for (size_t i = 0; i < j->n; i++)
		if (current == 0 || j->release[i] < current)
			found = j->release[i];
	return found;
}

static void
releases_print(const struct rollback_job *j)
{
	struct buf text;

	buf_init(&text, LOG_LINE_MAX);
	for (size_t i = 0; i < j->n; i++)
		buf_printf(
		    &text, "%s%" PRIu64, i == 0 ? "" : ", ", j->release[i]);
	if (j->n == 0)
		buf_str(&text, "none");
	log_info("%s: releases in the store: %.*s", j->path,
	    SLICE_ARGS(buf_view(&text)));
	buf_fini(&text);
}

/* Mirrors that have a higher serial already do not follow. */
static void
mirrors_explain(const struct rollback_job *j, uint64_t now)
{
	struct state *st = calloc(1, sizeof(*st));
	uint64_t highest = j->n == 0 ? 0 : j->release[j->n - 1];
	struct why why;

	why_clear(&why);
	if (st == NULL)
		log_warn("out of memory");
	else
		state_read(j->store, st, &why);
	if (why.text[0] != '\0')
		log_warn("%s", why.text);
	if (st != NULL && (st->serial > highest || st->is_mirror))
		highest = st->serial;
	if (now >= highest)
		;
	else if (st != NULL && st->is_mirror)
		log_info("this mirror will accept only serials above %" PRIu64,
		    highest);
	else
		log_info(
		    "mirrors accept only higher serials: they keep %" PRIu64
		    " until the pages are published again, as %" PRIu64,
		    highest, highest + 1);
	free(st);
}

static const char *const faults[VERIFY_NEWS] = {
	[VERIFY_CHANGED] = "not as signed",
	[VERIFY_MISSING] = "missing",
	[VERIFY_EXTRA] = "not in the manifest",
	[VERIFY_UNREADABLE] = "cannot be read",
};

struct fault {
	struct why *why;
	bool found;
};

/* The first fault is enough to refuse; verify lists them all. */
static void
fault_note(void *arg, enum verify_news news, const char *path)
{
	struct fault *f = arg;

	if (f->found)
		return;
	f->found = true;
	why_set(f->why, "%s: %s", path, faults[news]);
}

/* Whether a release is what one of these keys has signed: each file is hashed. */
static bool
release_is_whole(const struct rollback_job *j, uint64_t serial,
    const struct state *st, struct why *why)
{
	struct fault f = { .why = why };
	struct verify v = { .ring = st->ring, .report = fault_note, .arg = &f };
	bool whole;

	whole = verify_release(&v, j->store, serial, why) == RESULT_GOOD;
	verify_fini(&v);
	return whole;
}

/* A release that was signed by a key the operator has since removed is not served
 * again by mistake. A store that has no keys, or whose state is broken, gives no
 * reason to refuse. */
static bool
release_is_fit(const struct rollback_job *j, uint64_t serial, struct why *why)
{
	struct state *st = calloc(1, sizeof(*st));
	bool fit = false;

	if (st == NULL)
		return why_memory(why);
	switch (state_read(j->store, st, why)) {
	case STATE_READ:
		fit = st->ring.n == 0 || release_is_whole(j, serial, st, why);
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

/* The trace describes what is served, whatever the highest serial is. */
static void
trace_renew(struct rollback_job *j)
{
	struct state *st = calloc(1, sizeof(*st));
	bool written = false;
	struct why why;

	if (st == NULL)
		why_memory(&why);
	/* A store that never had a state has no trace either; a broken one is
	 * reported by mirrors_explain. */
	else if (state_read(j->store, st, &why) != STATE_READ)
		written = true;
	else
		written = trace_write(j->store, st, clock_wall(), &why);
	if (!written)
		log_warn("the trace has not been updated: %s", why.text);
	free(st);
}

static enum result
release_switch(struct rollback_job *j, uint64_t from, uint64_t to)
{
	enum result status = RESULT_GOOD;
	struct why why;

	if (!store_switch(j->store, to, &why)) {
		log_error("%s", why.text);
		status = RESULT_LOCAL;
	} else if (from == 0) {
		printf("rollback: now serving %" PRIu64 "\n", to);
	} else {
		printf("rollback: serial %" PRIu64 " -> %" PRIu64
		       "; now serving %" PRIu64 "\n",
		    from, to, to);
	}
	if (status == RESULT_GOOD) {
		trace_renew(j);
		mirrors_explain(j, to);
	}
	return status;
}

static enum result
release_restore(struct rollback_job *j, uint64_t from, uint64_t to)
{
	enum result status = RESULT_LOCAL;
	struct why why;

	if (release_is_fit(j, to, &why)) {
		status = release_switch(j, from, to);
	} else {
		log_error("%s/releases/%" PRIu64 ": not served: %s", j->path,
		    to, why.text);
		releases_print(j);
	}
	return status;
}

static enum result
rollback(struct rollback_job *j)
{
	uint64_t current = store_current(j->store);
	uint64_t to = j->wanted;

	/* Without the current one there is no "one before". */
	if (to == 0 && current == 0 && !file_is_absent(errno)) {
		log_error("%s/current: %s", j->path, strerror(errno));
		return RESULT_LOCAL;
	}
	if (to == 0)
		to = release_before(j, current);
	if (to == 0 && current == 0)
		log_error("%s: the store has no release", j->path);
	else if (to == 0)
		log_error("%s: no release before %" PRIu64
			  ", which is being served",
		    j->path, current);
	else if (!release_exists(j, to))
		log_error("%s: no release %" PRIu64, j->path, to);
	else
		return release_restore(j, current, to);
	releases_print(j);
	return RESULT_FAILED;
}

static enum result
rollback_run(void *job)
{
	struct rollback_job *j = job;
	enum result result = verb_store_take(j->path, &j->store);

	if (result != RESULT_GOOD)
		return result;
	j->release = store_releases(j->store, &j->n);
	if (j->release == NULL && j->n != 0) {
		log_error("%s/releases: %s", j->path, strerror(errno));
		result = RESULT_LOCAL;
	} else {
		result = rollback(j);
	}
	free(j->release);
	store_close(&j->store);
	return result;
}

/* clang-format off */
const struct verb verb_rollback = {
	.name = "rollback",
	.summary = "serve an earlier release again",
	.about =
	    "Serves the release before the current one again, or the one with "
	    "SERIAL, unless it has been pruned. Clients see it at once. "
	    "Mirrors do not: they accept only higher serials, so what they "
	    "have is replaced only by publishing again. Every file of the "
	    "release is hashed first; a release with a file that is not as "
	    "signed is not served.\n",
	.args = (const struct arg[]){
		{ "STORE", 0, NULL, NULL,
		    ARG_TEXT(struct rollback_job, path) },
		{ "SERIAL", 0, NULL, NULL,
		    ARG_NUMBER(struct rollback_job, wanted, 1,
			STORE_SERIAL_MAX), .optional = true },
		{ .name = NULL },
	},
	.job_size = sizeof(struct rollback_job),
	.run = rollback_run,
};
/* clang-format on */
