/* SPDX-License-Identifier: ISC */
#include "archive/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/store.h"
#include "archive/ustar.h"
#include "os/file.h"
#include "util/fd.h"

enum { CHUNK = 64 * 1024 };

void
verify_fini(struct verify_outcome *out)
{
	verify_list_fini(&out->list);
	free(out->serial);
	out->serial = NULL;
	out->n_serials = 0;
}

void
verify_report(struct verify_work *w, enum verify_news news, const char *path)
{
	w->bad = true;
	*(w->older ? &w->out->older[news] : &w->out->current[news]) += 1;
	if (w->options->report != NULL)
		w->options->report(w->options->arg, news, path);
}

void
verify_report_in(struct verify_work *w, enum verify_news news, const char *path)
{
	uint8_t memory[PATH_MAX + 64];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory) - 1);
	if (w->store != NULL && w->older &&
	    buf_printf(&text, "releases/%" PRIu64 "/%s", w->serial, path))
		path = buf_cstr(&text);
	verify_report(w, news, path);
}

enum result
verify_conclude(struct verify_outcome *out)
{
	enum result result = RESULT_GOOD;

	out->sound = true;
	for (int i = 0; i < VERIFY_NEWS; i++) {
		out->sound = out->sound && out->current[i] == 0;
		if (out->current[i] + out->older[i] == 0)
			continue;
		if (i != VERIFY_UNREADABLE)
			result = RESULT_REFUSED;
		else if (result == RESULT_GOOD)
			result = RESULT_LOCAL;
	}
	return result;
}

enum verify_news
verify_news_of(int error)
{
	if (file_is_absent(error))
		return VERIFY_MISSING;
	/* Not a regular file; one longer than any can be. */
	return error == EINVAL || error == EFBIG ? VERIFY_CHANGED
						 : VERIFY_UNREADABLE;
}

enum verify_news
verify_bytes(int fd, const uint8_t digest[DIGEST_SIZE])
{
	uint8_t got[DIGEST_SIZE];

	if (!digest_fd(fd, got))
		return VERIFY_UNREADABLE;
	return digest_equal(got, digest) ? VERIFY_SOUND : VERIFY_CHANGED;
}

enum result
verify_open_copy(struct verify_work *w)
{
	struct why *why = &w->out->why;

	if (verify_open_list(NULL, w->options->ring, 0, &w->out->list, why))
		return RESULT_GOOD;
	why_at(why, MANIFEST_PATH);
	return RESULT_REFUSED;
}

/* ---------------------------------------------------------------- archive */

/* What an archive holds: its manifest's text, and all else as a list of its own, with
 * whatever names it has. */
struct members {
	struct buf *text;
	struct manifest list;
	bool has_manifest, in_manifest;
	struct digest digest; /* of the file that is being read */
	bool exhausted;       /* nothing is wrong with the archive */
	const char *fault;
};

static bool
member_begin(void *arg, struct slice path, uint64_t size)
{
	static const uint8_t unknown[DIGEST_SIZE];
	struct members *x = arg;

	/* A second one is as much in excess as any other duplicate. */
	x->in_manifest =
	    !x->has_manifest && slice_equal(path, SLICE(MANIFEST_PATH));
	x->has_manifest = x->has_manifest || x->in_manifest;
	if (x->in_manifest && size > MANIFEST_MAX)
		x->fault = "its " MANIFEST_PATH " is too long";
	else if (!x->in_manifest && x->list.n == MANIFEST_FILES_MAX)
		x->fault = "it holds more files than a manifest can list";
	else if (!x->in_manifest)
		x->exhausted = !manifest_add(&x->list, unknown, path);
	digest_init(&x->digest);
	return x->fault == NULL && !x->exhausted;
}

static bool
member_take(void *arg, struct slice bytes)
{
	struct members *x = arg;

	digest_add(&x->digest, bytes);
	x->exhausted = x->in_manifest && !buf_put(x->text, bytes);
	return !x->exhausted;
}

static bool
member_end(void *arg)
{
	uint8_t got[DIGEST_SIZE];
	struct members *x = arg;

	x->exhausted = !digest_end(&x->digest, got);
	if (!x->in_manifest)
		memcpy(x->list.entry[x->list.n - 1].digest, got, sizeof(got));
	return !x->exhausted;
}

