/* SPDX-License-Identifier: ISC */
#include "support/linter.h"

#include "capsule/lint_internal.h"

#define ROWS_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

static const char settings[] =
    "aliases = [\"own.example\"]; gone = [\"/gone.gmi\"];"
    "redirects = ( { from = \"/old.gmi\"; to = \"/page.gmi\"; },"
    "{ from = \"/moved.gmi\"; to = \"/page.gmi\"; permanent = true; },"
    "{ from = \"/lost/*\"; to = \"/d/\"; },"
    "{ from = \"/away.gmi\"; to = \"gemini://e.org/\"; } );"
    "paths = ( { glob = \"/list/*\"; listing = true; } );";

static int
set_up(void **state)
{
	static const char *const dirs[] = { "d", "bare", "list", "sp ace" };
	static const char *const files[] = { "d/index.gmi", "d/a.gmi",
		"bare/a.txt", "list/a.txt", "sp ace/a b.gmi", ".hidden" };
	char name[64];

	if (capsule_set_up(state) != 0)
		return -1;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(name, sizeof(name), "root/%s", dirs[i]);
		tree_make_dir(name);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(name, sizeof(name), "root/%s", files[i]);
		tree_write(name, "# x\n");
	}
	capsule_open_one(settings);
	return 0;
}

static void
test_targets(void **state)
{
	static const struct linter_row rows[] = {
		{ "other schemes", "G007", NOWHERE,
		    "# x\n=> https://e.org e\n=> mailto:a@e.org e\n"
		    "=> tel:1 e\n=> http://[::1]/ e\n" },
		{ "no host is not an external link", "G020", NOWHERE,
		    "# x\n=> https: e\n=> file:///a e\n" },
		{ "nothing there", "G007", 2, "# x\n=> /nigth.gmi e\n" },
		{ "relative", "G007", 2, "# x\n=> d/b.gmi e\n" },
		{ "hidden", "G007", 2, "# x\n=> /.hidden e\n" },
		{ "a directory without index", "G007", 2, "# x\n=> bare/ e\n" },
		{ "the same without its slash", "G007", 2, "# x\n=> bare e\n" },
		{ "a file with a slash", "G007", 2, "# x\n=> page.gmi/ e\n" },
		{ "no host", "G007", 2, "# x\n=> gemini:page.gmi e\n" },
		{ "redirected to nothing", "G007", 2,
		    "# x\n=> lost/b.gmi e\n" },
		{ "what is there", "G007", NOWHERE,
		    "# x\n=> d/a.gmi e\n=> /d/ e\n=> list/ e\n=> ? e\n=> . e\n"
		    "=> //localhost/d/ e\n=> sp%20ace/a%20b.gmi e\n"
		    "=> GEMINI://LOCALHOST:1965/page.gmi?q e\n=> lost/a.gmi e\n"
		    "=> page.gmi#part e\n=> /d/./../page.gmi e\n" },
		{ "gone", "G013", 2, "# x\n=> gone.gmi e\n" },
		{ "no slash", "G011", 2, "# x\n=> d e\n" },
		{ "a slash", "G011", NOWHERE, "# x\n=> d/ e\n=> bare e\n" },
		{ "redirected", "G012", 2, "# x\n=> old.gmi e\n" },
		{ "moved", "G012", 2, "# x\n=> moved.gmi e\n" },
		{ "moved away", "G012", 2, "# x\n=> away.gmi e\n" },
		{ "not moved", "G012", NOWHERE,
		    "# x\n=> page.gmi e\n=> d e\n" },
		{ "above the root", "G010", 2, "# x\n=> ../page.gmi e\n" },
		{ "above the root, absolute", "G010", 2,
		    "# x\n=> gemini://localhost/../page.gmi e\n" },
		{ "above the root, escaped", "G010", 2,
		    "# x\n=> d/%2e%2e/%2e%2e/page.gmi e\n" },
		{ "down and up", "G010", NOWHERE, "# x\n=> d/../page.gmi e\n" },
	};

	(void)state;
	tree_write("root/index.gmi", "# x\n");
	linter_check_rows("page.gmi", ROWS(rows));
}

