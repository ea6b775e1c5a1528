/* SPDX-License-Identifier: ISC */
/* A store: all that it could ever serve. The current release first, then older
 * ones, for a rollback leads there, and a mirror serves their objects by hash. An
 * object is hashed once, in however many releases it is. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "archive/state.h"
#include "archive/store_internal.h"
#include "archive/verify.h"
#include "os/file.h"
#include "util/array.h"

/* ------------------------------------------------------ manifests, objects */

enum verify_news
verify_object(const struct store *s, const uint8_t digest[DIGEST_SIZE],
    struct stat *st, bool *wrong)
{
	int fd = store_object_fd(s, digest);
	enum verify_news news;

	*st = (struct stat){ 0 };
	if (fd == -1) {
		news = verify_news_of(errno);
	} else {
		news = fstat(fd, st) == 0 ? verify_bytes(fd, digest)
					  : VERIFY_UNREADABLE;
	}
	/* What the disk has lost will not be good again. */
	*wrong = news == VERIFY_CHANGED || news == VERIFY_MISSING ||
		 (news == VERIFY_UNREADABLE && errno == EIO);
	store_shut(fd);
	return news;
}

void
verify_list_fini(struct verify_list *l)
{
	if (l->signer != NULL)
		manifest_fini(&l->m);
	buf_fini(&l->text);
	l->signer = NULL;
}

bool
verify_open_list(const struct state *st, const struct keyring *ring,
    uint64_t serial, struct verify_list *l, struct why *why)
{
	struct manifest *m = &l->m;

	if (manifest_open(buf_view(&l->text), ring, &l->signer, m, why) !=
	    MANIFEST_GOOD) {
		l->signer = NULL;
		return false;
	}
	if (m->serial != serial)
		why_set(why, "it is of serial %" PRIu64 ", not %" PRIu64,
		    m->serial, serial);
	else if (st->origin[0] != '\0' && strcmp(st->origin, m->origin) != 0)
		why_set(
		    why, "it is of %s, the store of %s", m->origin, st->origin);
	else if (serial == st->serial && !digest_equal(m->digest, st->manifest))
		why_set(why,
		    "it is not the one that this store took over: there are "
		    "two of serial %" PRIu64,
		    serial);
	else
		return true;
	manifest_fini(m);
	l->signer = NULL;
	return false;
}

enum verify_news
verify_open_release(const struct store *s, const struct state *st,
    const struct keyring *ring, uint64_t serial, struct verify_list *l,
    struct why *why)
{
	enum verify_news news = VERIFY_CHANGED;

	verify_list_fini(l);
	buf_init(&l->text, MANIFEST_MAX);
	if (!store_manifest(s, serial, &l->text)) {
		news = verify_news_of(errno);
		why_set(why, "%s", strerror(errno));
	} else if (verify_open_list(st, ring, serial, l, why)) {
		return VERIFY_SOUND;
	}
	(void)why_at(why, "releases/%" PRIu64 "/" MANIFEST_PATH, serial);
	return news;
}

/* ------------------------------------------------------------------- scan */

/* An object that a release lists. */
struct object {
	uint8_t digest[DIGEST_SIZE];
	dev_t device;
	ino_t inode;
	enum verify_news news;
	bool looked, reported, wrong;
};

struct scan {
	const struct verify_options *options;
	struct verify_outcome *out;
	struct store *store;
	struct state *state;
	const struct keyring *ring;
	struct object *object; /* sorted; no two are the same */
	size_t n;
	struct buf wrong; /* STORE/wrong, as it will be */

	bool foreign; /* the key that was given is not the store's */

	/* The release that is looked at. */
	uint64_t serial;
	bool older, bad;
};

static void
scan_report(struct scan *x, enum verify_news news, const char *path)
{
	x->bad = true;
	verify_report(
	    x->options, x->older ? x->out->older : x->out->current, news, path);
}

