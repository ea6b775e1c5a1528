/* SPDX-License-Identifier: ISC */
#include "check.h"

#include "proto/uri.h"
#include "support/random.h"

enum { ROUNDS = 50000 };

static const char *const pieces[] = { "/", "/", "/", "a", "b.gmi", ".", "..",
	"%2e", "%2E%2e", ".%2e", "%2f", "%2F", "%61", "%252e", "%20", "%0d%0a",
	"%FF", "%5c", "\xc3\xa9", "[", ":", "...", "/../", "/./", "//" };

static void
random_path(struct buf *out)
{
	buf_reset(out);
	if (random_below(50) != 0)
		buf_byte(out, '/');
	random_words(out, pieces, sizeof(pieces) / sizeof(pieces[0]),
	    out->len == 0           ? 0
	    : random_below(50) == 0 ? 600
				    : 12);
}

static bool
holds(struct slice s, struct slice part)
{
	return s.len > 0 && memmem(s.ptr, s.len, part.ptr, part.len) != NULL;
}

static void
check_shape(struct slice path)
{
	assert_true(slice_starts(path, SLICE("/")));
	assert_false(slice_find(path, '\0', NULL));
	assert_false(holds(path, SLICE("//")));
	assert_false(holds(path, SLICE("/./")));
	assert_false(holds(path, SLICE("/../")));
	assert_false(slice_ends(path, SLICE("/.")));
	assert_false(slice_ends(path, SLICE("/..")));
}

static struct slice
decoded(const struct uri_path *p)
{
	return slice_of(p->decoded, p->decoded_len);
}

/* Normalising text gives what p holds. */
static void
check_gives(struct slice text, const struct uri_path *p)
{
	struct uri_path again;

	if (text.len == 0 || text.len > REQUEST_URI_MAX)
		return; /* it would not come through a request */
	assert_int_equal(uri_path_normalise(text, &again), URI_PATH_OK);
	check_slice(decoded(&again), decoded(p));
}

static void
prop_normalising_is_idempotent(void **state)
{
	char memory[REQUEST_URI_MAX], link[3 * REQUEST_URI_MAX];
	struct buf path, encoded;
	size_t fine = 0;

	(void)state;
	buf_wrap(&path, memory, sizeof(memory));
	buf_wrap(&encoded, link, sizeof(link));
	for (int i = 0; i < ROUNDS; i++) {
		struct uri_path p;
		enum uri_path_result result;

		random_path(&path);
		result = uri_path_normalise(buf_view(&path), &p);
		check_shape(decoded(&p));
		if (p.encoded_len > 0)
			check_shape(slice_of(p.encoded, p.encoded_len));
		if (result != URI_PATH_OK)
			continue;
		fine++;
		buf_reset(&encoded);
		assert_true(uri_encode(&encoded, decoded(&p), true));
		check_gives(buf_view(&encoded), &p);
		check_gives(slice_of(p.encoded, p.encoded_len), &p);
	}
	assert_in_range(fine, 1, ROUNDS - 1);
}

/* The specification once more, as plainly as possible: a table of segments. */
struct model {
	char names[REQUEST_URI_MAX + 1][64];
	size_t count;
	bool directory;
};

static void
model_decode(struct slice segment, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < segment.len; i++) {
		int c = segment.ptr[i];

		if (c == '%') {
			c = hex_value(segment.ptr[i + 1]) * 16 +
			    hex_value(segment.ptr[i + 2]);
			i += 2;
		}
		out[len++] = (char)c;
	}
	out[len] = '\0';
}

static enum uri_path_result
model_read(struct model *m, struct slice path)
{
	bool above = false, impossible = false;

	m->count = 0;
	m->directory = true;
	while (path.len > 0) {
		char *name = m->names[m->count];
		struct slice segment;
		bool slash = slice_cut(path, '/', &segment, &path);

		model_decode(segment, name);
		if (segment.len > 0)
			m->directory =
			    slash || !strcmp(name, ".") || !strcmp(name, "..");
		impossible = impossible || strchr(name, '/') != NULL;
		if (!strcmp(name, "..")) {
			above = above || m->count == 0;
			m->count -= m->count > 0;
		} else if (strcmp(name, ".") != 0 && segment.len > 0) {
			m->count++;
		}
	}
	return above        ? URI_PATH_ABOVE_ROOT
	       : impossible ? URI_PATH_IMPOSSIBLE
			    : URI_PATH_OK;
}

static void
prop_agrees_with_the_model(void **state)
{
	static struct model m;
	char memory[60], want[128];
	struct buf path, out;

	(void)state;
	buf_wrap(&path, memory, sizeof(memory)); /* a segment fits in a row */
	for (int i = 0; i < ROUNDS; i++) {
		struct uri_path p;
		enum uri_path_result result;

		random_path(&path);
		result = model_read(&m, buf_view(&path));
		assert_int_equal(
		    uri_path_normalise(buf_view(&path), &p), result);
		if (result != URI_PATH_OK)
			continue;
		buf_wrap(&out, want, sizeof(want));
		for (size_t n = 0; n < m.count; n++)
			assert_true(buf_printf(&out, "/%s", m.names[n]));
		if (m.directory)
			assert_true(buf_byte(&out, '/'));
		check_slice(decoded(&p), buf_view(&out));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prop_normalising_is_idempotent),
		cmocka_unit_test(prop_agrees_with_the_model),
	};

	random_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
