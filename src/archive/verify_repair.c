/* SPDX-License-Identifier: ISC */
/* What has rotted in a mirror's store, brought anew from where it came. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/verify_internal.h"
#include "os/file.h"

enum { MS = 1000, SOURCES = 2 };

struct repair {
	struct verify_scan *x;
	struct pull pull;
	unsigned later;     /* objects that could not be had */
	unsigned wrong;     /* and those of which only other bytes came */
	struct buf said;    /* why the last one failed */
	bool silent;        /* the source asked last does not answer */
	bool dead[SOURCES]; /* nor is it asked again */
};

const char *
verify_source(const struct state *st, unsigned i)
{
	const char *first = st->upstream[0] != '\0' ? st->upstream : st->origin;

	if (i == 0)
		return first;
	return i == 1 && strcmp(first, st->origin) != 0 ? st->origin : "";
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

static bool
put_text(void *arg, struct slice bytes)
{
	return buf_put(arg, bytes);
}

/* A source's own manifest into text. */
static bool
pull_manifest(
    struct pull *p, const char *base, struct buf *text, struct buf *why)
{
	enum pull_result got;

	buf_init(text, MANIFEST_MAX);
	got = pull(p, base, MANIFEST_PATH, MANIFEST_MAX,
	    (uint64_t)PULL_MANIFEST_S * MS, put_text, text, why);
	return got == PULL_DONE || got == PULL_CUT;
}

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

enum verify_result
verify_recover(struct verify_scan *x, uint64_t serial, struct buf *why)
{
	const char *base;
	struct pull p;
	bool found = false;

	if (recover_here(x, serial))
		return VERIFY_GOOD;
	if (!pull_init(&p, why)) {
		pull_fini(&p);
		return VERIFY_LOCAL;
	}
	for (unsigned i = 0; i < SOURCES && !found; i++) {
		base = verify_source(x->state, i);
		if (base[0] == '\0')
			continue;
		buf_reset(why);
		buf_fini(&x->v->text);
		found = pull_manifest(&p, base, &x->v->text, why) &&
			is_it(x, serial, why);
	}
	pull_fini(&p);
	if (found)
		return VERIFY_GOOD;
	/* A newer one mends this too. */
	(void)buf_str(why, "; no copy of " MANIFEST_PATH
			   " is to be had: run carnation mirror");
	return VERIFY_LATER;
}

/* --------------------------------------------------------------- objects */

static bool
put_object(void *arg, struct slice bytes)
{
	uint8_t memory[VERIFY_WHY_MAX];
	struct buf why;

	buf_wrap(&why, memory, sizeof(memory));
	return store_object_put(arg, bytes, &why);
}

/* From one source under one name. VERIFY_GOOD: it is in its place. */
static enum verify_result
bring(struct repair *r, const struct verify_rot *rot, const char *base,
    const char *path, uint64_t max)
{
	struct store_object *o = store_object_new(r->x->store, &r->said);
	enum pull_result got;

	if (o == NULL)
		return VERIFY_LOCAL;
	got = pull(&r->pull, base, path, max, pull_file_ms(max), put_object, o,
	    &r->said);
	switch (got) {
	case PULL_DONE:
	case PULL_CUT:
		break;
	case PULL_STOPPED:
		store_object_drop(&o);
		(void)buf_str(&r->said, "the disk takes no more");
		return VERIFY_LOCAL;
	case PULL_TOO_LONG:
		store_object_drop(&o);
		return VERIFY_REFUSED;
	case PULL_LATER:
		r->silent = true;
		store_object_drop(&o);
		return VERIFY_LATER;
	case PULL_NONE:
		store_object_drop(&o);
		return VERIFY_LATER;
	}
	switch (store_object_keep(&o, rot->digest, NULL, &r->said)) {
	case STORE_KEPT:
		return VERIFY_GOOD;
	case STORE_WRITE_FAILED:
		return VERIFY_LOCAL;
	case STORE_OTHER_HASH:
		break;
	}
	(void)buf_str(
	    &r->said, got == PULL_CUT ? "it was cut" : "other bytes came");
	return got == PULL_CUT ? VERIFY_LATER : VERIFY_REFUSED;
}

/* Whether other bytes are no wonder: a later serial is served there. */
static bool
has_moved_on(struct repair *r, const char *base)
{
	uint8_t memory[VERIFY_WHY_MAX];
	struct verify *v = r->x->v;
	struct manifest m;
	struct buf text, why;
	bool later = false;

	buf_wrap(&why, memory, sizeof(memory));
	if (pull_manifest(&r->pull, base, &text, &why) &&
	    manifest_open(buf_view(&text), v->keys, v->n_keys, NULL, &m, NULL,
		&why) == MANIFEST_GOOD) {
		later = m.serial > v->manifest.serial &&
			strcmp(m.origin, v->manifest.origin) == 0;
		manifest_fini(&m);
	}
	buf_fini(&text);
	return later;
}

static enum verify_result
bring_from(struct repair *r, const struct verify_rot *rot, const char *base,
    uint64_t max)
{
	char hex[DIGEST_HEX_SIZE], object[DIGEST_HEX_SIZE + 16] = "";
	enum verify_result by_hash, by_path;
	struct buf path;

	digest_hex(rot->digest, hex);
	buf_wrap(&path, object, sizeof(object));
	(void)(buf_printf(&path, "mirror/objects/%s", hex));
	buf_reset(&r->said);
	r->silent = false;
	by_hash = bring(r, rot, base, buf_cstr(&path), max);
	if (by_hash == VERIFY_GOOD || by_hash == VERIFY_LOCAL || r->silent ||
	    rot->path == NULL)
		return by_hash;
	buf_reset(&r->said);
	by_path = bring(r, rot, base, rot->path, max);
	if (by_path == VERIFY_REFUSED && by_hash != VERIFY_REFUSED &&
	    has_moved_on(r, base)) {
		buf_reset(&r->said);
		(void)buf_printf(&r->said,
		    "%s has a later serial: run carnation mirror", base);
		return VERIFY_LATER;
	}
	return by_path == VERIFY_LATER ? by_hash : by_path;
}

/* False: the disk is at fault. */
static bool
mend(struct repair *r, const struct verify_rot *rot, struct buf *why)
{
	enum verify_result result = VERIFY_LATER, all = VERIFY_LATER;
	uint64_t max = r->x->v->manifest.largest, size;
	const char *base;

	/* Another run may have been here before the lock was ours; and what
	 * cannot be opened now may be sound. */
	switch (verify_object(r->x->store, rot->digest, &size)) {
	case VERIFY_OBJECT_SOUND:
		return true;
	case VERIFY_OBJECT_CLOSED:
		(void)buf_str(&r->said, "an object cannot be opened");
		r->later++;
		return true;
	case VERIFY_OBJECT_ROTTEN:
	case VERIFY_OBJECT_ABSENT:
		break;
	}
	if (!store_discard(r->x->store, rot->digest, why))
		return false;
	max = size > max ? size : max;
	for (unsigned i = 0; i < SOURCES && result != VERIFY_GOOD; i++) {
		base = verify_source(r->x->state, i);
		if (base[0] == '\0' || r->dead[i])
			continue;
		result = bring_from(r, rot, base, max);
		r->dead[i] = r->silent;
		if (result == VERIFY_LOCAL) {
			(void)buf_put(why, buf_view(&r->said));
			return false;
		}
		if (result == VERIFY_REFUSED)
			all = result;
	}
	if (result == VERIFY_GOOD)
		return true;
	if (all == VERIFY_REFUSED)
		r->wrong++;
	else
		r->later++;
	return true;
}

/* Sound objects get their names back in every release. */
static bool
relink(struct verify_scan *x, struct buf *why)
{
	size_t n;
	uint64_t *serial = store_releases(x->store, &n);
	bool ok = serial != NULL || n == 0;

	for (size_t i = 0; ok && i < n; i++) {
		struct manifest m;
		struct buf text;
		unsigned mended;

		buf_init(&text, MANIFEST_MAX);
		/* One whose list is lost is what rollback will refuse. */
		if (serial[i] == x->v->manifest.serial) {
			ok = store_relink(
			    x->store, &x->v->manifest, &mended, why);
		} else if (store_manifest(x->store, serial[i], &text) &&
			   verify_open_older(x, buf_view(&text), &m)) {
			ok = store_relink(x->store, &m, &mended, why);
			manifest_fini(&m);
		}
		buf_fini(&text);
	}
	free(serial);
	return ok;
}

static enum verify_result
repair(struct repair *r, struct buf *why)
{
	struct verify_scan *x = r->x;

	for (size_t i = 0; i < x->n_rot; i++)
		if (!mend(r, &x->rot[i], why))
			return VERIFY_LOCAL;
	if (!relink(x, why))
		return VERIFY_LOCAL;
	if (r->later + r->wrong == 0 &&
	    (x->manifest_faulty || x->v->archive_faulty) &&
	    !store_restore(
		x->store, &x->v->manifest, buf_view(&x->v->text), why))
		return VERIFY_LOCAL;
	if (r->later + r->wrong == 0)
		return VERIFY_GOOD;
	(void)buf_printf(why, "%u of %zu files could not be brought anew: %.*s",
	    r->later + r->wrong, x->n_rot, SLICE_ARGS(buf_view(&r->said)));
	return r->wrong > 0 ? VERIFY_REFUSED : VERIFY_LATER;
}

enum verify_result
verify_repair(struct verify_scan *x, struct buf *why)
{
	struct repair r = { .x = x };
	enum verify_result result = VERIFY_LOCAL;

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
	buf_init(&r.said, VERIFY_WHY_MAX / 2);
	if (pull_init(&r.pull, why))
		result = repair(&r, why);
	pull_fini(&r.pull);
	buf_fini(&r.said);
	return result;
}
