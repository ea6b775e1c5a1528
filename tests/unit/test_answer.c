/* SPDX-License-Identifier: ISC */
#include "support/capsule.h"

#include "capsule/answer.h"

#define H "gemini://one.example"

/* What a connection knows: the host that its TLS name selected, or none; the
 * port is 1965, or any for a socket without one. */
enum { NO_SNI = -1, ONE = 0, TWO = 1, FREE_PORT = 10 };

static struct {
	struct mime *mime;
	struct listings *listings;
} answers;

static const char answer_config[] =
    "types = ( { extension = \"foo\"; type = \"text/x-foo\"; } );"
    "capsules = ("
    "{ host = \"one.example\"; aliases = [\"caf\xc3\xa9.example\", "
    "\"127.0.0.1\"];"
    "  root = \"root\"; lang = \"en\";"
    "  gone = [\"/gone.gmi\"];"
    "  paths = ( { glob = \"/az/*\"; lang = \"az\"; charset = \"utf-8\"; },"
    "  { glob = \"/raw/*\"; type = \"text/plain\"; listing = true; } );"
    "  redirects = ( { from = \"/old/*\"; to = \"/new/\"; },"
    "  { from = \"/moved\"; to = \"/a.txt\"; permanent = true; },"
    "  { from = \"/tolong/*\"; to = "
    "\"/123456789012345678901234567890123456789012345678901234567890\"; } );"
    "},"
    "{ host = \"two.example\"; root = \"two\"; } );";

static int
answer_set_up(void **state)
{
	static const char *const dirs[] = { "dir", "az", "raw", "sp ace",
		"bare", "evil.example" };
	static const char *const files[] = { "index.gmi", "a.txt", "a.foo",
		"dir/index.gmi", "az/index.gmi", "az/a.txt", "raw/a.gmi",
		"empty.zzz", ".hidden", "a.png", "gone.gmi" };
	char name[64];
	size_t i;

	if (capsule_set_up(state) != 0)
		return -1;
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(name, sizeof(name), "root/%s", dirs[i]);
		tree_make_dir(name);
	}
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(name, sizeof(name), "root/%s", files[i]);
		tree_write(name, i == 7 ? "" : "x\n");
	}
	tree_make_dir("two");
	tree_make_dir("outside");
	tree_write("outside/canary", "canary");
	tree_symlink("../outside/canary", "root/out");
	assert_int_equal(mkfifo(tree_path("root/fifo"), 0644), 0);
	capsule_open(answer_config);
	answers.mime = mime_new(capsule.conf, &capsule.report);
	answers.listings = listings_new();
	return answers.mime == NULL || answers.listings == NULL ? -1 : 0;
}

static int
answer_tear_down(void **state)
{
	mime_free(&answers.mime);
	listings_free(&answers.listings);
	return capsule_tear_down(state);
}

static enum status
answer_line(struct answer *a, int sni, struct slice line)
{
	const struct answer_origin origin = {
		.sni = sni == FREE_PORT ? NO_SNI : sni,
		.port = sni == FREE_PORT ? 0 : 1965,
	};
	enum status status;

	answer_init(a);
	status = answer_route(a, capsule.hosts, &origin, line);
	if (status == STATUS_NONE)
		status = answer_open(a, answers.mime, answers.listings);
	assert_int_equal(status, a->status);
	return status;
}

static void
answer_close(struct answer *a)
{
	if (a->fd != -1)
		close(a->fd);
	if (a->listing != NULL)
		listing_release(a->listing);
}

#define answer_test(test)                                                      \
	cmocka_unit_test_setup_teardown(test, answer_set_up, answer_tear_down)

static const char known[] = "hosts served here: one.example, "
			    "xn--caf-dma.example, 127.0.0.1, two.example";

struct row {
	const char *rule;
	const char *line;
	int sni;
	enum status status;
	const char *meta; /* NULL: not looked at */
};

