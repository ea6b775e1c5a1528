/* SPDX-License-Identifier: ISC */
/* Two capsules with one of everything, and requests to them: what the tests of
 * capsule/answer share. */
#ifndef TESTS_UNIT_ANSWER_HELP_H
#define TESTS_UNIT_ANSWER_HELP_H

#include "capsule_help.h"

#include "capsule/answer.h"

/* What a connection knows in these tests: the port visitors use is 1965. */
enum { NO_SNI = -1, ONE = 0, TWO = 1, FREE_PORT = 10 };

static const char answer_operators[] =
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

static struct mime *mime;
static struct listings *listings;

#define H "gemini://one.example"

static inline int
answer_set_up(void **state)
{
	static const char *const dirs[] = { "dir", "az", "raw", "sp ace",
		"bare", "evil.example" };
	static const char *const files[] = { "index.gmi", "a.txt", "a.foo",
		"dir/index.gmi", "az/index.gmi", "az/a.txt", "raw/a.gmi",
		"empty.zzz", ".hidden", "a.png", "gone.gmi" };
	char name[64];
	size_t i;

	if (help_set_up(state) != 0)
		return -1;
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		(void)snprintf(name, sizeof(name), "root/%s", dirs[i]);
		tree_dir(name);
	}
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(name, sizeof(name), "root/%s", files[i]);
		tree_file(name, i == 7 ? "" : "x\n");
	}
	tree_dir("two");
	tree_dir("outside");
	tree_file("outside/canary", "canary");
	tree_link("../outside/canary", "root/out");
	assert_int_equal(mkfifo(tree_path("root/fifo"), 0644), 0);
	help_open(answer_operators);
	mime = mime_new(help.conf, &help.report);
	listings = listings_new();
	return mime == NULL || listings == NULL ? -1 : 0;
}

static inline int
answer_tear_down(void **state)
{
	mime_free(&mime);
	listings_free(&listings);
	return help_tear_down(state);
}

static inline enum status
ask(struct answer *a, int sni, struct slice line)
{
	const struct answer_origin origin = {
		.sni = sni == FREE_PORT ? NO_SNI : sni,
		.port = sni == FREE_PORT ? 0 : 1965,
	};
	enum status status;

	answer_init(a);
	status = answer_route(a, help.hosts, &origin, line);
	if (status == STATUS_NONE)
		status = answer_open(a, mime, listings);
	assert_int_equal(status, a->status);
	return status;
}

static inline void
finish(struct answer *a)
{
	if (a->fd != -1)
		(void)close(a->fd);
	if (a->listing != NULL)
		listing_release(a->listing);
}

#define in_capsules(test)                                                      \
	cmocka_unit_test_setup_teardown(test, answer_set_up, answer_tear_down)

#endif
