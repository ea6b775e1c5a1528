/* SPDX-License-Identifier: ISC */
#include "check.h"

#include "proto/uri.h"
#include "support/random.h"

enum { ROUNDS = 20000 };

static const char *const pieces[] = { "/", "/", "a", "B9", "..", ".", "%2e",
	"%2F", "%20", "%ff", "~", "\xc3\xa9", "\xf0\x9f\x8c\xb9", ":", "@", ";",
	"=", "&", "+", "[", "]", "index.gmi" };
static const char *const schemes[] = { "gemini", "GEMINI", "gEmInI" };
static const char *const hosts[] = { "h", "example.org.", "127.0.0.1", "[::1]",
	"caf%C3%A9", "caf\xc3\xa9", "a_b", "a!$&'()*+,;=" };
static const char *const ports[] = { "", ":", ":0", ":1965", ":065535" };

static void
random_uri(struct buf *out)
{
	const size_t n = sizeof(pieces) / sizeof(pieces[0]);

	buf_reset(out);
	buf_printf(out, "%s://%s%s", RANDOM_OF(schemes), RANDOM_OF(hosts),
	    RANDOM_OF(ports));
	if (random_below(8) != 0) {
		buf_byte(out, '/');
		random_words(out, pieces, n, 20);
	}
	if (random_below(2) != 0) {
		buf_byte(out, '?');
		random_words(out, pieces, n, 8);
	}
}

static void
check_same(const struct uri *a, const struct uri *b)
{
	check_slice(b->host, a->host);
	assert_int_equal(b->port, a->port);
	check_slice(b->path, a->path);
	assert_int_equal(b->has_query, a->has_query);
	check_slice(b->query, a->query);
}

/* What a URI resolves an empty reference to parses as that URI again, and is
 * then a fixed point. */
static void
check_round(const struct uri *u)
{
	char memory[2][REQUEST_URI_MAX + 10];
	struct buf once, twice;
	const char *why;
	struct uri again;

	buf_wrap(&once, memory[0], sizeof(memory[0]));
	buf_wrap(&twice, memory[1], sizeof(memory[1]));
	assert_true(uri_resolve(u, SLICE(""), &once));
	assert_int_equal(uri_parse(buf_view(&once), &again, &why), URI_OK);
	check_same(u, &again);
	assert_true(uri_resolve(&again, SLICE(""), &twice));
	check_slice(buf_view(&twice), buf_view(&once));
}

static void
prop_parsing_undoes_formatting(void **state)
{
	char memory[REQUEST_URI_MAX];
	struct buf text;
	const char *why;
	struct uri u;

	(void)state;
	buf_wrap(&text, memory, sizeof(memory));
	for (int i = 0; i < ROUNDS; i++) {
		random_uri(&text);
		if (uri_parse(buf_view(&text), &u, &why) != URI_OK)
			fail_msg("%s: %.*s", why, SLICE_ARGS(buf_view(&text)));
		check_round(&u);
	}
}

static void
check_inside(struct slice part, struct slice whole)
{
	if (part.len > 0)
		assert_true(part.ptr >= whole.ptr &&
			    part.ptr + part.len <= whole.ptr + whole.len);
}

static void
prop_damaged_is_refused_or_round(void **state)
{
	char memory[REQUEST_URI_MAX];
	struct buf text;
	size_t taken = 0;

	(void)state;
	buf_wrap(&text, memory, sizeof(memory));
	for (int i = 0; i < ROUNDS; i++) {
		enum uri_result result;
		const char *why;
		struct uri u;

		random_uri(&text);
		for (size_t n = 1 + random_below(3); n > 0; n--)
			random_damage(&text);
		result = uri_parse(buf_view(&text), &u, &why);
		assert_int_equal(result == URI_OK, why == NULL);
		check_inside(u.host, buf_view(&text));
		check_inside(u.path, buf_view(&text));
		check_inside(u.query, buf_view(&text));
		if (result != URI_OK)
			continue;
		taken++;
		check_round(&u);
	}
	assert_in_range(taken, 1, ROUNDS - 1); /* or it proves nothing */
}

/* A resolved reference is absolute and free of dots: resolving it again
 * changes nothing. */
static void
prop_resolving_is_idempotent(void **state)
{
	char memory[3][4 * REQUEST_URI_MAX];
	struct buf text, once, twice;
	const char *why;
	struct uri base;

	(void)state;
	buf_wrap(&text, memory[0], REQUEST_URI_MAX);
	for (int i = 0; i < ROUNDS; i++) {
		struct slice reference;

		random_uri(&text);
		assert_int_equal(
		    uri_parse(buf_view(&text), &base, &why), URI_OK);
		buf_wrap(&twice, memory[2], sizeof(memory[2]));
		random_words(
		    &twice, pieces, sizeof(pieces) / sizeof(pieces[0]), 10);
		reference = buf_view(&twice);
		buf_wrap(&once, memory[1], sizeof(memory[1]));
		assert_true(uri_resolve(&base, reference, &once));
		assert_true(uri_is_absolute(buf_view(&once)));
		buf_reset(&twice);
		if (reference.len == 0) /* keeps base's path as it is */
			continue;
		assert_true(uri_resolve(&base, buf_view(&once), &twice));
		check_slice(buf_view(&twice), buf_view(&once));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prop_parsing_undoes_formatting),
		cmocka_unit_test(prop_damaged_is_refused_or_round),
		cmocka_unit_test(prop_resolving_is_idempotent),
	};

	random_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
