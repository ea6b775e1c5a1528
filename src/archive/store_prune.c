/* SPDX-License-Identifier: ISC */
/* The releases that are there, which of them is current, and which may go. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "archive/store_internal.h"
#include "os/file.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/list.h"

void
store_serial_name(uint64_t serial, char name[STORE_NAME_SIZE])
{
	(void)snprintf(name, STORE_NAME_SIZE, "%" PRIu64, serial);
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
	const struct store_release *x = a, *y = b;

	return x->serial < y->serial ? -1 : x->serial > y->serial;
}

struct store_release *
store_releases(const struct store *s, size_t *n)
{
	struct store_release *list = NULL, *more, found = { 0 };
	struct file_names names;
	const char *name;

	*n = 0;
	file_names_open(&names, s->releases, ".");
	while ((name = file_names_next(&names)) != NULL) {
		found.serial = store_layout_serial(slice_str(name));
		if (found.serial == 0 || !S_ISDIR(names.st.st_mode))
			continue;
		more = array_grow(list, *n, sizeof(*list));
		if (more == NULL) {
			names.error = ENOMEM;
			break;
		}
		list = more;
		found.age = clock_wall() - (int64_t)names.st.st_mtime;
		list[(*n)++] = found;
	}
	if (*n > 0)
		qsort(list, *n, sizeof(*list), compare_serials);
	if (file_names_close(&names))
		return list;
	free(list);
	*n = 1;
	errno = names.error;
	return NULL;
}

bool
store_is_held(int release)
{
	return release != -1 && flock(release, LOCK_EX | LOCK_NB) == -1 &&
	       errno == EWOULDBLOCK;
}

bool
store_throw_release(struct store *s, uint64_t serial, bool *held)
{
	char name[STORE_NAME_SIZE];
	int fd;
	bool thrown;

	store_serial_name(serial, name);
	fd = store_dir_open(s->releases, name);
	*held = false;
	/* Only a directory can be a release. */
	if (fd == -1 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP &&
	    errno != EACCES)
		return false;
	*held = store_is_held(fd);
	/* The lock is kept until it is gone from its name: who opens it afterwards
	 * does not find it. */
	thrown = *held || store_throw(s, s->releases, name);
	fd_close(fd);
	return thrown;
}

void
store_drop_archives(struct store *s)
{
	uint64_t current = store_current(s);
	size_t n;
	struct store_release *list = store_releases(s, &n);
	int release, mirror;

	for (size_t i = 0; list != NULL && i < n && current != 0; i++) {
		if (list[i].serial == current)
			continue;
		release = store_release_fd(s, list[i].serial);
		mirror = release == -1 ? -1 : store_dir_open(release, "mirror");
		if (mirror != -1)
			(void)unlinkat(
			    mirror, strrchr(MANIFEST_ARCHIVE, '/') + 1, 0);
		fd_close(mirror);
		fd_close(release);
	}
	free(list);
}

/* The two that remain of a longer past (back_s). Of all that was served so long ago,
 * or has been since, the earliest is then never lost to many that come at once: as
 * long as it is the oldest of its time it stays, and after that until another has
 * become as old. */
static void
keep_past(
    struct store_release *list, size_t n, uint64_t current, int64_t back_s)
{
	struct store_release *within = NULL, *before = NULL;

	for (struct store_release *r = list; r < list + n; r++) {
		if (r->serial == current || r->age <= -STORE_SUPERSEDED_S)
			continue;
		if (r->age < back_s && (within == NULL || r->age > within->age))
			within = r;
		if (r->age >= back_s &&
		    (before == NULL || r->age < before->age))
			before = r;
	}
	if (within != NULL)
		within->decision = STORE_IS_OLD;
	if (before != NULL)
		before->decision = STORE_IS_OLD;
}

