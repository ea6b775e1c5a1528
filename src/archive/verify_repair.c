/* SPDX-License-Identifier: ISC */
/* What has rotted in a mirror's store, brought anew from where it came. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/download.h"
#include "archive/verify_internal.h"
#include "os/file.h"

struct repair {
	struct verify_scan *x;
	struct courier courier;
	struct sources sources;
	size_t closed; /* objects that cannot be opened */
};

/* Whom to ask: where the last serial came from, then all that a mirror knows.
 * False and why. repair_fini is due in any case. */
static bool
repair_init(struct repair *r, struct verify_scan *x, struct buf *why)
{
	const struct state *st = x->state;

	*r = (struct repair){ .x = x };
	if (st->upstream[0] != '\0')
		sources_add(&r->sources, st->upstream);
	sources_add_known(&r->sources, x->store, st);
	return courier_open(&r->courier, why);
}

static void
repair_fini(struct repair *r)
{
	courier_close(&r->courier);
}

bool
verify_is_serial(const struct verify_scan *x, uint64_t serial, struct buf *why)
{
	uint8_t signature[SIGNIFY_SIGNATURE_SIZE], digest[DIGEST_SIZE];
	const struct manifest *m = &x->v->manifest;
	struct slice name, text;

	if (m->serial != serial) {
		(void)buf_printf(why,
		    "releases/%" PRIu64 " holds serial %" PRIu64, serial,
		    m->serial);
		return false;
	}
	if (x->state->origin[0] != '\0' &&
	    strcmp(x->state->origin, m->origin) != 0) {
		(void)buf_printf(why, "it is of %s, the store of %s", m->origin,
		    x->state->origin);
		return false;
	}
	if (serial != x->state->serial)
		return true;
	if (!signify_split(buf_view(&x->v->text), &name, signature, &text))
		return false;
	digest_sha256(text, digest);
	if (digest_equal(digest, x->state->manifest))
		return true;
	(void)buf_printf(why,
	    "serial %" PRIu64 " is not the one that this store took over: "
	    "there are two of that number",
	    serial);
	return false;
}

/* ------------------------------------------------------------- a manifest */

/* v->text, opened, when it is the one that was asked for. */
static bool
is_it(struct verify_scan *x, uint64_t serial, struct buf *why)
{
	if (verify_open(x->v, "another copy of it", why) != VERIFY_GOOD)
		return false;
	if (verify_is_serial(x, serial, why))
		return true;
	manifest_fini(&x->v->manifest);
	x->v->opened = false;
	free(x->v->mark);
	x->v->mark = NULL;
	return false;
}

static bool
recover_here(struct verify_scan *x, uint64_t serial)
{
	uint8_t memory[VERIFY_WHY_MAX];
	int fd = -1, release = store_release_fd(x->store, serial);
	bool found = false;
	struct stat st;
	struct buf why;

	buf_wrap(&why, memory, sizeof(memory));
	if (release != -1 && file_open_beneath(release, MANIFEST_ARCHIVE, &fd,
				 &st) == FILE_OPENED) {
		found =
		    verify_extract(x->v, fd, &why) && is_it(x, serial, &why);
		(void)close(fd);
	}
	if (release != -1)
		(void)close(release);
	return found;
}

/* A source's own manifest into text, which is begun anew. */
static bool
fetch_manifest(
    struct repair *r, struct source *s, struct buf *text, struct buf *why)
{
	bool cut;

	buf_fini(text);
	buf_init(text, MANIFEST_MAX);
	return courier_manifest(&r->courier, s, text, &cut, why) == ERRAND_DONE;
}

enum verify_result
verify_recover(struct verify_scan *x, uint64_t serial, struct buf *why)
{
	enum verify_result result = VERIFY_LOCAL;
	struct repair r;

	if (recover_here(x, serial))
		return VERIFY_GOOD;
	if (repair_init(&r, x, why)) {
		result = VERIFY_LATER;
		for (size_t i = 0; i < r.sources.n && result != VERIFY_GOOD;
		     i++) {
			buf_reset(why);
			if (fetch_manifest(
				&r, &r.sources.at[i], &x->v->text, why) &&
			    is_it(x, serial, why))
				result = VERIFY_GOOD;
		}
	}
	repair_fini(&r);
	/* A newer one mends this too. */
	if (result == VERIFY_LATER)
		(void)buf_str(why, "; no copy of " MANIFEST_PATH
				   " is to be had: run carnation mirror");
	return result;
}

/* --------------------------------------------------------------- objects */

/* What is to be brought, its rotten form taken away. */
static bool
plan(struct repair *r, struct download *d, struct buf *why)
{
	struct verify_scan *x = r->x;

	if (!verify_salvage(x, &r->closed, why))
		return false;
	for (size_t i = 0; i < x->n_rot; i++) {
		const struct verify_rot *rot = &x->rot[i];

		if (!rot->lost)
			continue;
		if (!store_discard(x->store, rot->digest, why))
			return false;
		if (!download_add(d, rot->digest, rot->path)) {
			(void)buf_str(why, "out of memory");
			return false;
		}
	}
	download_drop_twins(d);
	return true;
}

