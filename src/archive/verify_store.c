/* SPDX-License-Identifier: ISC */
/* A store verified; a mirror's mended, and verified again. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/verify_internal.h"
#include "os/file.h"
#include "util/array.h"

/* A store, looked at once: the current release as any tree, then the objects
 * behind it and those of older releases. */

enum verify_object
verify_object(
    const struct store *s, const uint8_t digest[DIGEST_SIZE], uint64_t *size)
{
	int fd = store_object_fd(s, digest);
	enum verify_object what = VERIFY_OBJECT_CORRUPT;
	uint8_t got[DIGEST_SIZE];

	*size = 0;
	if (fd == -1 && file_is_absent(errno))
		return VERIFY_OBJECT_ABSENT;
	if (fd == -1)
		return VERIFY_OBJECT_CLOSED;
	if (verify_hash(fd, got, size))
		what = digest_equal(got, digest) ? VERIFY_OBJECT_SOUND
						 : VERIFY_OBJECT_CORRUPT;
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
	    what == VERIFY_OBJECT_CORRUPT  ? VERIFY_CHANGED
	    : what == VERIFY_OBJECT_ABSENT ? VERIFY_MISSING
					   : VERIFY_UNREADABLE,
	    buf_cstr(&path));
}

/* Duplicates do no harm. */
static bool
add_rot(
    struct verify_scan *x, const uint8_t digest[DIGEST_SIZE], const char *path)
{
	struct verify_rot *grown;

