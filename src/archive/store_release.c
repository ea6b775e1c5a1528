/* SPDX-License-Identifier: ISC */
/* Releases of a store, and which of them is current. */
#include <assert.h>
#include <dirent.h>
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
#include "util/array.h"
#include "util/fd.h"

/* What a release consists of, made from a manifest and objects in one pass: the
 * files, and the archive that holds the same bytes. */

struct fill {
	struct store *store;
	const struct manifest *m;
	struct why *why;
	int release;
	bool link;

	/* The directory that was last linked to, and how its path begins. */
	int dir;
	struct slice dir_path;
	size_t directories;

	int tar;
	struct ustar_writer ustar;
	size_t held; /* bytes in out */
	uint8_t out[STORE_CHUNK];
	uint8_t in[STORE_CHUNK];
};

static bool
flush(struct fill *f)
{
	bool ok = fd_write_all(f->tar, slice_of(f->out, f->held));

	f->held = 0;
	return ok || store_fault(f->store, f->why, MANIFEST_ARCHIVE, NULL);
}

/* ustar's sink: small pieces go to the disk as one. */
static bool
sink(void *arg, struct slice bytes)
{
	struct fill *f = arg;
	size_t n;

	while (bytes.len > 0) {
		n = sizeof(f->out) - f->held;
		n = n < bytes.len ? n : bytes.len;
		memcpy(f->out + f->held, bytes.ptr, n);
		f->held += n;
		bytes = slice_skip(bytes, n);
		if (f->held == sizeof(f->out) && !flush(f))
			return false;
	}
	return true;
}

/* Another directory becomes f->dir: step by step from the release down. */
static bool
enter(struct fill *f, struct slice path)
{
	char part[MANIFEST_PART_MAX + 1];
	struct slice rest = path, head;
	int fd, dir = store_dir_open(f->release, ".");
	bool made;

	while (dir != -1 && rest.len > 0) {
		(void)slice_cut(rest, '/', &head, &rest);
		if (head.len == 0 || head.len >= sizeof(part)) {
			errno = ENAMETOOLONG;
			break;
		}
		memcpy(part, head.ptr, head.len);
		part[head.len] = '\0';
		fd = store_dir_make(dir, part, &made);
		store_shut(dir);
		dir = fd;
		f->directories += made;
		if (f->directories > STORE_DIRECTORIES_MAX)
			break;
	}
	store_shut(f->dir);
	f->dir = dir;
	f->dir_path = path;
	if (f->directories > STORE_DIRECTORIES_MAX)
		return store_fault(f->store, f->why, "releases",
		    "the manifest has too many directories");
	return (dir != -1 && rest.len == 0) ||
	       store_fault(f->store, f->why, "releases", NULL);
}

static bool
link_file(struct fill *f, const struct manifest_entry *e)
{
	const char *slash = strrchr(e->path, '/');
	struct slice dir =
	    slice_of(e->path, slash == NULL ? 0 : (size_t)(slash - e->path));
	const char *fault = manifest_name_fault(slice_str(e->path));

	if (fault != NULL)
		return store_fault(f->store, f->why, e->path, fault);
	if ((f->dir == -1 || !slice_equal(dir, f->dir_path)) && !enter(f, dir))
		return false;
	return store_link(f->store, e->digest, f->dir,
	    slash == NULL ? e->path : slash + 1, f->why);
}

/* Nothing corrupt gets into a release: the next run fetches it again. */
static bool
is_rotten(struct fill *f, const struct manifest_entry *e)
{
	char path[STORE_PATH_SIZE];

	store_layout_object(e->digest, path);
	if (!store_discard(f->store, e->digest, f->why))
		return false;
	return store_fault(f->store, f->why, path,
	    "was corrupt and has been removed: run this again");
}

