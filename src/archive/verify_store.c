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
#include <time.h>
#include <unistd.h>

#include "archive/state.h"
#include "archive/store_internal.h"
#include "archive/verify.h"
#include "os/file.h"
#include "util/fd.h"
#include "util/list.h"

enum { LOCK_TRIES = 20 }; /* a twentieth of a second each */

/* ------------------------------------------------------ manifests, objects */

void
verify_look(const struct store *s, struct verify_object *o)
{
	struct stat st = { .st_ino = 0 };
	int fd = store_object_fd(s, o->digest, &st);

	o->news = verify_news_of(errno);
	if (fd != -1)
		o->news = verify_bytes(fd, o->digest);
	/* What the disk has lost will not be good again. */
	o->wrong = o->news == VERIFY_CHANGED || o->news == VERIFY_MISSING ||
		   (o->news == VERIFY_UNREADABLE && errno == EIO);
	o->device = st.st_dev;
	o->inode = st.st_ino;
	o->looked = true;
	fd_close(fd);
}

void
verify_list_fini(struct verify_list *l)
{
	manifest_fini(&l->m);
	buf_fini(&l->text);
}

bool
verify_open_list(const struct state *st, const struct keyring *ring,
    uint64_t serial, struct verify_list *l, struct why *why)
{
	const struct manifest *m = &l->m;
	const struct keyring_key *signer;

	if (manifest_open(buf_view(&l->text), ring, &signer, &l->m, why) !=
	    MANIFEST_GOOD)
		return false;
	l->signer = signer->key;
	if ((serial == 0 || m->serial == serial) &&
	    (st == NULL || ((st->origin[0] == '\0' ||
				strcmp(st->origin, m->origin) == 0) &&
			       (serial != st->serial ||
				   digest_equal(m->digest, st->manifest)))))
		return true;
	why_set(why,
	    "it is another one than this store took over, serial %" PRIu64
	    " of %s",
	    m->serial, m->origin);
	manifest_fini(&l->m);
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
	if (!store_read(s, serial, MANIFEST_PATH, &l->text)) {
		news = verify_news_of(errno);
		why_set(why, "%s", strerror(errno));
	} else if (verify_open_list(st, ring, serial, l, why)) {
		return VERIFY_SOUND;
	}
	(void)why_at(why, "releases/%" PRIu64 "/" MANIFEST_PATH, serial);
	return news;
}

/* ------------------------------------------------------------------- scan */

static void
report_object(struct verify_work *w, struct verify_object *o)
{
	char path[STORE_PATH_SIZE];

	store_layout_object(o->digest, path);
	verify_report(w, o->news, path);
	o->reported = true;
}

/* Only the store's own keys say what is wrong with it. */
void
verify_note(struct verify_work *w, const char *line)
{
	if (w->options->ring->n > 0)
		return;
	w->out->wrong = true;
	(void)buf_printf(&w->wrong, "%s\n", line);
}

static void
note_object(struct verify_work *w, const struct verify_object *o)
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(o->digest, hex);
	verify_note(w, hex);
}

static int
object_compare(const void *a, const void *b)
{
	const struct verify_object *x = a, *y = b;

	return memcmp(x->digest, y->digest, DIGEST_SIZE);
}

/* Among the first n. */
static struct verify_object *
find_object(struct verify_work *w, size_t n, const uint8_t digest[DIGEST_SIZE])
{
	struct verify_object key = { .looked = false };

	memcpy(key.digest, digest, DIGEST_SIZE);
	return n == 0
		   ? NULL
		   : bsearch(&key, w->object, n, sizeof(key), object_compare);
}

/* Adds what m lists. False: out of memory. */
static bool
add_objects(struct verify_work *w, const struct manifest *m)
{
	struct verify_object *grown =
	    reallocarray(w->object, w->n + m->n + 1, sizeof(*grown));
	size_t before = w->n, kept = 0;

	if (grown == NULL)
		return false;
	w->object = grown;
	for (size_t i = 0; i < m->n; i++)
		if (find_object(w, before, m->entry[i].digest) == NULL) {
			grown[w->n] = (struct verify_object){ .inode = 0 };
			memcpy(grown[w->n++].digest, m->entry[i].digest,
			    DIGEST_SIZE);
		}
	qsort(grown, w->n, sizeof(*grown), object_compare);
	for (size_t i = 0; i < w->n; i++)
		if (kept == 0 ||
		    object_compare(&grown[i], &grown[kept - 1]) != 0)
			grown[kept++] = grown[i];
	w->n = kept;
	return true;
}

