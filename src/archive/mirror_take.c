/* SPDX-License-Identifier: ISC */
/* From a manifest that is an update to a release that is current. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "archive/download.h"
#include "archive/mirror_internal.h"
#include "capsule/host.h"
#include "capsule/inventory.h"
#include "capsule/listing.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/secret.h"

/* Room on the disk: what failed runs have fetched for manifests of which
 * nothing came, and which no release links to, must not fill it up. */

struct listed {
	struct store *store;
	const uint8_t **digest; /* sorted */
	size_t n;
	struct why *why;
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
	       store_discard(l->store, digest, l->why);
}

/* Removes objects that no release links to and m does not list. False and why. */
static bool
mirror_make_room(struct store *s, const struct manifest *m, struct why *why)
{
	struct listed l = { .store = s, .n = m->n, .why = why };
	bool ok;

	l.digest = calloc(l.n + 1, sizeof(*l.digest));
	if (l.digest == NULL)
		return why_memory(why);
	for (size_t i = 0; i < l.n; i++)
		l.digest[i] = m->entry[i].digest;
	qsort(l.digest, l.n, sizeof(*l.digest), room_by_digest);
	ok = store_objects(s, drop_unlisted, &l, why);
	free(l.digest);
	return ok;
}

/* Whether a release can be served: loaded as serve would load it, before the
 * switch. */

enum { ERROR_LINE_MAX = 1024, ERRORS_SHOWN_MAX = 3 };

/* A release as one that a server would serve, with what its capsule.conf says.
 * NULL: out of memory, or it cannot be opened or used; r says so. */
static struct hosts *
release_load(
    struct conf *conf, const char *store, uint64_t serial, struct report *r)
{
	struct conf_capsule *c = conf == NULL ? NULL : conf_add_capsule(conf);
	struct hosts *hosts = NULL;
	struct why why;

	if (c == NULL || !conf_set_text(conf, &c->host, "localhost") ||
	    !conf_set_text(conf, &c->root, store))
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
	else
		hosts = hosts_open_names(conf, r);
	if (hosts == NULL)
		return NULL;
	if (!host_open(&hosts->host[0], serial + 1, &why))
		report_add(r, REPORT_ERROR, store, 0, "%s", why.text);
	else if (host_read_content(hosts, &hosts->host[0], r))
		return hosts;
	hosts_free(&hosts);
	return NULL;
}

static void
say_errors(const struct report *r)
{
	uint8_t memory[ERROR_LINE_MAX];
	struct buf line;

	for (size_t i = 0, shown = 0; i < r->n && shown < ERRORS_SHOWN_MAX;
	     i++) {
		buf_wrap(&line, memory, sizeof(memory) - 1);
		if (r->items[i].level != REPORT_ERROR ||
		    !report_format(&r->items[i], &line))
			continue;
		log_warn("%s", buf_cstr(&line));
		shown++;
	}
}

/* The first path that other mirrors could not fetch; NULL: there is none. */
static const char *
find_hidden(const struct manifest *m, const struct host *h,
    char object[MIRROR_OBJECT_SIZE])
{
	for (size_t i = 0; i < MIRROR_MADE; i++)
		if (inventory_policy(h, mirror_made[i]) != STATUS_NONE)
			return mirror_made[i];
	for (size_t i = 0; i < m->n; i++) {
		mirror_object(m->entry[i].digest, object);
		if (inventory_policy(h, object) != STATUS_NONE)
			return object;
	}
	return NULL;
}

/* Loads the release of m, which is built, as serve would. *fit: this version can
 * use it, or else warnings say why. RESULT_REFUSED and why: no mirror could be made
 * of it. */
static enum result
release_try(const struct mirror_work *w, const struct manifest *m, bool *fit,
    struct why *why)
{
	struct conf *conf = conf_new();
	char object[MIRROR_OBJECT_SIZE];
	const char *hidden = NULL;
	struct report r = { 0 };
	struct hosts *hosts;