static void
test_how_links_are_written(void **state)
{
	static const struct linter_row rows[] = {
		{ "no URL", "G008", 2, "# x\n=>\n" },
		{ "blanks are no URL", "G008", 2, "# x\n=> \t\n" },
		{ "a URL", "G008", NOWHERE, "# x\n=>page.gmi\n" },
		{ "a refused character", "G009", 2, "# x\n=> <page.gmi> e\n" },
		{ "a bad escape", "G009", 2, "# x\n=> a%2 e\n" },
		{ "and nothing of its target", "G007", NOWHERE,
		    "# x\n=> a%2 e\n" },
		{ "a variant", "G009", 2, "# x\n=> page.gmi\ufe0f x\n" },
		{ "a grapheme joiner", "G009", 2,
		    "# x\n=> pa\u034fge.gmi x\n" },
		{ "a filler", "G009", 2, "# x\n=> \u3164page.gmi x\n" },
		{ "tags", "G009", 2,
		    "# x\n=> page\U000e0061\U000e007f.gmi x\n" },
		{ "an emoji", "G009", NOWHERE, "# x\n=> \u2764\ufe0f.gmi x\n" },
		{ "U+00A0 before the URL", "G009", 2,
		    "# x\n=>\u00a0page.gmi e\n" },
		{ "U+00A0 after the URL", "G009", 2,
		    "# x\n=> page.gmi\u00a0e\n" },
		{ "and no other finding", "G035", NOWHERE,
		    "# x\n=> page.gmi\u00a0e\n" },
		{ "not of its label", "G018", NOWHERE,
		    "# x\n=> page.gmi\u00a0e\n" },
		{ "a wide space", "G009", 2, "# x\n=> page.gmi\u3000e\n" },
		{ "a mark of bytes", "G009", 2, "# x\n=> \ufeffpage.gmi e\n" },
		{ "a joiner at the end", "G009", 2,
		    "# x\n=> page.gmi\u200d e\n" },
		{ "a joiner in a word", "G009", NOWHERE,
		    "# x\n=> \u06cc\u200c\u062e.gmi e\n" },
		{ "elsewhere too", "G009", 2, "# x\n=> https://e.org/{a} e\n" },
		{ "escapes", "G009", NOWHERE, "# x\n=> d/%7B%41.gmi?%20 e\n" },
		{ "raw letters", "G035", 2, "# x\n=> q\xc9\x99.gmi e\n" },
		{ "in a query", "G035", 2,
		    "# x\n=> gemini://e.org?\xc9\x99 e\n" },
		{ "in a host they are usual", "G035", NOWHERE,
		    "# x\n=> gemini://caf\xc3\xa9.example/a e\n" },
		{ "own host", "G014", 2, "# x\n=> gemini://localhost/d/ e\n" },
		{ "own alias", "G014", 2, "# x\n=> //own.example/d/ e\n" },
		{ "other hosts", "G014", NOWHERE,
		    "# x\n=> gemini://e.org/ e\n=> d/ e\n" },
		{ "another port is another server", "G014", NOWHERE,
		    "# x\n=> gemini://localhost:1966/ e\n" },
		{ "usual port", "G015", 2, "# x\n=> gemini://e.org:1965/ e\n" },
		{ "other port", "G015", NOWHERE,
		    "# x\n=> gemini://e.org:1966/ e\n=> d/ e\n" },
		{ "a fragment", "G017", 2, "# x\n=> page.gmi#part e\n" },
		{ "fragments have meaning elsewhere", "G017", NOWHERE,
		    "# x\n=> https://e.org/#part e\n" },
		{ "no label", "G018", 2, "# x\n=> page.gmi \n" },
		{ "a label", "G018", NOWHERE, "# x\n=> page.gmi e\n" },
		{ "a URL as label", "G019", 2,
		    "# x\n=> d/ gemini://e.org/a\n" },
		{ "the same again", "G019", 2,
		    "# x\n=> mailto:a@e.org mailto:a@e.org\n" },
		{ "a name", "G019", NOWHERE, "# x\n=> page.gmi page.gmi\n" },
		{ "words about a URL", "G019", NOWHERE,
		    "# x\n=> d/ see gemini://e.org/\n" },
		{ "in a block", "G007", NOWHERE,
		    "# x\n```a\n=> nowhere.gmi e\n```\n" },
	};

	(void)state;
	linter_check_rows("page.gmi", ROWS(rows));
}

