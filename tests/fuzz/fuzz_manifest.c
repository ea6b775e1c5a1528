/* SPDX-License-Identifier: ISC */
/* The input is the signed part of a manifest, and each of its lines a name and
 * an origin. */
#include <assert.h>
#include <string.h>

#include "archive/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A name that passes is a relative path that stays beneath any root. */
static void
check_name(struct slice name)
{
	struct slice part;
	bool more;

	assert(name.len > 0 && !slice_find(name, '\0', NULL));
	assert(slice_utf8(name));
	do {
		more = slice_cut(name, '/', &part, &name);
		assert(part.len > 0 && part.len <= MANIFEST_PART_MAX);
		assert(!slice_equal(part, SLICE(".")));
		assert(!slice_equal(part, SLICE("..")));
	} while (more);
}

static void
try_line(struct slice line)
{
	char origin[MANIFEST_ORIGIN_MAX], again[MANIFEST_ORIGIN_MAX];

	if (manifest_name_fault(line) == NULL)
		check_name(line);
	if (!manifest_origin(line, origin)) {
		assert(origin[0] == '\0');
		return;
	}
	assert(manifest_origin(slice_str(origin), again));
	assert(!strcmp(origin, again));
}

static void
check_entries(const struct manifest *m)
{
	struct buf url;
	size_t at;

	assert(m->n == m->files && m->largest <= m->bytes);
	assert(manifest_order_fault(m, &at) == NULL);
	buf_init(&url, 4096);
	for (size_t i = 0; i < m->n; i++) {
		check_name(slice_str(m->entry[i].path));
		assert(manifest_find(m, m->entry[i].path) == &m->entry[i]);
		buf_reset(&url);
		assert(
		    manifest_url(m->origin, slice_str(m->entry[i].path), &url));
	}
	buf_fini(&url);
}

static void
told(void *arg, const char *a, const char *b)
{
	assert(strcmp(a, b) != 0);
	(void)arg;
}

/* Written and read once more it is the same, byte for byte. */
static void
check_round(const struct manifest *m)
{
	struct buf once, twice;
	struct why why = { "" };
	struct manifest again;

	buf_init(&once, MANIFEST_MAX);
	buf_init(&twice, MANIFEST_MAX);
	assert(manifest_format(m, &once));
	assert(manifest_parse(buf_view(&once), &again, &why));
	assert(manifest_format(&again, &twice));
	assert(slice_equal(buf_view(&once), buf_view(&twice)));
	manifest_fini(&again);
	buf_fini(&once);
	buf_fini(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size), line;
	struct manifest m;
	struct why why = { "" };

	if (manifest_parse(text, &m, &why)) {
		assert(why.text[0] == '\0');
		check_entries(&m);
		manifest_folded(&m, told, NULL);
		check_round(&m);
		manifest_fini(&m);
	} else {
		assert(m.entry == NULL);
	}
	while (slice_line(&text, &line))
		try_line(line);
	return 0;
}
