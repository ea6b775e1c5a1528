/* SPDX-License-Identifier: ISC */
#include "archive/manifest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"

enum { NAMES_BLOCK = 64 * 1024 };

/* Paths lie one behind the other in blocks: a hundred thousand of them are a few
 * allocations. */
struct manifest_names {
	struct manifest_names *next;
	size_t used;
	char bytes[NAMES_BLOCK];
};

_Static_assert(NAMES_BLOCK > MANIFEST_ORIGIN_MAX + 1024,
    "any path that fits in a URL fits in a block");

/* A copy of s with a NUL behind it; NULL when memory is short. */
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
	if (m->n == m->room) {
		size_t room = m->room == 0 ? 64 : 2 * m->room;

		e = reallocarray(m->entry, room, sizeof(*e));
		if (e == NULL)
			return false;
		m->entry = e;
		m->room = room;
	}
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
	return bsearch(&key, m->entry, m->n, sizeof(*m->entry), manifest_compare);
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
	       (m->refresh == 0 || manifest_put_moment(out, "refresh", m->refresh)) &&
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
