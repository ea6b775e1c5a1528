/* SPDX-License-Identifier: ISC */
/* Releases of a store: made, repaired, looked at, and switched to. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "archive/store_internal.h"
#include "archive/ustar.h"
#include "os/file.h"
#include "util/fd.h"

/* What a release consists of: the files of its manifest, which are other names of
 * objects, and the manifest. */

struct fill {
	struct store *store;
	struct why *why;

	/* The directory beneath the release that was last used, and how its path
	 * begins. */
	int release, dir;
	struct slice dir_path;
	size_t directories; /* made so far */
};

/* A directory in dir, made when there is none. What else lies there is in the way of
 * the release's files and goes. */
static int
step_down(struct store *s, int dir, const char *name, bool *made)
{
	int fd = store_dir_make(dir, name, made);

	if (fd == -1 && (errno == ENOTDIR || errno == ELOOP) &&
	    store_throw(s, dir, name))
		fd = store_dir_make(dir, name, made);
	return fd;
}

/* The directory at path becomes f->dir, made where it is missing: step by step from
 * the release down, through no link. */
static bool
enter(struct fill *f, struct slice path)
{
	char part[MANIFEST_PART_MAX + 1];
	struct slice rest = path, head;
	int fd, dir;
	bool made;

	if (f->dir != -1 && slice_equal(path, f->dir_path))
		return true;
	dir = store_dir_open(f->release, ".");
	while (dir != -1 && rest.len > 0) {
		(void)slice_cut(rest, '/', &head, &rest);
		if (head.len == 0 || head.len >= sizeof(part)) {
			errno = ENAMETOOLONG;
			break;
		}
		memcpy(part, head.ptr, head.len);
		part[head.len] = '\0';
		fd = step_down(f->store, dir, part, &made);
		f->directories += made;
		fd_close(dir);
		dir = fd;
		if (f->directories > STORE_DIRECTORIES_MAX)
			return store_fault(f->store, f->why, STORE_RELEASES,
			    "the manifest has too many directories");
	}
	fd_close(f->dir);
	f->dir = dir;
	f->dir_path = path;
	return (dir != -1 && rest.len == 0) ||
	       store_fault(f->store, f->why, STORE_RELEASES, NULL);
}

/* The directory of a file becomes f->dir; its name there. NULL and why. */
static const char *
enter_above(struct fill *f, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct slice dir =
	    slice_of(path, slash == NULL ? 0 : (size_t)(slash - path));
	const char *fault = manifest_name_fault(slice_str(path));

	if (fault != NULL) {
		(void)store_fault(f->store, f->why, path, fault);
		return NULL;
	}
	if (!enter(f, dir))
		return NULL;
	return slash == NULL ? path : slash + 1;
}

/* One that cannot be opened takes no place of what may be good: then, if present_only,
 * nothing is done. */
static bool
link_file(struct fill *f, const struct manifest_entry *e, bool present_only)
{
	const char *name;
	int object;

	if (present_only) {
		object = store_object_fd(f->store, e->digest, NULL);
		if (object == -1)
			return true;
		(void)close(object);
	}
	name = enter_above(f, e->path);
	return name != NULL &&
	       store_link(f->store, e->digest, f->dir, name, f->why);
}

static const char *
last_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

static bool
put_manifest(struct store *s, int release, struct slice bytes, struct why *why)
{
	int mirror = release == -1 ? -1 : step_down(s, release, "mirror", NULL);
	bool ok =
	    mirror != -1 && store_put_file(s, mirror, last_of(MANIFEST_PATH),
				bytes, STORE_OBJECT_MODE);

	fd_close(mirror);
	return ok || store_fault(s, why, MANIFEST_PATH, NULL);
}

/* Makes what release lacks of the manifest's files, and its own (bytes; NULL: those
 * files alone whose objects are there). On the disk before anything leads to it. */
static bool
store_fill(struct store *s, int release, const struct manifest *m,
    const struct slice *bytes, struct why *why)
{
	struct fill f = {
		.store = s, .why = why, .release = release, .dir = -1
	};
	bool ok = true;

	for (size_t i = 0; ok && i < m->n; i++)
		ok = link_file(&f, &m->entry[i], bytes == NULL);
	fd_close(f.dir);
	if (ok && bytes != NULL)
		ok = put_manifest(s, release, *bytes, why);
	return ok && (syncfs(s->root) == 0 ||
			 store_fault(s, why, STORE_RELEASES, NULL));
}

