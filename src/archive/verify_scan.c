/* SPDX-License-Identifier: ISC */
/* A store, looked at once: the current release as any tree, then the objects
 * behind it and those of older releases. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/verify_internal.h"
#include "os/file.h"

enum verify_object
verify_object(
    const struct store *s, const uint8_t digest[DIGEST_SIZE], uint64_t *size)
{
	int fd = store_object_fd(s, digest);
	enum verify_object what = VERIFY_OBJECT_ROTTEN;
	uint8_t got[DIGEST_SIZE];

	*size = 0;
	if (fd == -1 && file_is_absent(errno))
		return VERIFY_OBJECT_ABSENT;
	if (fd == -1)
		return VERIFY_OBJECT_CLOSED;
	if (verify_hash(fd, got, size))
		what = digest_equal(got, digest) ? VERIFY_OBJECT_SOUND
						 : VERIFY_OBJECT_ROTTEN;
	else if (errno != EIO) /* a disk that lost it gives that */
		what = VERIFY_OBJECT_CLOSED;
	(void)close(fd);
	return what;
}

/* For messages and news. */
static void
object_path(const uint8_t digest[DIGEST_SIZE], struct buf *out)
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(digest, hex);
	(void)buf_printf(out, "objects/%.2s/%s", hex, hex + 2);
}

static void
object_report(struct verify_scan *x, const uint8_t digest[DIGEST_SIZE],
    enum verify_object what)
{
	uint8_t memory[DIGEST_HEX_SIZE + 16];
	struct buf path;

	buf_wrap(&path, memory, sizeof(memory));
	object_path(digest, &path);
	verify_report(x->v,
	    what == VERIFY_OBJECT_ROTTEN   ? VERIFY_CHANGED
	    : what == VERIFY_OBJECT_ABSENT ? VERIFY_MISSING
					   : VERIFY_UNREADABLE,
	    buf_cstr(&path));
}

/* Several times the same is no harm. */
static bool
add_rot(
    struct verify_scan *x, const uint8_t digest[DIGEST_SIZE], const char *path)
{
	struct verify_rot *grown;

	/* Room doubles whenever their number is a power of two. */
	if ((x->n_rot & (x->n_rot - 1)) == 0) {
		grown = realloc(x->rot,
		    (x->n_rot == 0 ? 1 : x->n_rot * 2) * sizeof(*grown));
		if (grown == NULL)
			return false;
		x->rot = grown;
	}
	memcpy(x->rot[x->n_rot].digest, digest, DIGEST_SIZE);
	x->rot[x->n_rot++].path = path;
	return true;
}

bool
verify_suspect(
    struct verify_scan *x, const uint8_t digest[DIGEST_SIZE], bool *sound)
{
	uint64_t size;
	enum verify_object what = verify_object(x->store, digest, &size);

	*sound = what == VERIFY_OBJECT_SOUND;
	if (*sound)
		return true;
	object_report(x, digest, what);
	return what == VERIFY_OBJECT_CLOSED || add_rot(x, digest, NULL);
}

