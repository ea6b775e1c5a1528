/* SPDX-License-Identifier: ISC */
#include "archive/download.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/list.h"

/* What is to be fetched, and whether it was what the manifest says. */

/* What has a path before what has none. */
static int
by_path(const void *a, const void *b)
{
	const struct download_file *x = a, *y = b;

	if (x->path == NULL || y->path == NULL)
		return (x->path == NULL) - (y->path == NULL);
	return strcmp(x->path, y->path);
}

static int
plan_by_digest(const void *a, const void *b)
{
	const struct download_file *x = a, *y = b;
	int order = memcmp(x->digest, y->digest, DIGEST_SIZE);

	return order != 0 ? order : by_path(a, b);
}

bool
download_add(struct download *d, const uint8_t *digest, const char *path)
{
	size_t n = d->n_missing;
	struct download_file *grown;

	grown = array_grow(d->missing, n, sizeof(*grown));
	if (grown == NULL)
		return false;
	d->missing = grown;
	d->missing[d->n_missing++] =
	    (struct download_file){ .digest = digest, .path = path };
	return true;
}

void
download_drop_twins(struct download *d)
{
	struct download_file *file = d->missing;
	size_t kept = 0;

	if (d->n_missing == 0)
		return;
	qsort(file, d->n_missing, sizeof(*file), plan_by_digest);
	for (size_t i = 0; i < d->n_missing; i++)
		if (i == 0 ||
		    !digest_equal(file[i].digest, file[kept - 1].digest))
			file[kept++] = file[i];
	d->n_missing = kept;
	qsort(file, kept, sizeof(*file), by_path);
}

bool
download_plan(struct download *d, const struct manifest *m)
{
	struct stat st;
	uint64_t here = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct manifest_entry *e = &m->entry[i];

		if (store_object_stat(d->store, e->digest, &st) &&
		    (st.st_nlink > 1 || store_has(d->store, e->digest))) {
			here += (uint64_t)st.st_size;
		} else if (!download_add(d, e->digest, e->path)) {
			return false;
		}
	}
	download_drop_twins(d);
	d->largest = m->largest;
	d->all = m->bytes;
	if (d->n_missing > 0 && m->bytes > here)
		d->to_come = m->bytes - here;
	return true;
}

bool
download_is_as_said(const struct store *s, const struct manifest *m)
{
	uint64_t bytes = 0;
	struct stat st;

	for (size_t i = 0; i < m->n; i++) {
		if (!store_object_stat(s, m->entry[i].digest, &st) ||
		    (uint64_t)st.st_size > m->largest ||
		    (uint64_t)st.st_size > m->bytes - bytes)
			return false;
		bytes += (uint64_t)st.st_size;
	}
	return bytes == m->bytes;
}

void
download_fini(struct download *d)
{
	free(d->missing);
	d->missing = NULL;
	d->n_missing = 0;
}

enum {
	WAYS = 2, /* to one file at one source: by path, by hash */
};

/* One file on its way. */
struct transfer {
	struct download *d;
	struct download_file *file; /* NULL: none */
	struct source *source;      /* that is asked; NULL: another is due */
	uint32_t tried;             /* of the sources, a bit each */
	unsigned way;               /* at this source: 0, 1 */
	/* By hash first, unless the source is the origin or has shown that it has
	 * none; then the other way. */
	bool by_path;
	bool last_resort; /* a slow one, as no other has it */
	unsigned tries;
	struct fetcher_request request;
	struct store_object *object;
	bool too_late; /* and there is a quicker source */
};

/* ------------------------------------------------------------ one file */

/* Turns to the next one; false: there is none. */
static bool
source_choose(struct transfer *c)
{
	struct sources *all = c->d->sources;

	c->source = sources_find(all, c->tried, false);
	c->last_resort = c->source == NULL;
	if (c->last_resort)
		c->source = sources_find(all, c->tried, true);
	if (c->source == NULL)
		return false;
	c->tried |= UINT32_C(1) << (c->source - all->at);
	c->by_path = c->source->by_path;
	c->way = 0;
	c->tries = 0;
	return true;
}

static bool
is_too_late(const struct transfer *c)
{
	return !c->last_resort &&
	       source_is_late(
		   c->source, c->request.got, fetcher_took_ms(&c->request)) &&
	       sources_find(c->d->sources, c->tried, false) != NULL;
}

static bool
transfer_body(void *arg, struct slice bytes)
{
	struct transfer *c = arg;

	c->too_late = is_too_late(c);
	if (c->too_late)
		return false;
	c->d->local = !store_object_put(c->object, bytes, c->d->why);
	return !c->d->local;
}

static bool
transfer_start(struct transfer *c, struct why *said)
{
	const struct download *d = c->d;
	uint64_t room = d->all > d->bytes ? d->all - d->bytes : 0;
	char object[MIRROR_OBJECT_SIZE];
	struct fetcher_file wanted = {
		.max = room < d->largest ? room : d->largest,
		.body = transfer_body,
		.arg = c,
	};

	c->too_late = false;
	c->object = store_object_new(d->store, c->d->why);
	c->d->local = c->object == NULL;
	mirror_object(c->file->digest, object);
	wanted.path = c->by_path ? c->file->path : object;
	return !c->d->local &&
	       fetcher_start(&c->request, d->fetcher, c->source, &wanted, said);
}