static int
member_compare(const void *a, const void *b)
{
	const struct manifest_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* All of fd. RESULT_REFUSED and why: it is not an archive of a capsule; RESULT_LOCAL and
 * why: it cannot be read. x->list is to be freed in any case. */
static enum result
members_read(struct members *x, int fd, struct why *why)
{
	const struct ustar_handler handler = { .file = member_begin,
		.bytes = member_take,
		.end = member_end,
		.arg = x };
	struct ustar_reader *reader = ustar_reader_new(&handler);
	uint8_t chunk[CHUNK];
	bool ok = reader != NULL;
	ssize_t n = 0;

	x->exhausted = reader == NULL;
	while (ok && (n = fd_read(fd, chunk, sizeof(chunk))) > 0)
		ok = ustar_reader_put(reader, slice_of(chunk, (size_t)n), why);
	if (n == -1)
		why_set(why, "%s", strerror(errno));
	ok = ok && n == 0 && ustar_reader_end(reader, why);
	ustar_reader_free(&reader);
	digest_fini(&x->digest);
	if (x->exhausted)
		why_memory(why);
	if (x->exhausted || n == -1)
		return RESULT_LOCAL;
	if (x->fault != NULL)
		ok = why_set(why, "%s", x->fault);
	else if (ok && !x->has_manifest)
		ok = why_set(why, "no " MANIFEST_PATH " is in it");
	if (x->list.n > 0)
		qsort(x->list.entry, x->list.n, sizeof(*x->list.entry),
		    member_compare);
	return ok ? RESULT_GOOD : RESULT_REFUSED;
}

static void
member_report(void *arg, enum change change, const char *path)
{
	static const enum verify_news news[] = {
		[CHANGE_ADDED] = VERIFY_EXTRA,
		[CHANGE_CHANGED] = VERIFY_CHANGED,
		[CHANGE_GONE] = VERIFY_MISSING,
	};

	verify_report(arg, news[change], path);
}

static enum result
verify_archive(struct verify_work *w, const char *path)
{
	struct verify_outcome *out = w->out;
	struct members x = { .text = &out->list.text };
	enum result result;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd == -1) {
		why_errno(&out->why, path);
		return RESULT_LOCAL;
	}
	result = members_read(&x, fd, &out->why);
	(void)close(fd);
	if (result != RESULT_GOOD)
		why_at(&out->why, "%s", path);
	else
		result = verify_open_copy(w);
	if (result == RESULT_GOOD) {
		(void)changes_between(&out->list.m, &x.list, member_report, w);
		result = verify_conclude(out);
	}
	manifest_fini(&x.list);
	return result;
}

/* ------------------------------------------------------------------- tree */

static bool
is_copy(const struct verify_work *w)
{
	return w->store == NULL && !w->older;
}

/* A regular file, by its own name and not by way of a link, even to equal bytes. -1:
 * what lies at path is what news says, and errno; who may not read it must not call
 * it missing. */
static int
plain_open(int root, const char *path, struct stat *st, enum verify_news *news)
{
	struct stat there;
	int fd = -1;

	*news = VERIFY_UNREADABLE;
	if (fstatat(root, path, &there, AT_SYMLINK_NOFOLLOW) == -1)
		*news = verify_news_of(errno);
	else if (!S_ISREG(there.st_mode))
		*news = VERIFY_CHANGED;
	else if (file_open_beneath(root, path, &fd, st) == FILE_OPENED)
		*news = VERIFY_SOUND;
	return *news == VERIFY_SOUND ? fd : -1;
}

static void
check_entry(struct verify_work *w, int root, const struct manifest_entry *e)
{
	enum verify_news news;
	struct stat st;
	int fd = plain_open(root, e->path, &st, &news);

	if (w->store != NULL) {
		verify_listed(w, e, fd, &st, news);
	} else {
		if (fd != -1)
			news = verify_bytes(fd, e->digest);
		if (news != VERIFY_SOUND)
			verify_report(w, news, e->path);
	}
	fd_close(fd);
}

/* Whether the archive holds what the manifest lists, in whatever order. */
static enum verify_news
compare_archive(int fd, const struct verify_list *l)
{
	struct buf text;
	struct members x = { .text = &text };
	enum verify_news news = VERIFY_CHANGED;
	enum result result;
	struct changes c;
	struct why unused;

	buf_init(&text, MANIFEST_MAX);
	result = members_read(&x, fd, &unused);
	c = changes_between(&l->m, &x.list, NULL, NULL);
	if (result == RESULT_LOCAL)
		news = VERIFY_UNREADABLE;
	else if (result == RESULT_GOOD && changes_none(&c) &&
		 slice_equal(buf_view(&text), buf_view(&l->text)))
		news = VERIFY_SOUND;
	manifest_fini(&x.list);
	buf_fini(&text);
	return news;
}

static void
check_archive(struct verify_work *w, const struct verify_list *l, int root)
{
	enum verify_news news;
	struct stat st;
	int fd = plain_open(root, MANIFEST_ARCHIVE, &st, &news);

	if (fd != -1) {
		news = compare_archive(fd, l);
		(void)close(fd);
	}
	if (news == VERIFY_SOUND || (news == VERIFY_MISSING && is_copy(w)))
		return;
	verify_report(w, news, MANIFEST_ARCHIVE);
	if (w->store != NULL && news != VERIFY_UNREADABLE)
		verify_note(w, MANIFEST_ARCHIVE);
}

static bool
is_deep(const char *path)
{
	size_t depth = 0;

	for (; *path != '\0'; path++)
		depth += *path == '/';
	return depth >= FILE_WALK_DEPTH_MAX;
}

