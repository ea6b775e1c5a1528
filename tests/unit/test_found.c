/* SPDX-License-Identifier: ISC */
#include "archive/found.h"

#include <stdio.h>
#include <string.h>

#include "check.h"

#define ORIGIN "gemini://example.org/"

static struct signify_secret *secret[2];
static struct signify_key key[2];

static int
set_up(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		secret[i] = signify_generate();
		signify_public(secret[i], &key[i]);
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		signify_secret_free(&secret[i]);
	return 0;
}

/* A manifest of nothing, signed; note makes another of the same serial. */
static void
make(struct found *f, int by, const char *origin, uint64_t serial,
    const char *note, bool next)
{
	struct buf list;

	found_init(f);
	buf_init(&list, MANIFEST_MAX);
	buf_printf(&list,
	    "# gemini-mirror: 1\n# origin: %s\n# serial: %llu\n"
	    "# created: 2026-11-22T10:00:00Z\n# final: yes\n"
	    "# files: 0   bytes: 0   largest: 0\n",
	    origin, (unsigned long long)serial);
	if (next) {
		buf_str(&list, "# next-key: ");
		signify_key_text(&key[1], &list);
		buf_byte(&list, '\n');
	}
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

static void
test_serials(void **state)
{
	static const struct {
		const char *rule;
		const char *origin;
		uint64_t serial, allowed;
		const char *note;
		enum found_result want;
		const char *why;
	} rows[] = {
		{ "the same again", ORIGIN, 42, 0, NULL, FOUND_SAME, "" },
		{ "higher", ORIGIN, 43, 0, NULL, FOUND_NEWER, "" },
		{ "equal, other bytes", ORIGIN, 42, 0, "x", FOUND_EQUIVOCATION,
		    "equivocation: " },
		{ "cannot be allowed", ORIGIN, 42, 42, "x", FOUND_EQUIVOCATION,
		    "equivocation: " },
		{ "lower", ORIGIN, 41, 0, NULL, FOUND_ROLLBACK,
		    "older than 42 (rollback)" },
		{ "lower, and allowed", ORIGIN, 41, 41, NULL, FOUND_NEWER, "" },
		{ "exactly that one", ORIGIN, 41, 40, NULL, FOUND_ROLLBACK,
		    "(rollback)" },
		{ "a million ahead", ORIGIN, 42 + FOUND_AHEAD_MAX, 0, NULL,
		    FOUND_NEWER, "" },
		{ "and one", ORIGIN, 43 + FOUND_AHEAD_MAX, 0, NULL,
		    FOUND_FAR_AHEAD, "more than 1000000 ahead of 42" },
		{ "that one, allowed", ORIGIN, 43 + FOUND_AHEAD_MAX,
		    43 + FOUND_AHEAD_MAX, NULL, FOUND_NEWER, "" },
		{ "another origin", "gemini://other.org/", 43, 0, NULL,
		    FOUND_OTHER_ORIGIN, "its origin is gemini://other.org/" },
	};
	struct state st = { .ring = { .n = 1 } };
	struct found f;
	struct why why;

	(void)state;
	st.ring.key[0].key = key[0];
	make(&f, 0, ORIGIN, 42, NULL, false);
	/* A first run may begin anywhere. */
	assert_int_equal(found_check(&f, &st, 0, &why), FOUND_NEWER);
	remember(&st, &f);
	found_fini(&f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		make(
		    &f, 0, rows[i].origin, rows[i].serial, rows[i].note, false);
		why_clear(&why);
		check_row(
		    found_check(&f, &st, rows[i].allowed, &why) == rows[i].want,
		    rows[i].rule);
		check_row(strstr(why.text, rows[i].why) != NULL, why.text);
		check_row(
		    found_is_refused(rows[i].want) == (rows[i].why[0] != '\0'),
		    rows[i].rule);
		found_fini(&f);
	}
}

static void
test_keys(void **state)
{
	struct state st = { .ring = { .n = 1 } };
	struct found f;
	struct why why;

	(void)state;
	st.ring.key[0].key = key[0];
	/* A stranger's. */
	make(&f, 1, ORIGIN, 1, NULL, false);
	assert_int_equal(found_check(&f, &st, 0, &why), FOUND_UNSIGNED);
	assert_false(f.held);
	found_fini(&f);
	/* Announced, it may sign; the one that announced it no more then. */
	assert_true(keyring_pin(&st.ring, &key[1]));
	st.ring.key[1].standing = KEYRING_ANNOUNCED;
	make(&f, 1, ORIGIN, 3, NULL, false);
	why_clear(&why);
	assert_int_equal(found_check(&f, &st, 0, &why), FOUND_NEWER);
	assert_int_equal(f.signer.standing, KEYRING_ANNOUNCED);
	keyring_accept(&st.ring, &f.signer.key, NULL, NULL);
	remember(&st, &f);
	found_fini(&f);
	make(&f, 0, ORIGIN, 4, NULL, false);
	assert_int_equal(found_check(&f, &st, 0, &why), FOUND_UNSIGNED);
	found_fini(&f);
	make(&f, 0, ORIGIN, 2, NULL, false);
	assert_int_equal(found_check(&f, &st, 0, &why), FOUND_ROLLBACK);
	found_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serials),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