/* The archive of a release, with the same bytes again. */

struct archive {
	struct store *store;
	const struct manifest *m;
	struct why *why;
	FILE *tar;
	struct ustar_writer ustar;
	unsigned rotten; /* objects: nothing comes of it any more */
	char out[STORE_CHUNK];
	uint8_t in[STORE_CHUNK];
};

static bool
sink(void *arg, struct slice bytes)
{
	struct archive *a = arg;

	return a->rotten > 0 ||
	       fwrite(bytes.ptr, 1, bytes.len, a->tar) == bytes.len ||
	       store_fault(a->store, a->why, MANIFEST_ARCHIVE, NULL);
}

/* Nothing corrupt gets into a release: it is fetched again. Those that follow are
 * looked at all the same, so that all of them are. */
static bool
is_rotten(struct archive *a, const struct manifest_entry *e)
{
	if (!store_discard(a->store, e->digest, a->why))
		return false;
	a->ustar.owed = 0;
	if (a->rotten++ == 0)
		(void)store_object_fault(a->store, a->why, e->digest,
		    "was corrupt and has been removed: run this again");
	return true;
}

static bool
is_later(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec
				    : a.tv_nsec > b.tv_nsec;
}

/* What an earlier run has left is hashed on its way into the archive, so that no run
 * makes a release current with what has become corrupt since, linked or not, or lost
 * its bytes in a power cut. What was written by this run was hashed when it came, and
 * is read back from memory: a second hash would say the same. */
static bool
archive_bytes(
    struct archive *a, const struct manifest_entry *e, int fd, struct stat *st)
{
	bool known = is_later(st->st_mtim, a->store->since), ok = true;
	uint64_t left = (uint64_t)st->st_size;
	uint8_t got[DIGEST_SIZE];
	struct digest d = { 0 };
	ssize_t n = 0;

	if (!known)
		digest_init(&d);
	for (; ok && left > 0; left -= (uint64_t)n) {
		n = fd_read(fd, a->in,
		    left < sizeof(a->in) ? (size_t)left : sizeof(a->in));
		if (n <= 0)
			break;
		if (!known)
			digest_add(&d, slice_of(a->in, (size_t)n));
		ok = ustar_bytes(&a->ustar, slice_of(a->in, (size_t)n));
	}
	if (n == -1)
		(void)store_fault(a->store, a->why, e->path, NULL);
	if (known)
		return ok && (left == 0 || (n == 0 && is_rotten(a, e)));
	if (!digest_end(&d, got) || !ok || n == -1)
		return false;
	return digest_equal(got, e->digest) || is_rotten(a, e);
}

static bool
archive_file(struct archive *a, const struct manifest_entry *e)
{
	struct stat st;
	int fd = store_object_fd(a->store, e->digest, &st);
	bool ok;

	if (fd == -1 && a->rotten > 0)
		return true;
	if (fd == -1)
		return store_object_fault(a->store, a->why, e->digest,
		    file_is_absent(errno) || errno == EINVAL ? "is missing"
							     : NULL);
	ok = ustar_begin(
		 &a->ustar, e->path, (uint64_t)st.st_size, a->m->created) &&
	     archive_bytes(a, e, fd, &st);
	fd_close(fd);
	if (!ok && a->why->text[0] == '\0')
		(void)store_fault(
		    a->store, a->why, e->path, "cannot be archived");
	return ok;
}

static bool
archive_manifest(struct archive *a, struct slice bytes)
{
	return ustar_begin(
		   &a->ustar, MANIFEST_PATH, bytes.len, a->m->created) &&
	       ustar_bytes(&a->ustar, bytes);
}