static bool
archive_file(struct fill *f, const struct manifest_entry *e)
{
	uint8_t got[DIGEST_SIZE];
	int fd = store_object_fd(f->store, e->digest);
	struct digest d;
	uint64_t size = 0, left;
	bool ok;
	ssize_t n = 0;

	if (fd == -1 || !store_size(f->store, e->digest, &size) ||
	    !ustar_begin(&f->ustar, e->path, size, f->m->created)) {
		store_shut(fd);
		if (f->why->text[0] == '\0')
			(void)store_fault(f->store, f->why, e->path,
			    fd == -1 ? "its object cannot be opened"
				     : "cannot be archived");
		return false;
	}
	digest_init(&d);
	ok = true;
	for (left = size; ok && left > 0; left -= (uint64_t)n) {
		n = fd_read(fd, f->in,
		    left < sizeof(f->in) ? (size_t)left : sizeof(f->in));
		if (n <= 0)
			break;
		digest_add(&d, slice_of(f->in, (size_t)n));
		ok = ustar_bytes(&f->ustar, slice_of(f->in, (size_t)n));
	}
	store_shut(fd);
	if (!digest_end(&d, got) || !ok)
		return false;
	if (n == -1)
		return store_fault(f->store, f->why, e->path, NULL);
	return digest_equal(got, e->digest) || is_rotten(f, e);
}

static bool
filling_archive_manifest(struct fill *f, struct slice bytes)
{
	return ustar_begin(
		   &f->ustar, MANIFEST_PATH, bytes.len, f->m->created) &&
	       ustar_bytes(&f->ustar, bytes);
}

static bool
write_all_files(struct fill *f, struct slice bytes)
{
	bool written = false;

	for (size_t i = 0; i < f->m->n; i++) {
		const struct manifest_entry *e = &f->m->entry[i];

		if (!written && strcmp(e->path, MANIFEST_PATH) > 0) {
			written = true;
			if (!filling_archive_manifest(f, bytes))
				return false;
		}
		if ((f->link && !link_file(f, e)) || !archive_file(f, e))
			return false;
	}
	return (written || filling_archive_manifest(f, bytes)) &&
	       ustar_end(&f->ustar) && flush(f);
}

static const char *
last_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* Both into mirror/, of which nothing is seen before it is whole. */
static bool
put_both(struct fill *f, const char *tmp, struct slice bytes)
{
	struct store *s = f->store;
	int mirror = store_dir_make(f->release, "mirror", NULL);
	bool ok;

	ok = mirror != -1 && fchmod(f->tar, STORE_OBJECT_MODE) == 0 &&
	     renameat(s->tmp, tmp, mirror, last_of(MANIFEST_ARCHIVE)) == 0 &&
	     store_put_file(
		 s, mirror, last_of(MANIFEST_PATH), bytes, STORE_OBJECT_MODE);
	store_shut(mirror);
	return ok || store_fault(s, f->why, "mirror", NULL);
}

/* Writes mirror/MANIFEST and mirror/capsule.tar beneath release, and (link) makes its
 * files; names begin with "releases/..." in messages as shown. */
static bool
store_fill(struct store *s, int release, bool link, const struct manifest *m,
    struct slice bytes, struct why *why)
{
	struct fill *f = calloc(1, sizeof(*f));
	char tmp[STORE_NAME_SIZE];
	bool ok;

	if (f == NULL)
		return store_fault(s, why, "tmp", strerror(ENOMEM));
	*f = (struct fill){ .store = s,
		.m = m,
		.why = why,
		.release = release,
		.link = link,
		.dir = -1 };
	f->ustar.sink = sink;
	f->ustar.arg = f;
	f->tar = store_tmp_file(s, tmp);
	if (f->tar == -1) {
		free(f);
		return store_fault(s, why, "tmp", NULL);
	}
	ok = write_all_files(f, bytes) && put_both(f, tmp, bytes);
	if (!ok)
		(void)unlinkat(s->tmp, tmp, 0);
	store_shut(f->tar);
	store_shut(f->dir);
	free(f);
	return ok;
}

void
store_serial_name(uint64_t serial, char name[STORE_NAME_SIZE])
{
	(void)snprintf(name, STORE_NAME_SIZE, "%" PRIu64, serial);
}

int
store_release_fd(const struct store *s, uint64_t serial)
{
	char name[STORE_NAME_SIZE];

	store_serial_name(serial, name);
	return store_dir_open(s->releases, name);
}

bool
store_manifest(const struct store *s, uint64_t serial, struct buf *out)
{
	int release = store_release_fd(s, serial);
	int mirror = release == -1 ? -1 : store_dir_open(release, "mirror");
	struct stat st;
	int fd = mirror == -1 ? -1 : store_file_open(mirror, "MANIFEST", &st);
	bool ok = fd != -1 && fd_read_all(fd, out);

	store_shut(fd);
	store_shut(mirror);
	store_shut(release);
	return ok;
}

