/* SPDX-License-Identifier: ISC */
/* From a manifest that is an update to a release that is current. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "archive/mirror_internal.h"
#include "capsule/host.h"
#include "capsule/inventory.h"
#include "util/fd.h"
#include "util/secret.h"

/* Room on the disk: what failed runs have fetched for manifests of which
 * nothing came, and which no release links to, must not fill it up. */

struct listed {
	struct mirror *m;
	const uint8_t **digest; /* sorted */
	size_t n;
};

static int
room_by_digest(const void *a, const void *b)
{
	return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b,
	    DIGEST_SIZE);
}

static bool
drop_unlisted(void *arg, const uint8_t digest[DIGEST_SIZE], uint64_t links)
{
	struct listed *l = arg;

	return links > 0 ||
	       bsearch(&digest, l->digest, l->n, sizeof(*l->digest),
		   room_by_digest) != NULL ||
	       store_discard(l->m->store, digest, &l->m->out->why);
}

/* Removes objects that no release links to and m->found does not list.
 * MIRROR_UPDATED, or MIRROR_LOCAL and why. */
static enum mirror_result
mirror_make_room(struct mirror *m)
{
	const struct manifest *list = &m->found.m;
	struct listed l = { .m = m, .n = list->n };
	bool ok;

	l.digest = calloc(l.n + 1, sizeof(*l.digest));
	if (l.digest == NULL)
		return mirror_fail(m, MIRROR_LOCAL, "out of memory");
	for (size_t i = 0; i < l.n; i++)
		l.digest[i] = list->entry[i].digest;
	qsort(l.digest, l.n, sizeof(*l.digest), room_by_digest);
	ok = store_objects(m->store, drop_unlisted, &l, &m->out->why);
	free(l.digest);
	return ok ? MIRROR_UPDATED : MIRROR_LOCAL;
}

/* Whether a release can be served: loaded as serve would load it, before the
 * switch. */

enum { ERROR_LINE_MAX = 1024, ERRORS_SHOWN_MAX = 3 };

/* A release and what its capsule.conf says. */
struct tried {
	struct conf *conf;
	struct hosts *hosts;
};

static void
tried_close(struct tried *t)
{
	hosts_free(&t->hosts);
	conf_free(&t->conf);
}

/* The release of m->found, as one that a server would serve. False: out of
 * memory, or it cannot be opened; r says so. */
static bool
tried_open(struct tried *t, const struct mirror *m, struct report *r)
{
	struct conf_capsule *c = NULL;
	struct why why;

	*t = (struct tried){ .conf = conf_new() };
	if (t->conf != NULL)
		c = conf_add_capsule(t->conf);
	if (c == NULL || !conf_set_text(t->conf, &c->host, "localhost") ||
	    !conf_set_text(t->conf, &c->root, m->options->store)) {
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		return false;
	}
	t->hosts = hosts_open_names(t->conf, r);
	if (t->hosts == NULL)
		return false;
	if (host_open(&t->hosts->host[0], m->found.m.serial + 1, &why))
		return true;
	report_add(r, REPORT_ERROR, m->options->store, 0, "%s", why.text);
	return false;
}

static void
say_errors(const struct mirror *m, const struct report *r)
{
	uint8_t memory[ERROR_LINE_MAX];
	struct buf line;

	for (size_t i = 0, shown = 0; i < r->n && shown < ERRORS_SHOWN_MAX;
	     i++) {
		buf_wrap(&line, memory, sizeof(memory) - 1);
		if (r->items[i].level != REPORT_ERROR ||
		    !report_format(&r->items[i], &line))
			continue;
		mirror_say(m, MIRROR_WARNING, "%s", buf_cstr(&line));
		shown++;
	}
}

/* The first path that other mirrors could not fetch; NULL: there is none. */
static const char *
find_hidden(const struct mirror *m, const struct host *h,
    char object[MIRROR_OBJECT_SIZE])
{
	const struct manifest *l = &m->found.m;

	for (size_t i = 0; i < MIRROR_MADE; i++)
		if (inventory_policy(h, mirror_made[i]) != STATUS_NONE)
			return mirror_made[i];
	for (size_t i = 0; i < l->n; i++) {
		mirror_object(l->entry[i].digest, object);
		if (inventory_policy(h, object) != STATUS_NONE)
			return object;
	}
	return NULL;
}

