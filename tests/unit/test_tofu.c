/* SPDX-License-Identifier: ISC */
#include "client/tofu.h"

#include <sys/wait.h>

#include "os/file.h"
#include "support/tree.h"
#include "tls/digest.h"
#include "util/clock.h"

static char file[PATH_MAX];
static char said[4096];

/* Our certificates are of 2020 to 2099. */
enum { Y2019 = 1546300800, Y2026 = 1767225600 };
static const int64_t y2100 = 4102444800;

static void
name_file(void)
{
	snprintf(file, sizeof(file), "%s", tree_path("data/known_hosts"));
}

static int
set_up(void **state)
{
	int failed = tree_set_up(state);

	name_file();
	return failed;
}

static struct target
at(const char *url)
{
	struct why why;
	struct target t;

	assert_int_equal(target_parse(slice_str(url), &t, &why), TARGET_OK);
	return t;
}

static enum tofu
tofu_judge_at(const char *url, const struct cert *c, int64_t now)
{
	struct target t = at(url);
	char place[TOFU_PLACE_SIZE];
	struct tofu_shown shown;
	enum tofu verdict = TOFU_REFUSED;
	struct buf out;

	buf_wrap(&out, said, sizeof(said) - 1);
	if (tofu_describe(&t, c, place, &shown, &out))
		verdict = tofu_judge(file, place, &shown, now, &out);
	buf_cstr(&out);
	said[out.len] = '\0';
	return verdict;
}

/* Nothing is to be said of it. */
static void
assert_same(const char *url, const struct cert *c)
{
	assert_int_equal(tofu_judge_at(url, c, Y2026), TOFU_ACCEPTED);
	assert_string_equal(said, "");
}

static void
assert_changed(const char *url, const struct cert *c)
{
	assert_int_equal(tofu_judge_at(url, c, Y2026), TOFU_REFUSED);
	assert_non_null(strstr(said, "shows another key than before"));
}

static void
write_known(const char *place, const struct cert *c, const char *until)
{
	uint8_t digest[CERT_DIGEST_SIZE];
	char hex[DIGEST_HEX_SIZE];
	struct buf out;

	cert_spki_digest(c, digest);
	digest_hex(digest, hex);
	buf_init(&out, 4096);
	buf_printf(&out, "# kept as it is\nother.test:1965 junk\n%s %s %s\n\n",
	    place, hex, until);
	assert_true(file_write(file, buf_view(&out), 0600));
	buf_fini(&out);
}

static const char *
content(void)
{
	static char text[8192];
	struct buf out;

	buf_wrap(&out, text, sizeof(text) - 1);
	assert_true(file_read_path(file, &out));
	text[out.len] = '\0';
	return text;
}

struct pair {
	struct sign_key *key;
	struct cert *cert;
};

static struct pair
new_pair(const char *name)
{
	struct pair p = { .key = sign_key_generate() };

	p.cert = cert_make(p.key, &name, 1);
	return p;
}

static void
free_pair(struct pair *p)
{
	sign_key_free(&p->key);
	cert_free(&p->cert);
}

static void
test_new_and_same(void **state)
{
	struct pair a = new_pair("a.test");
	struct pair b = new_pair("a.test");
	struct stat st;

	(void)state;
	unlink(file);
	assert_int_equal(tofu_judge_at("a.test", a.cert, Y2026), TOFU_NEW);
	assert_non_null(strstr(said, "a.test:1965 is new"));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_non_null(strstr(content(), "a.test:1965 "));
	assert_non_null(strstr(content(), " 2099-12-31T23:59:59Z\n"));
	assert_same("a.test", a.cert);
	/* Another port is another server. */
	assert_int_equal(tofu_judge_at("a.test:70", b.cert, Y2026), TOFU_NEW);
	assert_same("a.test:70", b.cert);
	assert_same("a.test", a.cert);
	free_pair(&a);
	free_pair(&b);
}

