/* SPDX-License-Identifier: ISC */
#include "archive/found.h"

#include <stdio.h>
#include <string.h>

#include "support/archive.h"

#define ORIGIN "gemini://example.org/"

static struct signify_secret *secret[3];
static struct signify_key key[3];

static int
set_up(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		secret[i] = signify_generate();
		signify_public(secret[i], &key[i]);
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		signify_secret_free(&secret[i]);
	return 0;
}

/* A manifest of nothing, signed; note makes another of the same serial. */
static void
make(struct found *f, int by, const char *origin, uint64_t serial,
    const char *note)
{
	struct buf list;

	found_init(f);
	buf_init(&list, MANIFEST_MAX);
	buf_printf(&list,
	    "# gemini-mirror: 1\n# origin: %s\n# serial: %llu\n"
	    "# created: 2026-11-22T10:00:00Z\n# final: yes\n"
	    "# files: 0   bytes: 0   largest: 0\n",
	    origin, (unsigned long long)serial);
	if (note != NULL)
		buf_printf(&list, "# note: %s\n", note);
	assert_true(signify_sign(secret[by], "one", buf_view(&list), &f->text));
	assert_true(buf_put(&f->text, buf_view(&list)));
	buf_fini(&list);
}

static void
remember(struct state *st, struct found *f)
{
	st->serial = f->m.serial;
	memcpy(st->manifest, f->m.digest, sizeof(st->manifest));
	memcpy(st->origin, f->m.origin, sizeof(st->origin));
}

/* The same for each of them. */
static struct state
the_state(void)
{
	struct state st = { .ring = { .n = 2 } };

	st.ring.key[0].key = key[0];
	st.ring.key[1].key = key[1];
	st.ring.key[1].standing = KEYRING_RETIRED;
	return st;
}

static void
test_judgements(void **state)
{
	static const struct {
		const char *rule;
		int by;
		const char *origin;
		uint64_t serial, allowed;
		const char *note;
		enum found_result want;
		const char *why;
	} rows[] = {
		{ "the same again", 0, ORIGIN, 42, 0, NULL, FOUND_SAME, "" },
		{ "higher", 0, ORIGIN, 43, 0, NULL, FOUND_NEWER, "" },
		{ "equal, other bytes", 0, ORIGIN, 42, 0, "x",
		    FOUND_EQUIVOCATION, "equivocation: " },
		{ "cannot be allowed", 0, ORIGIN, 42, 42, "x",
		    FOUND_EQUIVOCATION, "equivocation: " },
		{ "lower", 0, ORIGIN, 41, 0, NULL, FOUND_BEHIND,
		    "older than 42 (rollback)" },
		{ "lower, and allowed", 0, ORIGIN, 41, 41, NULL, FOUND_NEWER,
		    "" },
		{ "exactly that one", 0, ORIGIN, 41, 40, NULL, FOUND_BEHIND,
		    "(rollback)" },
		{ "a million ahead", 0, ORIGIN, 42 + FOUND_AHEAD_MAX, 0, NULL,
		    FOUND_NEWER, "" },
		{ "and one", 0, ORIGIN, 43 + FOUND_AHEAD_MAX, 0, NULL,
		    FOUND_FAR_AHEAD, "more than 1000000 ahead of 42" },
		{ "that one, allowed", 0, ORIGIN, 43 + FOUND_AHEAD_MAX,
		    43 + FOUND_AHEAD_MAX, NULL, FOUND_NEWER, "" },
		{ "another origin", 0, "gemini://other.org/", 43, 0, NULL,
		    FOUND_OTHER_ORIGIN, "its origin is gemini://other.org/" },
		{ "a stranger's", 2, ORIGIN, 43, 0, NULL, FOUND_FORGED,
		    ", which is not trusted here (trusted: " },
		{ "a stranger's, lower", 2, ORIGIN, 41, 0, NULL, FOUND_FORGED,
		    "not trusted" },
		{ "a retired key's", 1, ORIGIN, 43, 0, NULL, FOUND_FORGED,
		    ", which is retired (trusted: " },
		{ "also if it is allowed", 1, ORIGIN, 41, 41, NULL,
		    FOUND_FORGED, "is retired" },
		{ "the same serial", 1, ORIGIN, 42, 0, "x", FOUND_FORGED,
		    "is retired" },
		{ "what it once signed", 1, ORIGIN, 41, 0, NULL, FOUND_BEHIND,
		    "older than 42" },
		{ "unsound", 0, "gopher://example.org/", 43, 0, NULL,
		    FOUND_UNSOUND, "the origin is not gemini:" },
	};
	struct state st = the_state();
	struct found f;
	struct why why;

	(void)state;
	make(&f, 0, ORIGIN, 42, NULL);
	/* A first run may begin anywhere. */
	assert_int_equal(found_check(&f, NULL, &st, 0, &why), FOUND_NEWER);
	remember(&st, &f);
	found_fini(&f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum found_result got;

		make(&f, rows[i].by, rows[i].origin, rows[i].serial,
		    rows[i].note);
		why_clear(&why);
		got = found_check(&f, NULL, &st, rows[i].allowed, &why);
		check_row(got == rows[i].want, rows[i].rule);
		check_row(strstr(why.text, rows[i].why) != NULL, why.text);
		check_row((got > FOUND_BEHIND) ==
			      (got != FOUND_NEWER && got != FOUND_SAME &&
				  got != FOUND_BEHIND),
		    rows[i].rule);
		check_row((f.m.serial != 0) ==
			      (got != FOUND_UNSOUND && rows[i].by != 2),
		    rows[i].rule);
		found_fini(&f);
	}
}