/* Whether other bytes are no wonder: somebody serves a later serial. NULL: nobody. */
static const char *
who_moved_on(struct repair *r)
{
	uint8_t memory[VERIFY_WHY_MAX];
	const struct verify *v = r->x->v;
	const char *who = NULL;
	struct buf text = { 0 }, why;
	struct manifest m;

	sources_revive(&r->sources);
	for (size_t i = 0; i < r->sources.n && who == NULL; i++) {
		struct source *s = &r->sources.at[i];

		buf_wrap(&why, memory, sizeof(memory));
		if (!fetch_manifest(r, s, &text, &why) ||
		    manifest_open(buf_view(&text), v->keys, v->n_keys, NULL, &m,
			NULL, &why) != MANIFEST_GOOD)
			continue;
		if (m.serial > v->manifest.serial &&
		    strcmp(m.origin, v->manifest.origin) == 0)
			who = s->base;
		manifest_fini(&m);
	}
	buf_fini(&text);
	return who;
}

/* What each source said last; nothing, when all that they said was no. */
static void
quote(const struct sources *s, struct buf *why)
{
	size_t before = why->len;

	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].said[0] != '\0')
			(void)buf_printf(
			    why, "; %s: %s", s->at[i].base, s->at[i].said);
	if (why->len == before)
		(void)buf_str(why, "; no source has them");
}

/* Some of it could not be brought: why, and what that makes. */
static enum verify_result
heed_lacking(struct repair *r, const struct download *d, struct buf *why)
{
	const char *later = d->others > 0 ? who_moved_on(r) : NULL;

	(void)buf_printf(why, "%zu of %zu files could not be brought anew",
	    d->failures + r->closed, d->n_missing + r->closed);
	if (r->closed > 0)
		(void)buf_str(why, "; an object cannot be opened");
	if (later != NULL)
		(void)buf_printf(why,
		    "; %s has a later serial: run carnation mirror", later);
	else if (d->failures > 0)
		quote(&r->sources, why);
	return d->others > 0 && later == NULL ? VERIFY_REFUSED : VERIFY_LATER;
}

struct relink {
	struct store *store;
	struct buf *why;
};

/* Sound objects get their names back. One whose list is lost has none to give. */
static bool
relink(void *arg, uint64_t serial, const struct manifest *m)
{
	struct relink *l = arg;
	unsigned mended;

	(void)serial;
	return m == NULL || store_relink(l->store, m, &mended, l->why);
}

/* Whether each object of the current release is there; what was not sound has been
 * taken away, unless it cannot be opened. */
static bool
is_whole(const struct verify_scan *x)
{
	bool whole = true;

	for (size_t i = 0; whole && i < x->n_rot; i++) {
		int fd;

		if (x->rot[i].path == NULL)
			continue;
		fd = store_object_fd(x->store, x->rot[i].digest);
		whole = fd != -1;
		if (whole)
			(void)close(fd);
	}
	return whole;
}

static bool
restore_archive(struct verify_scan *x, struct buf *why)
{
	return !x->v->archive_faulty || !is_whole(x) ||
	       store_restore(
		   x->store, &x->v->manifest, buf_view(&x->v->text), why);
}

/* What has been brought counts, whether or not all was. */
static enum verify_result
repair(struct repair *r, struct download *d, struct buf *why)
{
	enum download_result brought;
	struct relink l = { .store = r->x->store, .why = why };
	bool linked, archived;
	struct buf unsaid;

	if (!plan(r, d, why))
		return VERIFY_LOCAL;
	brought = download_run(d, why);
	if (brought == DOWNLOAD_LOCAL)
		return VERIFY_LOCAL;
	linked = verify_releases(r->x, relink, &l, why);
	buf_init(&unsaid, VERIFY_WHY_MAX);
	archived = restore_archive(r->x, linked ? why : &unsaid);
	buf_fini(&unsaid);
	if (!linked || !archived)
		return VERIFY_LOCAL;
	if (brought != DOWNLOAD_WHOLE || r->closed > 0)
		return heed_lacking(r, d, why);
	return VERIFY_GOOD;
}

/* All of it; the lock is held. */
static enum verify_result
repair_locked(struct verify_scan *x, struct buf *why)
{
	enum verify_result result = VERIFY_LOCAL;
	struct repair r;

	/* A good copy is at hand: it waits for nothing else. */
	if (x->manifest_faulty &&
	    !store_restore_manifest(
		x->store, x->v->manifest.serial, buf_view(&x->v->text), why))
		return VERIFY_LOCAL;
	if (repair_init(&r, x, why)) {
		struct download d = { .courier = &r.courier,
			.sources = &r.sources,
			.store = x->store,
			.largest = x->largest,
			.all = UINT64_MAX };

		result = repair(&r, &d, why);
		download_fini(&d);
	}
	repair_fini(&r);
	return result;
}

enum verify_result
verify_repair(struct verify_scan *x, struct buf *why)
{
	switch (store_lock(x->store, why)) {
	case STORE_BUSY:
		if (why->len == 0)
			(void)buf_str(why, "the store is in use: try later");
		return VERIFY_LATER;
	case STORE_LOCK_FAILED:
		return VERIFY_LOCAL;
	case STORE_LOCKED:
		break;
	}
	if (store_current(x->store) != x->v->manifest.serial) {
		(void)buf_str(why, "another release came meanwhile: run this "
				   "again");
		return VERIFY_LATER;
	}
	return repair_locked(x, why);
}