/* What a server has under mirror/ besides what every copy holds. */
static bool
is_served(const struct verify_work *w, const char *path)
{
	struct slice s = slice_str(path);

	return is_copy(w) && (slice_equal(s, SLICE(MIRROR_TRACE)) ||
				 slice_starts(s, SLICE(MIRROR_OBJECTS)));
}

static bool
check_extra(void *arg, const char *path, const struct stat *st)
{
	struct verify_work *w = arg;

	w->visited++;
	/* The walk goes no deeper: what lies there is not known. */
	if ((S_ISDIR(st->st_mode) && !is_deep(path)) ||
	    strcmp(path, MANIFEST_PATH) == 0 ||
	    strcmp(path, MANIFEST_ARCHIVE) == 0 || is_served(w, path) ||
	    manifest_find(w->m, path) != NULL)
		return true;
	/* What nobody can look at may be a directory with nothing in it. */
	verify_report_in(
	    w, st->st_mode == 0 ? VERIFY_UNREADABLE : VERIFY_EXTRA, path);
	return true;
}

/* Anything may lie there that was not signed. */
static void
report_unread(void *arg, const char *path)
{
	struct verify_work *w = arg;

	if (!is_copy(w) ||
	    (strcmp(path, "mirror/objects") != 0 && !is_served(w, path)))
		verify_report_in(w, VERIFY_UNREADABLE, path);
}

bool
verify_tree(struct verify_work *w, const struct verify_list *l, int root,
    struct why *why)
{
	const struct manifest *m = w->m = &l->m;

	w->visited = 0;
	for (size_t i = 0; i < m->n; i++)
		check_entry(w, root, &m->entry[i]);
	if (!w->older)
		check_archive(w, l, root);
	return (file_walk_plain(root, check_extra, report_unread, w) &&
		   w->visited < FILE_WALK_ENTRIES_MAX) ||
	       why_set(why, "not everything in it can be read");
}

/* A directory's manifest; reported as any page when it cannot be had. */
static enum result
read_manifest(struct verify_work *w, int root, const char *path)
{
	enum verify_news news;
	struct stat st;
	int fd = plain_open(root, MANIFEST_PATH, &st, &news);

	if (fd != -1 && !fd_read_all(fd, &w->out->list.text))
		news = verify_news_of(errno);
	if (news == VERIFY_CHANGED)
		why_set(&w->out->why,
		    "%s/" MANIFEST_PATH ": not a regular file, or too long",
		    path);
	else
		why_set(&w->out->why, "%s/" MANIFEST_PATH ": %s", path,
		    strerror(errno));
	fd_close(fd);
	if (news != VERIFY_SOUND)
		verify_report(w, news, MANIFEST_PATH);
	return verify_conclude(w->out);
}

static enum result
verify_dir(struct verify_work *w, const char *path)
{
	struct verify_outcome *out = w->out;
	enum result result = RESULT_USAGE;
	int root = file_root(path);

	if (root == -1) {
		why_errno(&out->why, path);
		return RESULT_LOCAL;
	}
	if (w->options->ring->n > 0)
		result = read_manifest(w, root, path);
	if (result == RESULT_GOOD) {
		why_clear(&out->why);
		result = verify_open_copy(w);
	}
	if (result == RESULT_GOOD)
		result = verify_tree(w, &out->list, root, &out->why)
			     ? verify_conclude(out)
			     : RESULT_LOCAL;
	(void)close(root);
	return result;
}

enum result
verify_copy(const struct verify_options *o, const char *copy,
    struct verify_outcome *out)
{
	struct verify_work w = { .options = o, .out = out };
	char base[MANIFEST_ORIGIN_MAX];
	struct stat st;
	bool is_host = manifest_origin(slice_str(copy), base);

	buf_init(&out->list.text, MANIFEST_MAX);
	if (!is_host && stat(copy, &st) == -1) {
		why_errno(&out->why, copy);
		return RESULT_LOCAL;
	}
	if (!is_host && store_is(copy))
		return verify_store(&w, copy);
	if (!is_host && S_ISDIR(st.st_mode))
		return verify_dir(&w, copy);
	if (o->ring->n == 0)
		return RESULT_USAGE;
	return is_host ? verify_host(&w, base) : verify_archive(&w, copy);
}

enum result
verify_release(const struct verify_options *o, const struct store *s,
    uint64_t serial, struct verify_outcome *out)
{
	struct verify_work w = { .options = o, .out = out, .older = true };
	enum result result = RESULT_REFUSED;
	int root = store_release_fd(s, serial);

	if (root == -1) {
		why_set(&out->why, "%s", strerror(errno));
		return RESULT_LOCAL;
	}
	if (verify_open_release(s, NULL, o->ring, serial, &out->list,
		&out->why) == VERIFY_SOUND)
		result = verify_tree(&w, &out->list, root, &out->why)
			     ? verify_conclude(out)
			     : RESULT_LOCAL;
	(void)close(root);
	return result;
}