static void
test_changed(void **state)
{
	struct pair a = new_pair("a.test");
	struct pair b = new_pair("a.test");
	uint8_t digest[CERT_DIGEST_SIZE];
	char text[CERT_FINGERPRINT_SIZE], before[8192];

	(void)state;
	write_known("a.test:1965", a.cert, "2099-12-31T23:59:59Z");
	snprintf(before, sizeof(before), "%s", content());
	assert_changed("a.test", b.cert);
	cert_spki_digest(a.cert, digest);
	cert_fingerprint(digest, text);
	assert_non_null(strstr(said, text));
	cert_spki_digest(b.cert, digest);
	cert_fingerprint(digest, text);
	assert_non_null(strstr(said, text));
	assert_non_null(strstr(said, "remove line 3 of "));
	assert_non_null(strstr(said, file));
	assert_string_equal(content(), before);
	free_pair(&a);
	free_pair(&b);
}

static void
test_renewed(void **state)
{
	struct pair a = new_pair("a.test");
	struct pair b = new_pair("a.test");

	(void)state;
	/* Same key, another date: the date is taken over. */
	write_known("a.test:1965", a.cert, "2025-01-01T00:00:00Z");
	assert_same("a.test", a.cert);
	assert_null(strstr(content(), "2025"));
	assert_non_null(strstr(content(), "# kept as it is\n"
					  "other.test:1965 junk\n"
					  "a.test:1965 "));
	/* Another key, after the old one's end. */
	write_known("a.test:1965", a.cert, "2025-01-01T00:00:00Z");
	assert_int_equal(tofu_judge_at("a.test", b.cert, Y2026), TOFU_ACCEPTED);
	assert_non_null(strstr(said, "has a new key"));
	assert_null(strstr(content(), "2025"));
	assert_same("a.test", b.cert);
	assert_changed("a.test", a.cert);
	free_pair(&a);
	free_pair(&b);
}

static void
test_dates_and_names(void **state)
{
	struct pair a = new_pair("a.test");

	(void)state;
	unlink(file);
	assert_int_equal(tofu_judge_at("b.test", a.cert, Y2026), TOFU_REFUSED);
	assert_non_null(strstr(said, "for another host: a.test"));
	assert_int_equal(tofu_judge_at("a.test", a.cert, y2100), TOFU_REFUSED);
	assert_non_null(strstr(said, "expired on 2099-12-31"));
	assert_int_equal(tofu_judge_at("a.test", a.cert, Y2019), TOFU_REFUSED);
	assert_non_null(strstr(said, "not valid before 2020-01-01"));
	assert_int_equal(access(file, F_OK), -1);
	/* A known key may be late, or early. */
	assert_int_equal(tofu_judge_at("a.test", a.cert, Y2026), TOFU_NEW);
	assert_int_equal(tofu_judge_at("a.test", a.cert, y2100), TOFU_ACCEPTED);
	assert_non_null(strstr(said, "so it is accepted"));
	assert_int_equal(tofu_judge_at("a.test", a.cert, Y2019), TOFU_ACCEPTED);
	assert_non_null(strstr(said, "so it is accepted"));
	free_pair(&a);
}

static void
test_addresses(void **state)
{
	struct pair four = new_pair("192.0.2.1");
	struct pair six = new_pair("2001:db8::1");

	(void)state;
	unlink(file);
	assert_int_equal(
	    tofu_judge_at("192.0.2.1", four.cert, Y2026), TOFU_NEW);
	assert_int_equal(
	    tofu_judge_at("[2001:db8::1]", six.cert, Y2026), TOFU_NEW);
	assert_same("[2001:DB8:0::1]", six.cert);
	assert_non_null(strstr(content(), "[2001:db8::1]:1965 "));
	free_pair(&four);
	free_pair(&six);
}

