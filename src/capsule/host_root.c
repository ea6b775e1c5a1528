/* SPDX-License-Identifier: ISC */
/* The directory that a capsule is served from: one of the operator's, or the
 * current release of a store (carnation-mirror(7)), which is a directory with
 * objects/, releases/ and the symbolic link `current`. And host_mark() of
 * host.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capsule/host.h"
#include "capsule/store_layout.h"
#include "os/file.h"
#include "proto/request.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/list.h"
#include "util/secret.h"

static const char *
root_current_fault(int error)
{
	switch (error) {
	case ENOENT:
		return "nothing has been published into this store yet";
	case EINVAL:
		return "a store whose `" STORE_CURRENT
		       "` is not a symbolic link";
	default:
		return strerror(error);
	}
}

/* The target of the store's `current`, into link. */
static bool
root_read_current(struct host *h, char *link, size_t size, struct why *why)
{
	ssize_t len = readlinkat(h->store, STORE_CURRENT, link, size - 1);

	if (len == -1)
		return why_set(why, "%s", root_current_fault(errno));
	link[len] = '\0';
	h->serial = store_layout_linked(slice_of(link, (size_t)len));
	if (h->serial == 0)
		why_set(why,
		    "a store whose link `" STORE_CURRENT
		    "` leads to \"%s\", which "
		    "is not one of its releases",
		    link);
	return h->serial != 0;
}

/* The newest release older than below; 0: there is none. */
static uint64_t
release_find_older(int store, uint64_t below)
{
	uint64_t serial, newest = 0;
	struct file_names list;
	const char *name;

	file_names_open(&list, store, STORE_RELEASES);
	while ((name = file_names_next(&list)) != NULL) {
		serial = store_layout_serial(slice_str(name));
		if (serial < below && serial > newest)
			newest = serial;
	}
	(void)file_names_close(&list);
	return newest;
}

