/* SPDX-License-Identifier: ISC */
/* Room on the disk: what failed runs have fetched for manifests of which nothing
 * came, and which no release links to, must not fill it up. */
#include <stdlib.h>
#include <string.h>

#include "archive/mirror_internal.h"

struct listed {
	struct mirror *m;
	const uint8_t **digest; /* sorted */
	size_t n;
};

static int
room_by_digest(const void *a, const void *b)
{
	return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b,
	    DIGEST_SIZE);
}

static bool
drop_unlisted(void *arg, const uint8_t digest[DIGEST_SIZE], uint64_t links)
{
	struct listed *l = arg;

	return links > 0 ||
	       bsearch(&digest, l->digest, l->n, sizeof(*l->digest),
		   room_by_digest) != NULL ||
	       store_discard(l->m->store, digest, &l->m->out->why);
}

enum mirror_result
mirror_make_room(struct mirror *m)
{
	const struct manifest *list = &m->found.m;
	struct listed l = { .m = m, .n = list->n };
	bool ok;

	l.digest = calloc(l.n + 1, sizeof(*l.digest));
	if (l.digest == NULL)
		return mirror_fail(m, MIRROR_LOCAL, "out of memory");
	for (size_t i = 0; i < l.n; i++)
		l.digest[i] = list->entry[i].digest;
	qsort(l.digest, l.n, sizeof(*l.digest), room_by_digest);
	ok = store_objects(m->store, drop_unlisted, &l, &m->out->why);
	free(l.digest);
	return ok ? MIRROR_UPDATED : MIRROR_LOCAL;
}