static const struct row rows[] = {
	{ "A1", H, ONE, STATUS_SUCCESS, "text/gemini; lang=en" },
	{ "A1 with port", H ":1965", ONE, STATUS_SUCCESS, NULL },
	{ "A2", H "?q", ONE, STATUS_SUCCESS, NULL },
	{ "A3", "GEMINI://ONE.example/", ONE, STATUS_SUCCESS, NULL },
	{ "A4 no scheme", "//one.example/", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A4 a path", "/", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A4 empty", "", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A4 garbage", "Hello Gemini!", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A5", "gemini:/one.example/", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A6", "gemini:///x", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A7", "mailto:a@b", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A8", "gemini://u:p@one.example/", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A9", "gemini://@one.example/", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A10", H "/#f", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A11", H "/#", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A12", H ":443/", ONE, STATUS_PROXY_REFUSED,
	    "port 1965; hosts served here: one.example, "
	    "xn--caf-dma.example, 127.0.0.1, two.example" },
	{ "A12 port 0", H ":0/", ONE, STATUS_PROXY_REFUSED, NULL },
	{ "1.1.16 any port", H ":443/", FREE_PORT, STATUS_SUCCESS, NULL },
	{ "A13", H "/", ONE, STATUS_SUCCESS, NULL },
	{ "A14", H ":/", ONE, STATUS_SUCCESS, NULL },
	{ "A15", H ":99999/", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A16", "gemini://other.example/", NO_SNI, STATUS_PROXY_REFUSED,
	    known },
	{ "A16 with SNI", "gemini://other.example/", ONE, STATUS_PROXY_REFUSED,
	    known },
	{ "A17", "https://one.example/", ONE, STATUS_PROXY_REFUSED, NULL },
	{ "A18", "titan://one.example/;size=0", ONE, STATUS_PROXY_REFUSED,
	    NULL },
	{ "A19", "gemini://one.example./", ONE, STATUS_SUCCESS, NULL },
	{ "A20", "gemini://127.0.0.1/", ONE, STATUS_SUCCESS, NULL },
	{ "A20 not ours", "gemini://127.0.0.2/", ONE, STATUS_PROXY_REFUSED,
	    known },
	{ "A21", "gemini://[::1", ONE, STATUS_BAD_REQUEST, NULL },
	{ "1.1.17 U-label", "gemini://caf\xc3\xa9.example/", ONE,
	    STATUS_SUCCESS, NULL },
	{ "1.1.17 A-label", "gemini://xn--caf-dma.example/", ONE,
	    STATUS_SUCCESS, NULL },
	{ "B3", H "/", NO_SNI, STATUS_SUCCESS, NULL },
	{ "B5", H "/", TWO, STATUS_PROXY_REFUSED, known },
	{ "B5 the other way", "gemini://two.example/", ONE,
	    STATUS_PROXY_REFUSED, known },
	{ "no index", "gemini://two.example/", TWO, STATUS_NOT_FOUND, NULL },
	{ "A23", H "/dir", ONE, STATUS_REDIRECT_PERMANENT, "/dir/" },
	{ "A24", H "/dir?x=1", ONE, STATUS_REDIRECT_PERMANENT, "/dir/?x=1" },
	{ "A24 empty query", H "/dir?", ONE, STATUS_REDIRECT_PERMANENT,
	    "/dir/?" },
	{ "A24 raw query", H "/dir?\xc3\xa9", ONE, STATUS_REDIRECT_PERMANENT,
	    "/dir/?%C3%A9" },
	{ "A25", H "/sp%20ace", ONE, STATUS_REDIRECT_PERMANENT, "/sp%20ace/" },
	{ "1.7.70", H "//evil.example", ONE, STATUS_REDIRECT_PERMANENT,
	    "/evil.example/" },
	{ "A26", H "/bare/", ONE, STATUS_NOT_FOUND, NULL },
	{ "A26 listed", H "/raw/", ONE, STATUS_SUCCESS,
	    "text/gemini; lang=en" },
	{ "A27", H "/a.txt/", ONE, STATUS_NOT_FOUND, NULL },
	{ "A28", H "/a.txt?x", ONE, STATUS_SUCCESS, "text/plain" },
	{ "A29", H "//a.txt", ONE, STATUS_SUCCESS, NULL },
	{ "A30", H "//etc/passwd", ONE, STATUS_NOT_FOUND, NULL },
	{ "A31", H "/../../", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A32", H "/%2e%2e/secret", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A32 escaped slash", H "/%2e%2e%2fsecret", ONE, STATUS_NOT_FOUND,
	    NULL },
	{ "A33", H "/dir/../a.txt", ONE, STATUS_SUCCESS, "text/plain" },
	{ "A34", H "/dir%2Findex.gmi", ONE, STATUS_NOT_FOUND, NULL },
	{ "A35", H "/%252e%252e/x", ONE, STATUS_NOT_FOUND, NULL },
	{ "A36", H "/..\\secret", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A37", H "/a%00.txt", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A38", H "/%zz", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A39", H "/%FF", ONE, STATUS_NOT_FOUND, NULL },
	{ "A40", H "/a b", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A46", H "/\xdc", ONE, STATUS_BAD_REQUEST, NULL },
	{ "A47", H "/.hidden", ONE, STATUS_NOT_FOUND, NULL },
	{ "A48", H "/out", ONE, STATUS_NOT_FOUND, NULL },
	{ "A49", H "/fifo", ONE, STATUS_NOT_FOUND, NULL },
	{ "A51", H "/a.txt;x=1", ONE, STATUS_NOT_FOUND, NULL },
	{ "A52", H "/old/%0d%0a20%20x", ONE, STATUS_REDIRECT,
	    "/new/%0d%0a20%20x" },
	{ "missing", H "/none", ONE, STATUS_NOT_FOUND, NULL },
	{ "gone", H "/gone.gmi", ONE, STATUS_GONE, NULL },
	{ "gone, not its neighbour's", "gemini://two.example/gone.gmi", TWO,
	    STATUS_NOT_FOUND, NULL },
	{ "permanent", H "/moved", ONE, STATUS_REDIRECT_PERMANENT, "/a.txt" },
	{ "1.4.41 by glob", H "/az/", ONE, STATUS_SUCCESS,
	    "text/gemini; lang=az; charset=utf-8" },
	{ "1.4.40 by glob", H "/az/a.txt", ONE, STATUS_SUCCESS,
	    "text/plain; charset=utf-8" },
	{ "type by glob", H "/raw/a.gmi", ONE, STATUS_SUCCESS, "text/plain" },
	{ "the operator's type", H "/a.foo", ONE, STATUS_SUCCESS,
	    "text/x-foo" },
	{ "no lang on a picture", H "/a.png", ONE, STATUS_SUCCESS,
	    "image/png" },
	{ "1.4.43", H "/empty.zzz", ONE, STATUS_SUCCESS,
	    "application/octet-stream" },
	/* The order of refusals. */
	{ "syntax before host", "gemini://other.example/%zz", ONE,
	    STATUS_BAD_REQUEST, NULL },
	{ "scheme before host", "http://other.example/", ONE,
	    STATUS_PROXY_REFUSED, NULL },
	{ "host before dots", "gemini://other.example/../", ONE,
	    STATUS_PROXY_REFUSED, known },
	{ "port before dots", H ":7/../", ONE, STATUS_PROXY_REFUSED, NULL },
	{ "dots before gone", H "/../gone.gmi", ONE, STATUS_BAD_REQUEST, NULL },
	{ "policy before files", H "/old/", ONE, STATUS_REDIRECT, "/new/" },
};

static void
test_rows(void **state)
{
	struct answer a;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		enum status got =
		    answer_line(&a, row->sni, slice_str(row->line));

		if (got != row->status)
			fail_msg("row \"%s\": %d %.*s", row->rule, (int)got,
			    SLICE_ARGS(buf_view(&a.meta)));
		if (row->meta != NULL)
			check_slice(buf_view(&a.meta), slice_str(row->meta));
		/* Rules 1.2.30 and 1.2.34; all 51 and 52 are alike. */
		check_row(a.meta.len > 0, row->rule);
		if (got == STATUS_NOT_FOUND || got == STATUS_GONE)
			check_slice(
			    buf_view(&a.meta), slice_str(status_text(got)));
		check_row((a.fd != -1 || a.listing != NULL) ==
			      (got == STATUS_SUCCESS),
		    row->rule);
		answer_close(&a);
	}
}

static void
test_logged_fields(void **state)
{
	struct answer a;

	(void)state;
	assert_int_equal(
	    answer_line(&a, ONE, SLICE(H "/a.txt?q")), STATUS_SUCCESS);
	assert_ptr_equal(a.host, &capsule.hosts->host[0]);
	assert_string_equal(a.path.decoded, "/a.txt");
	check_slice(a.uri.query, SLICE("q"));
	assert_int_equal(a.size, 2);
	assert_null(a.listing);
	answer_close(&a);
	assert_int_equal(
	    answer_line(&a, ONE, SLICE(H "/raw/")), STATUS_SUCCESS);
	assert_int_equal(a.fd, -1);
	assert_int_equal(a.size, a.listing->body.len);
	answer_close(&a);
	assert_int_equal(answer_line(&a, ONE, SLICE("gemini://no.example/")),
	    STATUS_PROXY_REFUSED);
	assert_null(a.host);
}

static void
test_no_descriptor_is_left_behind(void **state)
{
	int before = dup(0);
	int after;

	close(before);
	test_rows(state);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

static void
test_refuse(void **state)
{
	static char big[RESPONSE_META_MAX + 2];
	struct hosts nobody = { .known = (char *)(uintptr_t) "" };
	const struct answer_origin origin = { .sni = NO_SNI };
	struct answer a;

	(void)state;
	answer_init(&a);
	assert_int_equal(
	    answer_refuse(&a, STATUS_SLOW_DOWN, "7"), STATUS_SLOW_DOWN);
	check_slice(buf_view(&a.meta), SLICE("7"));
	assert_int_equal(
	    answer_refuse(&a, STATUS_UNAVAILABLE, NULL), STATUS_UNAVAILABLE);
	check_slice(
	    buf_view(&a.meta), slice_str(status_text(STATUS_UNAVAILABLE)));
	memset(big, 'x', sizeof(big) - 1);
	(void)answer_refuse(&a, STATUS_FAILURE, big);
	check_slice(buf_view(&a.meta), slice_str(status_text(STATUS_FAILURE)));
	answer_init(&a);
	assert_int_equal(answer_route(&a, &nobody, &origin, SLICE(H "/")),
	    STATUS_PROXY_REFUSED);
	check_slice(
	    buf_view(&a.meta), slice_str(status_text(STATUS_PROXY_REFUSED)));
}

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
test_slash_makes_the_redirect_too_long(void **state) /* rule 1.7.72 */
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
	snprintf(name, sizeof(name), "root/");
	for (i = 0; i < 60; i++)
		memcpy(name + 5 + 2 * i, "\xc3\xa9", 3);
	tree_make_dir(name);
	snprintf(line, sizeof(line), H "/%s", name + 5);
	assert_int_equal(
	    answer_line(&a, ONE, slice_str(line)), STATUS_REDIRECT_PERMANENT);
	assert_int_equal(a.meta.len, 2 + 360);
	a.path.encoded_len = 0;
	a.status = STATUS_NONE;
	assert_int_equal(
	    answer_open(&a, answers.mime, answers.listings), STATUS_NOT_FOUND);
}

static void
test_too_long_type(void **state) /* rule 1.2.31 */
{
	static char lang[RESPONSE_META_MAX + 1];
	struct answer a;
	int before = dup(0);
	int after;

	(void)state;
	close(before);
	memset(lang, 'a', RESPONSE_META_MAX);
	capsule.hosts->host[0].content.lang.text = lang;
	assert_int_equal(
	    answer_line(&a, ONE, SLICE(H "/")), STATUS_TEMPORARY_FAILURE);
	assert_int_equal(a.fd, -1);
	assert_int_equal(
	    answer_line(&a, ONE, SLICE(H "/raw/")), STATUS_TEMPORARY_FAILURE);
	assert_null(a.listing);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

static void
test_no_descriptors_left(void **state)
{
	struct answer a;
	enum status status;

	(void)state;
	descriptors_limit(0);
	status = answer_line(&a, ONE, SLICE(H "/a.txt"));
	descriptors_unlimit();
	assert_int_equal(status, STATUS_TEMPORARY_FAILURE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		answer_test(test_rows),
		answer_test(test_logged_fields),
		answer_test(test_no_descriptor_is_left_behind),
		answer_test(test_refuse),
		answer_test(test_the_longest_request),
		answer_test(test_slash_makes_the_redirect_too_long),
		answer_test(test_too_long_type),
		answer_test(test_no_descriptors_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
