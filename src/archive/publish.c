/* SPDX-License-Identifier: ISC */
#include "archive/publish.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/found.h"
#include "archive/publish_internal.h"
#include "archive/state.h"
#include "archive/verify.h"
#include "os/file.h"
#include "util/fd.h"

enum { DAY_S = 24 * 60 * 60 };

struct publish {
	const struct publish_options *o;
	struct publish_plan plan;
	struct store *store; /* NULL: there is none yet */
	struct state state;
	struct feed_origin origin;
	struct hosts *last; /* the release that it is of; NULL: not open */
	struct publish_source source;
	struct signify_key signer;
	struct buf withdrawn; /* hashes of what is retracted */
};

void
publish_free(struct publish **pointer)
{
	struct publish *p = *pointer;

	*pointer = NULL;
	if (p == NULL)
		return;
	free(p->plan.loss);
	buf_fini(&p->withdrawn);
	buf_fini(&p->plan.list);
	manifest_fini(&p->plan.after);
	publish_source_close(&p->source);
	publish_root_close(&p->last);
	manifest_fini(&p->plan.before);
	store_close(&p->store);
	free(p);
}

static enum result
refuse_why(struct report *r, enum result result, const struct why *why)
{
	return publish_refuse(r, result, NULL, "%s", why->text);
}

/* -------------------------------------------------- what the store remembers */

/* Opens the store, or makes it, and reads its state. */
static enum result
store_take(struct publish *p, bool create, struct report *r)
{
	const char *path = p->o->store;
	enum result result = RESULT_LOCAL;
	struct why why;

	p->store = store_open(path, create, &why);
	if (p->store != NULL)
		result =
		    p->o->look_only ? RESULT_GOOD : store_lock(p->store, &why);
	if (result != RESULT_GOOD)
		return refuse_why(r, result, &why);
	switch (state_read(p->store, &p->state, &why)) {
	case STATE_READ:
		/* Somebody else may have been the first. */
		return !create ? RESULT_GOOD
			       : publish_refuse(r, RESULT_FAILED, path,
				     "another run has just published here: "
				     "start again");
	case STATE_NONE:
		if (store_current(p->store) == 0 && file_is_absent(errno))
			return RESULT_GOOD;
		return publish_refuse(r, RESULT_LOCAL, path,
		    "its file \"state\" is missing, and with it the keys: put "
		    "it back from a backup, or publish into a new store with a "
		    "higher serial (--serial)");
	case STATE_BROKEN:
	case STATE_UNREAD:
		break;
	}
	return refuse_why(r, RESULT_LOCAL, &why);
}

/* Whether a store could be made there, as far as it can be seen now. One that is
 * not there is made when there is something to put in. */
static enum result
store_check_room(const struct publish *p, struct report *r)
{
	int fd = file_root(p->o->store);

	if (fd == -1 && errno != ENOENT)
		return publish_refuse(
		    r, RESULT_LOCAL, p->o->store, "%s", strerror(errno));
	fd_close(fd);
	return RESULT_GOOD;
}

/* Reads the manifest of the last release, and opens that. A corrupt one does not
 * prevent publishing: the serial does not come from it. */
static void
last_read(struct publish *p, struct report *r)
{
	unsigned long long serial = p->state.serial;
	struct report ignored = { 0 };
	struct buf path;
	struct why why;

	if (serial == 0)
		return;
	if (p->state.final)
		p->plan.final_serial = serial;
	if (!state_open_release(
		p->store, &p->state, serial, &p->plan.before, &why)) {
		report_add(r, REPORT_WARNING, p->o->store, 0,
		    "the manifest of serial %llu cannot be used (%s), and "
		    "what has changed since is not known; see carnation "
		    "verify",
		    serial, why.text);
		return;
	}
	buf_init(&path, strlen(p->o->store) + 64);
	if (buf_printf(&path, "%s/releases/%llu", p->o->store, serial))
		p->last =
		    publish_root_open(buf_cstr(&path), &p->origin, &ignored);
	buf_fini(&path);
	report_fini(&ignored);
}