static bool
archive_all(struct archive *a, struct slice bytes)
{
	bool written = false;

	for (size_t i = 0; i < a->m->n; i++) {
		const struct manifest_entry *e = &a->m->entry[i];

		if (!written && strcmp(e->path, MANIFEST_PATH) > 0) {
			written = true;
			if (!archive_manifest(a, bytes))
				return false;
		}
		if (!archive_file(a, e))
			return false;
	}
	return a->rotten == 0 && (written || archive_manifest(a, bytes)) &&
	       ustar_end(&a->ustar);
}

static bool
write_archive(struct archive *a, int fd, struct slice bytes)
{
	bool ok;

	a->tar = fd == -1 ? NULL : fdopen(fd, "w");
	if (a->tar == NULL) {
		fd_close(fd);
		return false;
	}
	(void)setvbuf(a->tar, a->out, _IOFBF, sizeof(a->out));
	ok = fchmod(fd, STORE_OBJECT_MODE) == 0 && archive_all(a, bytes);
	return fclose(a->tar) == 0 && ok;
}

/* Puts it into a release that is on the disk. The archive itself is not waited for:
 * nothing that is served depends on it, each mirror that fetches it hashes its
 * members, and one that a power cut has shortened is made again. */
static bool
store_archive(struct store *s, int release, const struct manifest *m,
    struct slice bytes, struct why *why)
{
	struct archive *a = calloc(1, sizeof(*a));
	char tmp[STORE_NAME_SIZE] = "";
	int mirror = store_dir_open(release, "mirror");
	bool ok = false;

	why_clear(why);
	if (a != NULL && mirror != -1) {
		*a = (struct archive){ .store = s,
			.m = m,
			.why = why,
			.ustar = { .sink = sink, .arg = a } };
		ok = write_archive(a, store_tmp_file(s, tmp), bytes) &&
		     renameat(s->tmp, tmp, mirror, last_of(MANIFEST_ARCHIVE)) ==
			 0;
	}
	if (!ok && why->text[0] == '\0')
		(void)store_fault(s, why, MANIFEST_ARCHIVE, NULL);
	if (!ok && tmp[0] != '\0')
		(void)unlinkat(s->tmp, tmp, 0);
	fd_close(mirror);
	free(a);
	return ok;
}

int
store_release_fd(const struct store *s, uint64_t serial)
{
	char name[STORE_NAME_SIZE];

	store_serial_name(serial, name);
	return store_dir_open(s->releases, name);
}

bool
store_read(
    const struct store *s, uint64_t serial, const char *path, struct buf *out)
{
	int release = store_release_fd(s, serial), fd = -1;
	struct stat st;
	bool ok = release != -1 &&
		  file_open_beneath(release, path, &fd, &st) == FILE_OPENED &&
		  fd_read_all(fd, out);

	fd_close(fd);
	fd_close(release);
	return ok;
}

/* Whether a release has this manifest. False and errno: that is not known. */
static bool
has_manifest(const struct store *s, uint64_t serial, struct slice bytes)
{
	struct buf own;
	bool same;

	buf_init(&own, MANIFEST_MAX);
	same = store_read(s, serial, MANIFEST_PATH, &own);
	if (same) {
		same = slice_equal(buf_view(&own), bytes);
		errno = 0;
	}
	buf_fini(&own);
	return same;
}

/* All of it under a name that is not a release's, then on the disk, then there. */
static bool
build_new(struct store *s, const struct manifest *m, struct slice bytes,
    struct why *why)
{
	char name[STORE_NAME_SIZE], new[STORE_NAME_SIZE + sizeof(".new")];
	bool ok, built, held = false;
	int fd;

	store_serial_name(m->serial, name);
	(void)snprintf(new, sizeof(new), "%s.new", name);
	fd = store_dir_make(s->releases, new, NULL);
	if (fd == -1)
		return store_fault(s, why, STORE_RELEASES, NULL);
	ok = store_fill(s, fd, m, &bytes, why);
	/* What stood there goes only now, when it can be replaced. */
	built = ok && store_throw_release(s, m->serial, &held) && !held &&
		renameat(s->releases, new, s->releases, name) == 0;
	if (ok && !built)
		ok = store_fault(s, why, STORE_RELEASES,
		    held ? "a release of this serial is in use: try again later"
			 : NULL);
	ok = ok && store_archive(s, fd, m, bytes, why);
	fd_close(fd);
	if (!ok)
		(void)store_throw(s, s->releases, built ? name : new);
	return ok;
}

