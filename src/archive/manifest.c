/* SPDX-License-Identifier: ISC */
#include "archive/manifest.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "client/target.h"
#include "util/list.h"

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

bool
manifest_url(const char *base, struct slice path, struct buf *out)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	return buf_str(&text, base) && uri_encode(&text, path, true) &&
	       (out == NULL || buf_put(out, buf_view(&text)));
}

const char *
manifest_name_fault(struct slice name)
{
	const char *why = runes_fault(name);
	struct slice rest = name, part;
	bool more = true;

	if (why != NULL)
		return why;
	if (slice_starts(name, SLICE("/")))
		return "not relative";
	if (slice_equal(name, SLICE("mirror")) ||
	    slice_starts(name, SLICE("mirror/")))
		return "under mirror/, which is not for pages";
	while (more) {
		more = slice_cut(rest, '/', &part, &rest);
		if (part.len == 0)
			return "an empty part";
		if (slice_equal(part, SLICE(".")) ||
		    slice_equal(part, SLICE("..")))
			return "a part of dots alone";
		if (part.len > MANIFEST_PART_MAX)
			return "a part of more than 255 bytes";
	}
	/* At the shortest of origins. */
	return manifest_url("gemini://h/", name, NULL) ? NULL
						       : "too long for a URL";
}

bool
manifest_origin(struct slice text, char out[MANIFEST_ORIGIN_MAX])
{
	char host[HOSTNAME_SIZE];
	const char *why;
	struct buf root;
	struct uri u;

	out[0] = '\0';
	if (uri_parse(text, &u, &why) != URI_OK || u.has_query || u.port == 0 ||
	    (u.path.len > 0 && !slice_equal(u.path, SLICE("/"))) ||
	    hostname_canonical(u.host, host) == HOSTNAME_BAD)
		return false;
	buf_wrap(&root, out, MANIFEST_ORIGIN_MAX);
	return target_root(host, u.port == -1 ? TARGET_PORT : (unsigned)u.port,
		   &root) &&
	       buf_byte(&root, '/') && buf_byte(&root, '\0');
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
		if (!manifest_url(m->origin, slice_str(path), NULL))
			return "too long for a URL of the origin";
	}
	for (size_t i = 0; i < m->n; i++)
		if (is_directory(m, m->entry[i].path, at))
			return "beneath a path that is a file";
	return NULL;
}

/* -------------------------------------------------------------- folding */

/* The character at the front of *s, which is taken off; 0 at the end. */
static wint_t
take_folded(struct slice *s, locale_t locale)
{
	uint32_t rune = 0;

	*s = slice_skip(*s, slice_rune(*s, &rune));
	return towlower_l((wint_t)rune, locale);
}

static int
compare_folded(const char *a, const char *b, locale_t locale)
{
	struct slice x = slice_str(a), y = slice_str(b);
	wint_t left, right;

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
	size_t n;

	if (locale == (locale_t)0)
		locale = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
	n = path != NULL && locale != (locale_t)0 ? m->n : 0;
	for (size_t i = 0; i < n; i++)
		path[i] = m->entry[i].path;
	if (n > 0)
		qsort_r(path, n, sizeof(*path), compare_paths, locale);
	for (size_t i = 1; i < n; i++)
		if (compare_folded(path[i - 1], path[i], locale) == 0)
			handle(arg, path[i - 1], path[i]);
	if (locale != (locale_t)0)
		freelocale(locale);
	free(path);
}

/* -------------------------------------------------------------- changes */

struct changes
changes_between(const struct manifest *before, const struct manifest *after,
    change_reporter *handle, void *arg)
{
	const struct manifest none = { 0 }, *old = before ? before : &none;
	struct changes c = { 0 };
	uint64_t *const counts[] = { &c.added, &c.changed, &c.gone };

	for (size_t i = 0, k = 0; i < old->n || k < after->n;) {
		int order = i == old->n     ? 1
			    : k == after->n ? -1
					    : strcmp(old->entry[i].path,
						  after->entry[k].path);
		bool same = order == 0 && digest_equal(old->entry[i].digest,
					      after->entry[k].digest);
		enum change change = order < 0   ? CHANGE_GONE
				     : order > 0 ? CHANGE_ADDED
						 : CHANGE_CHANGED;
		const char *path =
		    order < 0 ? old->entry[i].path : after->entry[k].path;

		i += order <= 0;
		k += order >= 0;
		if (same)
			c.kept++;
		else
			++*counts[change];
		if (!same && handle != NULL)
			handle(arg, change, path);
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
