/* SPDX-License-Identifier: ISC */
/* What is to be fetched, and whether it was what the manifest says. */
#include <stdlib.h>
#include <string.h>

#include "archive/download.h"

static int
by_digest(const void *a, const void *b, void *arg)
{
	const struct manifest *m = arg;

	return memcmp(m->entry[*(const uint32_t *)a].digest,
	    m->entry[*(const uint32_t *)b].digest, DIGEST_SIZE);
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Each hash once. */
static void
drop_twins(struct download *d)
{
	size_t kept = 0;

	qsort_r(d->missing, d->n_missing, sizeof(*d->missing), by_digest,
	    (void *)(uintptr_t)d->m);
	for (size_t i = 0; i < d->n_missing; i++)
		if (i == 0 || !digest_equal(d->m->entry[d->missing[i]].digest,
				  d->m->entry[d->missing[i - 1]].digest))
			d->missing[kept++] = d->missing[i];
	d->n_missing = kept;
	qsort(d->missing, kept, sizeof(*d->missing), by_number);
}

bool
download_plan(struct download *d)
{
	uint64_t here = 0, size;

	d->missing = calloc(d->m->n + 1, sizeof(*d->missing));
	if (d->missing == NULL)
		return false;
	for (size_t i = 0; i < d->m->n; i++) {
		const uint8_t *digest = d->m->entry[i].digest;

		if (!store_has(d->store, digest))
			d->missing[d->n_missing++] = (uint32_t)i;
		else if (store_size(d->store, digest, &size))
			here += size;
	}
	drop_twins(d);
	if (d->n_missing > 0 && d->m->bytes > here)
		d->to_come = d->m->bytes - here;
	return true;
}

bool
download_is_as_said(const struct download *d)
{
	uint64_t bytes = 0, size;

	for (size_t i = 0; i < d->m->n; i++) {
		if (!store_size(d->store, d->m->entry[i].digest, &size) ||
		    size > d->m->largest || size > d->m->bytes - bytes)
			return false;
		bytes += size;
	}
	return bytes == d->m->bytes;
}

void
download_fini(struct download *d)
{
	free(d->missing);
	d->missing = NULL;
	d->n_missing = 0;
}
