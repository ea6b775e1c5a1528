/* SPDX-License-Identifier: ISC */
#include "support/answer.h"

struct answer_fixture answers;

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

int
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
		(void)snprintf(name, sizeof(name), "root/%s", dirs[i]);
		tree_make_dir(name);
	}
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(name, sizeof(name), "root/%s", files[i]);
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

int
answer_tear_down(void **state)
{
	mime_free(&answers.mime);
	listings_free(&answers.listings);
	return capsule_tear_down(state);
}

enum status
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

void
answer_close(struct answer *a)
{
	if (a->fd != -1)
		(void)close(a->fd);
	if (a->listing != NULL)
		listing_release(a->listing);
}
