/* SPDX-License-Identifier: ISC */
/* One release of a store as a tree: before a rollback, and each older one in a
 * scan. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "archive/verify_internal.h"

enum verify_result
verify_release(
    struct verify *v, const struct store *s, uint64_t serial, struct why *why)
{
	enum verify_result result;
	int release;

	buf_init(&v->text, MANIFEST_MAX);
	if (!store_manifest(s, serial, &v->text)) {
		why_errno(why, MANIFEST_PATH);
		return VERIFY_LOCAL;
	}
	result = verify_open(v, MANIFEST_PATH, why);
	if (result != VERIFY_GOOD)
		return result;
	if (v->manifest.serial != serial) {
		why_set(why, MANIFEST_PATH " is of serial %" PRIu64,
		    v->manifest.serial);
		return VERIFY_REFUSED;
	}
	release = store_release_fd(s, serial);
	if (release == -1) {
		why_set(why, "%s", strerror(errno));
		return VERIFY_LOCAL;
	}
	result = verify_tree(v, release, true, why) ? verify_conclude(v)
						    : VERIFY_LOCAL;
	(void)close(release);
	return result;
}

struct older {
	struct verify_scan *x;
	const struct manifest *m;
	uint64_t serial;
	int release;
};

/* Of a file that is its object's other name, or whose object is not sound, the
 * object was reported already. */
static bool
is_reported(const struct older *o, const struct manifest_entry *e)
{
	uint64_t size;

	return verify_is_linked(o->x, o->release, e) ||
	       verify_object(o->x->store, e->digest, &size) !=
		   VERIFY_OBJECT_SOUND;
}

static void
release_report(void *arg, enum verify_news news, const char *path)
{
	const struct older *o = arg;
	const struct manifest_entry *e = manifest_find(o->m, path);
	const char *shown = NULL;
	uint8_t memory[PATH_MAX + 64];
	struct buf text;

	if (e != NULL && is_reported(o, e))
		return;
	if (e != NULL)
		o->x->to_relink = true;
	buf_wrap(&text, memory, sizeof(memory));
	if (buf_printf(&text, "releases/%" PRIu64 "/%s", o->serial, path))
		shown = buf_cstr(&text);
	verify_report(o->x->v, news, shown != NULL ? shown : path);
}

static bool
release_check(struct older *o, struct why *why)
{
	struct verify v = {
		.report = release_report, .arg = o, .manifest = *o->m
	};
	bool ok;

	buf_init(&v.text, MANIFEST_MAX);
	v.mark = calloc(v.manifest.n + 1, sizeof(*v.mark));
	ok = v.mark != NULL && store_manifest(o->x->store, o->serial, &v.text);
	if (!ok)
		why_set(why, "%s", strerror(v.mark == NULL ? ENOMEM : errno));
	ok = ok && verify_tree(&v, o->release, true, why);
	if (!ok)
		why_at(why, "releases/%" PRIu64, o->serial);
	free(v.mark);
	buf_fini(&v.text);
	return ok;
}

bool
verify_older_files(struct verify_scan *x, uint64_t serial,
    const struct manifest *m, struct why *why)
{
	struct older o = { .x = x, .m = m, .serial = serial };
	bool ok = true;

	o.release = store_release_fd(x->store, serial);
	if (o.release == -1 && errno == ENOENT)
		return true;
	if (o.release == -1)
		return why_set(
		    why, "releases/%" PRIu64 ": %s", serial, strerror(errno));
	/* So that prune leaves it until it has been read; one that prune is
	 * removing is no longer kept. */
	if (flock(o.release, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		ok = release_check(&o, why);
	(void)close(o.release);
	return ok;
}