	hosts = release_load(conf, w->options->store, m->serial, &r);
	*fit = hosts != NULL;
	if (!*fit) {
		say_errors(&r);
		log_warn(
		    "release %" PRIu64 " is kept, but this version of "
		    "carnation cannot use it: it is tried again at the next "
		    "run",
		    m->serial);
	} else {
		hidden = find_hidden(m, &hosts->host[0], object);
	}
	if (hidden != NULL)
		why_set(why,
		    "its capsule.conf hides or redirects %s, which mirrors "
		    "must be able to fetch",
		    hidden);
	hosts_free(&hosts);
	conf_free(&conf);
	report_fini(&r);
	return hidden == NULL ? RESULT_GOOD : RESULT_REFUSED;
}

enum {
	FOLDED_SHOWN_MAX = 5,
	LACKING_SHOWN_MAX = 20, /* files */
	SPARE_INODES = 64,      /* directories, manifest, archive */
};

/* -------------------------------------------------------------- limits */

static bool
size_exceeds(uint64_t serial, const char *what, uint64_t size, uint64_t limit,
    const char *option, struct why *why)
{
	char has[16], most[16];

	listing_size(size, has);
	listing_size(limit, most);
	if (size > limit)
		why_set(why,
		    "serial %" PRIu64 " has %s%s, the limit is %s (%s)", serial,
		    what, has, most, option);
	return size > limit;
}

static bool
limits_allow(const struct state *st, const struct manifest *m, struct why *why)
{
	uint64_t files = st->max_files, file = st->max_file,
		 bytes = st->max_bytes;

	files = files != 0 ? files : MANIFEST_FILES_MAX;
	file = file != 0 ? file : (uint64_t)MIRROR_FILE_MIB << 20;
	bytes = bytes != 0 ? bytes : (uint64_t)MIRROR_BYTES_GIB << 30;
	if (m->files > files)
		return why_set(why,
		    "serial %" PRIu64 " has %" PRIu64
		    " files, the limit is %" PRIu64 " (--max-files)",
		    m->serial, m->files, files);
	return !size_exceeds(m->serial, "a file of ", m->largest, file,
		   "--max-file", why) &&
	       !size_exceeds(
		   m->serial, "", m->bytes, bytes, "--max-bytes", why);
}

static bool
disk_allows(const struct mirror_work *w, const struct download *d,
    const struct manifest *m, struct why *why)
{
	char needed[16], room[16];
	struct statvfs fs;
	uint64_t need, has;

	if (fstatvfs(store_fd(w->store), &fs) == -1)
		return why_errno(why, w->options->store);
	need = store_need(w->store, m, d->to_come, d->n_missing);
	has = (uint64_t)fs.f_bavail * fs.f_frsize;
	listing_size(need, needed);
	listing_size(has, room);
	if (need > has)
		return why_set(why,
		    "serial %" PRIu64 " needs %s, the disk has room for %s",
		    m->serial, needed, room);
	if (fs.f_files != 0 && d->n_missing + SPARE_INODES > fs.f_favail)
		return why_set(why,
		    "serial %" PRIu64 " needs %zu files, the disk has room for "
		    "%" PRIu64,
		    m->serial, d->n_missing + SPARE_INODES,
		    (uint64_t)fs.f_favail);
	return true;
}

/* --------------------------------------------------------------- files */

static enum result
stopped(const struct mirror_work *w, struct why *why)
{
	why_set(why, "%s; the next run resumes here",
	    fetcher_stop_word(w->fetcher));
	return fetcher_stop_result(w->fetcher);
}

/* What is lacking and why, a line each, and what that comes to. */
static enum result
lacking_report(
    const struct mirror_work *w, const struct download *d, struct why *why)
{
	const struct source *s = w->sources->at;
	size_t n = d->others > 0 ? d->others : d->failures, shown = 0;

	for (size_t i = 0; i < d->n_missing && shown < LACKING_SHOWN_MAX; i++) {
		const struct download_file *file = &d->missing[i];

		if (file->fault == NULL)
			continue;
		log_error("%s: %s", file->path, file->fault);
		shown++;
	}
	if (d->failures > shown)
		log_error("and %zu more files", d->failures - shown);
	for (size_t i = 0; i < w->sources->n; i++)
		if (s[i].said.text[0] != '\0')
			log_error("%s: %s", s[i].base, s[i].said.text);
	why_set(why, "%zu file%s %s", n, n == 1 ? "" : "s",
	    d->others == 0 ? "could not be fetched"
	    : n == 1       ? "is not what the manifest says"
			   : "are not what the manifest says");
	return d->others > 0 ? RESULT_REFUSED : RESULT_FAILED;
}