/* Loads the release of m->found, which is built, as serve would. MIRROR_UPDATED: it
 * can be served. MIRROR_SAME, with warnings: this version cannot use it; it is kept,
 * and the next run tries again. MIRROR_REFUSED: no mirror could be made of it. */
static enum mirror_result
mirror_try(struct mirror *m)
{
	char object[MIRROR_OBJECT_SIZE];
	enum mirror_result result = MIRROR_UPDATED;
	const char *hidden = NULL;
	struct report r = { 0 };
	struct tried t;

	if (!tried_open(&t, m, &r) ||
	    !host_read_content(t.hosts, &t.hosts->host[0], &r)) {
		say_errors(m, &r);
		mirror_say(m, MIRROR_WARNING,
		    "release %" PRIu64 " is kept, but this version of "
		    "carnation cannot use it: it is tried again at the next "
		    "run",
		    m->found.m.serial);
		result = MIRROR_SAME;
	} else {
		hidden = find_hidden(m, &t.hosts->host[0], object);
	}
	if (hidden != NULL)
		result = mirror_fail(m, MIRROR_REFUSED,
		    "its capsule.conf hides or redirects %s, which mirrors "
		    "must be able to fetch",
		    hidden);
	tried_close(&t);
	report_fini(&r);
	return result;
}

enum {
	FOLDED_SHOWN_MAX = 5,
	SPARE_INODES = 64, /* directories, manifest, archive */
};

/* -------------------------------------------------------------- limits */

static enum mirror_result
hold_against_limits(struct mirror *m)
{
	const struct mirror_options *w = m->options;
	const struct manifest *l = &m->found.m;

	if (l->files > w->max_files)
		return mirror_fail(m, MIRROR_LOCAL,
		    "serial %" PRIu64 " has %" PRIu64
		    " files, the limit is %" PRIu64 " (--max-files)",
		    l->serial, l->files, w->max_files);
	if (l->largest > w->max_file)
		return mirror_fail(m, MIRROR_LOCAL,
		    "serial %" PRIu64 " has a file of %" PRIu64
		    " bytes, the limit is %" PRIu64 " (--max-file)",
		    l->serial, l->largest, w->max_file);
	if (l->bytes > w->max_bytes)
		return mirror_fail(m, MIRROR_LOCAL,
		    "serial %" PRIu64 " has %" PRIu64
		    " bytes, the limit is %" PRIu64 " (--max-bytes)",
		    l->serial, l->bytes, w->max_bytes);
	return MIRROR_UPDATED;
}

/* Room for what comes and for the archive, which each release has of its own. */
static enum mirror_result
hold_against_disk(struct mirror *m, const struct download *d)
{
	const struct manifest *l = &m->found.m;
	uint64_t need, room;
	struct statvfs fs;

	if (fstatvfs(store_fd(m->store), &fs) == -1)
		return mirror_fail(m, MIRROR_LOCAL, "%s: %s", m->options->store,
		    strerror(errno));
	need = store_need(m->store, l, d->to_come, d->n_missing);
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (need > room)
		return mirror_fail(m, MIRROR_LOCAL,
		    "serial %" PRIu64 " needs %" PRIu64
		    " bytes, the disk has room for %" PRIu64,
		    l->serial, need, room);
	if (fs.f_files != 0 && d->n_missing + SPARE_INODES > fs.f_favail)
		return mirror_fail(m, MIRROR_LOCAL,
		    "serial %" PRIu64 " needs %zu files, the disk has room for "
		    "%" PRIu64,
		    l->serial, d->n_missing + SPARE_INODES,
		    (uint64_t)fs.f_favail);
	return MIRROR_UPDATED;
}

/* --------------------------------------------------------------- files */

static void
taking_on_progress(void *arg, const struct download *d)
{
	const struct mirror *m = arg;
	const struct mirror_progress p = { .files = d->files,
		.files_all = d->n_missing,
		.bytes = d->bytes,
		.bytes_all = d->to_come };

	if (m->options->listener.progress != NULL)
		m->options->listener.progress(m->options->listener.arg, &p);
}

