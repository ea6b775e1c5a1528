/* SPDX-License-Identifier: ISC */
/* What is to be fetched, and whether it was what the manifest says. */
#include <stdlib.h>
#include <string.h>

#include "archive/download.h"

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

	/* Room doubles whenever their number is a power of two. */
	if ((n & (n - 1)) == 0) {
		grown =
		    realloc(d->missing, (n == 0 ? 1 : n * 2) * sizeof(*grown));
		if (grown == NULL)
			return false;
		d->missing = grown;
	}
	d->missing[d->n_missing++] = (struct download_file){ digest, path };
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
	uint64_t here = 0, size;

	for (size_t i = 0; i < m->n; i++) {
		const struct manifest_entry *e = &m->entry[i];

		if (store_has(d->store, e->digest)) {
			if (store_size(d->store, e->digest, &size))
				here += size;
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
	uint64_t bytes = 0, size;

	for (size_t i = 0; i < m->n; i++) {
		if (!store_size(s, m->entry[i].digest, &size) ||
		    size > m->largest || size > m->bytes - bytes)
			return false;
		bytes += size;
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
