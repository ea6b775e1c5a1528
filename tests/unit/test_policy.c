/* SPDX-License-Identifier: ISC */
#include "support/capsule.h"
#include "support/conf.h"

#include "capsule/policy.h"

static const char settings[] =
    "gone = [\"/gone.gmi\", \"/was/*\"];"
    "redirects = ("
    "{ from = \"/old.gmi\"; to = \"/new.gmi\"; },"
    "{ from = \"/moved.gmi\"; to = \"/new.gmi\"; permanent = true; },"
    "{ from = \"/gone.gmi\"; to = \"/new.gmi\"; },"
    "{ from = \"/old/*\"; to = \"/new/\"; },"
    "{ from = \"/noslash/*\"; to = \"/new\"; },"
    "{ from = \"/star/*\"; to = \"/new/*\"; permanent = true; },"
    "{ from = \"/flat/*\"; to = \"/\"; },"
    "{ from = \"/away/*\"; to = \"gemini://example.org\"; },"
    "{ from = \"/query/*\"; to = \"/new?q\"; },"
    "{ from = \"/asked.gmi\"; to = \"/new.gmi?q\"; },"
    "{ from = \"/sp ace\"; to = \"/caf\xc3\xa9/x\"; },"
    "{ from = \"/d\xc3\xa9j\xc3\xa0/*\"; to = \"/new/\"; },"
    "{ from = \"/dir\"; to = \"/elsewhere\"; },"
    "{ from = \"/first\"; to = \"/one\"; },"
    "{ from = \"/first/*\"; to = \"/two\"; },"
    "{ from = \"/deep/er/*\"; to = \"/d/\"; } );";

/* A request's path and query, and what is decided: rules 1.7.68 to 1.7.72. */
struct row {
	const char *request;
	enum status status;
	const char *meta; /* NULL: the status's own words */
};

static const struct row rows[] = {
	{ "/", STATUS_NONE, "" },
	{ "/new.gmi", STATUS_NONE, "" },
	{ "/old.gmi", STATUS_REDIRECT, "/new.gmi" },
	{ "/old.gmi?", STATUS_REDIRECT, "/new.gmi?" },
	{ "/old.gmi?a%20b", STATUS_REDIRECT, "/new.gmi?a%20b" },
	{ "/old.gmi?\xc3\xa9", STATUS_REDIRECT, "/new.gmi?%C3%A9" },
	{ "/old.gmi/", STATUS_NONE, "" },
	{ "/%6fld.gmi", STATUS_REDIRECT, "/new.gmi" },
	{ "/moved.gmi", STATUS_REDIRECT_PERMANENT, "/new.gmi" },
	{ "/asked.gmi?x", STATUS_REDIRECT, "/new.gmi?q" },
	{ "/old/", STATUS_REDIRECT, "/new/" },
	{ "/old", STATUS_REDIRECT, "/new/" },
	{ "/old/a/b.gmi", STATUS_REDIRECT, "/new/a/b.gmi" },
	{ "/old/a%2Bb%20c/", STATUS_REDIRECT, "/new/a%2Bb%20c/" },
	{ "/old/\xc3\xa9", STATUS_REDIRECT, "/new/%C3%A9" },
	{ "/old//evil.example/", STATUS_REDIRECT, "/new/evil.example/" },
	{ "/old/%0d%0a20%20x", STATUS_REDIRECT, "/new/%0d%0a20%20x" }, /* A52 */
	{ "/noslash/", STATUS_REDIRECT, "/new/" },
	{ "/noslash/a", STATUS_REDIRECT, "/new/a" },
	{ "/star/a?q", STATUS_REDIRECT_PERMANENT, "/new/a?q" },
	{ "/flat//evil.example", STATUS_REDIRECT, "/evil.example" },
	{ "/flat/", STATUS_REDIRECT, "/" },
	{ "/flat/flat/x", STATUS_REDIRECT, "/flat/x" },
	{ "/away/a?q", STATUS_REDIRECT, "gemini://example.org/a?q" },
	{ "/query/a?x", STATUS_REDIRECT, "/new/a?q" },
	{ "/sp%20ace", STATUS_REDIRECT, "/caf%C3%A9/x" },
	{ "/d%C3%A9j\xc3\xa0/a", STATUS_REDIRECT, "/new/a" },
	{ "/dir", STATUS_REDIRECT, "/elsewhere" },
	{ "/dir/", STATUS_NONE, "" },
	{ "/dir/a", STATUS_NONE, "" },
	{ "/first", STATUS_REDIRECT, "/one" },
	{ "/first/", STATUS_REDIRECT, "/two/" },
	{ "/firs*", STATUS_NONE, "" },
	{ "/deep/er/a%3Fb/c", STATUS_REDIRECT, "/d/a%3Fb/c" },
	/* Gone wins over a redirect, and needs no file. */
	{ "/gone.gmi", STATUS_GONE, NULL },
	{ "/gone.gmi?x", STATUS_GONE, NULL },
	{ "/%67one.gmi", STATUS_GONE, NULL },
	{ "/was/a/b", STATUS_GONE, NULL },
	{ "/was/", STATUS_GONE, NULL },
	{ "/was", STATUS_NONE, "" },
	{ "/gone.gmix", STATUS_NONE, "" },
};

