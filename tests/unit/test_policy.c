/* SPDX-License-Identifier: ISC */
#include "capsule_help.h"

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
	{ "/old", STATUS_NONE, "" },
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

	(void)snprintf(text, sizeof(text), "gemini://h%s", request);
	assert_int_equal(uri_parse(slice_str(text), &uri, &why), URI_OK);
	assert_int_equal(uri_path_normalise(uri.path, &path), URI_PATH_OK);
	buf_reset(meta);
	return policy_decide(help_host(), &path, &uri, meta);
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
	help_open_one(settings);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(decide(rows[i].request, &meta) == rows[i].status,
		    rows[i].request);
		check_meta(&meta, &rows[i]);
	}
}

/* Targets as nobody should write them: conf_check may refuse them, visitors
 * must not be led astray all the same. */
static void
test_targets_that_are_strange(void **state)
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
	};
	uint8_t bytes[RESPONSE_META_MAX];
	struct conf_redirect redirect = { .permanent = false };
	struct buf meta;
	size_t i;

	(void)state;
	buf_wrap(&meta, bytes, sizeof(bytes));
	help_open_one("");
	help.hosts->host[0].content.redirects = &redirect;
	help.hosts->host[0].content.n_redirects = 1;
	for (i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		redirect.from.text = (char *)(uintptr_t)strange[i].from;
		redirect.to.text = (char *)(uintptr_t)strange[i].to;
		check_row(decide(strange[i].row.request, &meta) ==
			      strange[i].row.status,
		    strange[i].to);
		check_meta(&meta, &strange[i].row);
	}
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
	help_open_one("redirects = ( { from = \"/a/*\"; to = \"/"
		      "1234567890123456789012345678901234567890/\"; },"
		      "{ from = \"/b/*\"; to = \"/\"; },"
		      "{ from = \"/c\"; to = \"/d\"; } );");
	(void)snprintf(request, sizeof(request), "/a/");
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
	(void)snprintf(request, sizeof(request), "/b/");
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
	help_open_one(
	    "lang = \"en\"; charset = \"utf-8\"; listing = false;"
	    "paths = ( { glob = \"/az/raw/*\"; lang = \"\"; },"
	    "{ glob = \"/az/*\"; lang = \"az\"; listing = true; },"
	    "{ glob = \"/az/*\"; lang = \"ru\"; charset = \"koi8-r\"; },"
	    "{ glob = \"*.raw\"; type = \"text/plain\"; listing = false; },"
	    "{ glob = \"/az/x?/\"; listing = false; } );");
	h = help_host();
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
	help_open_one("listing = true; paths = ( "
		      "{ glob = \"/shut/*\"; listing = false; } );");
	h = help_host();
	assert_true(policy_listing(h, "/"));
	assert_false(policy_listing(h, "/shut/"));
	check_slice(policy_lang(h, "/"), SLICE(""));
	check_slice(policy_charset(h, "/"), SLICE(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_capsule(test_decide),
		in_a_capsule(test_targets_that_are_strange),
		in_a_capsule(test_too_long_is_not_cut),
		in_a_capsule(test_settings_by_glob),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