static enum result
serial_find(const struct publish *p, uint64_t *next, struct report *r)
{
	uint64_t wanted = p->o->serial, last;
	struct store_release *list;
	size_t n = 0;

	list = p->store == NULL ? NULL : store_releases(p->store, &n);
	if (list == NULL && n > 0)
		return publish_refuse(r, RESULT_LOCAL, p->o->store,
		    "releases: %s", strerror(errno));
	last = p->state.serial;
	if (n > 0 && list[n - 1].serial > last)
		last = list[n - 1].serial;
	free(list);
	*next = wanted != 0 ? wanted : last + 1;
	if (wanted == 0 || last == 0 ||
	    (wanted > last && wanted - last <= FOUND_AHEAD_MAX))
		return RESULT_GOOD;
	return publish_refuse(r, RESULT_USAGE, p->o->store,
	    "--serial %llu: mirrors that have %llu accept only higher ones, "
	    "by %d at most",
	    (unsigned long long)wanted, (unsigned long long)last,
	    FOUND_AHEAD_MAX);
}

/* --------------------------------------------------------------- the manifest */

/* False when out of memory or there are too many. */
static bool
list_fill(const struct publish_source *s, struct manifest *m)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct publish_file *f = &s->file[i];

		if (!manifest_add(m, f->digest, slice_str(f->path)))
			return false;
		m->bytes += f->size;
		if (f->size > m->largest)
			m->largest = f->size;
	}
	m->files = m->n;
	return true;
}

static enum result
list_make(struct publish *p, const struct signify_key *next, struct report *r)
{
	const struct publish_options *o = p->o;
	struct manifest m = { .created = o->created,
		.final = o->final,
		.has_next_key = next != NULL };
	enum result result = serial_find(p, &m.serial, r);
	struct why why;
	bool ok;

	if (result != RESULT_GOOD)
		return result;
	if (!o->final)
		m.refresh = o->created + (int64_t)o->refresh_days * DAY_S;
	if (next != NULL)
		m.next_key = *next;
	memcpy(m.origin, p->state.origin, sizeof(m.origin));
	(void)snprintf(m.key_name, sizeof(m.key_name), "%s", o->key_name);
	why_set(&why, "out of memory, or more than %d files or %d MiB of list",
	    MANIFEST_FILES_MAX, MANIFEST_MAX >> 20);
	/* Read again as a mirror will: what does not pass is not published. */
	ok = list_fill(&p->source, &m) && manifest_format(&m, &p->plan.list) &&
	     manifest_parse(buf_view(&p->plan.list), &p->plan.after, &why);
	manifest_fini(&m);
	if (!ok)
		return publish_refuse(r, RESULT_REFUSED, o->src,
		    "no manifest can be made of it: %s", why.text);
	digest_sha256(buf_view(&p->plan.list), p->plan.after.digest);
	if (o->key != NULL)
		p->signer = *o->key;
	return RESULT_GOOD;
}

/* Takes the list as it was signed elsewhere. */
static enum result
sealed_take(struct publish *p, struct report *r)
{
	const struct publish_options *o = p->o;
	struct keyring ring = p->state.ring;
	const struct keyring_key *signer;
	enum result result;
	struct manifest m;
	struct why why;

	if (o->key != NULL) {
		ring.n = 0;
		(void)keyring_pin(&ring, o->key);
	}
	if (manifest_open(o->sealed, &ring, &signer, &m, &why) != MANIFEST_GOOD)
		return publish_refuse(
		    r, RESULT_REFUSED, NULL, "the signed list: %s", why.text);
	p->signer = signer->key;
	result = publish_check_sealed(&m, &p->plan.after, r);
	if (result == RESULT_GOOD)
		result = publish_check_keys(o, &p->state.ring, &p->signer,
		    m.has_next_key ? &m.next_key : NULL, &p->plan.other_key, r);
	manifest_fini(&p->plan.after);
	p->plan.after = m;
	return result;
}