static void
test_bad_file(void **state)
{
	static const char *const rows[] = { "a.test:1965\n",
		"a.test:1965 abc 2099-12-31T23:59:59Z\n",
		"a.test:1965 zz 2099\n" };
	struct pair a = new_pair("a.test");

	(void)state;
	/* What is unreadable is not taken for unknown. */
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_true(file_write(file, slice_str(rows[i]), 0600));
		check_row(
		    tofu_judge_at("a.test", a.cert, Y2026) == TOFU_REFUSED,
		    rows[i]);
		assert_non_null(strstr(said, ":1: "));
		assert_string_equal(content(), rows[i]);
	}
	write_known("a.test:1965", a.cert, "tomorrow");
	assert_int_equal(tofu_judge_at("a.test", a.cert, Y2026), TOFU_REFUSED);
	assert_non_null(strstr(said, ":3: not "));
	write_known("a.test:1965", a.cert, "2099-12-31T23:59:59Zjunk");
	assert_int_equal(tofu_judge_at("a.test", a.cert, Y2026), TOFU_REFUSED);
	assert_non_null(strstr(said, ":3: not "));
	unlink(file);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(tofu_judge_at("a.test", a.cert, Y2026), TOFU_REFUSED);
	assert_non_null(strstr(said, "Is a directory"));
	assert_int_equal(rmdir(file), 0);
	free_pair(&a);
}

/* A last line without its end, and no slash in the file's name. */
static void
test_unfinished_line(void **state)
{
	struct pair a = new_pair("a.test");
	char *was = getcwd(NULL, 0);

	(void)state;
	assert_int_equal(chdir(tree_path("")), 0);
	snprintf(file, sizeof(file), "known");
	assert_true(file_write(file, SLICE("# no end"), 0600));
	assert_int_equal(tofu_judge_at("a.test", a.cert, Y2026), TOFU_NEW);
	assert_non_null(strstr(content(), "# no end\na.test:1965 "));
	assert_int_equal(chdir(was), 0);
	name_file();
	free(was);
	free_pair(&a);
}

/* Many at once: no entry is lost. */
static void
test_together(void **state)
{
	enum { FETCHERS = 8 };
	struct pair a = new_pair("*.a.test");

	(void)state;
	unlink(file);
	for (int i = 0; i < FETCHERS; i++)
		if (fork() == 0) {
			char url[32];

			snprintf(url, sizeof(url), "host%d.a.test", i);
			_exit(tofu_judge_at(url, a.cert, Y2026) != TOFU_NEW);
		}
	for (int i = 0; i < FETCHERS; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	for (int i = 0; i < FETCHERS; i++) {
		char place[32];

		snprintf(place, sizeof(place), "host%d.a.test:1965 ", i);
		assert_non_null(strstr(content(), place));
	}
	free_pair(&a);
}

/* It may come from another process, and becomes a part of a line. */
static void
test_places_that_no_target_has(void **state)
{
	static const char *const places[] = { "", "a.test 1965", "a.test\nb",
		"\t", "\x7f", "\xc3\xa4.test:1965" };
	struct tofu_shown shown = { .until = Y2026 + 1 };
	char place[TOFU_PLACE_SIZE];
	struct buf out;

	(void)state;
	unlink(file);
	buf_wrap(&out, said, sizeof(said) - 1);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(place, sizeof(place), "%s", places[i]);
		assert_int_equal(
		    tofu_judge(file, place, &shown, Y2026, &out), TOFU_REFUSED);
	}
	memset(place, 'a', sizeof(place));
	assert_int_equal(
	    tofu_judge(file, place, &shown, Y2026, &out), TOFU_REFUSED);
	assert_int_equal(access(file, F_OK), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_and_same),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_renewed),
		cmocka_unit_test(test_dates_and_names),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_bad_file),
		cmocka_unit_test(test_unfinished_line),
		cmocka_unit_test(test_places_that_no_target_has),
		cmocka_unit_test(test_together),
	};

	return cmocka_run_group_tests(tests, set_up, tree_tear_down);
}
