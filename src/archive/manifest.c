/* SPDX-License-Identifier: ISC */
#include "archive/manifest.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "client/target.h"
#include "util/array.h"

bool
manifest_add(
    struct manifest *m, const uint8_t digest[DIGEST_SIZE], struct slice path)
{
	struct manifest_entry *e;

	if (m->n == MANIFEST_FILES_MAX)
		return false;
	e = array_grow(m->entry, m->n, sizeof(*e));
	if (e == NULL)
		return false;
	m->entry = e;
	e += m->n;
	e->path = strndup((const char *)path.ptr, path.len);
	if (e->path == NULL)
		return false;
	memcpy(e->digest, digest, DIGEST_SIZE);
	m->n++;
	return true;
}

void
manifest_fini(struct manifest *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->entry[i].path);
	free(m->entry);
	*m = (struct manifest){ 0 };
}

/* ---------------------------------------------------------------- names */

/* The shortest origin there is. */
static const char shortest[] = "gemini://h/";

static const char *
name_part_fault(struct slice part)
{
	if (part.len == 0)
		return "an empty part";
	if (slice_equal(part, SLICE(".")) || slice_equal(part, SLICE("..")))
		return "a part of dots alone";
	if (part.len > MANIFEST_PART_MAX)
		return "a part of more than 255 bytes";
	return NULL;
}

/* C1 too: the tools that people have write them to a terminal as they are. */
static const char *
runes_fault(struct slice name)
{
	uint32_t rune;
	size_t n;

	for (; name.len > 0; name = slice_skip(name, n)) {
		n = slice_rune(name, &rune);
		if (n == 0)
			return "not UTF-8";
		if (rune < 0x20 || (rune >= 0x7f && rune <= 0x9f))
			return "a control character";
		if (rune == '\\')
			return "a backslash";
	}
	return NULL;
}

/* Whether base and name fit into a request together. */
static bool
url(const char *base, struct slice name, struct buf *out)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	return buf_str(&text, base) && uri_encode(&text, name, true) &&
	       (out == NULL || buf_put(out, buf_view(&text)));
}

const char *
manifest_name_fault(struct slice name)
{
	const char *why = runes_fault(name);
	struct slice rest = name, first, part;
	bool more;

	if (why != NULL)
		return why;
	if (slice_starts(name, SLICE("/")))
		return "not relative";
	(void)slice_cut(name, '/', &first, &part);
	if (slice_equal(first, SLICE("mirror")))
		return "under mirror/, which is not for pages";
	do {
		more = slice_cut(rest, '/', &part, &rest);
		why = name_part_fault(part);
		if (why != NULL)
			return why;
	} while (more);
	return url(shortest, name, NULL) ? NULL : "too long for a URL";
}

bool
manifest_url(const char *base, const char *path, struct buf *out)
{
	return url(base, slice_str(path), out);
}

bool
manifest_origin(struct slice text, char out[MANIFEST_ORIGIN_MAX])
{
	char host[HOSTNAME_SIZE];
	char port[16] = "";
	enum hostname_kind kind;
	const char *why;
	struct uri u;
	bool six;

	out[0] = '\0';
	if (uri_parse(text, &u, &why) != URI_OK || u.has_query || u.port == 0 ||
	    (u.path.len > 0 && !slice_equal(u.path, SLICE("/"))))
		return false;
	kind = hostname_canonical(u.host, host);
	if (kind == HOSTNAME_BAD)
		return false;
	six = kind == HOSTNAME_IPV6;
	if (u.port != -1 && u.port != TARGET_PORT)
		(void)snprintf(port, sizeof(port), ":%d", u.port);
	(void)snprintf(out, MANIFEST_ORIGIN_MAX, "gemini://%s%s%s%s/",
	    six ? "[" : "", host, six ? "]" : "", port);
	return true;
}

/* -------------------------------------------------------------- entries */