bool
verify_is_linked(
    const struct verify_scan *x, int release, const struct manifest_entry *e)
{
	int fd = store_object_fd(x->store, e->digest);
	struct stat object, file;
	bool same;

	same = fd != -1 && fstat(fd, &object) == 0 &&
	       fstatat(release, e->path, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
	       object.st_dev == file.st_dev && object.st_ino == file.st_ino;
	if (fd != -1)
		(void)close(fd);
	return same;
}

/* The object behind an entry that the tree's check has marked. */
static bool
check_behind(struct verify_scan *x, int release, size_t i)
{
	const struct manifest_entry *e = &x->v->manifest.entry[i];
	enum verify_object what;
	uint64_t size;

	if (x->v->mark[i] == VERIFY_SOUND && verify_is_linked(x, release, e))
		return true;
	what = verify_object(x->store, e->digest, &size);
	if (x->v->mark[i] == VERIFY_FAULTY)
		x->to_relink = true;
	else if (what != VERIFY_OBJECT_SOUND)
		object_report(x, e->digest, what);
	return what == VERIFY_OBJECT_SOUND || what == VERIFY_OBJECT_CLOSED ||
	       add_rot(x, e->digest, e->path);
}

static bool
scan_check_objects(struct verify_scan *x, int release, struct why *why)
{
	bool ok = true;

	for (size_t i = 0; ok && i < x->v->manifest.n; i++)
		ok = check_behind(x, release, i);
	x->looked = ok;
	x->v->in_older = true;
	ok = ok && verify_older(x, why);
	x->v->in_older = false;
	if (!ok && why->text[0] == '\0')
		why_memory(why);
	return ok;
}

/* The current release's manifest cannot be read. VERIFY_REFUSED: another copy of it
 * will do, should there be one. */
static enum verify_result
no_manifest(struct verify_scan *x, int error, struct why *why)
{
	enum verify_news news = verify_news_of(error);

	why_set(why, MANIFEST_PATH ": %s", strerror(error));
	if (error == EMFILE || error == ENFILE || error == ENOMEM)
		return VERIFY_LOCAL;
	verify_report(x->v, news, MANIFEST_PATH);
	/* What the disk has lost will not be good again. */
	return news == VERIFY_UNREADABLE &&
		       !(error == EIO && x->state->is_mirror)
		   ? VERIFY_LOCAL
		   : VERIFY_REFUSED;
}

/* The current release's, or another copy of the same. */
static enum verify_result
scan_open_manifest(struct verify_scan *x, uint64_t serial, struct why *why)
{
	enum verify_result result;

	if (!store_manifest(x->store, serial, &x->v->text)) {
		result = no_manifest(x, errno, why);
		if (result != VERIFY_REFUSED)
			return result;
	} else {
		result = verify_open(x->v, MANIFEST_PATH, why);
		if (result != VERIFY_REFUSED ||
		    verify_is_foreign(x, buf_view(&x->v->text), why))
			return result;
		verify_report(x->v, VERIFY_CHANGED, MANIFEST_PATH);
	}
	x->manifest_faulty = true;
	if (!x->state->is_mirror)
		return VERIFY_REFUSED;
	return verify_recover(x, serial, why);
}

static enum verify_result
scan_release(struct verify_scan *x, uint64_t serial, struct why *why)
{
	enum verify_result result = scan_open_manifest(x, serial, why);
	uint8_t memory[64];
	struct buf name;
	int release;

	buf_wrap(&name, memory, sizeof(memory));
	if (result != VERIFY_GOOD)
		return result;
	(void)buf_printf(&name, "releases/%" PRIu64, serial);
	if (!verify_is_serial(x, serial, buf_cstr(&name), why))
		return VERIFY_REFUSED;
	x->largest = x->v->manifest.largest;
	release = store_release_fd(x->store, serial);
	if (release == -1) {
		why_errno(why, buf_cstr(&name));
		return VERIFY_LOCAL;
	}
	result = verify_tree(x->v, release, true, why) &&
			 scan_check_objects(x, release, why)
		     ? verify_conclude(x->v)
		     : VERIFY_LOCAL;
	(void)close(release);
	return result;
}

enum verify_result
verify_scan(struct verify_scan *x, struct why *why)
{
	uint64_t serial = store_current(x->store);
	enum verify_result result;

	why_clear(why);
	if (serial == 0 && file_is_absent(errno)) {
		why_set(why, "current leads to no release");
		return VERIFY_REFUSED;
	}
	if (serial == 0) {
		why_errno(why, "current");
		return VERIFY_LOCAL;
	}
	buf_init(&x->v->text, MANIFEST_MAX);
	result = scan_release(x, serial, why);
	if (result != VERIFY_GOOD && store_current(x->store) != serial) {
		x->looked = false;
		why_clear(why);
		why_set(why, "another release came meanwhile: run this "
			     "again");
		return VERIFY_LATER;
	}
	return result;
}

void
verify_scan_fini(struct verify_scan *x)
{
	free(x->rot);
	x->rot = NULL;
	x->n_rot = 0;
}
