/* SPDX-License-Identifier: ISC */
#include "support/answer.h"

#include <sys/resource.h>

static void
test_the_longest_request(void **state) /* rule 1.1.3, row A22 */
{
	char line[REQUEST_URI_MAX + 2];
	struct answer a;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, H "/", sizeof(H));
	assert_int_equal(answer_line(&a, ONE, slice_of(line, REQUEST_URI_MAX)),
	    STATUS_NOT_FOUND);
	assert_int_equal(
	    answer_line(&a, ONE, slice_of(line, REQUEST_URI_MAX + 1)),
	    STATUS_BAD_REQUEST);
	/* Rule 1.7.72: a redirect that would be too long. */
	memcpy(line, H "/tolong/", sizeof(H "/tolong/") - 1);
	assert_int_equal(answer_line(&a, ONE, slice_of(line, REQUEST_URI_MAX)),
	    STATUS_NOT_FOUND);
	check_slice(
	    buf_view(&a.meta), slice_str(status_text(STATUS_NOT_FOUND)));
}

static void
test_a_slash_that_makes_it_too_long(void **state) /* rule 1.7.72 */
{
	char line[REQUEST_URI_MAX + 1] = H "/long?";
	char name[128];
	struct answer a;
	size_t i;

	(void)state;
	tree_make_dir("root/long");
	memset(line + strlen(line), '\xc3', 800);
	for (i = sizeof(H "/long?"); i < 826; i += 2)
		line[i] = '\xa9';
	assert_int_equal(
	    answer_line(&a, ONE, slice_of(line, sizeof(H "/long?") + 799)),
	    STATUS_NOT_FOUND);
	check_slice(
	    buf_view(&a.meta), slice_str(status_text(STATUS_NOT_FOUND)));
	/* And a path whose escapes were too long to keep. */
	(void)snprintf(name, sizeof(name), "root/");
	for (i = 0; i < 60; i++)
		memcpy(name + 5 + 2 * i, "\xc3\xa9", 3);
	tree_make_dir(name);
	(void)snprintf(line, sizeof(line), H "/%s", name + 5);
	assert_int_equal(
	    answer_line(&a, ONE, slice_str(line)), STATUS_REDIRECT_PERMANENT);
	assert_int_equal(a.meta.len, 2 + 360);
	a.path.encoded_len = 0;
	a.status = STATUS_NONE;
	assert_int_equal(
	    answer_open(&a, answers.mime, answers.listings), STATUS_NOT_FOUND);
}

static void
test_a_type_that_is_too_long(void **state) /* rule 1.2.31 */
{
	static char lang[RESPONSE_META_MAX + 1];
	struct answer a;
	int before = dup(0);
	int after;

	(void)state;
	(void)close(before);
	memset(lang, 'a', RESPONSE_META_MAX);
	capsule.hosts->host[0].content.lang.text = lang;
	assert_int_equal(
	    answer_line(&a, ONE, SLICE(H "/")), STATUS_TEMPORARY_FAILURE);
	assert_int_equal(a.fd, -1);
	assert_int_equal(
	    answer_line(&a, ONE, SLICE(H "/raw/")), STATUS_TEMPORARY_FAILURE);
	assert_null(a.listing);
	after = dup(0);
	(void)close(after);
	assert_int_equal(after, before);
}

static void
test_descriptors_short(void **state)
{
	struct rlimit before, none;
	struct answer a;
	enum status status;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	status = answer_line(&a, ONE, SLICE(H "/a.txt"));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(status, STATUS_TEMPORARY_FAILURE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		answer_test(test_the_longest_request),
		answer_test(test_a_slash_that_makes_it_too_long),
		answer_test(test_a_type_that_is_too_long),
		answer_test(test_descriptors_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
