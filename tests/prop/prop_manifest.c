/* SPDX-License-Identifier: ISC */
#include "check.h"

#include "archive/manifest.h"
#include "support/random.h"

enum { ROUNDS = 3000, FILES = 30 };

static const char *const pieces[] = { "a", "b", "a.b", "a-b", "A", "0", ".x",
	"..x", " ", "#", "*", "%", ":", "~", "\xc3\xa9", "\xf0\x9f\x8c\xb9",
	"mirror", "index.gmi", "\\", "\n", "\xff", "", ".", ".." };
static const char *const origins[] = { "gemini://h/", "gemini://h:1/",
	"gemini://[::1]/", "gemini://127.0.0.1:70/" };
static const char *const key_names[] = { "", "capsule-1", "a key" };

enum { SOUND = 17 }; /* of the pieces; the others must be refused */

static void
random_path(struct buf *out, size_t n)
{
	buf_reset(out);
	for (size_t i = random_below(4); i > 0; i--) {
		random_words(out, pieces, n, 2);
		buf_byte(out, '/');
	}
	random_words(out, pieces, n, 3);
}

static int
compare(const void *a, const void *b)
{
	const struct manifest_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* Whether any two of the entries cannot stand in one tree: seen by comparing
 * each with each. */
static bool
clash(const struct manifest *m)
{
	for (size_t i = 0; i < m->n; i++) {
		size_t len = strlen(m->entry[i].path);

		for (size_t k = 0; k < m->n; k++)
			if (k != i &&
			    strncmp(m->entry[k].path, m->entry[i].path, len) ==
				0 &&
			    (m->entry[k].path[len] == '\0' ||
				m->entry[k].path[len] == '/'))
				return true;
	}
	return false;
}

static void
random_headers(struct manifest *m)
{
	*m = (struct manifest){
		.serial = 1 + random_below(1000000),
		.created = (int64_t)random_below(4000000000),
		.final = random_below(3) == 0,
		.has_next_key = random_below(2) == 0,
		.largest = random_below(1000000),
	};
	snprintf(m->origin, sizeof(m->origin), "%s", RANDOM_OF(origins));
	snprintf(m->key_name, sizeof(m->key_name), "%s", RANDOM_OF(key_names));
	m->bytes = m->largest + random_below(1000000);
	if (!m->final)
		m->refresh = m->created + 1 + (int64_t)random_below(100000000);
	for (size_t i = 0; m->has_next_key && i < sizeof(m->next_key.point);
	     i++)
		m->next_key.point[i] = (uint8_t)random_below(256);
}

/* A manifest of names from the first n pieces, in order. */
static void
random_manifest(struct manifest *m, size_t n)
{
	char memory[2048];
	struct buf path;

	random_headers(m);
	buf_wrap(&path, memory, sizeof(memory));
	for (size_t i = random_below(FILES); i > 0; i--) {
		uint8_t digest[DIGEST_SIZE];

		random_path(&path, n);
		for (size_t k = 0; k < sizeof(digest); k++)
			digest[k] = (uint8_t)random_below(256);
		if (manifest_name_fault(buf_view(&path)) == NULL)
			assert_true(manifest_add(m, digest, buf_view(&path)));
	}
	if (m->n > 0)
		qsort(m->entry, m->n, sizeof(*m->entry), compare);
	m->files = m->n;
}

static void
check_same(const struct manifest *a, const struct manifest *b)
{
	assert_string_equal(a->origin, b->origin);
	assert_string_equal(a->key_name, b->key_name);
	assert_int_equal(a->serial, b->serial);
	assert_int_equal(a->created, b->created);
	assert_int_equal(a->refresh, b->refresh);
	assert_int_equal(a->final, b->final);
	assert_int_equal(a->bytes, b->bytes);
	assert_int_equal(a->largest, b->largest);
	assert_int_equal(a->has_next_key, b->has_next_key);
	assert_true(
	    !a->has_next_key || signify_key_equal(&a->next_key, &b->next_key));
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		assert_string_equal(a->entry[i].path, b->entry[i].path);
		assert_true(
		    digest_equal(a->entry[i].digest, b->entry[i].digest));
	}
}

