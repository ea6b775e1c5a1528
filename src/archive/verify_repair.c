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
	struct verify_others others;
	size_t closed; /* objects that cannot be opened */
};

/* What is to be brought, its rotten form taken away. */
static bool
plan(struct repair *r, struct download *d, struct why *why)
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
		if (!download_add(d, rot->digest, rot->path))
			return why_memory(why);
	}
	download_drop_twins(d);
	return true;
}

/* Whether other bytes are no wonder: somebody serves a later serial. NULL: nobody. */
static const char *
who_moved_on(struct repair *r)
{
	const struct verify *v = r->x->v;
	const char *who = NULL;
	struct buf text = { 0 };
	struct why why;
	struct manifest m;

	sources_revive(&r->others.sources);
	for (size_t i = 0; i < r->others.sources.n && who == NULL; i++) {
		struct source *s = &r->others.sources.at[i];

		if (!verify_fetch(&r->others, s, &text, &why) ||
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
quote(const struct sources *s, struct why *why)
{
	bool any = false;

	for (size_t i = 0; i < s->n; i++) {
		if (s->at[i].said.text[0] == '\0')
			continue;
		any = true;
		why_set(why, "%s; %s: %s", why->text, s->at[i].base,
		    s->at[i].said.text);
	}
	if (!any)
		why_set(why, "%s; no source has them", why->text);
}

/* Some of it could not be brought: why, and what that makes. */
static enum verify_result
lacking_report(struct repair *r, const struct download *d, struct why *why)
{
	const char *later = d->others > 0 ? who_moved_on(r) : NULL;

	why_set(why, "%zu of %zu files could not be brought anew%s",
	    d->failures + r->closed, d->n_missing + r->closed,
	    r->closed > 0 ? "; an object cannot be opened" : "");
	if (later != NULL)
		why_set(why, "%s; %s has a later serial: run carnation mirror",
		    why->text, later);
	else if (d->failures > 0)
		quote(&r->others.sources, why);
	return d->others > 0 && later == NULL ? VERIFY_REFUSED : VERIFY_LATER;
}

struct relink {
	struct store *store;
	struct why *why;
};

/* Sound objects get their names back. Without its list a release has none to give. */
static bool
relink(
    void *arg, uint64_t serial, const struct manifest *m, enum verify_news news)
{
	struct relink *l = arg;
	unsigned mended;

	(void)serial;
	(void)news;
	return m == NULL || store_relink(l->store, m, &mended, l->why);
}

/* Whether each object of the current release is there; what was not sound has been
 * taken away, unless it cannot be opened. */
static bool
repair_is_whole(const struct verify_scan *x)
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
restore_archive(struct verify_scan *x, struct why *why)
{
	return !x->v->archive_faulty || !repair_is_whole(x) ||
	       store_restore(
		   x->store, &x->v->manifest, buf_view(&x->v->text), why);
}

/* What has been brought counts, whether or not all was. */
static enum verify_result
repair(struct repair *r, struct download *d, struct why *why)
{
	enum download_result brought;
	struct relink l = { .store = r->x->store, .why = why };
	bool linked, archived;
	struct why unsaid;

	if (!plan(r, d, why))
		return VERIFY_LOCAL;
	brought = download_run(d, why);
	if (brought == DOWNLOAD_LOCAL)
		return VERIFY_LOCAL;
	linked = verify_releases(r->x, relink, &l, why);
	archived = restore_archive(r->x, linked ? why : &unsaid);
	if (!linked || !archived)
		return VERIFY_LOCAL;
	if (brought != DOWNLOAD_WHOLE || r->closed > 0)
		return lacking_report(r, d, why);
	return VERIFY_GOOD;
}

/* All of it; the lock is held. */
static enum verify_result
repair_locked(struct verify_scan *x, struct why *why)
{
	enum verify_result result = VERIFY_LOCAL;
	struct repair r = { .x = x };

	/* A good copy is at hand: it waits for nothing else. */
	if (x->manifest_faulty &&
	    !store_restore_manifest(
		x->store, x->v->manifest.serial, buf_view(&x->v->text), why))
		return VERIFY_LOCAL;
	if (verify_others_open(&r.others, x, why)) {
		struct download d = { .fetcher = &r.others.fetcher,
			.sources = &r.others.sources,
			.store = x->store,
			.largest = x->largest,
			.all = UINT64_MAX };

		result = repair(&r, &d, why);
		download_fini(&d);
	}
	verify_others_close(&r.others);
	return result;
}

enum verify_result
verify_repair(struct verify_scan *x, struct why *why)
{
	switch (store_lock(x->store, why)) {
	case STORE_BUSY:
		return VERIFY_LATER;
	case STORE_LOCK_FAILED:
		return VERIFY_LOCAL;
	case STORE_LOCKED:
		break;
	}
	if (store_current(x->store) != x->v->manifest.serial) {
		why_set(why, "another release came meanwhile: run this "
			     "again");
		return VERIFY_LATER;
	}
	return repair_locked(x, why);
}
