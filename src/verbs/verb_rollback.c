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
	struct state state; /* zeroed when there is none, or none to be read */
	bool known;         /* it could be read */
	struct store_release *release; /* those to go back to, in order */
	size_t n;
};

static bool
release_exists(const struct rollback_job *j, uint64_t serial)
{
	for (size_t i = 0; i < j->n; i++)
		if (j->release[i].serial == serial)
			return true;
	return false;
}

/* The last release before current; the last of all when nothing is served. */
static uint64_t
release_before(const struct rollback_job *j, uint64_t current)
{
	uint64_t found = 0;

	for (size_t i = 0; i < j->n; i++)
		if (current == 0 || j->release[i].serial < current)
			found = j->release[i].serial;
	return found;
}

static void
releases_print(const struct rollback_job *j)
{
	struct buf text;

	buf_init(&text, LOG_LINE_MAX);
	for (size_t i = 0; i < j->n; i++)
		buf_printf(&text, "%s%" PRIu64, i == 0 ? "" : ", ",
		    j->release[i].serial);
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
	const struct state *st = &j->state;
	uint64_t highest = j->n == 0 ? 0 : j->release[j->n - 1].serial;

	if (st->serial > highest || st->is_mirror)
		highest = st->serial;
	if (now >= highest)
		return;
	if (st->is_mirror)
		log_info("this mirror will accept only serials above %" PRIu64,
		    highest);
	else
		log_info(
		    "mirrors accept only higher serials: they keep %" PRIu64
		    " until the pages are published again, as %" PRIu64,
		    highest, highest + 1);
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

/* A release that was signed by a key the operator has since removed is not served
 * again by mistake, nor one with a file that is not as signed: each is hashed. A store
 * that has no keys, or whose state is broken, gives no reason to refuse. */
static bool
release_is_fit(const struct rollback_job *j, uint64_t serial, struct why *why)
{
	struct fault f = { .why = why };
	const struct verify_options o = {
		.ring = &j->state.ring, .report = fault_note, .arg = &f
	};
	struct verify_outcome out = { .sound = false };
	bool whole;

	if (o.ring->n == 0)
		return true;
	whole = verify_release(&o, j->store, serial, &out) == RESULT_GOOD;
	if (!f.found)
		*why = out.why;
	verify_fini(&out);
	return whole;
}

/* The trace describes what is served, whatever the highest serial is. A store that
 * never had a state has no trace either. */
static void
trace_renew(struct rollback_job *j)
{
	struct why why;

	if (j->known && !trace_write(j->store, &j->state, clock_wall(), &why))
		log_warn("the trace has not been updated: %s", why.text);
}

/* The archive of a release goes when another takes its place: it is made again before
 * the switch back. What is served needs none, so a full disk does not make us go on
 * serving what is to be taken back. */
static void
archive_renew(struct rollback_job *j, uint64_t serial)
{
	uint8_t signature[SIGNIFY_SIGNATURE_SIZE];
	struct slice name, list;
	struct manifest m;
	struct why why;
	struct buf text;
	bool made = false;

	buf_init(&text, MANIFEST_MAX);
	if (!store_read(j->store, serial, MANIFEST_PATH, &text)) {
		why_errno(&why, MANIFEST_PATH);
	} else if (!signify_split(buf_view(&text), &name, signature, &list)) {
		why_set(&why, MANIFEST_PATH ": not signed");
	} else if (manifest_parse(list, &m, &why)) {
		why_set(&why, MANIFEST_PATH ": of another serial");
		made = m.serial == serial &&
		       store_build(j->store, &m, buf_view(&text), &why);
		manifest_fini(&m);
	}
	if (!made)
		log_warn("release %" PRIu64 " is served without its archive: "
			 "%s",
		    serial, why.text);
	buf_fini(&text);
}

static enum result
release_restore(struct rollback_job *j, uint64_t from, uint64_t to)
{
	struct why why;

	if (!release_is_fit(j, to, &why)) {
		log_error("%s/releases/%" PRIu64 ": not served: %s", j->path,
		    to, why.text);
		releases_print(j);
		return RESULT_LOCAL;
	}
	if (to != from)
		archive_renew(j, to);
	if (!store_switch(j->store, to, &why)) {
		log_error("%s", why.text);
		return RESULT_LOCAL;
	}
	if (from == 0)
		printf("rollback: now serving %" PRIu64 "\n", to);
	else
		printf("rollback: serial %" PRIu64 " -> %" PRIu64
		       "; now serving %" PRIu64 "\n",
		    from, to, to);
	trace_renew(j);
	mirrors_explain(j, to);
	return RESULT_GOOD;
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
		log_error("%s: %s %" PRIu64, j->path,
		    state_retracts(&j->state, to) ? "retracted: release"
						  : "no release",
		    to);
	else
		return release_restore(j, current, to);
	releases_print(j);
	return RESULT_FAILED;
}

/* What to choose from: not a release that was retracted and could not yet be
 * removed. */
static bool
releases_find(struct rollback_job *j)
{
	size_t all, n = 0;

	j->release = store_releases(j->store, &all);
	if (j->release == NULL && all != 0) {
		log_error("%s/releases: %s", j->path, strerror(errno));
		return false;
	}
	for (size_t i = 0; i < all; i++)
		if (!state_retracts(&j->state, j->release[i].serial))
			j->release[n++] = j->release[i];
	j->n = n;
	return true;
}

static bool
state_find(struct rollback_job *j)
{
	struct why why;
	enum state_read got = state_read(j->store, &j->state, &why);

	j->known = got == STATE_READ;
	if (got == STATE_UNREAD)
		log_error("%s", why.text);
	if (got == STATE_BROKEN) {
		log_warn("%s", why.text);
		j->state = (struct state){ 0 };
	}
	return got != STATE_UNREAD;
}

static enum result
rollback_run(void *job)
{
	struct rollback_job *j = job;
	enum result result = verb_store_take(j->path, &j->store);

	if (result != RESULT_GOOD)
		return result;
	result = state_find(j) && releases_find(j) ? rollback(j) : RESULT_LOCAL;
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