/* The file should be another name of its object. What both share is reported once,
 * by its path in the current release. */
void
verify_listed(struct verify_work *w, const struct manifest_entry *e, int fd,
    const struct stat *st, enum verify_news news)
{
	struct verify_object *o = find_object(w, w->n, e->digest);
	bool linked;

	if (!o->looked)
		verify_look(w->store, o);
	linked = fd != -1 && st->st_ino == o->inode && st->st_dev == o->device;
	if (fd != -1)
		news = linked ? o->news : verify_bytes(fd, e->digest);
	if (news != VERIFY_SOUND && (!linked || !w->older)) {
		verify_report_in(w, news, e->path);
		o->reported = o->reported || linked;
		o->wrong = o->wrong || news != VERIFY_UNREADABLE;
	}
	if (o->news != VERIFY_SOUND && !o->reported)
		report_object(w, o);
	w->bad = w->bad || o->news != VERIFY_SOUND;
}

/* More than one thing may be the matter. */
static void
scan_say(struct verify_work *w, const struct why *what)
{
	struct why *why = &w->out->why;

	why_set(why, "%s%s%s", why->text, why->text[0] != '\0' ? "; " : "",
	    what->text);
}

/* A release's list cannot be had. One that cannot be read may be good, and its
 * release too. */
static void
report_manifest(struct verify_work *w, enum verify_news news, struct why *why)
{
	verify_report_in(w, news, MANIFEST_PATH);
	if (w->older && news != VERIFY_UNREADABLE)
		why_set(why,
		    "%s: do not roll back to it; carnation prune can remove it",
		    why->text);
	else if (news != VERIFY_UNREADABLE)
		verify_note(w, MANIFEST_PATH);
	scan_say(w, why);
}

/* The key that was given signed the current release, not each before. release is -1
 * when it cannot be opened. False: local trouble, and why. */
static bool
check_release(struct verify_work *w, int release)
{
	const struct keyring *ring = w->options->ring;
	struct verify_list older = { .m.serial = 0 };
	struct verify_list *l = w->older ? &older : &w->out->list;
	struct why why;
	enum verify_news news;
	bool ok = true;

	if (ring->n == 0 || (w->older && w->state->ring.n > 0))
		ring = &w->state->ring;
	news =
	    verify_open_release(w->store, w->state, ring, w->serial, l, &why);
	if (news != VERIFY_SOUND) {
		report_manifest(w, news, &why);
	} else {
		ok = add_objects(w, &l->m) ? verify_tree(w, l, release, &why)
					   : why_memory(&why);
		if (!ok)
			scan_say(w, &why);
	}
	verify_list_fini(&older);
	return ok;
}

/* Locks a release, so that prune leaves it until it has been read. True: it is gone.
 * prune has a lock for a moment; another holder (all who may read it can be one)
 * does not keep it from being looked at. */
static bool
is_leaving(const struct store *s, uint64_t serial, int release)
{
	const struct timespec pause = { .tv_nsec = 50 * 1000 * 1000 };
	int fd;

	for (int i = 0;
	     i < LOCK_TRIES && flock(release, LOCK_SH | LOCK_NB) == -1 &&
	     errno == EWOULDBLOCK;
	     i++)
		(void)nanosleep(&pause, NULL);
	fd = store_release_fd(s, serial);
	if (fd == -1)
		return errno == ENOENT;
	fd_close(fd);
	return false;
}

/* One that is pruned meanwhile is passed over. */
static bool
scan_release(struct verify_work *w, uint64_t serial, bool older)
{
	struct verify_outcome *out = w->out;
	uint64_t *grown;
	bool ok = true;
	int fd = store_release_fd(w->store, serial);

	w->serial = serial;
	w->older = older;
	w->bad = false;
	if (fd == -1 && errno == ENOENT)
		return true;
	if (fd == -1 || !is_leaving(w->store, serial, fd))
		ok = check_release(w, fd);
	fd_close(fd);
	if (!ok || !older || !w->bad)
		return ok;
	grown = array_grow(out->serial, out->n_serials, sizeof(*grown));
	if (grown == NULL)
		return why_memory(&out->why);
	out->serial = grown;
	grown[out->n_serials++] = serial;
	return true;
}