bool
store_throw_release(struct store *s, const char *name, bool *held)
{
	int fd = store_dir_open(s->releases, name);
	bool thrown;

	*held = false;
	/* Only a directory can be a release. */
	if (fd == -1 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP &&
	    errno != EACCES)
		return false;
	/* Kept until it is gone from its name: who opens it afterwards does not
	 * find it. A file system without locks has no holders either. */
	if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1 &&
	    errno == EWOULDBLOCK) {
		*held = true;
		store_shut(fd);
		return true;
	}
	thrown = store_throw(s, s->releases, name);
	store_shut(fd);
	return thrown;
}

/* False also when that cannot be determined (*unread: errno). */
static bool
is_same_release(
    const struct store *s, uint64_t serial, struct slice bytes, int *unread)
{
	struct buf old;
	bool same;

	*unread = 0;
	buf_init(&old, MANIFEST_MAX);
	same = store_manifest(s, serial, &old);
	if (same)
		same = slice_equal(buf_view(&old), bytes);
	else if (!file_is_absent(errno))
		*unread = errno;
	buf_fini(&old);
	return same;
}

/* Another release stands where one is to be built, and must stay; or one that
 * cannot be read: what says the former. */
static bool
other_fault(struct store *s, struct why *why, const char *name, int unread,
    const char *what)
{
	errno = unread;
	return store_fault(s, why, name, unread != 0 ? NULL : what);
}

static bool
discard_release(struct store *s, const char *name)
{
	return store_throw(s, s->releases, name) && store_sweep(s, false);
}

/* In place of a release that is in use, only the same one will do: its files are
 * made links to their objects again. */
static bool
keep_held(struct store *s, const struct manifest *m, struct slice bytes,
    struct why *why)
{
	unsigned mended;
	int unread;

	if (is_same_release(s, m->serial, bytes, &unread))
		return store_relink(s, m, &mended, why);
	return other_fault(s, why, "releases", unread,
	    "another release of this serial is in use: restart the server, "
	    "then "
	    "try again");
}

/* All of it under a name that is not a release's, then on the disk, then there. */
static bool
build_new(struct store *s, const char *name, const struct manifest *m,
    struct slice bytes, struct why *why)
{
	char new[STORE_NAME_SIZE + sizeof(".new")];
	bool ok, held = false;
	int fd;

	(void)snprintf(new, sizeof(new), "%s.new", name);
	fd = store_dir_make(s->releases, new, NULL);
	if (fd == -1)
		return store_fault(s, why, "releases", NULL);
	ok = store_fill(s, fd, true, m, bytes, why);
	store_shut(fd);
	/* What stood there goes only now, when it can be replaced. */
	if (ok &&
	    (syncfs(s->root) == -1 || !store_throw_release(s, name, &held) ||
		(!held && renameat(s->releases, new, s->releases, name) == -1)))
		ok = store_fault(s, why, "releases", NULL);
	else if (ok && held)
		ok = keep_held(s, m, bytes, why);
	if (!ok || held)
		(void)discard_release(s, new);
	else if (!store_sweep(s, false))
		ok = store_fault(s, why, "tmp", NULL);
	return ok;
}

bool
store_build(struct store *s, const struct manifest *m, struct slice bytes,
    struct why *why)
{
	char name[STORE_NAME_SIZE];
	int unread;

	assert(s->lock != -1);
	store_serial_name(m->serial, name);
	/* A release that is not served is not trusted: files may have been removed
	 * from it, or become corrupt, since it was built. */
	if (store_current(s) != m->serial) {
		if (!build_new(s, name, m, bytes, why))
			return false;
	} else if (!is_same_release(s, m->serial, bytes, &unread)) {
		return other_fault(s, why, STORE_CURRENT, unread,
		    "another manifest of this serial is being served");
	}
	return fsync(s->releases) == 0 || store_fault(s, why, "releases", NULL);
}

bool
store_restore(struct store *s, const struct manifest *m, struct slice bytes,
    struct why *why)
{
	int release = store_release_fd(s, m->serial);
	bool ok;