static void
test_words(void **state)
{
	static const struct {
		const char *url;
		const char *code;
		const char *text;
	} rows[] = {
		{ "/nigth.gmi", "G007", "link to /nigth.gmi: no such page" },
		{ "/a.png", "G007", "link to /a.png: no such file" },
		{ "bare", "G007",
		    "link to bare: a directory without index page or listing" },
		{ "lost/b.gmi", "G007",
		    "link to lost/b.gmi: redirected to /d/b.gmi: no such "
		    "page" },
		{ "https:/example.org/", "G007",
		    "link to https:/example.org/: no host in the URI" },
		{ "https:example.org", "G007",
		    "link to https:example.org: no host in the URI" },
		{ "https://", "G007", "link to https://: no host in the URI" },
		{ "gopher:///1", "G007",
		    "link to gopher:///1: no host in the URI" },
		{ "FILE:///a.gmi", "G007",
		    "link to FILE:///a.gmi: leads to a file on the reader's "
		    "own computer" },
		{ "page.gmi\u00a0x", "G009",
		    "link to page.gmi\u00a0x: only a space or a tab ends a "
		    "URL; this one contains U+00A0" },
		{ "page.gmi\u200b", "G009",
		    "the URL contains the invisible character U+200B" },
		{ "gemini:a", "G007", "link to gemini:a: no host in the URI" },
		{ "d", "G011",
		    "link to d: directory without its final slash: use /d/" },
		{ "old.gmi", "G012",
		    "link to old.gmi: redirected to /page.gmi" },
		{ "moved.gmi", "G012",
		    "link to moved.gmi: permanently redirected to /page.gmi" },
		{ "gone.gmi", "G013", "link to gone.gmi: gone" },
		{ "a\\b", "G009",
		    "link to a\\b: a backslash, or one of <>\"{}|^`, that is "
		    "not percent-encoded" },
		{ "a\x1b[m", "G009", "link to a\x1b[m: control character" },
	};
	char page[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(page, sizeof(page), "# x\n=> %s e\n", rows[i].url);
		tree_write("root/page.gmi", page);
		linter_run();
		linter_check_finding(rows[i].code, "page.gmi", 2, rows[i].text);
	}
}

static void
test_long_url(void **state)
{
	char page[4096];
	struct buf out;

	(void)state;
	buf_wrap(&out, page, sizeof(page) - 1);
	buf_str(&out, "# x\n=> ");
	for (int i = 0; i < 1500; i++)
		buf_byte(&out, 'a');
	buf_str(&out, " e\n");
	tree_write("root/page.gmi", buf_cstr(&out));
	linter_run();
	linter_check_finding("G007", "page.gmi", 2, "aaa...: too long");
}

static void
test_links_between_capsules(void **state)
{
	(void)state;
	tree_make_dir("two");
	tree_write("two/a.gmi", "# x\n");
	tree_write("root/page.gmi", "# x\n=> gemini://two.example/a.gmi e\n"
				    "=> gemini://two.example/b.gmi e\n");
	capsule_open("capsules = ( { host = \"localhost\"; root = \"root\"; },"
		     "{ host = \"two.example\"; root = \"two\"; } );");
	linter_run();
	linter_check_finding("G020", "page.gmi", 2, "two.example/a.gmi");
	linter_check_finding("G007", "page.gmi", 3, "no such page");
	assert_int_equal(linter_count("G007"), 1);
	assert_int_equal(linter_count("G014"), 0);
}

#define among_files(test)                                                      \
	cmocka_unit_test_setup_teardown(test, set_up, linter_tear_down)

static void
test_ports_of_the_server(void **state)
{
	static const struct {
		const char *settings, *url, *code;
	} rows[] = {
		{ "", "gemini://localhost:1965/none", "G007" },
		{ "", "gemini://localhost:1966/none", "G020" },
		{ "listen = [\"*:1966\"];", "gemini://localhost:1966/none",
		    "G007" },
		{ "listen = [\"127.0.0.1:1965\", \"[::1]:1967\"];",
		    "gemini://localhost:1967/none", "G007" },
		{ "listen = [\"*:1966\"];", "gemini://localhost:1967/none",
		    "G020" },
		{ "listen = [\"127.0.0.1:1970\"];",
		    "gemini://localhost:1965/none", "G020" },
		{ "listen = [\"unix:s\", \"*:1970\"];",
		    "gemini://localhost:1965/none", "G020" },
		{ "listen = [\"unix:s\"];", "gemini://localhost:1965/none",
		    "G007" },
		{ "listen = [\"127.0.0.1:1970\"];", "gemini://localhost/none",
		    "G007" },
		{ "listen = [\"*:1966\"]; public_port = 1970;",
		    "gemini://localhost:1966/none", "G020" },
		{ "listen = [\"*:1966\"]; public_port = 1970;",
		    "gemini://localhost:1970/none", "G007" },
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "# x\n=> %s e\n", rows[i].url);
		tree_write("root/page.gmi", text);
		snprintf(text, sizeof(text),
		    "%s capsules = ( { host = \"localhost\"; root = \"root\"; "
		    "} );",
		    rows[i].settings);
		capsule_open(text);
		linter_run();
		linter_check_finding(rows[i].code, "page.gmi", 2, rows[i].url);
		assert_int_equal(
		    linter_count("G007") + linter_count("G020"), 1);
	}
}