/* What is lacking and why, a line each, and the result that it makes. */
static enum mirror_result
list_lacking(struct mirror *m, const struct download *d, struct buf *list)
{
	static const char *const words[] = {
		[DOWNLOAD_UNREACHED] = "could not be fetched",
		[DOWNLOAD_ABSENT] = "no source has it",
		[DOWNLOAD_OTHER] = "is not what the manifest says",
	};
	const struct source *s = m->sources.at;

	for (size_t i = 0; i < d->failures && i < DOWNLOAD_SHOWN_MAX; i++)
		buf_printf(list, "%s: %s\n", d->reported[i].file->path,
		    words[d->reported[i].fault]);
	if (d->failures > DOWNLOAD_SHOWN_MAX)
		buf_printf(list, "and %zu more files\n",
		    d->failures - DOWNLOAD_SHOWN_MAX);
	for (size_t i = 0; i < m->sources.n; i++)
		if (s[i].said.text[0] != '\0')
			buf_printf(list, "%s: %s\n", s[i].base, s[i].said.text);
	if (d->others > 0)
		return mirror_fail(m, MIRROR_REFUSED,
		    "%zu file%s not what the manifest says", d->others,
		    d->others == 1 ? " is" : "s are");
	return mirror_fail(m, MIRROR_LATER, "%zu file%s could not be fetched",
	    d->failures, d->failures == 1 ? "" : "s");
}

/* Whether another serial was published while the files were fetched: the run
 * continues with that. */
static bool
has_moved_on(struct mirror *m)
{
	uint64_t serial = m->found.m.serial;
	struct why why = m->out->why;
	bool moved;

	sources_revive(&m->sources);
	moved = mirror_find(m) == MIRROR_UPDATED && m->found.m.serial > serial;
	m->out->why = why;
	m->out->serial = moved ? m->found.m.serial : serial;
	return moved;
}

/* Files were lacking: MIRROR_UPDATED when there is another manifest to try. */
static enum mirror_result
lacking_handle(struct mirror *m, const struct download *d, int round)
{
	enum mirror_result result;
	struct slice rest, line;
	struct buf list;
	bool moved;

	buf_init(&list, MIRROR_LINES_MAX);
	result = list_lacking(m, d, &list);
	moved = !fetcher_stopped(&m->fetcher) && has_moved_on(m);
	if (moved && round < MIRROR_ROUNDS) {
		why_clear(&m->out->why);
		result = MIRROR_UPDATED;
	} else if (moved) {
		result = mirror_fail(m, MIRROR_LATER,
		    "the origin publishes faster than its files come");
	} else {
		for (rest = buf_view(&list); slice_line(&rest, &line);)
			mirror_say(m, MIRROR_ERROR, "%.*s", SLICE_ARGS(line));
	}
	buf_fini(&list);
	return result;
}

/* Fetches what m->found lists. *lacking: not all came. */
static enum mirror_result
fetch_all(struct mirror *m, struct download *d, bool *lacking)
{
	enum mirror_result result = hold_against_limits(m);

	if (result == MIRROR_UPDATED)
		result = mirror_make_room(m);
	if (result != MIRROR_UPDATED)
		return result;
	if (!download_plan(d, &m->found.m))
		return mirror_fail(m, MIRROR_LOCAL, "out of memory");
	result = hold_against_disk(m, d);
	if (result != MIRROR_UPDATED)
		return result;
	switch (download_run(d, &m->out->why)) {
	case DOWNLOAD_WHOLE:
		break;
	case DOWNLOAD_LACKING:
		*lacking = true;
		return MIRROR_LATER;
	case DOWNLOAD_LOCAL:
		return MIRROR_LOCAL;
	case DOWNLOAD_STOPPED:
		return mirror_fail(
		    m, MIRROR_LATER, "interrupted; the next run resumes here");
	}
	if (!download_is_as_said(m->store, &m->found.m))
		return mirror_fail(m, MIRROR_REFUSED,
		    "its files are not as many bytes as it says");
	return MIRROR_UPDATED;
}

/* A manifest may be followed by the next one, but not forever. */
static enum mirror_result
fetch_until_whole(struct mirror *m)
{
	enum mirror_result result;
	bool lacking;
	int round = 0;

	do {
		struct download d = { .fetcher = &m->fetcher,
			.sources = &m->sources,
			.store = m->store,
			.progress = taking_on_progress,
			.arg = m };

		lacking = false;
		result = fetch_all(m, &d, &lacking);
		if (lacking)
			result = lacking_handle(m, &d, ++round);
		download_fini(&d);
	} while (lacking && result == MIRROR_UPDATED);
	return result;
}