/* Whether what is open at fd is held from now on, and still has its name. */
static bool
release_hold(int store, const char *name, int fd)
{
	struct stat now, st;

	return flock(fd, LOCK_SH | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
	       fstatat(store, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       now.st_dev == st.st_dev && now.st_ino == st.st_ino;
}

/* The link is read once and its target is opened, so that the serial is that
 * of the directory, whatever is switched meanwhile. */
static bool
release_open(struct host *h, uint64_t below, struct why *why)
{
	char name[NAME_MAX + 1];
	struct stat st;

	if (below == 0 && !root_read_current(h, name, sizeof(name), why))
		return false;
	if (below != 0) {
		h->serial = release_find_older(h->store, below);
		if (h->serial == 0)
			return why_set(why, "no older release");
		store_layout_release(h->serial, name);
	}
	if (file_open_beneath(h->store, name, &h->root, &st) == FILE_OPENED &&
	    S_ISDIR(st.st_mode) && release_hold(h->store, name, h->root))
		return true;
	return why_set(why,
	    "a store whose %s release, %s, is not there or cannot be opened",
	    below == 0 ? "current" : "newest older", name);
}

static bool
root_open_directory(struct host *h, uint64_t below, struct why *why)
{
	h->root = file_root(h->conf->root.text);
	if (h->root != -1 && store_layout_is(h->root)) {
		h->store = h->root;
		h->root = -1;
		if (!release_open(h, below, why))
			return false;
	}
	if (h->root == -1)
		return why_set(why, "%s", strerror(errno));
	return true;
}

bool
host_open(struct host *h, uint64_t below, struct why *why)
{
	uint64_t serial;

	h->root = h->store = -1;
	h->serial = 0;
	if (root_open_directory(h, below, why))
		return true;
	serial = h->serial;
	host_close(h);
	h->serial = serial;
	return false;
}

bool
host_may_enter(int dir)
{
	struct stat st;

	return fstatat(dir, ".", &st, 0) == 0 || errno != EACCES;
}

bool
host_root_open(struct host *h, struct report *r)
{
	const struct conf_text *root = &h->conf->root;
	struct why why;
	bool ok;

	ok = host_open(h, 0, &why);
	if (!ok)
		report_add(r, REPORT_ERROR, root->file, root->line,
		    "root %s: %s", root->text, why.text);
	return ok;
}

void
host_close(struct host *h)
{
	fd_close(h->root);
	fd_close(h->store);
	h->root = h->store = -1;
	h->serial = 0;
	free(h->withheld);
	h->withheld = NULL;
	h->n_withheld = 0;
	h->withholds_all = false;
	free(h->snapshot.bytes);
	h->snapshot = (struct host_snapshot){ 0 };
}

bool
host_adopt(struct host *h, const struct host *from)
{
	const struct host_snapshot *s = &from->snapshot;

	h->root = fcntl(from->root, F_DUPFD_CLOEXEC, 0);
	if (from->store != -1)
		h->store = fcntl(from->store, F_DUPFD_CLOEXEC, 0);
	h->serial = from->serial;
	if (h->root != -1 && (from->store == -1 || h->store != -1) &&
	    (!s->taken || host_snapshot(h, s->there ? s->bytes : NULL, s->len)))
		return true;
	host_close(h);
	return false;
}

static int
withheld_compare(const void *a, const void *b)
{
	return memcmp(a, b, DIGEST_SIZE);
}

static uint8_t *
withheld_find(const struct host *h, const uint8_t digest[DIGEST_SIZE])
{
	return h->n_withheld == 0 ? NULL
				  : bsearch(digest, h->withheld, h->n_withheld,
					sizeof(*h->withheld), withheld_compare);
}

bool
host_withholds(const struct host *h, const uint8_t digest[DIGEST_SIZE])
{
	return h->withholds_all || withheld_find(h, digest) != NULL;
}

/* A look through manifests: hidden files are added, or shown ones taken away. */
struct withholding {
	struct host *h;
	bool hidden;
};

enum { BEFORE_NAME = DIGEST_HEX_SIZE - 1 + 2 };

/* One line of a manifest: "HASH  PATH", or whatever else. False: out of memory. */
static bool
withhold_line(const struct withholding *w, struct slice line)
{
	char path[REQUEST_URI_MAX];
	struct slice name;
	uint8_t digest[DIGEST_SIZE], *found;
	const uint8_t *last;
	void *more;

	if (line.len <= BEFORE_NAME || line.len - BEFORE_NAME >= sizeof(path) ||
	    !digest_parse(slice_head(line, DIGEST_HEX_SIZE - 1), digest))
		return true;
	name = slice_skip(line, BEFORE_NAME);
	memcpy(path, name.ptr, name.len);
	path[name.len] = '\0';
	if (host_hides_path(w->h, path) != w->hidden)
		return true;
	if (w->hidden) {
		more = array_grow(
		    w->h->withheld, w->h->n_withheld, sizeof(digest));
		if (more == NULL)
			return false;
		w->h->withheld = more;
		memcpy(
		    w->h->withheld[w->h->n_withheld++], digest, sizeof(digest));
	}
	while (!w->hidden && (found = withheld_find(w->h, digest)) != NULL) {
		last = w->h->withheld[--w->h->n_withheld];
		memmove(found, found + sizeof(digest), (size_t)(last - found));
	}
	return true;
}

static bool
withhold_of_manifest(const struct withholding *w, int fd)
{
	uint8_t bytes[16 * 1024];
	struct slice rest = SLICE(""), line, after;
	bool ok = true;
	ssize_t n;

	while (ok && (n = fd_read(fd, bytes + rest.len,
			  sizeof(bytes) - rest.len)) > 0) {
		rest = slice_of(bytes, rest.len + (size_t)n);
		while (ok && slice_cut(rest, '\n', &line, &after)) {
			ok = withhold_line(w, line);
			rest = after;
		}
		/* A manifest has no line that long. */
		if (rest.len == sizeof(bytes))
			rest.len = 0;
		memmove(bytes, rest.ptr, rest.len);
	}
	return ok && n == 0;
}

static bool
withhold_of_releases(const struct withholding *w)
{
	char path[STORE_PATH_SIZE + sizeof("/" MANIFEST_PATH)];
	struct file_names list;
	enum file_open opened;
	const char *name;
	struct stat st;
	bool ok = true;
	int fd;

	file_names_open(&list, w->h->store, STORE_RELEASES);
	while (ok && (name = file_names_next(&list)) != NULL) {
		if (store_layout_serial(slice_str(name)) == 0)
			continue;
		(void)snprintf(path, sizeof(path),
		    STORE_RELEASES "/%.16s/" MANIFEST_PATH, name);
		opened = file_open_beneath(w->h->store, path, &fd, &st);
		ok = opened == FILE_ABSENT;
		if (opened != FILE_OPENED)
			continue;
		ok = !S_ISREG(st.st_mode) || withhold_of_manifest(w, fd);
		(void)close(fd);
	}
	return file_names_close(&list) && ok;
}

bool
host_find_withheld(struct host *h)
{
	struct withholding w = { .h = h, .hidden = true };
	bool ok;

	if (h->store == -1 || !h->conf->objects)
		return true;
	ok = withhold_of_releases(&w);
	if (ok && h->n_withheld > 0) {
		qsort(h->withheld, h->n_withheld, sizeof(*h->withheld),
		    withheld_compare);
		w.hidden = false;
		ok = withhold_of_releases(&w);
	}
	h->withholds_all = !ok;
	return ok;
}

/* FNV-1a, a number at a time: changes are noticed; it is possible to make two
 * places look alike. */
static uint64_t
mark_mix(uint64_t sum, uint64_t n)
{
	return (sum ^ n) * 0x100000001b3u;
}

static uint64_t
mark_mix_stat(uint64_t sum, const struct stat *st)
{
	sum = mark_mix(mark_mix(sum, st->st_dev), st->st_ino);
	sum = mark_mix(mark_mix(sum, (uint64_t)st->st_size), st->st_mode);
	sum = mark_mix(sum, (uint64_t)st->st_ctim.tv_sec);
	return mark_mix(sum, (uint64_t)st->st_ctim.tv_nsec);
}

static uint64_t
mark_mix_file(uint64_t sum, int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return mark_mix(sum, (uint64_t)errno);
	return mark_mix_stat(sum, &st);
}

/* Where a capsule's path leads now: a store's, through its link. A directory
 * that has become a store, or is one no more, is another place, too. */
static int
root_open_place(const struct host *h)
{
	int dir = file_root(h->conf->root.text);
	int current;

	if (dir == -1 || !store_layout_is(dir))
		return dir;
	current = openat(dir, STORE_CURRENT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	close(dir);
	return current;
}

void
host_mark(const struct host *h, bool place_only, struct host_mark *out)
{
	int dir = root_open_place(h);
	struct stat st;

	*out = (struct host_mark){ 0 };
	if (dir == -1)
		return;
	if (fstat(dir, &st) == 0) {
		out->place = mark_mix(mark_mix(1, st.st_dev), st.st_ino);
		out->place =
		    mark_mix(mark_mix(out->place, st.st_mode), st.st_uid);
		out->place = mark_mix(out->place, st.st_gid);
		if (!place_only)
			out->cause =
			    mark_mix_file(mark_mix_stat(out->place, &st), dir,
				"capsule.conf");
	}
	close(dir);
}

uint64_t
host_secret_mark(const struct host *h, const char *path)
{
	int dir = file_root(h->conf->root.text);
	int place = root_open_place(h);
	uint64_t mark = 0;
	struct stat st;

	if (place != -1 && fstatat(place, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		mark = mark_mix_stat(1, &st);
	else if (dir != -1 && fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		mark = mark_mix_stat(1, &st);
	fd_close(place);
	fd_close(dir);
	return mark;
}

struct root_survey {
	const struct host *host;
	int root; /* host's root, or its store */
	struct host_survey *out;
	uint64_t until_ms;
	size_t entries;
	uint8_t bytes[SECRET_LOOK_MAX];
};

/* The first bytes of a file; none when it cannot be read. */
static struct slice
survey_read_first(struct root_survey *s, const char *path)
{
	struct stat st;
	size_t len = 0;
	ssize_t n;
	int fd;

	if (file_open_beneath(s->root, path, &fd, &st) != FILE_OPENED)
		return SLICE("");
	while ((n = fd_read(fd, s->bytes + len, sizeof(s->bytes) - len)) > 0)
		len += (size_t)n;
	close(fd);
	return slice_of(s->bytes, len);
}

static void
survey_find_secret(
    struct root_survey *s, const char *path, const struct stat *st)
{
	struct host_survey *out = s->out;

	if (out->secret[0] != '\0' || st->st_size == 0 ||
	    !secret_spotted(survey_read_first(s, path)))
		return;
	/* The mark is that of a file that holds a key even if it is replaced
	 * just now. */
	out->secret_mark = host_secret_mark(s->host, path);
	if (secret_spotted(survey_read_first(s, path)))
		snprintf(out->secret, sizeof(out->secret), "%s", path);
}

/* Whether the survey continues: neither time nor entries have run out. */
static bool
survey_continues(struct root_survey *s)
{
	s->entries++;
	if (clock_ms() >= s->until_ms || s->entries >= FILE_WALK_ENTRIES_MAX)
		s->out->unfinished = true;
	return !s->out->unfinished;
}

static bool
survey_visit(void *arg, const char *path, const struct stat *st)
{
	struct root_survey *s = arg;
	struct host_survey *out = s->out;
	struct slice name = slice_str(path);

	if (!survey_continues(s))
		return false;
	if (!S_ISREG(st->st_mode))
		return true;
	/* What is hidden now may be one option away from being seen. */
	survey_find_secret(s, path, st);
	/* A release has its archive and its list besides what it consists
	 * of. */
	if (host_hides_path(s->host, path) ||
	    (s->host->store != -1 && slice_starts(name, SLICE("mirror/"))))
		return true;
	out->files++;
	out->bytes += (uint64_t)st->st_size;
	if (slice_ends_nocase(name, SLICE(".gmi")) ||
	    slice_ends_nocase(name, SLICE(".gemini")))
		out->pages++;
	return true;
}

void
host_survey(const struct host *h, uint64_t until_ms, struct host_survey *out)
{
	struct root_survey s = {
		.host = h,
		.root = h->root,
		.out = out,
		.until_ms = until_ms,
	};

	*out = (struct host_survey){ 0 };
	(void)file_walk(h->root, survey_visit, &s);
}

/* Releases consist of objects, which are looked at. */
static bool
survey_visit_store(void *arg, const char *path, const struct stat *st)
{
	struct root_survey *s = arg;

	if (!survey_continues(s))
		return false;
	if (S_ISREG(st->st_mode) &&
	    !slice_starts(slice_str(path), SLICE("releases/")))
		survey_find_secret(s, path, st);
	return s->out->secret[0] == '\0';
}

void
host_survey_store(
    const struct host *h, uint64_t until_ms, struct host_survey *out)
{
	struct root_survey s = {
		.host = h,
		.root = h->store,
		.out = out,
		.until_ms = until_ms,
	};

	if (h->store != -1 && out->secret[0] == '\0')
		(void)file_walk_plain(h->store, survey_visit_store, NULL, &s);
}