/* --------------------------------------------------------- what is retracted */

static bool
digest_is_among(const struct buf *list, const uint8_t digest[DIGEST_SIZE])
{
	for (size_t i = 0; i < list->len; i += DIGEST_SIZE)
		if (memcmp(list->ptr + i, digest, DIGEST_SIZE) == 0)
			return true;
	return false;
}

/* The file of the new release that has these bytes; NULL: none. */
static const char *
path_of(const struct publish_source *s, const uint8_t digest[DIGEST_SIZE])
{
	for (size_t i = 0; i < s->n; i++)
		if (memcmp(s->file[i].digest, digest, DIGEST_SIZE) == 0)
			return s->file[i].path;
	return NULL;
}

/* Notes the bytes that a release has at the retracted paths; those that the new
 * one has under another name stay. */
static void
retract_note(
    struct publish *p, const struct manifest *m, bool *found, struct report *r)
{
	for (size_t i = 0; i < p->o->n_retract; i++) {
		const struct manifest_entry *e =
		    manifest_find(m, p->o->retract[i]);
		const char *other;

		if (e == NULL)
			continue;
		found[i] = true;
		other = path_of(&p->source, e->digest);
		if (other != NULL)
			page_problem(r, REPORT_WARNING, p->source.root->host,
			    other, 0, "the same bytes as %s, and stays",
			    e->path);
		else if (!digest_is_among(&p->withdrawn, e->digest))
			(void)buf_put(
			    &p->withdrawn, slice_of(e->digest, DIGEST_SIZE));
	}
}

static bool
retract_holds(const struct publish *p, const struct manifest *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (publish_retracts(p->o, m->entry[i].path) ||
		    digest_is_among(&p->withdrawn, m->entry[i].digest))
			return true;
	return false;
}

/* Adds a release to those that go, if it is one. */
static enum result
retract_judge(struct publish *p, uint64_t serial, struct report *r)
{
	struct state *st = &p->state;
	struct manifest m;
	bool goes = true;
	struct why why;

	if (state_open_release(p->store, st, serial, &m, &why)) {
		goes = retract_holds(p, &m);
		manifest_fini(&m);
	} else {
		report_add(r, REPORT_WARNING, p->o->store, 0,
		    "nobody can tell what release %llu has, and it goes too: "
		    "%s",
		    (unsigned long long)serial, why.text);
	}
	if (!goes || state_retracts(st, serial))
		return RESULT_GOOD;
	if (st->n_retracted == STATE_RETRACTED_MAX)
		return publish_refuse(r, RESULT_FAILED, p->o->store,
		    "more than %d releases go: remove old ones first "
		    "(carnation prune)",
		    STATE_RETRACTED_MAX);
	st->retracted[st->n_retracted++] = serial;
	return RESULT_GOOD;
}

static enum result
retract_plan(struct publish *p, struct report *r)
{
	const struct publish_options *o = p->o;
	bool *found = calloc(o->n_retract, sizeof(*found));
	enum result result = RESULT_GOOD;
	struct store_release *list = NULL;
	struct manifest m;
	struct why unused;
	size_t n = 0;

	if (p->store != NULL)
		list = store_releases(p->store, &n);
	if (found == NULL || (list == NULL && n > 0))
		result = publish_refuse(
		    r, RESULT_LOCAL, o->store, "releases: %s", strerror(errno));
	for (size_t i = 0; i < n && result == RESULT_GOOD; i++)
		if (state_open_release(
			p->store, &p->state, list[i].serial, &m, &unused)) {
			retract_note(p, &m, found, r);
			manifest_fini(&m);
		}
	for (size_t i = 0; i < n && result == RESULT_GOOD; i++)
		result = retract_judge(p, list[i].serial, r);
	for (size_t i = 0; i < o->n_retract && result == RESULT_GOOD; i++)
		if (!found[i])
			result = publish_refuse(r, RESULT_USAGE, o->store,
			    "--retract %s: no release has such a file",
			    o->retract[i]);
	if (p->withdrawn.failed)
		result = publish_refuse(r, RESULT_LOCAL, NULL, "out of memory");
	p->plan.retracted = p->state.retracted;
	p->plan.n_retracted = p->state.n_retracted;
	free(list);
	free(found);
	return result;
}