static enum status
decide(const char *request, struct buf *meta)
{
	char text[REQUEST_URI_MAX + 1];
	struct uri_path path;
	const char *why;
	struct uri uri;

	snprintf(text, sizeof(text), "gemini://h%s", request);
	assert_int_equal(uri_parse(slice_str(text), &uri, &why), URI_OK);
	assert_int_equal(uri_path_normalise(uri.path, &path), URI_PATH_OK);
	buf_reset(meta);
	return policy_decide(capsule_host(), &path, &uri, meta);
}

static void
check_meta(const struct buf *meta, const struct row *row)
{
	const char *want =
	    row->meta == NULL ? status_text(row->status) : row->meta;

	if (!slice_equal(buf_view(meta), slice_str(want)))
		fail_msg("row \"%s\": %.*s", row->request,
		    SLICE_ARGS(buf_view(meta)));
}

static void
test_decide(void **state)
{
	uint8_t bytes[RESPONSE_META_MAX];
	struct buf meta;
	size_t i;

	(void)state;
	buf_wrap(&meta, bytes, sizeof(bytes));
	capsule_open_one(settings);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(decide(rows[i].request, &meta) == rows[i].status,
		    rows[i].request);
		check_meta(&meta, &rows[i]);
	}
}

/* Odd targets: conf_check may refuse them, clients
 * must not be led astray all the same. */
static void
test_unusual_targets(void **state)
{
	static const struct {
		const char *from;
		const char *to;
		struct row row;
	} strange[] = {
		{ "/a", "//evil.example/",
		    { "/a", STATUS_REDIRECT, "/evil.example/" } },
		{ "/a/*", "*",
		    { "/a/mailto:x", STATUS_REDIRECT, "/mailto:x" } },
		{ "/a/*", "/*", { "/a//x", STATUS_REDIRECT, "/x" } },
		{ "/a", "/b#part", { "/a?q", STATUS_REDIRECT, "/b?q" } },
		{ "/a", "/b c\x1b\x7f",
		    { "/a", STATUS_REDIRECT, "/b%20c%1B%7F" } },
		{ "/a", "#", { "/a", STATUS_NONE, "" } },
		/* Rule 1.7.71: to itself is a loop. */
		{ "/*", "/", { "/", STATUS_NONE, "" } },
		{ "/*", "/", { "/a", STATUS_NONE, "" } },
		{ "/a", "/a?q", { "/a", STATUS_NONE, "" } },
		{ "/1990/*", "/old/", { "/1990", STATUS_REDIRECT, "/old/" } },
		{ "/1990/*", "/old*", { "/1990", STATUS_REDIRECT, "/old" } },
		{ "/1990/*", "/old?a",
		    { "/1990?b", STATUS_REDIRECT, "/old/?a" } },
		{ "/1 9/*", "/old/",
		    { "/1%209?b", STATUS_REDIRECT, "/old/?b" } },
		{ "/1990/*", "/old/", { "/1990.gmi", STATUS_NONE, "" } },
		{ "/1990/*", "/old/", { "/199", STATUS_NONE, "" } },
		{ "/a/1990/*", "/old/",
		    { "/a/1990", STATUS_REDIRECT, "/old/" } },
	};
	uint8_t bytes[RESPONSE_META_MAX];
	struct conf_redirect redirect = { .permanent = false };
	struct buf meta;
	size_t i;

	(void)state;
	buf_wrap(&meta, bytes, sizeof(bytes));
	capsule_open_one("");
	capsule.hosts->host[0].content.redirects = &redirect;
	capsule.hosts->host[0].content.n_redirects = 1;
	for (i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		redirect.from.text = (char *)(uintptr_t)strange[i].from;
		redirect.to.text = (char *)(uintptr_t)strange[i].to;
		check_row(decide(strange[i].row.request, &meta) ==
			      strange[i].row.status,
		    strange[i].to);
		check_meta(&meta, &strange[i].row);
	}
}

