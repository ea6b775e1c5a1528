/* SPDX-License-Identifier: ISC */
/* A tree of files against a manifest: a copy in a directory, a store's release. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/ustar.h"
#include "archive/verify_internal.h"
#include "os/file.h"

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
	while ((n = file_read_some(fd, t->chunk, sizeof(t->chunk))) > 0) {
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
fault(struct tree *t, size_t i, enum verify_news news)
{
	t->faulty = true;
	verify_fault(t->v, i, news);
}

/* Nothing can be opened at an entry's path. */
static void
no_entry(struct tree *t, size_t i)
{
	struct stat st;

	/* Who may not read it must not call it missing. */
	if (fstatat(t->root, t->v->manifest.entry[i].path, &st,
		AT_SYMLINK_NOFOLLOW) == -1)
		fault(
		    t, i, errno == EACCES ? VERIFY_UNREADABLE : VERIFY_MISSING);
	else
		fault(t, i,
		    S_ISREG(st.st_mode) ? VERIFY_UNREADABLE : VERIFY_CHANGED);
}

/* Not by way of a link, even to equal bytes. */
static bool
is_plain(const struct tree *t, const char *path)
{
	struct stat st;

	return fstatat(t->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

/* False and why: our own trouble, not the copy's. */
static bool
check_entry(struct tree *t, size_t i, struct buf *why)
{
	const struct manifest_entry *e = &t->v->manifest.entry[i];
	uint8_t got[DIGEST_SIZE];
	struct stat st;
	int fd;

	switch (file_open_beneath(t->root, e->path, &fd, &st)) {
	case FILE_OPENED:
		break;
	case FILE_EXHAUSTED:
		(void)buf_printf(why, "%s: %s", e->path, strerror(errno));
		return false;
	case FILE_ABSENT:
	case FILE_FAILED:
		no_entry(t, i);
		return true;
	}
	if (!S_ISREG(st.st_mode) || !is_plain(t, e->path)) {
		fault(t, i, VERIFY_CHANGED);
	} else {
		if (!ustar_begin(&t->ustar, e->path, (uint64_t)st.st_size,
			t->v->manifest.created))
			t->faulty = true;
		if (!read_entry(t, fd, got))
			fault(t, i, VERIFY_UNREADABLE);
		else if (!digest_equal(got, e->digest))
			fault(t, i, VERIFY_CHANGED);
		else
			t->v->mark[i] = VERIFY_SOUND;
	}
	(void)close(fd);
	return true;
}

static void
archive_manifest(struct tree *t)
{
	struct slice text = buf_view(&t->v->text);

	if (!ustar_begin(
		&t->ustar, MANIFEST_PATH, text.len, t->v->manifest.created) ||
	    !ustar_bytes(&t->ustar, text))
		t->faulty = true;
}

static bool
check_entries(struct tree *t, struct buf *why)
{
	const struct manifest *m = &t->v->manifest;
	bool told = false;

	for (size_t i = 0; i < m->n; i++) {
		if (!told && strcmp(m->entry[i].path, MANIFEST_PATH) > 0) {
			archive_manifest(t);
			told = true;
		}
		if (!check_entry(t, i, why))
			return false;
	}
	if (!told)
		archive_manifest(t);
	return true;
}

/* Whether the archive holds what the manifest lists, when the same bytes cannot
 * be made again for want of the files. */
static bool
members_are_sound(const struct tree *t, int fd)
{
	uint8_t memory[256];
	struct verify quiet = {
		.manifest = t->v->manifest,
		.text = t->v->text,
	};
	struct buf why;
	bool sound;

	quiet.mark = calloc(quiet.manifest.n + 1, sizeof(*quiet.mark));
	buf_wrap(&why, memory, sizeof(memory));
	sound = quiet.mark != NULL && lseek(fd, 0, SEEK_SET) == 0 &&
		verify_members(&quiet, fd, &why) &&
		verify_conclude(&quiet) == VERIFY_GOOD;
	free(quiet.mark);
	return sound;
}

/* Whether an archive is, byte for byte, what files and manifest make. */
static bool
archive_is_sound(struct tree *t, int fd)
{
	uint8_t want[DIGEST_SIZE], got[DIGEST_SIZE];
	uint64_t size;

	if (t->faulty || !ustar_end(&t->ustar))
		return members_are_sound(t, fd);
	return digest_end(&t->archive, want) && verify_hash(fd, got, &size) &&
	       digest_equal(want, got);
}

static void
archive_fault(struct tree *t, enum verify_news news)
{
	t->v->archive_faulty = true;
	verify_tell(t->v, news, MANIFEST_ARCHIVE);
}

static void
check_archive(struct tree *t)
{
	struct stat st;
	int fd;

	if (file_open_beneath(t->root, MANIFEST_ARCHIVE, &fd, &st) !=
	    FILE_OPENED) {
		if (t->release)
			archive_fault(t, VERIFY_MISSING);
		return;
	}
	if (!S_ISREG(st.st_mode) || !archive_is_sound(t, fd))
		archive_fault(t, VERIFY_CHANGED);
	(void)close(fd);
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
is_served(const char *path)
{
	return strcmp(path, "mirror/trace") == 0 ||
	       slice_starts(slice_str(path), SLICE("mirror/objects/"));
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
	if (!t->release && is_served(path))
		return true;
	/* The walk goes no deeper: what lies there is not known. */
	if (S_ISDIR(st->st_mode) && !is_deep(path))
		return true;
	if (!verify_find(t->v, path, &i))
		verify_tell(t->v, VERIFY_EXTRA, path);
	return true;
}

bool
verify_tree(struct verify *v, int root, bool release, struct buf *why)
{
	struct tree *t = calloc(1, sizeof(*t));
	bool ok;

	if (t == NULL) {
		(void)buf_str(why, strerror(ENOMEM));
		return false;
	}
	t->v = v;
	t->root = root;
	t->release = release;
	t->ustar = (struct ustar_writer){ .sink = archive_sink, .arg = t };
	digest_init(&t->archive);
	ok = check_entries(t, why);
	if (ok) {
		check_archive(t);
		errno = ENOMEM;
		ok = file_walk_plain(root, check_extra, NULL, t) &&
		     t->visited < FILE_WALK_ENTRIES_MAX;
		if (!ok)
			(void)buf_printf(why, "not all of it can be looked at");
	}
	digest_fini(&t->archive);
	free(t);
	return ok;
}

enum verify_result
verify_dir(struct verify *v, const char *path, struct buf *why)
{
	enum verify_result result;
	struct stat st;
	int root, fd;

	if (v->n_keys == 0)
		return VERIFY_KEYLESS;
	root = file_root(path);
	if (root == -1) {
		(void)buf_printf(why, "%s: %s", path, strerror(errno));
		return VERIFY_LOCAL;
	}
	buf_init(&v->text, MANIFEST_MAX);
	if (file_open_beneath(root, MANIFEST_PATH, &fd, &st) != FILE_OPENED) {
		(void)buf_printf(
		    why, "%s: no " MANIFEST_PATH " is there", path);
		result = VERIFY_REFUSED;
	} else {
		if (file_read(fd, &v->text)) {
			result = verify_open(v, MANIFEST_PATH, why);
		} else {
			(void)buf_printf(
			    why, MANIFEST_PATH ": %s", strerror(errno));
			result = errno == EFBIG ? VERIFY_REFUSED : VERIFY_LOCAL;
		}
		(void)close(fd);
	}
	if (result == VERIFY_GOOD)
		result = verify_tree(v, root, false, why) ? verify_conclude(v)
							  : VERIFY_LOCAL;
	(void)close(root);
	return result;
}
