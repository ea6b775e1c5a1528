/* SPDX-License-Identifier: ISC */
#include "lint_help.h"

#include "capsule/lint_internal.h"

static int
set_up(void **state)
{
	if (help_set_up(state) != 0)
		return -1;
	tree_dir("root/d");
	tree_file("root/d/index.gmi", "# x\n");
	tree_file("root/b c.gmi", "# x\n");
	tree_file("root/a.txt", "x\n");
	help_open("capsules = ( { host = \"::1\"; aliases = [\"localhost\"]; "
		  "root = \"root\"; lang = \"az\"; redirects = ( "
		  "{ from = \"/o\"; to = \"/p\"; }, { from = \"/p\"; to = "
		  "\"/d\"; }, { from = \"/q\"; to = \"gemini://e.org/\"; } ); "
		  "} );");
	lint_help_run();
	return 0;
}

static void
test_urls(void **state)
{
	static const struct {
		const char *page, *url, *want;
	} rows[] = {
		{ "d/index.gmi", "x", "gemini://[::1]/d/x" },
		{ "d/index.gmi", "../x?y#z", "gemini://[::1]/x?y" },
		{ "d/index.gmi", "", "gemini://[::1]/d/index.gmi" },
		{ "b c.gmi", "", "gemini://[::1]/b%20c.gmi" },
		{ "b c.gmi", "https://e.org/", "https://e.org/" },
	};
	char text[256];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_wrap(&out, text, sizeof(text));
		assert_true(lint_resolve(
		    lint, rows[i].page, slice_str(rows[i].url), &out));
		check_slice(buf_view(&out), slice_str(rows[i].want));
	}
	buf_wrap(&out, text, 8);
	assert_false(lint_url(lint, "x", &out));
	assert_int_equal(out.len, 0);
}

static void
test_an_answer_is_kept(void **state)
{
	const struct lint_target *t =
	    lint_ask(lint, SLICE("gemini://localhost/a.txt"));

	(void)state;
	assert_non_null(t);
	assert_int_equal(t->status, STATUS_SUCCESS);
	assert_string_equal(t->item->path, "a.txt");
	assert_int_equal(unlink(tree_path("root/a.txt")), 0);
	assert_ptr_equal(lint_ask(lint, SLICE("gemini://localhost/a.txt")), t);
	lint_help_run();
	t = lint_ask(lint, SLICE("gemini://localhost/a.txt"));
	assert_int_equal(t->status, STATUS_NOT_FOUND);
	assert_null(t->item);
}

static void
test_redirects_are_followed(void **state)
{
	const struct lint_target *t = lint_ask(lint, SLICE("gemini://[::1]/o"));
	const struct lint_target *end = lint_follow(lint, t);

	(void)state;
	assert_true(status_is_redirect(t->status));
	assert_false(t->slash);
	assert_string_equal(t->meta, "/p");
	assert_string_equal(end->line, "gemini://[::1]/d/");
	assert_string_equal(end->item->path, "d/index.gmi");
	assert_true(lint_ask(lint, SLICE("gemini://[::1]/d"))->slash);
	assert_null(
	    lint_follow(lint, lint_ask(lint, SLICE("gemini://[::1]/q"))));
	t = lint_ask(lint, SLICE("gemini://e.org/"));
	assert_null(t->host);
	assert_int_equal(t->status, STATUS_PROXY_REFUSED);
}

static void
test_types(void **state)
{
	(void)state;
	check_slice(lint_type(lint, "d/index.gmi"), SLICE("text/gemini"));
	check_slice(lint_type(lint, "b c.gmi"), SLICE("text/gemini"));
	check_slice(lint_type(lint, "a.txt"), SLICE("text/plain"));
	check_slice(lint_type(lint, "none.txt"), SLICE(""));
	check_slice(lint_type(lint, "d"), SLICE(""));
	check_slice(lint_type(lint, "o"), SLICE(""));
}

static void
test_a_capsule_that_is_not_here(void **state)
{
	const struct lint_target *t;

	(void)state;
	(void)help_try(
	    "capsules = ( { host = \"localhost\"; root = \"root\"; },"
	    "{ host = \"two.example\"; root = \"nowhere\"; } );");
	report_fini(&help.report);
	help.hosts = hosts_open_all(help.conf, &help.report);
	assert_non_null(help.hosts);
	lint_help_run();
	t = lint_ask(lint, SLICE("gemini://two.example/"));
	assert_null(t->host);
	assert_int_equal(t->status, STATUS_PROXY_REFUSED);
}

static void
test_what_is_still_to_be_made(void **state)
{
	(void)state;
	tree_file("root/p.gmi", "# P\n=> made/a.tar A\n=> made B\n=> a.tar "
				"C\n=> /made/a.tar?q D\n");
	help_open_one("");
	lint_help_run();
	assert_non_null(lint_help_text("G007", "p.gmi", 2));
	assert_true(lint_promise(lint, "made/a.tar"));
	lint_help_run();
	assert_null(lint_help_text("G007", "p.gmi", 2));
	assert_non_null(lint_help_text("G007", "p.gmi", 3));
	assert_non_null(lint_help_text("G007", "p.gmi", 4));
	assert_null(lint_help_text("G007", "p.gmi", 5));
	for (int i = 1; i < LINT_PROMISES_MAX; i++)
		assert_true(lint_promise(lint, "more"));
	assert_false(lint_promise(lint, "more"));
}

#define among_files(test)                                                      \
	cmocka_unit_test_setup_teardown(test, set_up, lint_help_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		among_files(test_urls),
		among_files(test_an_answer_is_kept),
		among_files(test_redirects_are_followed),
		among_files(test_types),
		among_files(test_a_capsule_that_is_not_here),
		among_files(test_what_is_still_to_be_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