/* What lacks a text was reported, but check goes on with it. */
static void
test_what_lacks_a_text_matches_nothing(void **state)
{
	static char a[] = "/a", b[] = "/b";
	struct conf_redirect redirects[] = { { .to.text = b },
		{ .from.text = a }, { .permanent = true } };
	struct conf_path paths[] = { { .lang.text = a, .listing = 1 } };
	uint8_t bytes[RESPONSE_META_MAX];
	struct conf_content *content;
	struct uri_path path;
	struct buf meta;

	(void)state;
	buf_wrap(&meta, bytes, sizeof(bytes));
	capsule_open_one("");
	content = &capsule.hosts->host[0].content;
	content->redirects = redirects;
	content->n_redirects = 3;
	content->paths = paths;
	content->n_paths = 1;
	assert_int_equal(decide("/a", &meta), STATUS_NONE);
	check_slice(policy_lang(&capsule.hosts->host[0], "/a"), SLICE(""));
	policy_listing(&capsule.hosts->host[0], "/a");
	assert_false(policy_carries_rest(&redirects[0]));
	assert_false(policy_redirect_path(&redirects[0], "", &path));
}

static void
test_too_long_is_not_cut(void **state) /* rule 1.7.72 */
{
	char request[REQUEST_URI_MAX];
	uint8_t bytes[RESPONSE_META_MAX];
	struct buf meta;
	size_t len;

	(void)state;
	buf_wrap(&meta, bytes, sizeof(bytes));
	capsule_open_one("redirects = ( { from = \"/a/*\"; to = \"/"
			 "1234567890123456789012345678901234567890/\"; },"
			 "{ from = \"/b/*\"; to = \"/\"; },"
			 "{ from = \"/c\"; to = \"/d\"; } );");
	snprintf(request, sizeof(request), "/a/");
	memset(request + 3, 'x', sizeof(request) - 3);
	len = RESPONSE_META_MAX - 42;
	request[3 + len] = '\0';
	assert_int_equal(decide(request, &meta), STATUS_REDIRECT);
	assert_int_equal(meta.len, RESPONSE_META_MAX);
	request[3 + len] = 'x';
	request[3 + len + 1] = '\0';
	assert_int_equal(decide(request, &meta), STATUS_NOT_FOUND);
	check_slice(buf_view(&meta), slice_str(status_text(STATUS_NOT_FOUND)));
	/* What is so long that it was not kept encoded: 500 raw bytes are
	 * 1,500 escaped. */
	snprintf(request, sizeof(request), "/b/");
	memset(request + 3, '\xc3', 500);
	for (len = 3; len < 503; len += 2)
		request[len + 1] = '\xa9';
	request[503] = '\0';
	assert_int_equal(decide(request, &meta), STATUS_NOT_FOUND);
	/* The caller's buffer may be smaller than ours. */
	buf_wrap(&meta, bytes, 1);
	assert_int_equal(decide("/c", &meta), STATUS_NOT_FOUND);
}

static void
test_settings_by_glob(void **state)
{
	const struct host *h;

	(void)state;
	capsule_open_one(
	    "lang = \"en\"; charset = \"utf-8\"; listing = false;"
	    "paths = ( { glob = \"/az/raw/*\"; lang = \"\"; },"
	    "{ glob = \"/az/*\"; lang = \"az\"; listing = true; },"
	    "{ glob = \"/az/*\"; lang = \"ru\"; charset = \"koi8-r\"; },"
	    "{ glob = \"*.raw\"; type = \"text/plain\"; listing = false; },"
	    "{ glob = \"/az/x?/\"; listing = false; } );");
	h = capsule_host();
	check_slice(policy_lang(h, "/a.gmi"), SLICE("en"));
	check_slice(policy_lang(h, "/az/a.gmi"), SLICE("az"));
	check_slice(policy_lang(h, "/az/deep/a.gmi"), SLICE("az"));
	check_slice(policy_lang(h, "/az"), SLICE("en"));
	check_slice(policy_lang(h, "/az/raw/a.gmi"), SLICE(""));
	check_slice(policy_charset(h, "/az/a.gmi"), SLICE("koi8-r"));
	check_slice(policy_charset(h, "/a.gmi"), SLICE("utf-8"));
	check_slice(policy_type(h, "/a.gmi"), SLICE(""));
	check_slice(policy_type(h, "/az/a.raw"), SLICE("text/plain"));
	assert_true(policy_listing(h, "/az/"));
	assert_true(policy_listing(h, "/az/x1/"));
	assert_false(policy_listing(h, "/"));
	capsule_open_one("listing = true; paths = ( "
			 "{ glob = \"/shut/*\"; listing = false; } );");
	h = capsule_host();
	assert_true(policy_listing(h, "/"));
	assert_false(policy_listing(h, "/shut/"));
	check_slice(policy_lang(h, "/"), SLICE(""));
	check_slice(policy_charset(h, "/"), SLICE(""));
}

