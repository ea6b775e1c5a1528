/* SPDX-License-Identifier: ISC */
#include "archive/changes.h"

#include <string.h>

/* How two lists stand to each other where they are read: below 0, the first has
 * a path that the second has not. */
static int
order(const struct manifest_entry *a, const struct manifest_entry *b)
{
	if (a == NULL || b == NULL)
		return a == NULL ? 1 : -1;
	return strcmp(a->path, b->path);
}

static const struct manifest_entry *
at(const struct manifest *m, size_t i)
{
	return m != NULL && i < m->n ? &m->entry[i] : NULL;
}

struct changes
changes_between(const struct manifest *before, const struct manifest *after,
    change_reporter *handle, void *arg)
{
	const struct manifest_entry *old, *new;
	struct changes c = { 0 };
	size_t i = 0, k = 0;
	enum change change;
	int ordered;

	while ((old = at(before, i)), (new = at(after, k)), old || new) {
		ordered = order(old, new);
		i += ordered <= 0;
		k += ordered >= 0;
		if (ordered == 0 &&
		    memcmp(old->digest, new->digest, DIGEST_SIZE) == 0) {
			c.kept++;
			continue;
		}
		change = ordered < 0   ? CHANGE_GONE
			 : ordered > 0 ? CHANGE_ADDED
				       : CHANGE_CHANGED;
		c.added += change == CHANGE_ADDED;
		c.changed += change == CHANGE_CHANGED;
		c.gone += change == CHANGE_GONE;
		if (handle != NULL)
			handle(arg, change,
			    change == CHANGE_GONE ? old->path : new->path);
	}
	return c;
}

bool
changes_none(const struct changes *c)
{
	return c->added == 0 && c->changed == 0 && c->gone == 0;
}

const char *
change_text(enum change change)
{
	static const char *const texts[] = { "added", "changed", "gone" };

	return texts[change];
}
