/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "archive/links.h"
#include "support/capsule.h"

#define ORIGIN "gemini://example.org/"

static struct manifest list;

static int
tear_down(void **state)
{
	manifest_fini(&list);
	return capsule_tear_down(state);
}

/* Lists files that need not be there. Call in byte order. */
static void
lists(const char *path)
{
	static const uint8_t digest[DIGEST_SIZE];

	assert_true(manifest_add(&list, digest, slice_str(path)));
}

static void
note(void *arg, const struct link *link)
{
	static const char *const ends[] = { "elsewhere", "file", "listing",
		"made", "nowhere" };
	struct buf *out = arg;

	buf_printf(out, "%s:%u %s%s %s\n", link->page, link->line,
	    link->absolute ? "absolute " : "", ends[link->end],
	    link->entry == NULL ? "-" : link->entry->path);
}

/* What is reported about the links of all pages. */
static void
assert_links(const char *origin, const char *wanted)
{
	struct inventory pages;
	struct links_place place;
	char text[8192];
	struct buf out;

	snprintf(list.origin, sizeof(list.origin), "%s", origin);
	assert_true(inventory_read(capsule_host(), &pages));
	place = (struct links_place){ capsule_host(), &pages, &list };
	buf_wrap(&out, text, sizeof(text) - 1);
	assert_true(links_each(&place, note, &out));
	assert_string_equal(buf_cstr(&out), wanted);
	inventory_fini(&pages);
}

static void
test_one_link(void **state)
{
	static const struct {
		const char *rule, *url, *reported;
	} rows[] = {
		{ "beside the page", "b.gmi", "file d/b.gmi" },
		{ "from the root", "/a.gmi", "file a.gmi" },
		{ "above the root is the root", "../../a.gmi", "file a.gmi" },
		{ "a query is not part of a name", "b.gmi?x", "file d/b.gmi" },
		{ "a fragment is dropped", "b.gmi#x", "file d/b.gmi" },
		{ "percent-encoded", "a%20b.txt", "file d/a b.txt" },
		{ "an index page", "/", "file index.gmi" },
		{ "a directory's", "./", "file d/index.gmi" },
		{ "without its slash", "/d", "file d/index.gmi" },
		{ "a directory without one", "/e/", "nowhere -" },
		{ "a listing", "/l", "listing -" },
		{ "a prefix is not a directory", "/a.gm", "nowhere -" },
		{ "not listed", "c.gmi", "nowhere -" },
		{ "there, yet not listed", "p.gmi", "nowhere -" },
		{ "made beside the list", "/mirror/capsule.tar", "made -" },
		{ "and not more", "/mirror/other", "nowhere -" },
		{ "redirected", "/old.gmi", "file a.gmi" },
		{ "redirected in a circle", "/ring", "nowhere -" },
		{ "redirected out", "/out", NULL },
		{ "gone", "/gone.gmi", "nowhere -" },
		{ "the origin", "gemini://example.org/a.gmi",
		    "absolute file a.gmi" },
		{ "in capitals, with its port", "GEMINI://EXAMPLE.org:1965/",
		    "absolute file index.gmi" },
		{ "without a scheme", "//example.org/no",
		    "absolute nowhere -" },
		{ "another host", "gemini://example.net/a.gmi", NULL },
		{ "another port", "gemini://example.org:1966/a.gmi", NULL },
		{ "another scheme", "https://example.org/a.gmi", NULL },
		{ "no URL", "gemini://", NULL },
		{ "a scheme without an authority", "mailto:a@example.org",
		    NULL },
	};
	char page[512], wanted[512];

	(void)state;
	tree_make_dir("root/d");
	lists("a.gmi");
	lists("d/a b.txt");
	lists("d/b.gmi");
	lists("d/index.gmi");
	lists("e/x.txt");
	lists("index.gmi");
	lists("l/x.txt");
	capsule_open_one(
	    "gone = [\"/gone.gmi\"]; redirects = ("
	    "{ from = \"/old.gmi\"; to = \"/a.gmi\"; },"
	    "{ from = \"/ring\"; to = \"/ring/\"; },"
	    "{ from = \"/ring/\"; to = \"/ring\"; },"
	    "{ from = \"/out\"; to = \"gemini://example.net/\"; } );"
	    "paths = ( { glob = \"/l/*\"; listing = true; } );");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].rule);
		snprintf(page, sizeof(page), "# P\n=> %s P\n", rows[i].url);
		tree_write("root/d/p.gmi", page);
		wanted[0] = '\0';
		if (rows[i].reported != NULL)
			snprintf(wanted, sizeof(wanted), "d/p.gmi:2 %s\n",
			    rows[i].reported);
		assert_links(ORIGIN, wanted);
	}
}

static void
test_only_links_count(void **state)
{
	(void)state;
	lists("a.gmi");
	tree_write("root/a.gmi", "a.gmi\n=>\n```\n=> a.gmi\n```\n=> a.gmi\n");
	tree_write("root/b.txt", "=> a.gmi\n");
	capsule_open_one("");
	assert_links(ORIGIN, "a.gmi:6 file a.gmi\n");
}

static void
test_origin_with_a_port(void **state)
{
	(void)state;
	lists("a.gmi");
	tree_write("root/a.gmi",
	    "=> gemini://example.org/a.gmi\n"
	    "=> gemini://example.org:1966/a.gmi\n=> a.gmi\n");
	capsule_open_one("");
	assert_links("gemini://example.org:1966/",
	    "a.gmi:2 absolute file a.gmi\na.gmi:3 file a.gmi\n");
}

static void
test_capsule_conf_applies(void **state)
{
	(void)state;
	capsule_open_one("gone = [\"/gone\"]; redirects = ( { from = \"/a b\"; "
			 "to = \"/c\"; } );");
	assert_int_equal(links_policy(capsule_host(), "gone"), STATUS_GONE);
	assert_int_equal(links_policy(capsule_host(), "a b"), STATUS_REDIRECT);
	assert_int_equal(links_policy(capsule_host(), "c"), STATUS_NONE);
}

#define in_capsule(test)                                                       \
	cmocka_unit_test_setup_teardown(test, capsule_set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_capsule(test_one_link),
		in_capsule(test_only_links_count),
		in_capsule(test_origin_with_a_port),
		in_capsule(test_capsule_conf_applies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