static void
check_redirects(struct slice text, const char *want, const char *row)
{
	struct conf *c = conf_new();
	struct conf_capsule *site = conf_add_capsule(c);
	struct report r = { 0 };

	check_row(conf_read_content(c, &site->content, text, "capsule.conf",
		      REPORT_ERROR, &r),
	    row);
	check_row(
	    policy_check_content(&site->content, &r) == (r.errors == 0), row);
	report_check_items(&r, (const char *const[]){ want, NULL }, 1, row);
	report_fini(&r);
	conf_free(&c);
}

static void
test_redirects_to_missing_targets(void **state)
{
#define CIRCLE(line, from)                                                     \
	"capsule.conf:" line ": error: redirects.from: \"" from                \
	"\" leads in a circle, or over more than 5 redirects"
	static const struct {
		const char *what;
		struct slice text;
		const char *want;
	} circles[] = {
		{ "to a part of itself",
		    BYTES("redirects = ( { from = \"/a/*\"; to = \"/a/b/\"; } "
			  ");"),
		    CIRCLE("1", "/a/*") },
		{ "out of itself",
		    BYTES("redirects = ( { from = \"/a/*\"; to = \"/a\"; } );"),
		    CIRCLE("1", "/a/*") },
		{ "the whole capsule into itself",
		    BYTES("redirects = ( { from = \"/*\"; to = \"/z\"; } );"),
		    CIRCLE("1", "/*") },
		{ "out of itself, leaving the rest",
		    BYTES("redirects = ( { from = \"/a/*\"; to = \"/b\"; } );"),
		    NULL },
		{ "to the directory itself",
		    BYTES("redirects = ( { from = \"/a/*\"; to = \"/a*\"; } "
			  ");"),
		    CIRCLE("1", "/a/*") },
		{ "the rest decides",
		    BYTES("redirects = ( { from = \"/a/*\"; to = \"/*\"; } );"),
		    NULL },
		{ "to itself, encoded",
		    BYTES("redirects = ( { from = \"/a b\"; to = \"/%61%20b\"; "
			  "} );"),
		    CIRCLE("1", "/a b") },
		{ "to itself with a query",
		    BYTES("redirects = ( { from = \"/a\"; to = \"/a?q\"; } );"),
		    CIRCLE("1", "/a") },
		{ "percent signs that encode nothing",
		    BYTES("redirects = ( { from = \"/a\"; to = \"/%zz%1\"; } "
			  ");"),
		    NULL },
		{ "on to another one that ends",
		    BYTES("redirects = ( { from = \"/a\"; to = \"/b\"; },\n"
			  "{ from = \"/b\"; to = \"/c\"; } );"),
		    NULL },
		{ "out of the capsule and perhaps back",
		    BYTES("redirects = ( { from = \"/a\"; to = "
			  "\"gemini://h/a\"; } );"),
		    NULL },
		{ "to where most clients do not follow",
		    BYTES("redirects = ( { from = \"/a\";\nto = "
			  "\"https://h/a\"; } );"),
		    "capsule.conf:2: warning: redirects.to: \"https://h/a\" is "
		    "not a gemini URL: clients do not follow it" },
		{ "a URL that names a user",
		    BYTES("redirects = ( { from = \"/a\";\nto = "
			  "\"gemini://u@h/#x\"; } );"),
		    "capsule.conf:2: warning: redirects.to: "
		    "\"gemini://u@h/#x\" is not a valid gemini URL (userinfo "
		    "in the URI): clients do not follow it" },
		{ "a URL without a host",
		    BYTES("redirects = ( { from = \"/a\";\nto = "
			  "\"gemini:///x\"; } );"),
		    "capsule.conf:2: warning: redirects.to: \"gemini:///x\" is "
		    "not a valid gemini URL (no host in "
		    "the URI): clients do not "
		    "follow it" },
		{ "a fragment, which is left out",
		    BYTES("redirects = ( { from = \"/a\"; to = "
			  "\"gemini://h/a#b\"; } );"),
		    NULL },
		{ "the first that matches counts",
		    BYTES("redirects = ( { from = \"/a\"; to = \"/b\"; },\n"
			  "{ from = \"/b\"; to = \"/c\"; },\n"
			  "{ from = \"/c\"; to = \"/d/a\"; },\n"
			  "{ from = \"/d/*\"; to = \"/e/*\"; },\n"
			  "{ from = \"/e/a\"; to = \"/f\"; } );"),
		    NULL },
		{ "over more than five",
		    BYTES("redirects = (\n{ from = \"/a\"; to = \"/b\"; },\n"
			  "{ from = \"/b\"; to = \"/c\"; },\n"
			  "{ from = \"/c\"; to = \"/d/a\"; },\n"
			  "{ from = \"/d/*\"; to = \"/e/*\"; },\n"
			  "{ from = \"/e/a\"; to = \"/f\"; },\n"
			  "{ from = \"/f\"; to = \"/g\"; } );"),
		    CIRCLE("2", "/a") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(circles) / sizeof(circles[0]); i++)
		check_redirects(
		    circles[i].text, circles[i].want, circles[i].what);
}

static void
test_redirect_loop_of_two(void **state)
{
	struct conf *c = conf_new();
	struct conf_capsule *site = conf_add_capsule(c);
	struct report r = { 0 };

	(void)state;
	assert_true(conf_read_content(c, &site->content,
	    SLICE("redirects = ( { from = \"/a\"; to = \"/b\"; },\n"
		  "{ from = \"/b\"; to = \"/a\"; } );"),
	    "capsule.conf", REPORT_ERROR, &r));
	assert_false(policy_check_content(&site->content, &r));
	assert_int_equal(r.errors, 2);
	report_fini(&r);
	conf_free(&c);
}

/* The operator's, by themselves: their place is in the operator's file. */
static void
test_the_operators_redirects_are_checked(void **state)
{
	struct report r = { 0 };
	struct conf *c =
	    conf_parse_text("capsules = ( { host = \"h\"; root = \"/r\";\n"
			    "redirects = ( { from = \"/a\"; to = \"/a\"; "
			    "} ); } );",
		&r);

	(void)state;
	assert_false(policy_check(c, &r));
	assert_int_equal(r.n, 1);
	report_check_item(&r, 0,
	    "carnation.conf:2: error: redirects.from: \"/a\" leads in a "
	    "circle, or over more than 5 redirects",
	    "the operator's");
	report_fini(&r);
	conf_free(&c);
}

static void
test_the_operators_invalid_target_is_reported_once(void **state)
{
	static const struct {
		const char *to;
		const char *why;
	} targets[] = {
		{ "mailto:*",
		    "'*' could name another host: write '/' before '*'" },
		{ "gemini://host*",
		    "'*' could name another host: write '/' before '*'" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct report r = { 0 };
		struct conf *c;
		char text[256], want[256];

		snprintf(text, sizeof(text),
		    "capsules = ( { host = \"h\"; root = \"/r\";\n"
		    "redirects = ( { from = \"/a/*\"; to = \"%s\"; } ); } );",
		    targets[i].to);
		snprintf(want, sizeof(want),
		    "carnation.conf:2: error: redirects.to: invalid value "
		    "\"%s\": %s",
		    targets[i].to, targets[i].why);
		c = conf_parse_text(text, &r);
		conf_check(c, &r);
		policy_check(c, &r);
		report_check_items(
		    &r, (const char *const[]){ want }, 1, targets[i].to);
		check_row(r.n == 1, targets[i].to);
		report_fini(&r);
		conf_free(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		capsule_test(test_decide),
		capsule_test(test_unusual_targets),
		capsule_test(test_what_lacks_a_text_matches_nothing),
		capsule_test(test_too_long_is_not_cut),
		capsule_test(test_settings_by_glob),
		cmocka_unit_test(test_redirects_to_missing_targets),
		cmocka_unit_test(test_redirect_loop_of_two),
		cmocka_unit_test_setup_teardown(
		    test_the_operators_redirects_are_checked, conf_set_up,
		    conf_tear_down),
		cmocka_unit_test_setup_teardown(
		    test_the_operators_invalid_target_is_reported_once,
		    conf_set_up, conf_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