static void
transfer_abort(struct transfer *c)
{
	fetcher_end(&c->request);
	store_object_drop(&c->object);
}

static void
way_next(struct transfer *c)
{
	c->by_path = !c->by_path;
	if (++c->way == WAYS)
		c->source = NULL;
}

/* Sets out by the next way that is open; false: there is none (or the store is
 * at fault). */
static bool
find_way(struct transfer *c)
{
	struct why said;

	while (c->source != NULL || source_choose(c)) {
		if (source_is_out(c->source)) {
			c->source = NULL;
			continue;
		}
		if (c->file->path != NULL || !c->by_path) {
			if (transfer_start(c, &said))
				return true;
			transfer_abort(c);
			if (c->d->local)
				return false;
		}
		way_next(c);
	}
	return false;
}

/* What is wrong with a file: the last that stands here counts most. */
static const char is_unreached[] = "could not be fetched",
		  is_absent[] = "no source has it",
		  is_other[] = "is not what the manifest says";

static void
fail(struct download *d, const struct download_file *file)
{
	d->failures++;
	d->others += file->fault == is_other;
}

/* The source could not be heard to the end: again, or elsewhere. */
static void
failure_handle(struct transfer *c, const char *said)
{
	source_strike(c->source, said, fetcher_took_ms(&c->request));
	if (++c->tries >= DOWNLOAD_TRIES)
		c->source = NULL;
}

static void
other_bytes_handle(struct transfer *c)
{
	c->file->fault = is_other;
	source_strike(c->source, "has other bytes than the manifest says", 0);
	way_next(c);
}

/* All came, or what a broken connection brought; true when it is the file. */
static bool
bytes_handle(struct transfer *c, const char *said)
{
	switch (
	    store_object_keep(&c->object, c->file->digest, NULL, c->d->why)) {
	case STORE_KEPT:
		break;
	case STORE_OTHER_HASH:
		if (c->request.cut)
			failure_handle(c, said);
		else
			other_bytes_handle(c);
		return false;
	case STORE_WRITE_FAILED:
		c->d->local = true;
		return false;
	}
	source_praise(c->source, c->request.got, fetcher_took_ms(&c->request));
	if (c->by_path)
		c->source->by_path = true;
	c->file->fault = NULL;
	c->d->files++;
	c->d->bytes += c->request.got;
	return true;
}

/* The request's end: true when the file is done with. */
static bool
end_handle(struct transfer *c, enum fetcher_result result, const char *said)
{
	switch (result) {
	case FETCHER_GOING:
		return false;
	case FETCHER_DONE:
		if (bytes_handle(c, said))
			return true;
		break;
	case FETCHER_ABSENT:
		if (c->file->fault == is_unreached)
			c->file->fault = is_absent;
		source_miss(c->source);
		way_next(c);
		break;
	case FETCHER_DENIED:
		source_strike(c->source, said, 0);
		way_next(c);
		break;
	case FETCHER_TOO_LONG:
		other_bytes_handle(c);
		break;
	case FETCHER_FAILED:
		failure_handle(c, said);
		break;
	case FETCHER_STOPPED:
		if (c->too_late) { /* it stays the last resort */
			source_delay(c->source, c->request.got,
			    fetcher_took_ms(&c->request));
			c->tried &=
			    ~(UINT32_C(1) << (c->source - c->d->sources->at));
			c->source = NULL;
		}
		break;
	case FETCHER_DISTRUSTED:
		c->source = NULL;
		break;
	}
	transfer_abort(c);
	if (c->d->local)
		return true;
	if (find_way(c))
		return false;
	if (!c->d->local)
		fail(c->d, c->file);
	return true;
}

/* ------------------------------------------------------------ all files */

/* The next file that somebody may have; false: none is left to set out for. */
static bool
transfer_next(struct download *d, struct transfer *c)
{
	while (d->next < d->n_missing) {
		struct download_file *file = &d->missing[d->next++];

		if (file->is_here)
			continue;
		*c = (struct transfer){ .d = d, .file = file };
		file->fault = is_unreached;
		if (find_way(c))
			return true;
		c->file = NULL;
		if (d->local)
			return false;
		fail(d, file);
	}
	return false;
}

static enum fetcher_job
transfer_step(void *arg, size_t i, struct fetcher_request **request)
{
	struct transfer *c = (struct transfer *)arg + i;
	struct download *d = c->d;
	enum fetcher_result result;
	struct why said;

	if (d->local || (c->file == NULL && !transfer_next(d, c)))
		return JOB_NONE;
	result = fetcher_step(&c->request, &said);
	if (result != FETCHER_GOING && end_handle(c, result, said.text))
		c->file = NULL;
	if (d->progress != NULL)
		d->progress(d->arg, d);
	*request = &c->request;
	return c->file != NULL ? JOB_WAITS : JOB_ENDED;
}

bool
download_run(struct download *d, struct why *why)
{
	struct transfer transfer[FETCHER_AT_ONCE];

	for (size_t i = 0; i < FETCHER_AT_ONCE; i++)
		transfer[i] = (struct transfer){ .d = d };
	d->why = why;
	fetcher_jobs(d->fetcher, FETCHER_AT_ONCE, transfer_step, transfer);
	for (size_t i = 0; i < FETCHER_AT_ONCE; i++)
		if (transfer[i].file != NULL)
			transfer_abort(&transfer[i]);
	return !d->local;
}