	assert(s->lock != -1);
	if (release == -1)
		return store_fault(s, why, "releases", NULL);
	ok = store_fill(s, release, false, m, bytes, why);
	store_shut(release);
	if (ok && syncfs(s->root) == -1)
		ok = store_fault(s, why, "releases", NULL);
	return ok;
}

bool
store_restore_manifest(
    struct store *s, uint64_t serial, struct slice bytes, struct why *why)
{
	int release = store_release_fd(s, serial);
	int mirror =
	    release == -1 ? -1 : store_dir_make(release, "mirror", NULL);
	bool ok;

	assert(s->lock != -1);
	ok = mirror != -1 &&
	     store_put_file(s, mirror, "MANIFEST", bytes, STORE_OBJECT_MODE);
	store_shut(mirror);
	store_shut(release);
	return ok || store_fault(s, why, "releases", NULL);
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
	store_shut(release);
	if (old == serial)
		return true;
	store_layout_release(serial, target);
	store_tmp_name(s, STORE_CURRENT, tmp);
	if (!mark_superseded(s, old) || symlinkat(target, s->tmp, tmp) == -1)
		return store_fault(s, why, STORE_CURRENT, NULL);
	if (renameat(s->tmp, tmp, s->root, STORE_CURRENT) == -1) {
		(void)store_fault(s, why, STORE_CURRENT, NULL);
		(void)unlinkat(s->tmp, tmp, 0);
		return false;
	}
	return fsync(s->root) == 0 || store_fault(s, why, STORE_CURRENT, NULL);
}

uint64_t
store_current(const struct store *s)
{
	char target[STORE_PATH_SIZE];
	ssize_t n =
	    readlinkat(s->root, STORE_CURRENT, target, sizeof(target) - 1);
	uint64_t serial;
	int fd;

	/* What is not a link is not a release either. */
	if (n == -1 && errno != EINVAL)
		return 0;
	target[n > 0 ? n : 0] = '\0';
	errno = ENOENT;
	serial = store_layout_linked(slice_str(target));
	if (serial == 0)
		return 0;
	fd = store_release_fd(s, serial);
	if (fd == -1)
		return 0;
	(void)close(fd);
	return serial;
}

static int
compare_serials(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* One serial more; false when out of memory. */
static bool
release_add_serial(uint64_t **list, size_t *n, uint64_t serial)
{
	uint64_t *more = array_grow(*list, *n, sizeof(*more));

	if (more == NULL)
		return false;
	*list = more;
	(*list)[(*n)++] = serial;
	return true;
}

/* All of dir's that are releases; false and errno. */
static bool
list_releases(DIR *dir, uint64_t **list, size_t *n)
{
	const struct dirent *entry;
	uint64_t serial;
	struct stat st;

	while (errno = 0, (entry = readdir(dir)) != NULL) {
		serial = store_layout_serial(slice_str(entry->d_name));
		if (serial == 0)
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st,
			AT_SYMLINK_NOFOLLOW) == -1) {
			if (errno != ENOENT) /* just pruned */
				return false;
			continue;
		}
		if (!S_ISDIR(st.st_mode))
			continue;
		if (!release_add_serial(list, n, serial))
			return false;
	}
	return errno == 0;
}

uint64_t *
store_releases(const struct store *s, size_t *n)
{
	int fd = store_dir_open(s->releases, ".");
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	uint64_t *list = NULL;
	int error;

	*n = 0;
	if (dir != NULL && list_releases(dir, &list, n)) {
		(void)closedir(dir);
		if (*n > 0)
			qsort(list, *n, sizeof(*list), compare_serials);
		return list;
	}
	error = errno;
	if (dir == NULL)
		store_shut(fd);
	else
		(void)closedir(dir);
	free(list);
	*n = 1;
	errno = error;
	return NULL;
}

bool
store_highest(const struct store *s, uint64_t *serial)
{
	size_t n;
	uint64_t *list = store_releases(s, &n);
	bool ok = list != NULL || n == 0;

	if (ok)
		*serial = n == 0 ? 0 : list[n - 1];
	free(list);
	return ok;
}

bool
store_write_trace(struct store *s, struct slice text, struct why *why)
{
	return store_put_file(s, s->root, STORE_TRACE, text, STORE_FILE_MODE) ||
	       store_fault(s, why, STORE_TRACE, NULL);
}