void
store_judge(struct store_release *list, size_t n, uint64_t current,
    const struct store_keeping *keep)
{
	size_t good = 0;

	for (size_t i = 0; i < n; i++) {
		list[i].decision = STORE_GOES;
		good += keep->highest == 0 || list[i].serial <= keep->highest;
	}
	if (keep->back_s > 0)
		keep_past(list, good, current, keep->back_s);
	for (size_t i = 0; i < n; i++) {
		if (i < good && i + keep->newest >= good)
			list[i].decision = STORE_IS_NEW;
		else if (list[i].serial == current)
			list[i].decision = STORE_IS_SERVED;
		else if (list[i].decision == STORE_GOES &&
			 list[i].age > -STORE_SUPERSEDED_S &&
			 list[i].age < STORE_SUPERSEDED_S)
			list[i].decision = STORE_IS_RECENT;
	}
}

/* A link that is not understood may be somebody's who serves by it. */
static bool
is_current_known(const struct store *s, struct why *why)
{
	struct stat st;

	if (store_current(s) != 0)
		return true;
	if (!file_is_absent(errno))
		return store_fault(s, why, STORE_CURRENT, NULL);
	if (fstatat(s->root, STORE_CURRENT, &st, 0) == 0)
		return store_fault(s, why, STORE_CURRENT,
		    "is not a link to releases/SERIAL: nothing is pruned");
	return file_is_absent(errno) ||
	       store_fault(s, why, STORE_CURRENT, NULL);
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

/* One release, and what an earlier failure has left. */
static bool
remove_release(struct store *s, uint64_t serial, bool *held, struct why *why)
{
	return (store_throw_release(s, serial, held) && store_sweep(s)) ||
	       store_fault(s, why, STORE_RELEASES, NULL);
}

static bool
prune_releases(struct store *s, const struct store_keeping *keep,
    struct store_pruned *out, struct why *why)
{
	bool held;

	out->release = store_releases(s, &out->n);
	if (out->release == NULL && out->n != 0) {
		out->n = 0;
		return store_fault(s, why, STORE_RELEASES, NULL);
	}
	store_judge(out->release, out->n, store_current(s), keep);
	for (size_t i = 0; i < out->n; i++) {
		struct store_release *r = &out->release[i];

		if (r->decision != STORE_GOES)
			continue;
		if (!remove_release(s, r->serial, &held, why)) {
			/* Those after a failure are not reported. */
			out->n = i;
			return false;
		}
		if (held)
			r->decision = STORE_IS_HELD;
	}
	return true;
}

bool
store_prune(struct store *s, const struct store_keeping *keep,
    struct store_pruned *out, struct why *why)
{
	struct pruning p = { .store = s, .why = why };
	struct store_pruned pruned = { 0 };
	bool ok;

	assert(s->lock != -1);
	ok = is_current_known(s, why) && prune_releases(s, keep, &pruned, why);
	store_drop_archives(s);
	ok = ok && store_objects(s, prune_object, &p, why);
	pruned.objects = p.removed;
	if (out != NULL)
		*out = pruned;
	else
		free(pruned.release);
	return ok;
}

/* One round: those still held move to the front of serial[], *n of them. */
static bool
retract_round(struct store *s, uint64_t *serial, size_t *n, struct why *why)
{
	uint64_t current = store_current(s);
	size_t all = *n;
	bool held;

	*n = 0;
	for (size_t i = 0; i < all; i++) {
		held = serial[i] == current;
		if (!held && !remove_release(s, serial[i], &held, why)) {
			while (i < all)
				serial[(*n)++] = serial[i++];
			return false;
		}
		if (held)
			serial[(*n)++] = serial[i];
	}
	return true;
}

bool
store_retract(struct store *s, uint64_t *serial, size_t *n, unsigned wait_s,
    struct why *why)
{
	const struct timespec pause = { .tv_nsec = 200 * 1000 * 1000 };
	uint64_t until = clock_ms() + wait_s * UINT64_C(1000);
	struct pruning p = { .store = s, .why = why };
	bool ok;

	assert(s->lock != -1);
	if (!is_current_known(s, why))
		return false;
	while ((ok = retract_round(s, serial, n, why)) && *n > 0 &&
	       clock_ms() < until)
		(void)nanosleep(&pause, NULL);
	return ok && store_objects(s, prune_object, &p, why);
}
