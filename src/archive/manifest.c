/* SPDX-License-Identifier: ISC */
#include "archive/manifest.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/target.h"
#include "util/array.h"
#include "util/clock.h"

enum { NAMES_BLOCK = 64 * 1024 };

/* Paths lie one after the other in blocks: a hundred thousand of them are a few
 * allocations. */
struct manifest_names {
	struct manifest_names *next;
	size_t used;
	char bytes[NAMES_BLOCK];
};

_Static_assert(NAMES_BLOCK > MANIFEST_ORIGIN_MAX + 1024,
    "any path that fits in a URL fits in a block");

/* A copy of s with a NUL after it; NULL when out of memory. */
static char *
names_copy(struct manifest *m, struct slice s)
{
	struct manifest_names *b = m->names;
	char *copy;

	if (s.len >= NAMES_BLOCK)
		return NULL;
	if (b == NULL || s.len >= NAMES_BLOCK - b->used) {
		b = malloc(sizeof(*b));
		if (b == NULL)
			return NULL;
		b->used = 0;
		b->next = m->names;
		m->names = b;
	}
	copy = b->bytes + b->used;
	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	b->used += s.len + 1;
	return copy;
}

bool
manifest_add(
    struct manifest *m, const uint8_t digest[DIGEST_SIZE], struct slice path)
{
	struct manifest_entry *e;
	char *copy;

	if (m->n == MANIFEST_FILES_MAX)
		return false;
	e = array_grow(m->entry, m->n, sizeof(*e));
	if (e == NULL)
		return false;
	m->entry = e;
	copy = names_copy(m, path);
	if (copy == NULL)
		return false;
	e = &m->entry[m->n++];
	memcpy(e->digest, digest, DIGEST_SIZE);
	e->path = copy;
	return true;
}

void
manifest_fini(struct manifest *m)
{
	while (m->names != NULL) {
		struct manifest_names *next = m->names->next;

		free(m->names);
		m->names = next;
	}
	free(m->entry);
	*m = (struct manifest){ 0 };
}

static int
manifest_compare(const void *a, const void *b)
{
	const struct manifest_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

const struct manifest_entry *
manifest_find(const struct manifest *m, const char *path)
{
	const struct manifest_entry key = { .path = (char *)path };

	if (m->n == 0)
		return NULL;
	return bsearch(
	    &key, m->entry, m->n, sizeof(*m->entry), manifest_compare);
}

static bool
manifest_put_moment(struct buf *out, const char *name, int64_t moment)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_rfc3339(moment, text);
	return buf_printf(out, "# %s: %s\n", name, text);
}

static bool
put_next_key(struct buf *out, const struct signify_key *key)
{
	return buf_str(out, "# next-key: ") && signify_key_text(key, out) &&
	       buf_byte(out, '\n');
}

static bool
put_headers(struct buf *out, const struct manifest *m)
{
	return buf_printf(out,
		   "# gemini-mirror: 1\n# origin: %s\n# serial: %llu\n",
		   m->origin, (unsigned long long)m->serial) &&
	       manifest_put_moment(out, "created", m->created) &&
	       (m->refresh == 0 ||
		   manifest_put_moment(out, "refresh", m->refresh)) &&
	       buf_printf(out, "# final: %s\n", m->final ? "yes" : "no") &&
	       buf_printf(out, "# files: %llu   bytes: %llu   largest: %llu\n",
		   (unsigned long long)m->files, (unsigned long long)m->bytes,
		   (unsigned long long)m->largest) &&
	       (!m->has_next_key || put_next_key(out, &m->next_key)) &&
	       (m->key_name[0] == '\0' ||
		   buf_printf(out, "# signed-with: %s.pub\n", m->key_name));
}

bool
manifest_format(const struct manifest *m, struct buf *out)
{
	size_t start = out->len;
	char hex[DIGEST_HEX_SIZE];
	bool ok = put_headers(out, m);

	assert(m->files == m->n);
	for (size_t i = 0; ok && i < m->n; i++) {
		digest_hex(m->entry[i].digest, hex);
		ok = buf_str(out, hex) && buf_str(out, "  ") &&
		     buf_str(out, m->entry[i].path) && buf_byte(out, '\n');
	}
	if (!ok)
		buf_truncate(out, start);
	return ok;
}

/* Names of files and origins: what a manifest may hold, and as URLs. */

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

static const char *
bytes_fault(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
			return "a control byte";
		if (name.ptr[i] == '\\')
			return "a backslash";
	}
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
		if (rune >= 0x80 && rune <= 0x9f)
			return "a control character";
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
	const char *why = bytes_fault(name);
	struct slice rest = name, first, part;
	bool more;

	if (why == NULL)
		why = runes_fault(name);
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