/* ------------------------------------------------------------------- the plan */

/* Opens and checks what is published. */
static enum result
source_take(struct publish *p, struct report *r)
{
	struct publish_source *s = &p->source;
	enum result result = publish_source_open(s, p->o, &p->origin, r);

	if (result == RESULT_GOOD)
		result = publish_lint(s, p->o, &p->plan.lint_warnings, r);
	if (result != RESULT_GOOD)
		return result;
	p->plan.left_out = s->left_out;
	if (p->plan.before.serial != 0 && p->last == NULL &&
	    s->root->host->content.feed.text != NULL)
		report_add(r, REPORT_WARNING, p->o->store, 0,
		    "serial %llu cannot be read: feed readers may show its "
		    "entries again",
		    (unsigned long long)p->plan.before.serial);
	return publish_source_make(
	    s, p->o, &p->origin, p->last == NULL ? NULL : p->last->host, r);
}

static enum result
plan_make(struct publish *p, struct report *r)
{
	const struct publish_options *o = p->o;
	const struct signify_key *next = NULL;
	enum result result = store_is(o->store) ? store_take(p, false, r)
						: store_check_room(p, r);

	if (result == RESULT_GOOD)
		result = publish_find_origin(o, p->state.origin, &p->origin, r);
	if (result != RESULT_GOOD)
		return result;
	last_read(p, r);
	next = publish_successor(o, &p->state.ring);
	if (o->sealed.len == 0)
		result = publish_check_keys(
		    o, &p->state.ring, o->key, next, &p->plan.other_key, r);
	else if (o->key == NULL && p->state.ring.n == 0)
		result = publish_refuse(r, RESULT_USAGE, NULL,
		    "the first time, say which key it is signed with: --key "
		    "NAME.pub");
	if (result == RESULT_GOOD)
		result = source_take(p, r);
	if (result == RESULT_GOOD)
		result = list_make(p, next, r);
	if (result != RESULT_GOOD)
		return result;
	result = publish_check_list(&p->source, &p->plan.after, r);
	if (result == RESULT_GOOD && o->sealed.len > 0)
		result = sealed_take(p, r);
	if (result == RESULT_GOOD && o->n_retract > 0)
		result = retract_plan(p, r);
	p->plan.changes =
	    changes_between(&p->plan.before, &p->plan.after, NULL, NULL);
	if (result == RESULT_GOOD)
		result =
		    publish_find_losses(&p->source, o, p->last, &p->plan, r);
	return result;
}

enum result
publish_prepare(const struct publish_options *o, struct publish **out,
    const struct publish_plan **plan, struct report *r)
{
	struct publish *p = *out = calloc(1, sizeof(*p));

	if (p == NULL)
		return publish_refuse(r, RESULT_LOCAL, NULL, "out of memory");
	p->o = o;
	buf_init(&p->plan.list, MANIFEST_MAX);
	buf_init(&p->withdrawn, SIZE_MAX);
	*plan = &p->plan;
	return plan_make(p, r);
}

/* ---------------------------------------------------------------- the release */

/* The state as the new serial makes it. */
static void
state_turn(struct publish *p)
{
	struct state *st = &p->state;

	st->is_mirror = false;
	st->upstream[0] = st->url[0] = '\0';
	memcpy(st->host, p->origin.host, sizeof(st->host));
	state_accept(st, &p->plan.after, &p->signer, p->o->now, NULL);
}