/* What is served, or held by a server that may still serve it, has to stay where it
 * is, and to be this one. */
static bool
repair_in_place(struct store *s, int release, const struct manifest *m,
    struct slice bytes, struct why *why)
{
	if (has_manifest(s, m->serial, bytes))
		return store_fill(s, release, m, &bytes, why) &&
		       store_archive(s, release, m, bytes, why);
	return store_fault(s, why, STORE_RELEASES,
	    errno != 0 ? NULL
		       : "another manifest of this serial is being served, or "
			 "is in use");
}

bool
store_build(struct store *s, const struct manifest *m, struct slice bytes,
    struct why *why)
{
	int release = store_release_fd(s, m->serial);
	bool stays, ok;

	assert(s->lock != -1);
	stays = release != -1 &&
		(store_current(s) == m->serial || store_is_held(release));
	/* Without the lock, if that was got. */
	(void)flock(release, LOCK_UN);
	ok = stays ? repair_in_place(s, release, m, bytes, why)
		   : build_new(s, m, bytes, why);
	fd_close(release);
	if (!store_sweep(s) && ok)
		return store_fault(s, why, STORE_TMP, NULL);
	return ok && (fsync(s->releases) == 0 ||
			 store_fault(s, why, STORE_RELEASES, NULL));
}

bool
store_release_is_whole(
    const struct store *s, const struct manifest *m, struct slice bytes)
{
	int release = store_release_fd(s, m->serial);
	struct stat object = { 0 }, archive;
	uint64_t sum = 0;
	bool whole;

	whole = has_manifest(s, m->serial, bytes) &&
		(store_current(s) != m->serial ||
		    (fstatat(release, MANIFEST_ARCHIVE, &archive,
			 AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(archive.st_mode) &&
			(uint64_t)archive.st_size >=
			    m->bytes + m->n * USTAR_BLOCK));
	for (size_t i = 0; whole && i < m->n; i++) {
		whole = store_object_stat(s, m->entry[i].digest, &object) &&
			store_is_linked(&object, release, m->entry[i].path);
		sum += (uint64_t)object.st_size;
	}
	fd_close(release);
	return whole && sum == m->bytes;
}

bool
store_relink(struct store *s, const struct manifest *m, struct why *why)
{
	int release = store_release_fd(s, m->serial);
	bool ok;

	assert(s->lock != -1);
	ok = release != -1 ? store_fill(s, release, m, NULL, why)
			   : store_fault(s, why, STORE_RELEASES, NULL);
	fd_close(release);
	return ok;
}

bool
store_put_manifest(
    struct store *s, uint64_t serial, struct slice bytes, struct why *why)
{
	int release = store_release_fd(s, serial);
	bool ok;

	assert(s->lock != -1);
	ok = put_manifest(s, release, bytes, why);
	fd_close(release);
	return ok;
}

/* Its time tells store_is_recent when it was superseded. */
static bool
mark_superseded(struct store *s, uint64_t serial)
{
	char name[STORE_NAME_SIZE];

	if (serial == 0)
		return true;
	store_serial_name(serial, name);
	return utimensat(s->releases, name, NULL, AT_SYMLINK_NOFOLLOW) == 0;
}

bool
store_switch(struct store *s, uint64_t serial, struct why *why)
{
	char target[STORE_PATH_SIZE];
	char tmp[STORE_NAME_SIZE];
	uint64_t old = store_current(s);
	int release = store_release_fd(s, serial);

	assert(s->lock != -1);
	if (release == -1)
		return store_fault(s, why, "releases", NULL);
	fd_close(release);
	store_layout_release(serial, target);
	store_tmp_name(s, STORE_CURRENT, tmp);
	if (old != serial &&
	    (!mark_superseded(s, old) || symlinkat(target, s->tmp, tmp) == -1 ||
		renameat(s->tmp, tmp, s->root, STORE_CURRENT) == -1 ||
		fsync(s->root) == -1)) {
		(void)store_fault(s, why, STORE_CURRENT, NULL);
		(void)unlinkat(s->tmp, tmp, 0);
		return false;
	}
	store_drop_archives(s);
	return true;
}
