/* SPDX-License-Identifier: ISC */
#include "archive/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/ustar.h"
#include "archive/verify_internal.h"
#include "os/file.h"
#include "util/fd.h"

void
verify_fini(struct verify *v)
{
	if (v->opened)
		manifest_fini(&v->manifest);
	v->opened = false;
	buf_fini(&v->text);
	free(v->mark);
	v->mark = NULL;
	free(v->serial);
	v->serial = NULL;
	v->n_serials = 0;
}

void
verify_report(struct verify *v, enum verify_news news, const char *path)
{
	v->reported[news]++;
	v->older[news] += v->in_older;
	if (v->report != NULL)
		v->report(v->arg, news, path);
}

void
verify_fault(struct verify *v, size_t i, enum verify_news news)
{
	if (v->mark[i] != VERIFY_FAULTY)
		verify_report(v, news, v->manifest.entry[i].path);
	v->mark[i] = VERIFY_FAULTY;
}

enum result
verify_open(struct verify *v, const char *what, struct why *why)
{
	const struct keyring_key *signer;

	if (v->ring.n == 0)
		return RESULT_USAGE;
	if (manifest_open(buf_view(&v->text), &v->ring, &signer, &v->manifest,
		why) != MANIFEST_GOOD) {
		why_at(why, "%s", what);
		return RESULT_REFUSED;
	}
	v->opened = true;
	v->signer = signer->key;
	v->mark = calloc(v->manifest.n + 1, sizeof(*v->mark));
	if (v->mark != NULL)
		return RESULT_GOOD;
	why_memory(why);
	return RESULT_LOCAL;
}

enum result
verify_conclude(const struct verify *v)
{
	if (v->reported[VERIFY_CHANGED] + v->reported[VERIFY_MISSING] +
		v->reported[VERIFY_EXTRA] >
	    0)
		return RESULT_REFUSED;
	return v->reported[VERIFY_UNREADABLE] > 0 ? RESULT_LOCAL : RESULT_GOOD;
}

enum verify_news
verify_news_of(int error)
{
	if (file_is_absent(error))
		return VERIFY_MISSING;
	/* A directory, a pipe; one longer than any can be. */
	if (error == EISDIR || error == EINVAL || error == ENXIO ||
	    error == EFBIG)
		return VERIFY_CHANGED;
	return VERIFY_UNREADABLE;
}

bool
verify_find(const struct verify *v, const char *path, size_t *i)
{
	const struct manifest_entry *e = manifest_find(&v->manifest, path);

	if (e != NULL)
		*i = (size_t)(e - v->manifest.entry);
	return e != NULL;
}

bool
verify_hash(int fd, uint8_t digest[DIGEST_SIZE], uint64_t *size)
{
	uint8_t chunk[VERIFY_CHUNK];
	struct digest d;
	ssize_t n;

	*size = 0;
	if (lseek(fd, 0, SEEK_SET) == -1)
		return false;
	digest_init(&d);
	while ((n = fd_read(fd, chunk, sizeof(chunk))) > 0) {
		digest_add(&d, slice_of(chunk, (size_t)n));
		*size += (uint64_t)n;
	}
	if (n == -1) {
		digest_fini(&d);
		return false;
	}
	errno = ENOMEM;
	return digest_end(&d, digest);
}

/* A tree of files against a manifest: a copy in a directory, a store's release.
 * */

struct tree {
	struct verify *v;
	int root;
	bool release;
	bool faulty; /* some entry is: the archive cannot be made again */
	struct ustar_writer ustar;
	struct digest archive; /* of what it should be */
	uint64_t visited;
	uint8_t chunk[VERIFY_CHUNK];
};

static bool
archive_sink(void *arg, struct slice bytes)
{
	struct tree *t = arg;

	digest_add(&t->archive, bytes);
	return true;
}

/* Hashes a file and archives it on the way. False and errno when it cannot be
 * read. */
static bool
read_entry(struct tree *t, int fd, uint8_t got[DIGEST_SIZE])
{
	struct digest d;
	ssize_t n;

	digest_init(&d);
	while ((n = fd_read(fd, t->chunk, sizeof(t->chunk))) > 0) {
		struct slice bytes = slice_of(t->chunk, (size_t)n);

		digest_add(&d, bytes);
		/* One that grows is faulty anyway. */
		if (!t->faulty && !ustar_bytes(&t->ustar, bytes))
			t->faulty = true;
	}
	if (n == -1) {
		digest_fini(&d);
		return false;
	}
	errno = ENOMEM;
	return digest_end(&d, got);
}

static void
tree_fault(struct tree *t, size_t i, enum verify_news news)
{
	t->faulty = true;
	verify_fault(t->v, i, news);
}

