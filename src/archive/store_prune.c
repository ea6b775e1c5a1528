/* SPDX-License-Identifier: ISC */
/* What a store may forget, and how a mended object comes back to its releases. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/store_internal.h"
#include "os/file.h"
#include "util/clock.h"

/* How long ago a release was superseded or built, in seconds. False: it is not
 * there, or its time is far ahead, which is a clock that was wrong and no
 * reason to keep releases forever. */
static bool
age_of(const struct store *s, uint64_t serial, int64_t *age)
{
	char name[STORE_NAME_SIZE];
	struct stat st;

	store_serial_name(serial, name);
	if (fstatat(s->releases, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return false;
	*age = clock_wall() - (int64_t)st.st_mtime;
	return *age > -STORE_SUPERSEDED_S;
}

bool
store_is_recent(const struct store *s, uint64_t serial)
{
	int64_t age;

	return age_of(s, serial, &age) && age < STORE_SUPERSEDED_S;
}

/* The two that remain of a longer past, 0 where there is none. Of all that was
 * served back_s ago, or has been since, the earliest is then never lost to many
 * that come at once: as long as it is the oldest of its time it stays, and after that
 * until another has become as old. */
struct past {
	uint64_t within; /* the oldest that was superseded in the last back_s */
	uint64_t before; /* the newest that was superseded earlier */
};

/* Of the n in list, which were not taken back. */
static struct past
find_past(const struct store *s, const uint64_t *list, size_t n, int64_t back_s)
{
	uint64_t current = store_current(s);
	int64_t oldest = INT64_MIN, newest = INT64_MAX, age;
	struct past past = { 0 };

	for (size_t i = 0; back_s > 0 && i < n; i++) {
		if (list[i] == current || !age_of(s, list[i], &age))
			continue;
		if (age < back_s && age > oldest) {
			oldest = age;
			past.within = list[i];
		} else if (age >= back_s && age < newest) {
			newest = age;
			past.before = list[i];
		}
	}
	return past;
}

/* A link that is not understood may be somebody's who serves by it. */
static bool
is_current_known(const struct store *s, struct why *why)
{
	struct stat st;
	int fd;

	if (store_current(s) != 0)
		return true;
	if (!file_is_absent(errno))
		return store_fault(s, why, STORE_CURRENT, NULL);
	if (fstatat(s->root, STORE_CURRENT, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return true;
	fd = openat(s->root, STORE_CURRENT, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1 && file_is_absent(errno))
		return true;
	if (fd == -1)
		return store_fault(s, why, STORE_CURRENT, NULL);
	(void)close(fd);
	return store_fault(s, why, STORE_CURRENT,
	    "is not a link to releases/SERIAL: nothing is pruned");
}

static bool
prune_releases(struct store *s, const struct store_keeping *keep,
    unsigned *releases, struct why *why)
{
	char name[STORE_NAME_SIZE];
	uint64_t current = store_current(s);
	bool held = false;
	size_t n, good = 0;
	uint64_t *list = store_releases(s, &n);
	bool ok = list != NULL || n == 0;
	struct past past;

	while (ok && good < n &&
	       (keep->highest == 0 || list[good] <= keep->highest))
		good++;
	past = find_past(s, list, good, keep->back_s);
	for (size_t i = 0; ok && i < n; i++) {
		if ((i < good && i + keep->newest >= good) ||
		    list[i] == current || list[i] == past.within ||
		    list[i] == past.before || store_is_recent(s, list[i]))
			continue;
		store_serial_name(list[i], name);
		ok = store_throw_release(s, name, &held) &&
		     (held || store_sweep(s, false));
		*releases += ok && !held;
	}
	free(list);
	return ok || store_fault(s, why, "releases", NULL);
}

struct pruning {
	struct store *store;
	unsigned removed;
	struct why *why;
};

static bool
prune_object(void *arg, const uint8_t digest[DIGEST_SIZE], uint64_t links)
{
	struct pruning *p = arg;

	if (links > 0)
		return true;
	if (!store_discard(p->store, digest, p->why))
		return false;
	p->removed++;
	return true;
}

bool
store_prune(struct store *s, const struct store_keeping *keep,
    unsigned *releases, unsigned *objects, struct why *why)
{
	struct pruning p = { .store = s, .why = why };
	unsigned removed = 0;
	bool ok;

	assert(s->lock != -1);
	ok = is_current_known(s, why) &&
	     prune_releases(s, keep, &removed, why) &&
	     store_objects(s, prune_object, &p, why);
	if (releases != NULL)
		*releases = removed;
	if (objects != NULL)
		*objects = p.removed;
	return ok;
}

/* The directory that path lies in, beneath release, through no link; *name is
 * then the rest of path. -1 and errno. */
static int
open_parent(int release, const char *path, const char **name)
{
	char part[MANIFEST_PART_MAX + 1];
	int dir = store_dir_open(release, ".");
	const char *slash;
	size_t len;
	int fd;

	while (dir != -1 && (slash = strchr(path, '/')) != NULL) {
		len = (size_t)(slash - path);
		if (len >= sizeof(part))
			len = 0;
		memcpy(part, path, len);
		part[len] = '\0';
		fd = store_dir_make(dir, part, NULL);
		store_shut(dir);
		dir = fd;
		path = slash + 1;
	}
	*name = path;
	return dir;
}

/* Whether dir/name is the object itself. */
static bool
is_linked(const struct store *s, const uint8_t digest[DIGEST_SIZE], int dir,
    const char *name)
{
	struct stat here, object;
	int fd = store_object_fd(s, digest);
	bool same;

	same = fd != -1 && fstat(fd, &object) == 0 &&
	       fstatat(dir, name, &here, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_ino == object.st_ino && here.st_dev == object.st_dev;
	store_shut(fd);
	return same;
}

static bool
relink_one(struct store *s, int release, const struct manifest_entry *e,
    unsigned *mended, struct why *why)
{
	char tmp[STORE_NAME_SIZE];
	const char *fault = manifest_name_fault(slice_str(e->path));
	const char *name;
	int object = store_object_fd(s, e->digest);
	bool ok = true;
	int dir;

	/* One that could not be brought yet keeps none of the others waiting; one
	 * that cannot be opened takes no place of what may be good. */
	store_shut(object);
	if (object == -1)
		return true;
	if (fault != NULL)
		return store_fault(s, why, e->path, fault);
	dir = open_parent(release, e->path, &name);
	if (dir == -1)
		return store_fault(s, why, e->path, NULL);
	if (!is_linked(s, e->digest, dir, name)) {
		store_tmp_name(s, "link", tmp);
		ok = store_link(s, e->digest, s->tmp, tmp, why);
		if (ok && renameat(s->tmp, tmp, dir, name) == -1) {
			(void)unlinkat(s->tmp, tmp, 0);
			ok = store_fault(s, why, e->path, NULL);
		}
		*mended += ok;
	}
	store_shut(dir);
	return ok;
}

bool
store_relink(struct store *s, const struct manifest *m, unsigned *mended,
    struct why *why)
{
	int release = store_release_fd(s, m->serial);
	bool ok = true;

	assert(s->lock != -1);
	*mended = 0;
	if (release == -1)
		return store_fault(s, why, "releases", NULL);
	for (size_t i = 0; ok && i < m->n; i++)
		ok = relink_one(s, release, &m->entry[i], mended, why);
	store_shut(release);
	if (ok && *mended > 0 && syncfs(s->root) == -1)
		ok = store_fault(s, why, "releases", NULL);
	return ok;
}