static enum result
release_make(struct publish *p, struct slice sealed, struct report *r)
{
	struct why why;

	state_turn(p);
	/* The state before the switch: what anybody may have seen under a serial
	 * is never published again under the same. */
	if (!store_build(p->store, &p->plan.after, sealed, &why) ||
	    !state_write(p->store, &p->state, &why) ||
	    !store_switch(p->store, p->plan.after.serial, &why))
		return refuse_why(r, RESULT_LOCAL, &why);
	p->plan.published = true;
	if (!trace_write(p->store, &p->state, p->o->now, &why))
		report_add(r, REPORT_WARNING, NULL, 0,
		    "published, but the trace is an old one: %s", why.text);
	return RESULT_GOOD;
}

/* The files and the release. What verify has found wrong is stored again, in older
 * releases too. */
static enum result
release_put(struct publish *p, struct slice sealed, struct report *r)
{
	enum result result;
	size_t n_missing = 0;
	struct why why;
	bool recorded;

	if (!repair_discard(p->store, &recorded, &why))
		result = refuse_why(r, RESULT_LOCAL, &why);
	else
		result = publish_source_keep(&p->source, p->store, r);
	if (result == RESULT_GOOD)
		result = release_make(p, sealed, r);
	if (result == RESULT_GOOD && recorded &&
	    !repair_releases(p->store, &p->state, NULL, NULL, &n_missing, &why))
		result = refuse_why(r, RESULT_LOCAL, &why);
	if (n_missing > 0)
		report_add(r, REPORT_WARNING, p->o->store, 0,
		    "older releases lack %zu file%s: carnation prune can "
		    "remove them",
		    n_missing, n_missing == 1 ? "" : "s");
	return result;
}

enum result
publish_commit(struct publish *p, struct report *r)
{
	const struct publish_options *o = p->o;
	enum result result = RESULT_GOOD;
	struct buf sealed;

	assert(!o->look_only && p->plan.after.serial != 0);
	buf_init(&sealed, MANIFEST_MAX);
	if (o->sealed.len > 0 ? !buf_put(&sealed, o->sealed)
			      : !signify_sign(o->secret, o->key_name,
				    buf_view(&p->plan.list), &sealed) ||
				    !buf_put(&sealed, buf_view(&p->plan.list)))
		result = publish_refuse(r, RESULT_LOCAL, NULL,
		    "the list cannot be signed: out of memory, or it is longer "
		    "than %d MiB",
		    MANIFEST_MAX >> 20);
	else if (p->store == NULL)
		result = store_take(p, true, r);
	if (result == RESULT_GOOD)
		result = release_put(p, buf_view(&sealed), r);
	buf_fini(&sealed);
	return result;
}

enum result
publish_clear(struct publish *p, struct report *r)
{
	bool asked = p->o->n_retract > 0, ok = true;
	struct state *st = &p->state;
	struct why why;

	if (st->n_retracted == 0)
		return RESULT_GOOD;
	/* At once from objects/, where they are served by their hash. */
	for (size_t i = 0; ok && i < p->withdrawn.len; i += DIGEST_SIZE)
		ok = store_discard(p->store, p->withdrawn.ptr + i, &why);
	ok = ok &&
	     store_retract(p->store, st->retracted, &st->n_retracted,
		 asked ? STORE_SUPERSEDED_S : 0, &why) &&
	     state_write(p->store, st, &why);
	if (!ok)
		return refuse_why(r, RESULT_LOCAL, &why);
	for (size_t i = 0; i < st->n_retracted; i++)
		report_add(r, asked ? REPORT_ERROR : REPORT_WARNING,
		    p->o->store, 0,
		    "release %llu was retracted, and a process still uses it: "
		    "the next publish or prune removes it",
		    (unsigned long long)st->retracted[i]);
	return asked && st->n_retracted > 0 ? RESULT_FAILED : RESULT_GOOD;
}