/* What to call a path at which nothing can be opened: who may not read it must not
 * call it missing. */
static enum verify_news
news_of_closed(int root, const char *path)
{
	struct stat st;

	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return file_is_absent(errno) ? VERIFY_MISSING
					     : VERIFY_UNREADABLE;
	return S_ISREG(st.st_mode) ? VERIFY_UNREADABLE : VERIFY_CHANGED;
}

/* Not by way of a link, even to equal bytes. */
static bool
tree_is_plain(const struct tree *t, const char *path)
{
	struct stat st;

	return fstatat(t->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

/* False and why: our own trouble, not the copy's. */
static bool
tree_check_entry(struct tree *t, size_t i, struct why *why)
{
	const struct manifest_entry *e = &t->v->manifest.entry[i];
	uint8_t got[DIGEST_SIZE];
	struct stat st;
	int fd;

	switch (file_open_beneath(t->root, e->path, &fd, &st)) {
	case FILE_OPENED:
		break;
	case FILE_EXHAUSTED:
		return why_errno(why, e->path);
	case FILE_ABSENT:
	case FILE_FAILED:
		tree_fault(t, i, news_of_closed(t->root, e->path));
		return true;
	}
	if (!S_ISREG(st.st_mode) || !tree_is_plain(t, e->path)) {
		tree_fault(t, i, VERIFY_CHANGED);
	} else {
		if (!ustar_begin(&t->ustar, e->path, (uint64_t)st.st_size,
			t->v->manifest.created))
			t->faulty = true;
		if (!read_entry(t, fd, got))
			tree_fault(t, i, VERIFY_UNREADABLE);
		else if (!digest_equal(got, e->digest))
			tree_fault(t, i, VERIFY_CHANGED);
		else
			t->v->mark[i] = VERIFY_SOUND;
	}
	(void)close(fd);
	return true;
}

static void
tree_archive_manifest(struct tree *t)
{
	struct slice text = buf_view(&t->v->text);

	if (!ustar_begin(
		&t->ustar, MANIFEST_PATH, text.len, t->v->manifest.created) ||
	    !ustar_bytes(&t->ustar, text))
		t->faulty = true;
}

static bool
tree_check_entries(struct tree *t, struct why *why)
{
	const struct manifest *m = &t->v->manifest;
	bool written = false;

	for (size_t i = 0; i < m->n; i++) {
		if (!written && strcmp(m->entry[i].path, MANIFEST_PATH) > 0) {
			tree_archive_manifest(t);
			written = true;
		}
		if (!tree_check_entry(t, i, why))
			return false;
	}
	if (!written)
		tree_archive_manifest(t);
	return true;
}

/* Whether the archive holds what the manifest lists, when the same bytes cannot
 * be made again without the files. */
static enum result
check_members(const struct tree *t, int fd)
{
	enum result result = RESULT_LOCAL;
	struct verify quiet = {
		.manifest = t->v->manifest,
		.text = t->v->text,
	};
	struct why why;

	quiet.mark = calloc(quiet.manifest.n + 1, sizeof(*quiet.mark));
	if (quiet.mark != NULL && lseek(fd, 0, SEEK_SET) == 0)
		result = verify_members(&quiet, fd, &why);
	if (result == RESULT_GOOD)
		result = verify_conclude(&quiet);
	free(quiet.mark);
	return result;
}

/* Whether an archive is, byte for byte, what files and manifest make. RESULT_LOCAL:
 * it cannot be read. */
static enum result
compare_archive(struct tree *t, int fd)
{
	uint8_t want[DIGEST_SIZE], got[DIGEST_SIZE];
	uint64_t size;

	if (t->faulty || !ustar_end(&t->ustar))
		return check_members(t, fd);
	if (!digest_end(&t->archive, want) || !verify_hash(fd, got, &size))
		return RESULT_LOCAL;
	return digest_equal(want, got) ? RESULT_GOOD : RESULT_REFUSED;
}

/* One that may not be opened is not made again: nobody knows that it is bad. */
static void
no_archive(struct tree *t)
{
	enum verify_news news = news_of_closed(t->root, MANIFEST_ARCHIVE);

	if (news == VERIFY_MISSING && (!t->release || t->v->no_archive))
		return;
	t->v->archive_faulty = news != VERIFY_UNREADABLE;
	verify_report(t->v, news, MANIFEST_ARCHIVE);
}

/* False and why: our own trouble. */
static bool
check_archive(struct tree *t, struct why *why)
{
	enum result result = RESULT_REFUSED;
	struct stat st;
	int fd;

	switch (file_open_beneath(t->root, MANIFEST_ARCHIVE, &fd, &st)) {
	case FILE_OPENED:
		break;
	case FILE_EXHAUSTED:
		return why_errno(why, MANIFEST_ARCHIVE);
	case FILE_ABSENT:
	case FILE_FAILED:
		no_archive(t);
		return true;
	}
	if (S_ISREG(st.st_mode))
		result = compare_archive(t, fd);
	(void)close(fd);
	if (result == RESULT_GOOD)
		return true;
	t->v->archive_faulty = true;
	verify_report(t->v,
	    result == RESULT_LOCAL ? VERIFY_UNREADABLE : VERIFY_CHANGED,
	    MANIFEST_ARCHIVE);
	return true;
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
tree_is_served(const char *path)
{
	return strcmp(path, MIRROR_TRACE) == 0 ||
	       slice_starts(slice_str(path), SLICE(MIRROR_OBJECTS));
}

/* Whether all in a directory is. */
static bool
is_served_below(const char *path)
{
	return strcmp(path, "mirror/objects") == 0 || tree_is_served(path);
}

static bool
check_extra(void *arg, const char *path, const struct stat *st)
{
	struct tree *t = arg;
	size_t i;

	t->visited++;
	if (strcmp(path, MANIFEST_PATH) == 0 ||
	    strcmp(path, MANIFEST_ARCHIVE) == 0)
		return true;
	if (!t->release && tree_is_served(path))
		return true;
	/* The walk goes no deeper: what lies there is not known. */
	if (S_ISDIR(st->st_mode) && !is_deep(path))
		return true;
	/* What nobody can look at may be a directory with nothing in it. */
	if (!verify_find(t->v, path, &i))
		verify_report(t->v,
		    st->st_mode == 0 ? VERIFY_UNREADABLE : VERIFY_EXTRA, path);
	return true;
}

/* Anything may lie there that was not signed. */
static void
unread_report(void *arg, const char *path)
{
	struct tree *t = arg;

	if (t->release || !is_served_below(path))
		verify_report(t->v, VERIFY_UNREADABLE, path);
}

bool
verify_tree(struct verify *v, int root, bool release, struct why *why)
{
	struct tree *t = calloc(1, sizeof(*t));
	bool ok;

	if (t == NULL)
		return why_memory(why);
	t->v = v;
	t->root = root;
	t->release = release;
	t->ustar = (struct ustar_writer){ .sink = archive_sink, .arg = t };
	digest_init(&t->archive);
	ok = tree_check_entries(t, why);
	ok = ok && check_archive(t, why);
	if (ok) {
		ok = file_walk_plain(root, check_extra, unread_report, t) &&
		     t->visited < FILE_WALK_ENTRIES_MAX;
		if (!ok)
			why_set(why, "not everything in it can be read");
	}
	digest_fini(&t->archive);
	free(t);
	return ok;
}

/* A directory's manifest into v->text. What cannot be read is reported as any page. */
static enum result
read_manifest(struct verify *v, int root, const char *path, struct why *why)
{
	enum verify_news news = VERIFY_UNREADABLE;
	struct stat st;
	int fd = -1, error;
	bool read;

	read =
	    file_open_beneath(root, MANIFEST_PATH, &fd, &st) == FILE_OPENED &&
	    S_ISREG(st.st_mode) && fd_read_all(fd, &v->text);
	error = errno;
	if (fd == -1)
		news = news_of_closed(root, MANIFEST_PATH);
	else if (!S_ISREG(st.st_mode))
		news = VERIFY_CHANGED;
	if (fd != -1)
		(void)close(fd);
	if (read)
		return RESULT_GOOD;
	if (news == VERIFY_MISSING)
		why_set(why, "%s: no " MANIFEST_PATH " is there", path);
	else if (news == VERIFY_CHANGED)
		why_set(
		    why, "%s: " MANIFEST_PATH " is not a regular file", path);
	else
		why_set(why, "%s/" MANIFEST_PATH ": %s", path, strerror(error));
	if (news != VERIFY_UNREADABLE || error == EFBIG)
		return RESULT_REFUSED;
	verify_report(v, VERIFY_UNREADABLE, MANIFEST_PATH);
	return RESULT_LOCAL;
}

enum result
verify_dir(struct verify *v, const char *path, struct why *why)
{
	enum result result;
	int root = file_root(path);

	if (root == -1) {
		why_errno(why, path);
		return RESULT_LOCAL;
	}
	if (v->ring.n == 0) {
		(void)close(root);
		return RESULT_USAGE;
	}
	buf_init(&v->text, MANIFEST_MAX);
	result = read_manifest(v, root, path, why);
	if (result == RESULT_GOOD)
		result = verify_open(v, MANIFEST_PATH, why);
	if (result == RESULT_GOOD)
		result = verify_tree(v, root, false, why) ? verify_conclude(v)
							  : RESULT_LOCAL;
	(void)close(root);
	return result;
}