	grown = array_grow(x->rot, x->n_rot, sizeof(*grown));
	if (grown == NULL)
		return false;
	x->rot = grown;
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

/* The current release's manifest cannot be read. RESULT_REFUSED: another copy of it
 * will do, should there be one. */
static enum result
no_manifest(struct verify_scan *x, int error, struct why *why)
{
	enum verify_news news = verify_news_of(error);

	why_set(why, MANIFEST_PATH ": %s", strerror(error));
	if (error == EMFILE || error == ENFILE || error == ENOMEM)
		return RESULT_LOCAL;
	verify_report(x->v, news, MANIFEST_PATH);
	/* What the disk has lost will not be good again. */
	return news == VERIFY_UNREADABLE &&
		       !(error == EIO && x->state->is_mirror)
		   ? RESULT_LOCAL
		   : RESULT_REFUSED;
}

/* The current release's, or another copy of the same. */
static enum result
scan_open_manifest(struct verify_scan *x, uint64_t serial, struct why *why)
{
	enum result result;

	if (!store_manifest(x->store, serial, &x->v->text)) {
		result = no_manifest(x, errno, why);
		if (result != RESULT_REFUSED)
			return result;
	} else {
		result = verify_open(x->v, MANIFEST_PATH, why);
		if (result != RESULT_REFUSED ||
		    verify_is_foreign(x, buf_view(&x->v->text), why))
			return result;
		verify_report(x->v, VERIFY_CHANGED, MANIFEST_PATH);
	}
	x->manifest_faulty = true;
	if (!x->state->is_mirror)
		return RESULT_REFUSED;
	return verify_recover(x, serial, why);
}

static enum result
scan_release(struct verify_scan *x, uint64_t serial, struct why *why)
{
	enum result result = scan_open_manifest(x, serial, why);
	uint8_t memory[64];
	struct buf name;
	int release;

	buf_wrap(&name, memory, sizeof(memory));
	if (result != RESULT_GOOD)
		return result;
	(void)buf_printf(&name, "releases/%" PRIu64, serial);
	if (!verify_is_serial(x, serial, buf_cstr(&name), why))
		return RESULT_REFUSED;
	x->largest = x->v->manifest.largest;
	release = store_release_fd(x->store, serial);
	if (release == -1) {
		why_errno(why, buf_cstr(&name));
		return RESULT_LOCAL;
	}
	result = verify_tree(x->v, release, true, why) &&
			 scan_check_objects(x, release, why)
		     ? verify_conclude(x->v)
		     : RESULT_LOCAL;
	(void)close(release);
	return result;
}

/* All of a store, once. */
static enum result
verify_scan(struct verify_scan *x, struct why *why)
{
	uint64_t serial = store_current(x->store);
	enum result result;

	why_clear(why);
	if (serial == 0 && file_is_absent(errno)) {
		why_set(why, "current does not lead to a release");
		return RESULT_REFUSED;
	}
	if (serial == 0) {
		why_errno(why, "current");
		return RESULT_LOCAL;
	}
	buf_init(&x->v->text, MANIFEST_MAX);
	result = scan_release(x, serial, why);
	if (result != RESULT_GOOD && store_current(x->store) != serial) {
		x->looked = false;
		why_clear(why);
		why_set(why, "another release came during the run: run this "
			     "again");
		return RESULT_FAILED;
	}
	return result;
}

static void
verify_scan_fini(struct verify_scan *x)
{
	free(x->rot);
	x->rot = NULL;
	x->n_rot = 0;
}

struct note {
	char *path;
	bool older; /* of an older release */
};

/* Paths that were reported, for comparison. */
struct notes {
	const struct verify *from;
	struct verify *v; /* hears it too; NULL: nobody does */
	struct note *at;
	size_t n;
	bool lost; /* out of memory */
};

/* To the caller's, as of the same release. */
static void
pass_on(struct verify *v, bool older, enum verify_news news, const char *path)
{
	v->in_older = older;
	verify_report(v, news, path);
	v->in_older = false;
}

static void
repaired_note(void *arg, enum verify_news news, const char *path)
{
	struct notes *k = arg;
	struct note *grown;

	if (k->v != NULL)
		pass_on(k->v, k->from->in_older, news, path);
	/* Nothing brings what is in excess away. */
	if (news == VERIFY_EXTRA || k->lost)
		return;
	grown = array_grow(k->at, k->n, sizeof(*grown));
	if (grown == NULL) {
		k->lost = true;
		return;
	}
	k->at = grown;
	k->at[k->n].older = k->from->in_older;
	k->at[k->n].path = strdup(path);
	k->lost = k->at[k->n].path == NULL;
	k->n += !k->lost;
}

static void
notes_fini(struct notes *k)
{
	while (k->n > 0)
		free(k->at[--k->n].path);
	free(k->at);
	k->at = NULL;
}

static int
repaired_compare(const void *a, const void *b)
{
	const struct note *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* Of what was reported the first time, what is not reported again. */
static void
repaired_report(
    struct verify *v, const struct notes *first, struct notes *second)
{
	if (first->lost || second->lost)
		return;
	if (second->n > 0)
		qsort(second->at, second->n, sizeof(*second->at),
		    repaired_compare);
	for (size_t i = 0; i < first->n; i++)
		if (second->n == 0 ||
		    bsearch(&first->at[i], second->at, second->n,
			sizeof(*second->at), repaired_compare) == NULL)
			pass_on(v, first->at[i].older, VERIFY_REPAIRED,
			    first->at[i].path);
}

/* The caller's is what the last scan found. */
static void
repaired_settle(struct verify *v, const struct verify_scan *x)
{
	struct verify *last = x->v;

	v->sound = x->looked;
	for (int i = 0; i < VERIFY_NEWS; i++)
		v->sound = v->sound && last->reported[i] == last->older[i];
	free(v->serial);
	v->serial = last->serial;
	v->n_serials = last->n_serials;
	last->serial = NULL;
}

/* The keys that a store pins. One that is retired has signed what a rollback leads
 * to. */
static void
take_keys(struct verify *v, const struct state *st)
{
	if (v->ring.n == 0)
		v->ring = st->ring;
}

/* After a repair: whether all is whole, and what has become so. */
static enum result
scan_again(struct verify_scan *first, const struct notes *before,
    enum result repaired, struct why *why)
{
	struct notes after = { 0 };
	struct verify v = {
		.ring = first->v->ring, .report = repaired_note, .arg = &after
	};
	struct verify_scan again = {
		.v = &v, .store = first->store, .state = first->state
	};
	enum result result;
	struct why said;

	after.from = &v;
	result = verify_scan(&again, &said);
	repaired_report(before->v, before, &after);
	repaired_settle(before->v, &again);
	if (result == RESULT_GOOD || v.reported[VERIFY_EXTRA] > 0) {
		why_clear(why);
		repaired = result;
	}
	if (repaired == RESULT_GOOD)
		repaired = result;
	if (repaired != RESULT_GOOD && why->text[0] == '\0')
		why_set(why, "%s", said.text);
	notes_fini(&after);
	verify_scan_fini(&again);
	verify_fini(&v);
	return repaired;
}

static bool
can_be_mended(const struct verify_scan *x)
{
	return x->state->is_mirror && x->v->opened &&
	       (x->n_rot > 0 || x->to_relink || x->manifest_faulty ||
		   x->v->archive_faulty);
}

static enum result
scan_and_mend(
    struct verify *v, struct store *s, const struct state *st, struct why *why)
{
	struct notes before = { .v = v };
	struct verify first = {
		.ring = v->ring, .report = repaired_note, .arg = &before
	};
	struct verify_scan x = { .v = &first, .store = s, .state = st };
	enum result result;

	before.from = &first;
	result = verify_scan(&x, why);
	repaired_settle(v, &x);
	if (result != RESULT_FAILED && can_be_mended(&x)) {
		why_clear(why);
		result = verify_repair(&x, why);
		result = scan_again(&x, &before, result, why);
	}
	verify_scan_fini(&x);
	notes_fini(&before);
	/* The answer is the caller's. */
	v->opened = first.opened;
	v->manifest = first.manifest;
	v->signer = first.signer;
	v->text = first.text;
	v->mark = first.mark;
	return result;
}

static enum result
verify_with(
    struct verify *v, struct store *s, struct state *st, struct why *why)
{
	switch (state_read(s, st, why)) {
	case STATE_READ:
	case STATE_NONE:
		break;
	case STATE_BROKEN:
	case STATE_UNREAD:
		return RESULT_LOCAL;
	}
	take_keys(v, st);
	return v->ring.n == 0 ? RESULT_USAGE : scan_and_mend(v, s, st, why);
}

enum result
verify_store(struct verify *v, const char *path, struct why *why)
{
	enum result result = RESULT_LOCAL;
	struct store *s = store_open(path, false, why);
	struct state *st = calloc(1, sizeof(*st));

	if (s != NULL && st == NULL)
		why_memory(why);
	if (s != NULL && st != NULL)
		result = verify_with(v, s, st, why);
	free(st);
	store_close(&s);
	return result;
}