/* A refusal names the key that it saw, and those that would do. */
static void
test_keys_are_named(void **state)
{
	char seen[SIGNIFY_NUMBER_TEXT], trusted[SIGNIFY_NUMBER_TEXT];
	char want[128];
	struct state st = the_state();
	struct found f;
	struct why why;

	(void)state;
	signify_number_text(key[2].number, seen);
	signify_number_text(key[0].number, trusted);
	(void)snprintf(want, sizeof(want),
	    "signed by key %s, which is not trusted here (trusted: %s)", seen,
	    trusted);
	make(&f, 2, ORIGIN, 1, NULL);
	assert_int_equal(found_check(&f, NULL, &st, 0, &why), FOUND_FORGED);
	assert_string_equal(why.text, want);
	found_fini(&f);
}

/* As a release of the store has it, whoever signed that. */
static void
keep(const struct found *f, uint64_t serial)
{
	uint8_t memory[4096];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	assert_true(buf_put(&text, buf_view(&f->text)));
	assert_true(archive_try_build(
	    serial, buf_cstr(&text), (const char *const[]){ "a", "x", NULL }));
}

/* Never suspicious, from whomever it comes. */
static void
test_what_is_kept(void **state)
{
	struct state st = the_state();
	struct found f;
	struct why why;

	(void)state;
	make(&f, 0, ORIGIN, 42, NULL);
	assert_int_equal(found_check(&f, archive.s, &st, 0, &why), FOUND_NEWER);
	remember(&st, &f);
	found_fini(&f);
	for (int by = 0; by < 3; by++) {
		make(&f, by, ORIGIN, (uint64_t)by + 10, NULL);
		assert_int_equal(found_check(&f, archive.s, &st, 0, &why),
		    by == 2 ? FOUND_FORGED : FOUND_BEHIND);
		keep(&f, (uint64_t)by + 10);
		manifest_fini(&f.m);
		assert_int_equal(
		    found_check(&f, archive.s, &st, 0, &why), FOUND_KEPT);
		assert_string_equal(why.text, "");
		found_fini(&f);
	}
	make(&f, 0, ORIGIN, 10, "another");
	assert_int_equal(
	    found_check(&f, archive.s, &st, 0, &why), FOUND_BEHIND);
	found_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judgements),
		cmocka_unit_test(test_keys_are_named),
		archive_test(test_what_is_kept),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