/* Whether there is a higher serial now, published meanwhile or kept back by the source
 * that was asked first: f is its manifest then. */
static bool
has_moved_on(const struct mirror_work *w, struct mirror_found *f)
{
	struct mirror_found next;
	struct why why;
	bool moved;

	sources_revive(w->sources);
	moved = mirror_find(w, true, &next, &why) == ANSWER_NEWER &&
		next.found.m.serial > f->found.m.serial;
	if (next.heard < f->heard)
		next.heard = f->heard;
	f->heard = next.heard;
	found_fini(moved ? &f->found : &next.found);
	if (moved)
		*f = next;
	return moved;
}

/* Many files come at once, in the archive; but one that broke off is not begun
 * again, nor is one of a lower serial, or two sources could take turns: each run must
 * end with more than it began with. */
static bool
archive_fetch(const struct mirror_work *w, struct download *d,
    const struct mirror_found *f, struct why *why)
{
	const struct manifest *m = &f->found.m;

	if (w->state->archive_begun >= m->serial ||
	    !unpack_is_worth(m, d->n_missing, d->to_come))
		return true;
	w->state->archive_begun = m->serial;
	return state_write(w->store, w->state, why) &&
	       unpack_archive(d, f->from, m, why);
}

/* Fetches what f lists. *lacking: not all came. */
static enum result
fetch_all(const struct mirror_work *w, const struct mirror_found *f,
    struct download *d, bool *lacking, struct why *why)
{
	const struct manifest *m = &f->found.m;

	if (!limits_allow(w->state, m, why))
		return RESULT_LOCAL;
	if (!download_plan(d, m)) {
		why_memory(why);
		return RESULT_LOCAL;
	}
	/* What has come of a higher serial is not given up for a lower one, which
	 * may be held out to us again and again, unless its room is needed. */
	if ((m->serial >= w->state->archive_begun ||
		!disk_allows(w, d, m, why)) &&
	    !mirror_make_room(w->store, m, why))
		return RESULT_LOCAL;
	if (!disk_allows(w, d, m, why) || !archive_fetch(w, d, f, why) ||
	    !download_run(d, why))
		return RESULT_LOCAL;
	if (fetcher_stopped(w->fetcher))
		return stopped(w, why);
	if (d->failures > 0) {
		*lacking = true;
		return lacking_report(w, d, why);
	}
	if (download_is_as_said(w->store, m))
		return RESULT_GOOD;
	why_set(why, "its files are not as many bytes as it says");
	return RESULT_REFUSED;
}

/* A manifest may be followed by the next one, but not forever. */
static enum result
fetch_until_whole(
    const struct mirror_work *w, struct mirror_found *f, struct why *why)
{
	enum result result = RESULT_FAILED;
	bool again = true;

	for (int round = 0; again && round <= MIRROR_ROUNDS; round++) {
		struct download d = { .fetcher = w->fetcher,
			.sources = w->sources,
			.store = w->store,
			.progress = w->options->progress,
			.arg = w->options->arg };

		again = false;
		result = fetch_all(w, f, &d, &again, why);
		again = again && has_moved_on(w, f);
		download_fini(&d);
	}
	if (!again)
		return result;
	why_set(why, "the origin publishes faster than its files come");
	return RESULT_FAILED;
}

/* ------------------------------------------------------------- release */

/* Whether a new object is what serve would not start with. Those that a release
 * has already were looked at when they came. */
static bool
is_secret(const struct store *s, const uint8_t digest[DIGEST_SIZE])
{
	uint8_t bytes[SECRET_LOOK_MAX];
	struct stat st;
	ssize_t n;
	int fd;

	/* What a release has was looked at then. */
	if (!store_object_stat(s, digest, &st) || st.st_nlink > 1)
		return false;
	fd = store_object_fd(s, digest, NULL);
	if (fd == -1)
		return false;
	n = fd_read_at(fd, bytes, sizeof(bytes), 0);
	(void)close(fd);
	return n > 0 && secret_spotted(slice_of(bytes, (size_t)n));
}

