/* SPDX-License-Identifier: ISC */
#include "archive/download.h"

#include <stdlib.h>
#include <string.h>

bool
unpack_is_worth(const struct manifest *m, size_t n_missing, uint64_t to_come)
{
	uint64_t archive = m->bytes + m->n * (uint64_t)UNPACK_HEADER;

	if (n_missing <= UNPACK_FEW)
		return false;
	/* Files of the same bytes are fetched once, and stand in the archive as
	 * often as they are listed. */
	if (m->largest < to_come / n_missing)
		to_come = m->largest * n_missing;
	return archive <= to_come + n_missing * (uint64_t)UNPACK_REQUEST;
}

/* ------------------------------------------------------------- members */

static int
by_path(const void *key, const void *member)
{
	const struct slice *path = key;
	const struct download_file *file = member;
	int order;

	if (file->path == NULL)
		return -1;
	order = strncmp((const char *)path->ptr, file->path, path->len);
	return order != 0 ? order : -(file->path[path->len] != '\0');
}

static bool
on_file(void *arg, struct slice path, uint64_t size)
{
	struct unpack *u = arg;

	u->got = 0;
	u->file = NULL;
	if (u->d->n_missing > 0 && size <= u->d->largest)
		u->file = bsearch(&path, u->d->missing, u->d->n_missing,
		    sizeof(*u->d->missing), by_path);
	if (u->file != NULL && u->file->is_here)
		u->file = NULL;
	if (u->file == NULL)
		return true;
	u->object = store_object_new(u->d->store, u->why);
	u->local = u->object == NULL;
	return !u->local;
}

static bool
on_bytes(void *arg, struct slice bytes)
{
	struct unpack *u = arg;

	if (u->file == NULL)
		return true;
	u->got += bytes.len;
	u->d->bytes += bytes.len;
	u->local = !store_object_put(u->object, bytes, u->why);
	return !u->local;
}

/* What came of a file is not, or no longer, of use. */
static void
unpack_drop(struct unpack *u)
{
	u->d->bytes -= u->got;
	u->got = 0;
	store_object_drop(&u->object);
}

static bool
on_end(void *arg)
{
	struct unpack *u = arg;

	if (u->file == NULL)
		return true;
	switch (store_object_keep(&u->object, u->file->digest, NULL, u->why)) {
	case STORE_KEPT:
		u->file->is_here = true;
		u->d->files++;
		u->left--;
		u->got = 0;
		break;
	case STORE_OTHER_HASH:
		unpack_drop(u);
		break;
	case STORE_WRITE_FAILED:
		u->local = true;
		return false;
	}
	return u->left > 0;
}

bool
unpack_start(struct unpack *u, struct download *d, struct why *why)
{
	const struct ustar_handler v = { on_file, on_bytes, on_end, u };

	*u = (struct unpack){ .d = d, .left = d->n_missing, .why = why };
	u->reader = ustar_reader_new(&v);
	return u->reader != NULL || why_memory(why);
}

bool
unpack_bytes(void *unpack, struct slice bytes)
{
	struct unpack *u = unpack;
	struct why fault;

	return ustar_reader_put(u->reader, bytes, &fault);
}

void
unpack_stop(struct unpack *u)
{
	unpack_drop(u);
	ustar_reader_free(&u->reader);
}

/* ----------------------------------------------------------- the request */

struct unpack_request {
	struct unpack unpack;
	struct fetcher_request request;
	bool too_late; /* and there is a quicker source */
};

static bool
on_body(void *arg, struct slice bytes)
{
	struct unpack_request *r = arg;
	const struct fetcher_request *e = &r->request;
	struct sources *all = r->unpack.d->sources;
	uint32_t asked = UINT32_C(1) << (e->source - all->at);

	r->too_late = source_is_late(e->source, e->got, fetcher_took_ms(e)) &&
		      sources_find(all, asked, false) != NULL;
	return !r->too_late && unpack_bytes(&r->unpack, bytes);
}

enum { LIST_HEADERS_MAX = 64 * 1024 };

/* The bytes that an archive of the files of m has at most: of each, besides its
 * own, a header, records for a long name or by another tool's habit, padding, and
 * its line in the manifest. */
static uint64_t
archive_max(const struct manifest *m)
{
	uint64_t all = m->bytes + LIST_HEADERS_MAX + USTAR_RECORD;

	for (size_t i = 0; i < m->n; i++)
		all += 6 * (uint64_t)USTAR_BLOCK + 2 * strlen(m->entry[i].path);
	return all;
}

static enum fetcher_job
request_step(void *arg, size_t i, struct fetcher_request **request)
{
	struct unpack_request *r = arg;
	const struct download *d = r->unpack.d;
	struct why said;

	(void)i;
	if (d->progress != NULL)
		d->progress(d->arg, d);
	*request = &r->request;
	return fetcher_step(&r->request, &said) == FETCHER_GOING ? JOB_WAITS
								 : JOB_NONE;
}

bool
unpack_archive(struct download *d, struct source *s, const struct manifest *m,
    struct why *why)
{
	struct unpack_request r = { .too_late = false };
	const struct source before = *s;
	const struct fetcher_file wanted = { .path = MANIFEST_ARCHIVE,
		.max = archive_max(m),
		.body = on_body,
		.arg = &r };
	struct why said;
	bool ok = unpack_start(&r.unpack, d, why);

	if (ok && fetcher_start(&r.request, d->fetcher, s, &wanted, &said))
		fetcher_jobs(d->fetcher, 1, request_step, &r);
	s->failures = before.failures;
	s->late_ms = before.late_ms;
	if (r.too_late)
		source_delay(s, r.request.got, fetcher_took_ms(&r.request));
	fetcher_end(&r.request);
	ok = ok && !r.unpack.local;
	unpack_stop(&r.unpack);
	return ok;
}