static int
set_up_targets(void **state)
{
	if (capsule_set_up(state) != 0)
		return -1;
	tree_make_dir("root/d");
	tree_write("root/d/index.gmi", "# x\n");
	tree_write("root/b c.gmi", "# x\n");
	tree_write("root/a.txt", "x\n");
	capsule_open(
	    "capsules = ( { host = \"::1\"; aliases = [\"localhost\"]; "
	    "root = \"root\"; lang = \"az\"; redirects = ( "
	    "{ from = \"/o\"; to = \"/p\"; }, { from = \"/p\"; to = "
	    "\"/d\"; }, { from = \"/q\"; to = \"gemini://e.org/\"; } ); "
	    "} );");
	linter_run();
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
test_target_is_cached(void **state)
{
	const struct lint_target *t =
	    lint_ask(lint, SLICE("gemini://localhost/a.txt"));

	(void)state;
	assert_non_null(t);
	assert_int_equal(t->status, STATUS_SUCCESS);
	assert_string_equal(t->item->path, "a.txt");
	assert_int_equal(unlink(tree_path("root/a.txt")), 0);
	assert_ptr_equal(lint_ask(lint, SLICE("gemini://localhost/a.txt")), t);
	linter_run();
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
test_host_of_another_server(void **state)
{
	const struct lint_target *t;

	(void)state;
	(void)capsule_try_open(
	    "capsules = ( { host = \"localhost\"; root = \"root\"; },"
	    "{ host = \"two.example\"; root = \"nowhere\"; } );");
	report_fini(&capsule.report);
	capsule.hosts = hosts_open_all(capsule.conf, &capsule.report);
	assert_non_null(capsule.hosts);
	linter_run();
	t = lint_ask(lint, SLICE("gemini://two.example/"));
	assert_null(t->host);
	assert_int_equal(t->status, STATUS_PROXY_REFUSED);
}

static void
test_promised_files(void **state)
{
	(void)state;
	tree_write("root/p.gmi", "# P\n=> made/a.tar A\n=> made B\n=> a.tar "
				 "C\n=> /made/a.tar?q D\n");
	capsule_open_one("");
	linter_run();
	assert_non_null(linter_find("G007", "p.gmi", 2));
	assert_true(lint_promise(lint, "made/a.tar"));
	linter_run();
	assert_null(linter_find("G007", "p.gmi", 2));
	assert_non_null(linter_find("G007", "p.gmi", 3));
	assert_non_null(linter_find("G007", "p.gmi", 4));
	assert_null(linter_find("G007", "p.gmi", 5));
}

static void
test_promised_though_gone(void **state)
{
	(void)state;
	tree_write("root/p.gmi", "# P\n=> /gone.gmi G\n=> /other.gmi O\n");
	capsule_open_one("gone = [\"/gone.gmi\", \"/other.gmi\"];");
	linter_run();
	assert_non_null(linter_find("G013", "p.gmi", 2));
	assert_true(lint_promise(lint, "gone.gmi"));
	linter_run();
	assert_null(linter_find("G013", "p.gmi", 2));
	assert_non_null(linter_find("G013", "p.gmi", 3));
}

static void
reference_note(void *arg, const struct lint_reference *link)
{
	struct buf *out = arg;

	buf_printf(out, "%s:%u %s%d %s\n", link->page, link->line,
	    link->absolute ? "absolute " : "", (int)link->status, link->path);
}

/* Each link of all pages that leads into the capsule. */
static void
test_references(void **state)
{
	static const struct {
		const char *rule, *url, *reported;
	} rows[] = {
		{ "beside the page", "b.gmi", "20 d/b.gmi" },
		{ "from the root", "/a.gmi", "20 a.gmi" },
		{ "a query is not part of a name", "b.gmi?x", "20 d/b.gmi" },
		{ "a fragment is dropped", "b.gmi#x", "20 d/b.gmi" },
		{ "percent-encoded", "a%20b.txt", "20 d/a b.txt" },
		{ "an index page", "/", "20 index.gmi" },
		{ "a directory's", "./", "20 d/index.gmi" },
		{ "without its slash", "/d", "20 d/index.gmi" },
		{ "a directory without one", "/e/", "51 e/" },
		{ "a listing", "/l", "20 l/" },
		{ "a prefix is not a directory", "/a.gm", "51 a.gm" },
		{ "not there", "c.gmi", "51 d/c.gmi" },
		{ "promised", "/mirror/capsule.tar", "20 mirror/capsule.tar" },
		{ "and not more", "/mirror/other", "51 mirror/other" },
		{ "redirected", "/old.gmi", "20 a.gmi" },
		{ "redirected in a circle", "/ring", "30 ring/" },
		{ "redirected out", "/out", NULL },
		{ "gone", "/gone.gmi", "52 gone.gmi" },
		{ "the capsule's host", "gemini://localhost/a.gmi",
		    "absolute 20 a.gmi" },
		{ "in capitals, with its port", "GEMINI://LocalHost:1965/",
		    "absolute 20 index.gmi" },
		{ "without a scheme", "//localhost/no", "absolute 51 no" },
		{ "another host", "gemini://example.net/a.gmi", NULL },
		{ "another port", "gemini://localhost:1966/a.gmi", NULL },
		{ "another scheme", "https://localhost/a.gmi", NULL },
		{ "no URL", "gemini://", NULL },
		{ "a scheme without an authority", "mailto:a@localhost", NULL },
	};
	static const char *const files[] = { "a.gmi", "d/a b.txt", "d/b.gmi",
		"d/index.gmi", "e/x.txt", "index.gmi", "l/x.txt" };
	char page[512], wanted[512], text[1024], name[64];
	struct buf out;

	(void)state;
	tree_make_dir("root/d");
	tree_make_dir("root/e");
	tree_make_dir("root/l");
	for (size_t i = 0; i < ROWS_OF(files); i++) {
		snprintf(name, sizeof(name), "root/%s", files[i]);
		tree_write(name, "# x\n");
	}
	capsule_open_one(
	    "gone = [\"/gone.gmi\"]; redirects = ("
	    "{ from = \"/old.gmi\"; to = \"/a.gmi\"; },"
	    "{ from = \"/ring\"; to = \"/ring/\"; },"
	    "{ from = \"/ring/\"; to = \"/ring\"; },"
	    "{ from = \"/out\"; to = \"gemini://example.net/\"; } );"
	    "paths = ( { glob = \"/l/*\"; listing = true; } );");
	linter_run();
	assert_true(lint_promise(lint, "mirror/capsule.tar"));
	lint_on_link(lint, reference_note, &out);
	for (size_t i = 0; i < ROWS_OF(rows); i++) {
		print_message("%s\n", rows[i].rule);
		snprintf(page, sizeof(page), "# P\n=> %s P\n", rows[i].url);
		tree_write("root/d/p.gmi", page);
		wanted[0] = '\0';
		if (rows[i].reported != NULL)
			snprintf(wanted, sizeof(wanted), "d/p.gmi:2 %s\n",
			    rows[i].reported);
		buf_wrap(&out, text, sizeof(text) - 1);
		linter_run();
		assert_string_equal(buf_cstr(&out), wanted);
	}
}

#define among_targets(test)                                                    \
	cmocka_unit_test_setup_teardown(test, set_up_targets, linter_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		among_files(test_targets),
		among_files(test_how_links_are_written),
		among_files(test_words),
		among_files(test_long_url),
		among_files(test_links_between_capsules),
		linter_test(test_ports_of_the_server),
		among_targets(test_urls),
		among_targets(test_target_is_cached),
		among_targets(test_redirects_are_followed),
		among_targets(test_types),
		among_targets(test_host_of_another_server),
		among_targets(test_promised_files),
		linter_test(test_promised_though_gone),
		linter_test(test_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