/* What publish refuses to sign may have been signed by another tool. */
static enum result
refuse_secrets(struct store *s, const struct manifest *m, struct why *why)
{
	const char *path = NULL;

	for (size_t i = 0; i < m->n; i++) {
		if (!is_secret(s, m->entry[i].digest))
			continue;
		if (!store_discard(s, m->entry[i].digest, why))
			return RESULT_LOCAL;
		if (path == NULL)
			path = m->entry[i].path;
	}
	if (path == NULL)
		return RESULT_GOOD;
	why_set(why, "%s holds a private key", path);
	return RESULT_REFUSED;
}

static void
on_folded(void *arg, const char *a, const char *b)
{
	unsigned *reported = arg;

	if ((*reported)++ < FOLDED_SHOWN_MAX)
		log_warn("%s and %s differ in case alone", a, b);
}

/* What is different from the release that is current. */
static struct changes
taking_compare(const struct mirror_work *w, const struct manifest *m)
{
	struct changes changes;
	struct manifest old;
	struct why why;
	bool has = state_open_release(
	    w->store, w->state, store_current(w->store), &old, &why);

	changes = changes_between(has ? &old : NULL, m, NULL, NULL);
	if (has)
		manifest_fini(&old);
	return changes;
}

static void
taking_prune(const struct mirror_work *w)
{
	const struct store_keeping keep = {
		.newest = STORE_KEEP,
		.back_s = STORE_BACK_S,
		.highest = w->state->serial,
	};
	struct why why;

	if (!store_prune(w->store, &keep, NULL, &why))
		log_warn("%s", why.text);
}

/* The release is built: makes it the one that is served, unless it cannot be. */
static enum result
release_switch(const struct mirror_work *w, const struct mirror_found *f,
    struct mirror_outcome *out)
{
	const struct manifest *m = &f->found.m;
	enum result result = RESULT_GOOD;
	bool fit = true;

	if (fetcher_stopped(w->fetcher))
		return stopped(w, &out->why);
	if (store_current(w->store) != m->serial)
		result = release_try(w, m, &fit, &out->why);
	if (result != RESULT_GOOD || !fit)
		return result;
	if (!store_switch(w->store, m->serial, &out->why))
		return RESULT_LOCAL;
	out->switched = true;
	/* Before all else: what is served and not remembered could be rolled
	 * back, and the key that it announces be missed. */
	if (!mirror_remember(w, &f->found, f->from, &out->why))
		return RESULT_LOCAL;
	out->updated = true;
	taking_prune(w);
	return RESULT_GOOD;
}

enum result
mirror_take(const struct mirror_work *w, struct mirror_found *f, bool mend,
    struct mirror_outcome *out)
{
	const struct manifest *m = &f->found.m;
	uint64_t wanted = m->serial;
	bool built = false;
	unsigned folded = 0;

	/* What the build finds corrupt is gone then, and fetched again, once. */
	for (int i = 0;
	     i == 0 || (i == 1 && !built && !download_is_as_said(w->store, m));
	     i++) {
		enum result result = fetch_until_whole(w, f, &out->why);

		out->serial = m->serial;
		if (result == RESULT_GOOD)
			result = refuse_secrets(w->store, m, &out->why);
		if (result != RESULT_GOOD)
			return result;
		mend =
		    mend && m->serial == wanted; /* or its author is quicker */
		/* Without its manifest, a release is taken for another one. */
		built = (!mend || store_put_manifest(w->store, m->serial,
				      buf_view(&f->found.text), &out->why)) &&
			store_build(
			    w->store, m, buf_view(&f->found.text), &out->why);
	}
	if (!built)
		return RESULT_LOCAL;
	manifest_folded(m, on_folded, &folded);
	out->changes = taking_compare(w, m);
	if (!mend)
		return release_switch(w, f, out);
	out->updated = true;
	return RESULT_GOOD;
}