/* Of a path beneath the release. */
static void
report_in_release(void *arg, enum verify_news news, const char *path)
{
	struct scan *x = arg;
	uint8_t memory[PATH_MAX + 64];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory) - 1);
	if (x->older &&
	    buf_printf(&text, "releases/%" PRIu64 "/%s", x->serial, path))
		path = buf_cstr(&text);
	scan_report(x, news, path);
}

static void
report_object(
    struct scan *x, const uint8_t digest[DIGEST_SIZE], enum verify_news news)
{
	char path[STORE_PATH_SIZE];

	store_layout_object(digest, path);
	scan_report(x, news, path);
}

/* A line of what is to be fetched, or made, again. */
static void
note_wrong(struct scan *x, const char *line)
{
	x->out->wrong = true;
	(void)buf_printf(&x->wrong, "%s\n", line);
}

static void
note_object(struct scan *x, const uint8_t digest[DIGEST_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(digest, hex);
	note_wrong(x, hex);
}

static int
object_compare(const void *a, const void *b)
{
	const struct object *x = a, *y = b;

	return memcmp(x->digest, y->digest, DIGEST_SIZE);
}

/* Among the first n. */
static struct object *
find_object(struct scan *x, size_t n, const uint8_t digest[DIGEST_SIZE])
{
	struct object key;

	memcpy(key.digest, digest, DIGEST_SIZE);
	return n == 0
		   ? NULL
		   : bsearch(&key, x->object, n, sizeof(key), object_compare);
}

/* Adds what m lists. False: out of memory. */
static bool
add_objects(struct scan *x, const struct manifest *m)
{
	struct object *grown =
	    reallocarray(x->object, x->n + m->n + 1, sizeof(*grown));
	size_t before = x->n, kept = 0;

	if (grown == NULL)
		return false;
	x->object = grown;
	for (size_t i = 0; i < m->n; i++)
		if (find_object(x, before, m->entry[i].digest) == NULL) {
			grown[x->n] = (struct object){ .looked = false };
			memcpy(grown[x->n++].digest, m->entry[i].digest,
			    DIGEST_SIZE);
		}
	qsort(grown, x->n, sizeof(*grown), object_compare);
	for (size_t i = 0; i < x->n; i++)
		if (kept == 0 ||
		    object_compare(&grown[i], &grown[kept - 1]) != 0)
			grown[kept++] = grown[i];
	x->n = kept;
	return true;
}

static void
look_at(struct scan *x, struct object *o)
{
	struct stat st;

	if (o->looked)
		return;
	o->looked = true;
	o->news = verify_object(x->store, o->digest, &st, &o->wrong);
	o->device = st.st_dev;
	o->inode = st.st_ino;
	if (o->wrong)
		note_object(x, o->digest);
}

/* A file of a release and the object that it should be another name of. What both
 * share is reported once, by its path in the current release. */
static void
check_file(void *arg, const struct manifest_entry *e, int fd,
    const struct stat *st, enum verify_news news)
{
	struct scan *x = arg;
	struct object *o = find_object(x, x->n, e->digest);
	bool linked;

	look_at(x, o);
	linked = fd != -1 && st->st_ino == o->inode && st->st_dev == o->device;
	if (fd != -1)
		news = linked ? o->news : verify_bytes(fd, e->digest);
	if (news != VERIFY_SOUND && (!linked || !x->older)) {
		report_in_release(x, news, e->path);
		o->reported = o->reported || linked;
		if (!o->wrong && news != VERIFY_UNREADABLE)
			note_object(x, o->digest);
		o->wrong = o->wrong || news != VERIFY_UNREADABLE;
	}
	if (o->news != VERIFY_SOUND && !o->reported) {
		report_object(x, o->digest, o->news);
		o->reported = true;
	}
	x->bad = x->bad || o->news != VERIFY_SOUND;
}

static void
check_other(void *arg, enum verify_news news, const char *path)
{
	struct scan *x = arg;

	report_in_release(x, news, path);
	if (strcmp(path, MANIFEST_ARCHIVE) == 0 && news != VERIFY_UNREADABLE)
		note_wrong(x, path);
}

/* More than one thing may be the matter. */
static void
scan_say(struct scan *x, const char *what)
{
	struct why *why = &x->out->why;

	why_set(
	    why, "%s%s%s", why->text, why->text[0] != '\0' ? "; " : "", what);
}

/* A release's list cannot be had. One that cannot be read may be good, and its
 * release too. */
static void
report_manifest(struct scan *x, enum verify_news news, struct why *why)
{
	report_in_release(x, news, MANIFEST_PATH);
	if (x->older && news != VERIFY_UNREADABLE)
		why_set(why,
		    "%s: do not roll back to it; carnation prune can remove it",
		    why->text);
	else if (news != VERIFY_UNREADABLE)
		note_wrong(x, MANIFEST_PATH);
	scan_say(x, why->text);
}

static bool
check_tree(struct scan *x, int release, const struct verify_list *l)
{
	const struct verify_visit visit = {
		.file = check_file, .other = check_other, .arg = x
	};
	struct why why;

	if (!add_objects(x, &l->m))
		why_memory(&why);
	else if (verify_tree(&l->m, buf_view(&l->text), release,
		     x->older ? VERIFY_OLDER : VERIFY_CURRENT, &visit, &why))
		return true;
	why_at(&why, "releases/%" PRIu64, x->serial);
	scan_say(x, why.text);
	return false;
}

/* The key that was given signed the current release, not each before. */
static enum verify_news
open_release(struct scan *x, struct verify_list *l, struct why *why)
{
	const struct keyring *own = &x->state->ring;
	enum verify_news news;
	struct why unused;

	news =
	    verify_open_release(x->store, x->state, x->ring, x->serial, l, why);
	if (news != VERIFY_CHANGED || x->ring == own ||
	    verify_open_release(
		x->store, x->state, own, x->serial, l, &unused) != VERIFY_SOUND)
		return news;
	x->foreign = !x->older;
	return x->older ? VERIFY_SOUND : news;
}

/* False: local trouble, or refused, and why. release is -1 when it cannot be
 * opened. */
static bool
check_release(struct scan *x, int release)
{
	struct verify_outcome *out = x->out;
	struct verify_list l = { .signer = NULL };
	enum verify_news news;
	struct why why;
	bool ok = true;

	news = open_release(x, &l, &why);
	if (x->foreign)
		ok = why_set(&out->why,
		    "%s: the store trusts its key, but it was not given",
		    why.text);
	else if (news != VERIFY_SOUND)
		report_manifest(x, news, &why);
	else
		ok = check_tree(x, release, &l);
	if (news == VERIFY_SOUND && !x->older) {
		out->opened = true;
		out->manifest = l.m;
		out->signer = l.signer->key;
		l.signer = NULL;
	}
	verify_list_fini(&l);
	return ok;
}

/* One that is pruned meanwhile is passed over. */
static bool
scan_release(struct scan *x, uint64_t serial, bool older)
{
	uint64_t *grown;
	bool ok = true;
	int fd = store_release_fd(x->store, serial);

	x->serial = serial;
	x->older = older;
	x->bad = false;
	if (fd == -1 && errno == ENOENT)
		return true;
	/* So that prune leaves it until it has been read. */
	if (fd == -1 || flock(fd, LOCK_SH | LOCK_NB) == 0 ||
	    errno != EWOULDBLOCK)
		ok = check_release(x, fd);
	store_shut(fd);
	if (!ok || !older || !x->bad)
		return ok;
	grown = array_grow(x->out->serial, x->out->n_serials, sizeof(*grown));
	if (grown == NULL)
		return why_memory(&x->out->why);
	x->out->serial = grown;
	grown[x->out->n_serials++] = serial;
	return true;
}

/* One that only a release has whose list is lost; or none has: that one is hashed
 * before it is used. */
static bool
check_unlisted(void *arg, const uint8_t digest[DIGEST_SIZE], uint64_t links)
{
	struct scan *x = arg;
	enum verify_news news;
	struct stat st;
	bool wrong;

	if (links == 0 || find_object(x, x->n, digest) != NULL)
		return true;
	news = verify_object(x->store, digest, &st, &wrong);
	if (news != VERIFY_SOUND)
		report_object(x, digest, news);
	if (wrong)
		note_object(x, digest);
	return true;
}

/* All of it, once. RESULT_LOCAL and why, or of what was reported. */
static enum result
scan(struct scan *x, uint64_t current)
{
	size_t n;
	uint64_t *serial = store_releases(x->store, &n);
	bool ok = serial != NULL || n == 0;
	struct why why;

	if (!ok)
		why_errno(&x->out->why, STORE_RELEASES);
	ok = ok && scan_release(x, current, false);
	for (size_t i = 0; ok && i < n; i++)
		ok = serial[i] == current || scan_release(x, serial[i], true);
	free(serial);
	x->older = true;
	if (ok && !store_objects(x->store, check_unlisted, x, &why)) {
		scan_say(x, why.text);
		ok = false;
	}
	if (x->foreign)
		return RESULT_REFUSED;
	return ok ? verify_conclude(x->out) : RESULT_LOCAL;
}

/* The list of what is wrong, for the next run; none when nothing is. Who may not
 * write need not know unless there is something. */
static void
record(struct scan *x)
{
	bool done = false;
	struct stat st;
	struct why why;

	if (!x->out->wrong && fstatat(store_fd(x->store), STORE_WRONG, &st,
				  AT_SYMLINK_NOFOLLOW) == -1)
		return;
	/* What root made would be in the way of who runs the mirror. */
	if (fstat(store_fd(x->store), &st) == -1 || st.st_uid != geteuid()) {
		why_set(&why, "it belongs to another user");
	} else if (store_lock(x->store, &why) == RESULT_GOOD) {
		if (x->out->wrong)
			done = store_put_file(x->store, store_fd(x->store),
			    STORE_WRONG, buf_view(&x->wrong), STORE_FILE_MODE);
		else
			done =
			    unlinkat(store_fd(x->store), STORE_WRONG, 0) == 0;
		if (!done)
			store_fault(x->store, &why, STORE_WRONG, NULL);
	}
	if (done || !x->out->wrong)
		return;
	why_at(&why, "what is wrong could not be listed for the next run");
	scan_say(x, why.text);
}

static enum result
scan_and_record(struct scan *x)
{
	uint64_t current = store_current(x->store);
	enum result result;

	if (current == 0) {
		if (!file_is_absent(errno)) {
			why_errno(&x->out->why, STORE_CURRENT);
			return RESULT_LOCAL;
		}
		why_set(&x->out->why, "current does not lead to a release");
		return RESULT_REFUSED;
	}
	buf_init(&x->wrong, VERIFY_WRONG_MAX);
	result = scan(x, current);
	if (result != RESULT_GOOD && store_current(x->store) != current) {
		x->out->sound = false;
		why_set(&x->out->why, "another release came during the run: "
				      "run this again");
		result = RESULT_FAILED;
	} else if (result != RESULT_LOCAL || x->out->wrong) {
		record(x);
	}
	buf_fini(&x->wrong);
	free(x->object);
	return result;
}

static enum result
verify_opened(struct scan *x)
{
	switch (state_read(x->store, x->state, &x->out->why)) {
	case STATE_READ:
	case STATE_NONE:
		break;
	case STATE_BROKEN:
	case STATE_UNREAD:
		return RESULT_LOCAL;
	}
	x->out->is_mirror = x->state->is_mirror;
	x->ring = x->options->ring->n > 0 ? x->options->ring : &x->state->ring;
	return x->ring->n == 0 ? RESULT_USAGE : scan_and_record(x);
}

enum result
verify_store(const struct verify_options *o, const char *path,
    struct verify_outcome *out)
{
	struct scan x = { .options = o, .out = out };
	enum result result = RESULT_LOCAL;

	x.store = store_open(path, false, &out->why);
	if (x.store == NULL)
		return RESULT_LOCAL;
	x.state = calloc(1, sizeof(*x.state));
	if (x.state == NULL)
		why_memory(&out->why);
	else
		result = verify_opened(&x);
	free(x.state);
	store_close(&x.store);
	return result;
}
