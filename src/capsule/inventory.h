/* SPDX-License-Identifier: ISC */
/* What a capsule holds for its visitors: every file that a request can be
 * answered 20 with, found by the rules that answer requests. What the linter
 * reads, the feed is made of, and a release consists of.
 * Depends on host, policy and resolve. */
#ifndef CAPSULE_INVENTORY_H
#define CAPSULE_INVENTORY_H

#include "capsule/host.h"

struct inventory_item {
	char *path; /* beneath the root, without a leading slash */
	uint64_t size;
	bool page; /* text/gemini */
};

/* In byte order of paths. Zeroed = empty. */
struct inventory {
	struct inventory_item *item;
	size_t n;
};

/* Fills out with what h serves: no hidden names, nothing that is gone or
 * redirected (but for an index page whose directory answers with it), nothing
 * that cannot be opened or asked for in one request line.
 * False when the root cannot be read or memory is short; errno tells. */
bool inventory_read(const struct host *h, struct inventory *out);
void inventory_fini(struct inventory *i);

/* The item of that path, or NULL. */
const struct inventory_item *
inventory_find(const struct inventory *i, const char *path);

/* Whether paths of items begin with prefix; of "" any item's does. */
bool inventory_has_prefix(const struct inventory *i, const char *prefix);

/* Whether a file at path, which need not be there, is or would be served as
 * text/gemini: by settings and its name, not by what is in it. */
bool inventory_names_page(const struct host *h, const char *path);

/* Reads a file of h whole, beneath its root, into out; false when it cannot be
 * opened, is no regular file, or is longer than out's maximum. */
bool inventory_load(const struct host *h, const char *path, struct buf *out);

#endif