/* The first entry that does not come before name in the order of bytes; n: none. */
static size_t
entry_from(const struct manifest *m, const char *name)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(m->entry[middle].path, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Whether an entry lies beneath path, which others may stand between: "a", "a.b",
 * "a/b" come in this order. */
static bool
is_directory(const struct manifest *m, const char *path, size_t *beneath)
{
	char name[REQUEST_URI_MAX + 2];
	int len = snprintf(name, sizeof(name), "%s/", path);

	*beneath = entry_from(m, name);
	return *beneath < m->n &&
	       strncmp(m->entry[*beneath].path, name, (size_t)len) == 0;
}

const struct manifest_entry *
manifest_find(const struct manifest *m, const char *path)
{
	size_t i = entry_from(m, path);

	return i < m->n && strcmp(m->entry[i].path, path) == 0 ? &m->entry[i]
							       : NULL;
}

const char *
manifest_order_fault(const struct manifest *m, size_t *at)
{
	for (*at = 0; *at < m->n; ++*at) {
		const char *path = m->entry[*at].path;
		int order = *at == 0 ? 1 : strcmp(path, m->entry[*at - 1].path);

		if (order == 0)
			return "listed twice";
		if (order < 0)
			return "not in the order of bytes";
		if (!url(m->origin, slice_str(path), NULL))
			return "too long for a URL of the origin";
	}
	for (size_t i = 0; i < m->n; i++)
		if (is_directory(m, m->entry[i].path, at))
			return "beneath a path that is a file";
	return NULL;
}

/* -------------------------------------------------------------- folding */

/* The character at the front of *s, which is taken off; 0 at the end. */
static uint32_t
take_folded(struct slice *s, locale_t locale)
{
	uint32_t rune = 0;
	size_t n = slice_rune(*s, &rune);

	if (s->len == 0)
		return 0;
	*s = slice_skip(*s, n > 0 ? n : 1);
	if (rune >= 'A' && rune <= 'Z')
		return rune + ('a' - 'A');
	if (rune < 0x80 || locale == (locale_t)0)
		return rune;
	return (uint32_t)towlower_l((wint_t)rune, locale);
}

static int
compare_folded(const char *a, const char *b, locale_t locale)
{
	struct slice x = slice_str(a), y = slice_str(b);
	uint32_t left, right;

	do {
		left = take_folded(&x, locale);
		right = take_folded(&y, locale);
	} while (left == right && left != 0);
	return left < right ? -1 : left > right;
}

static int
compare_paths(const void *a, const void *b, void *locale)
{
	const char *const *x = a, *const *y = b;
	int order = compare_folded(*x, *y, (locale_t)locale);

	return order != 0 ? order : strcmp(*x, *y);
}

void
manifest_folded(const struct manifest *m,
    void (*handle)(void *arg, const char *a, const char *b), void *arg)
{
	const char **path = calloc(m->n + 1, sizeof(*path));
	locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);

	if (path == NULL)
		goto out;
	for (size_t i = 0; i < m->n; i++)
		path[i] = m->entry[i].path;
	qsort_r(path, m->n, sizeof(*path), compare_paths, locale);
	for (size_t i = 1; i < m->n; i++)
		if (compare_folded(path[i - 1], path[i], locale) == 0)
			handle(arg, path[i - 1], path[i]);
out:
	if (locale != (locale_t)0)
		freelocale(locale);
	free(path);
}

/* -------------------------------------------------------------- changes */

/* How two lists stand to each other where they are read: below 0, the first has
 * a path that the second has not. */
static int
entry_order(const struct manifest_entry *a, const struct manifest_entry *b)
{
	if (a == NULL || b == NULL)
		return a == NULL ? 1 : -1;
	return strcmp(a->path, b->path);
}

static const struct manifest_entry *
entry_at(const struct manifest *m, size_t i)
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

	while ((old = entry_at(before, i)), (new = entry_at(after, k)),
	    old || new) {
		ordered = entry_order(old, new);
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

struct slice
manifest_place(const char *origin)
{
	struct slice place = slice_str(origin);

	if (slice_starts(place, SLICE("gemini://")))
		place = slice_skip(place, strlen("gemini://"));
	return slice_ends(place, SLICE("/")) ? slice_head(place, place.len - 1)
					     : place;
}