/* ------------------------------------------------------------- release */

/* Whether a new object is what serve would not start with. Those that a release
 * has already were looked at when they came. */
static bool
is_secret(const struct store *s, const uint8_t digest[DIGEST_SIZE])
{
	uint8_t bytes[SECRET_LOOK_MAX];
	int fd = store_object_fd(s, digest);
	struct stat st;
	ssize_t n = -1;

	if (fd == -1)
		return false;
	if (fstat(fd, &st) == 0 && st.st_nlink == 1)
		n = fd_read_at(fd, bytes, sizeof(bytes), 0);
	(void)close(fd);
	return n > 0 && secret_spotted(slice_of(bytes, (size_t)n));
}

/* What publish refuses to sign may have been signed by another tool. */
static enum mirror_result
refuse_secrets(struct mirror *m)
{
	const struct manifest *l = &m->found.m;
	enum mirror_result result = MIRROR_UPDATED;

	for (size_t i = 0; i < l->n; i++) {
		if (!is_secret(m->store, l->entry[i].digest))
			continue;
		if (!store_discard(m->store, l->entry[i].digest, &m->out->why))
			return MIRROR_LOCAL;
		if (result == MIRROR_UPDATED)
			result = mirror_fail(m, MIRROR_REFUSED,
			    "%s holds a private key", l->entry[i].path);
	}
	return result;
}

struct folded {
	const struct mirror *m;
	unsigned reported;
};

static void
on_folded(void *arg, const char *a, const char *b)
{
	struct folded *f = arg;

	if (f->reported++ < FOLDED_SHOWN_MAX)
		mirror_say(f->m, MIRROR_WARNING,
		    "%s and %s differ in case alone", a, b);
}

/* What is different from the release that is current. */
static void
taking_compare(struct mirror *m)
{
	struct buf text;
	struct why why;
	uint8_t signature[SIGNIFY_SIGNATURE_SIZE];
	struct slice name, list;
	struct manifest old;
	bool has;

	buf_init(&text, MANIFEST_MAX);
	has = store_manifest(m->store, store_current(m->store), &text) &&
	      signify_split(buf_view(&text), &name, signature, &list) &&
	      manifest_parse(list, &old, &why);
	buf_fini(&text);
	m->out->changes =
	    changes_between(has ? &old : NULL, &m->found.m, NULL, NULL);
	if (has)
		manifest_fini(&old);
}

static void
taking_prune(struct mirror *m)
{
	const struct store_keeping keep = {
		.newest = STORE_KEEP,
		.back_s = STORE_BACK_S,
		.highest = m->state.serial,
	};
	struct why why;

	if (!store_prune(m->store, &keep, NULL, &why))
		mirror_say(m, MIRROR_WARNING, "%s", why.text);
}

enum mirror_result
mirror_take(struct mirror *m)
{
	enum mirror_result result = fetch_until_whole(m);
	struct folded folded = { .m = m };

	if (result == MIRROR_UPDATED)
		result = refuse_secrets(m);
	if (result != MIRROR_UPDATED)
		return result;
	manifest_folded(&m->found.m, on_folded, &folded);
	taking_compare(m);
	if (!store_build(
		m->store, &m->found.m, buf_view(&m->found.text), &m->out->why))
		return MIRROR_LOCAL;
	if (fetcher_stopped(&m->fetcher))
		return mirror_fail(
		    m, MIRROR_LATER, "interrupted; the next run resumes here");
	if (store_current(m->store) != m->found.m.serial)
		result = mirror_try(m);
	if (result != MIRROR_UPDATED)
		return result;
	if (!store_switch(m->store, m->found.m.serial, &m->out->why))
		return MIRROR_LOCAL;
	m->out->switched = true;
	/* Before all else: what is served and not remembered could be rolled
	 * back, and the key that it announces be missed. */
	if (!mirror_remember(m, &m->found))
		return MIRROR_LOCAL;
	taking_prune(m);
	return MIRROR_UPDATED;
}