/* One that only a release has whose list is lost; or none has: that one is hashed
 * before it is used. */
static bool
check_unlisted(void *arg, const uint8_t digest[DIGEST_SIZE], uint64_t links)
{
	struct verify_work *w = arg;
	struct verify_object o;

	if (links == 0 || find_object(w, w->n, digest) != NULL)
		return true;
	memcpy(o.digest, digest, DIGEST_SIZE);
	verify_look(w->store, &o);
	/* What is gone was pruned meanwhile. */
	if (o.news == VERIFY_SOUND || o.news == VERIFY_MISSING)
		return true;
	report_object(w, &o);
	if (o.wrong)
		note_object(w, &o);
	return true;
}

/* RESULT_LOCAL and why, or of what was reported. */
static enum result
scan(struct verify_work *w, uint64_t current)
{
	size_t n;
	struct store_release *list = store_releases(w->store, &n);
	bool ok = list != NULL || n == 0;
	struct why why;

	if (!ok)
		why_errno(&w->out->why, STORE_RELEASES);
	ok = ok && scan_release(w, current, false);
	for (size_t i = 0; ok && i < n; i++)
		ok = list[i].serial == current ||
		     scan_release(w, list[i].serial, true);
	free(list);
	w->older = true;
	for (size_t i = 0; i < w->n; i++)
		if (w->object[i].wrong)
			note_object(w, &w->object[i]);
	if (ok && !store_objects(w->store, check_unlisted, w, &why)) {
		scan_say(w, &why);
		ok = false;
	}
	return ok ? verify_conclude(w->out) : RESULT_LOCAL;
}

/* The list of what is wrong, for the next run; none when nothing is. Who may not
 * write need not know unless there is something. What root made would be in the way
 * of who runs the mirror. */
static void
record(struct verify_work *w)
{
	int root = store_fd(w->store);
	bool done = false, wrong = w->out->wrong;
	struct stat st;
	struct why why;

	if (!wrong && fstatat(root, STORE_WRONG, &st, 0) == -1)
		return;
	if (fstat(root, &st) == -1 || st.st_uid != geteuid())
		why_set(&why, "the store belongs to another user; verify "
			      "--repair runs as that user");
	else if (store_lock(w->store, &why) == RESULT_GOOD)
		done = (store_throw(w->store, root, STORE_WRONG) &&
			   store_sweep(w->store) &&
			   (!wrong ||
			       store_put_file(w->store, root, STORE_WRONG,
				   buf_view(&w->wrong), STORE_FILE_MODE))) ||
		       store_fault(w->store, &why, STORE_WRONG, NULL);
	if (done || !wrong)
		return;
	why_at(&why, "what is wrong could not be listed for the next run");
	scan_say(w, &why);
}

static enum result
verify_opened(struct verify_work *w)
{
	struct why *why = &w->out->why;
	enum state_read read = state_read(w->store, w->state, why);
	enum result result;
	uint64_t current;

	if (read != STATE_READ && read != STATE_NONE)
		return RESULT_LOCAL;
	w->out->is_mirror = w->state->is_mirror;
	if (w->options->ring->n == 0 && w->state->ring.n == 0)
		return RESULT_USAGE;
	current = store_current(w->store);
	if (current == 0) {
		why_errno(why, STORE_CURRENT);
		return file_is_absent(errno) ? RESULT_REFUSED : RESULT_LOCAL;
	}
	result = scan(w, current);
	if (w->options->ring->n == 0 &&
	    (result != RESULT_LOCAL || w->out->wrong))
		record(w);
	return result;
}

enum result
verify_store(const struct verify_work *given, const char *path)
{
	struct verify_work w = *given;
	enum result result;
	struct state st;

	w.state = &st;
	w.store = store_open(path, false, &w.out->why);
	if (w.store == NULL)
		return RESULT_LOCAL;
	buf_init(&w.wrong, VERIFY_WRONG_MAX);
	result = verify_opened(&w);
	free(w.object);
	buf_fini(&w.wrong);
	store_close(&w.store);
	return result;
}