static void
prop_parsing_undoes_formatting(void **state)
{
	struct buf text, again;
	struct why why;
	struct manifest m, read;
	size_t taken = 0;

	(void)state;
	buf_init(&text, MANIFEST_MAX);
	buf_init(&again, MANIFEST_MAX);
	for (int i = 0; i < ROUNDS; i++) {
		bool ok;

		random_manifest(&m, SOUND);
		buf_reset(&text);
		buf_reset(&again);
		assert_true(manifest_format(&m, &text));
		ok = manifest_parse(buf_view(&text), &read, &why);
		if (ok == clash(&m))
			fail_msg(
			    "%s: %.*s", why.text, SLICE_ARGS(buf_view(&text)));
		if (ok) {
			taken++;
			check_same(&m, &read);
			assert_true(manifest_format(&read, &again));
			check_slice(buf_view(&again), buf_view(&text));
			manifest_fini(&read);
		}
		manifest_fini(&m);
	}
	assert_in_range(taken, 1, ROUNDS - 1); /* or it proves nothing */
	buf_fini(&text);
	buf_fini(&again);
}

/* What is taken, however it was damaged, is written as it came: but for blanks
 * between the counts, and lines of unknown names. */
static void
prop_damaged_is_refused_or_round(void **state)
{
	struct buf text, again;
	struct why why;
	struct manifest m;
	size_t taken = 0;

	(void)state;
	buf_init(&text, MANIFEST_MAX);
	buf_init(&again, MANIFEST_MAX);
	for (int i = 0; i < ROUNDS; i++) {
		random_manifest(&m, SOUND);
		buf_reset(&text);
		assert_true(manifest_format(&m, &text));
		manifest_fini(&m);
		for (size_t n = 1 + random_below(3); n > 0; n--)
			random_damage(&text);
		if (!manifest_parse(buf_view(&text), &m, &why)) {
			assert_true(why.text[0] != '\0');
			continue;
		}
		taken++;
		assert_false(clash(&m));
		buf_reset(&again);
		assert_true(manifest_format(&m, &again));
		if (again.len == text.len)
			check_slice(buf_view(&again), buf_view(&text));
		manifest_fini(&m);
	}
	assert_in_range(taken, 1, ROUNDS - 1);
	buf_fini(&text);
	buf_fini(&again);
}

/* A name that passes never leaves a tree, and is the one file's. */
static void
prop_names_stay_inside(void **state)
{
	const size_t all = sizeof(pieces) / sizeof(pieces[0]);
	char memory[2048];
	struct buf path;
	size_t taken = 0;

	(void)state;
	buf_wrap(&path, memory, sizeof(memory));
	for (int i = 0; i < 10 * ROUNDS; i++) {
		struct slice rest, part;
		bool more = true;

		random_path(&path, all);
		if (manifest_name_fault(buf_view(&path)) != NULL)
			continue;
		taken++;
		assert_non_null(buf_cstr(&path));
		assert_int_equal(strlen(buf_cstr(&path)), path.len);
		assert_null(strpbrk(buf_cstr(&path), "\\\n"));
		assert_true(slice_utf8(buf_view(&path)));
		for (rest = buf_view(&path); more;) {
			more = slice_cut(rest, '/', &part, &rest);
			assert_true(part.len > 0);
			assert_false(slice_equal(part, SLICE(".")));
			assert_false(slice_equal(part, SLICE("..")));
		}
	}
	assert_in_range(taken, 1, 10 * ROUNDS - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prop_parsing_undoes_formatting),
		cmocka_unit_test(prop_damaged_is_refused_or_round),
		cmocka_unit_test(prop_names_stay_inside),
	};

	random_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
