/* SPDX-License-Identifier: ISC */
#include "conf/options.h"

#include <string.h>

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that make b of a;
 * SIZE_MAX when one of them is longer than any name we know. Three rows of the
 * usual table are enough. */
static size_t
word_distance(const char *a, const char *b)
{
	size_t rows[3][OPTION_NAME_MAX];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];
	size_t n = strlen(a), m = strlen(b);

	if (n >= OPTION_NAME_MAX || m >= OPTION_NAME_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= m; j++)
		before[j] = above[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;

			row[j] = least(above[j - 1] + cost,
			    least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[m];
}

/* Whether candidate is near enough to word, and nearer than *best. */
static bool
word_nearer(const char *word, const char *candidate, size_t *best)
{
	size_t n = strlen(word), m = strlen(candidate);
	size_t distance = word_distance(word, candidate);

	if (distance > (n > m ? n : m) / 3 || distance >= *best)
		return false;
	*best = distance;
	return true;
}

const char *
word_nearest(const char *word, const char *const *words)
{
	const char *nearest = NULL;
	size_t best = SIZE_MAX;

	for (; *words != NULL; words++)
		if (word_nearer(word, *words, &best))
			nearest = *words;
	return nearest;
}

/* Splits "group.word": the prefix with its dot goes to prefix. */
static const char *
name_split(const char *name, char prefix[OPTION_NAME_MAX])
{
	const char *dot = strrchr(name, '.');
	size_t n = dot == NULL ? 0 : (size_t)(dot - name) + 1;

	prefix[0] = '\0';
	if (n >= OPTION_NAME_MAX)
		return NULL;
	memcpy(prefix, name, n);
	prefix[n] = '\0';
	return name + n;
}

/* The same among the names of one group. */
static void
group_nearest(const char *word, const char *prefix, unsigned place,
    const char **nearest, size_t *best)
{
	const struct option *o = NULL;

	while ((o = option_next(o, prefix, place)) != NULL)
		if (word_nearer(word, option_word(o), best))
			*nearest = o->name;
}

const char *
option_nearest(const char *name, unsigned place)
{
	char prefix[OPTION_NAME_MAX];
	const char *word = name_split(name, prefix), *nearest = NULL;
	size_t best = SIZE_MAX;

	if (word == NULL)
		return NULL;
	group_nearest(word, prefix, place, &nearest, &best);
	/* The operator may write a capsule's own settings there. */
	if (strcmp(prefix, "capsules.") == 0)
		group_nearest(word, "", OPTION_CAPSULE, &nearest, &best);
	return nearest;
}
