/* SPDX-License-Identifier: ISC */
#include "support/capsule.h"

#include "capsule/inventory.h"
#include "capsule/resolve.h"
#include "os/file_internal.h"
#include "support/root.h"

#define TRACE "text/plain"
#define OBJECT "application/octet-stream"
#define ANY NULL

static const struct row {
	const char *rule;
	const char *request;
	enum resolved result;
	const char *type; /* of a file; ANY: nobody has said */
	const char *text; /* what is in it */
} rows[] = {
	{ "a page", "/index.gmi", RESOLVED_FILE, ANY, "# 1\n" },
	{ "the index", "/", RESOLVED_FILE, ANY, "# 1\n" },
	{ "the list", "/mirror/MANIFEST", RESOLVED_FILE, ANY, "list\n" },
	{ "the archive", "/mirror/capsule.tar", RESOLVED_FILE, ANY,
	    "archive\n" },
	{ "the trace", "/mirror/trace", RESOLVED_FILE, TRACE, "serial: 1\n" },
	{ "the trace, escaped", "/mirror/tr%61ce", RESOLVED_FILE, TRACE,
	    "serial: 1\n" },
	{ "the trace is no directory", "/mirror/trace/", RESOLVED_ABSENT, ANY,
	    NULL },
	{ "an object", "/mirror/objects/" DIGEST_A, RESOLVED_FILE, OBJECT,
	    "object\n" },
	{ "an object, by a detour", "/x/../mirror/./objects//" DIGEST_A,
	    RESOLVED_FILE, OBJECT, "object\n" },
	{ "one that is not there", "/mirror/objects/bb" DIGEST_REST,
	    RESOLVED_ABSENT, ANY, NULL },
	{ "63 digits", "/mirror/objects/a" DIGEST_REST, RESOLVED_ABSENT, ANY,
	    NULL },
	{ "65 digits", "/mirror/objects/a" DIGEST_A, RESOLVED_ABSENT, ANY,
	    NULL },
	{ "upper case", "/mirror/objects/AA" DIGEST_REST, RESOLVED_ABSENT, ANY,
	    NULL },
	{ "no digit", "/mirror/objects/ga" DIGEST_REST, RESOLVED_ABSENT, ANY,
	    NULL },
	{ "as they lie", "/mirror/objects/aa/" DIGEST_REST, RESOLVED_ABSENT,
	    ANY, NULL },
	{ "a slash behind", "/mirror/objects/" DIGEST_A "/", RESOLVED_ABSENT,
	    ANY, NULL },
	{ "a directory of objects", "/mirror/objects/aa", RESOLVED_ABSENT, ANY,
	    NULL },
	{ "and its slash", "/mirror/objects/aa/", RESOLVED_ABSENT, ANY, NULL },
	{ "no listing", "/mirror/objects/", RESOLVED_ABSENT, ANY, NULL },
	{ "nor a way there", "/mirror/objects", RESOLVED_ABSENT, ANY, NULL },
	{ "climbing out of them", "/mirror/objects/../../index.gmi",
	    RESOLVED_FILE, ANY, "# 1\n" },
	{ "another name", "/mirror/objects.txt", RESOLVED_FILE, ANY, "text\n" },
	{ "beside the releases", "/state", RESOLVED_ABSENT, ANY, NULL },
	{ "of another release", "/releases/22/index.gmi", RESOLVED_ABSENT, ANY,
	    NULL },
	{ "a release's directory", "/mirror", RESOLVED_SLASH, ANY, NULL },
};

static enum resolved
ask(const char *request, struct resolution *got)
{
	struct uri_path path;

	assert_int_equal(
	    uri_path_normalise(slice_str(request), &path), URI_PATH_OK);
	return resolve(capsule_host(), &path, got);
}

static bool
is_as_wanted(const struct row *row)
{
	char text[32] = "";
	struct resolution got;
	enum resolved result = ask(row->request, &got);
	bool ok = result == row->result;

	if (got.fd != -1) {
		ok = ok && read(got.fd, text, sizeof(text) - 1) >= 0 &&
		     row->text != NULL && strcmp(text, row->text) == 0;
		(void)close(got.fd);
	}
	if (ok && result == RESOLVED_FILE)
		ok = (got.type == NULL) == (row->type == NULL) &&
		     (got.type == NULL || strcmp(got.type, row->type) == 0);
	return ok;
}

static void
test_what_lies_beside_the_release(void **state)
{
	size_t i;

	(void)state;
	root_make_store();
	tree_write("root/releases/1/mirror/objects.txt", "text\n");
	capsule_open_one("listing = true;");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(is_as_wanted(&rows[i]), rows[i].rule);
	file_force_walk(true);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(is_as_wanted(&rows[i]), rows[i].rule);
	file_force_walk(false);
}

/* A manifest cannot list such names; a directory that was made by hand may. */
static void
test_the_store_goes_before_the_release(void **state)
{
	struct resolution got;

	(void)state;
	root_make_store();
	tree_write("root/releases/1/mirror/trace", "forged\n");
	tree_make_dir("root/releases/1/mirror/objects");
	tree_write("root/releases/1/mirror/objects/x", "forged\n");
	capsule_open_one("");
	check_row(is_as_wanted(&rows[4]), rows[4].rule);
	assert_int_equal(ask("/mirror/objects/x", &got), RESOLVED_ABSENT);
	assert_int_equal(unlink(tree_path("root/trace")), 0);
	assert_int_equal(ask("/mirror/trace", &got), RESOLVED_ABSENT);
}

static void
test_only_regular_files(void **state)
{
	struct resolution got;

	(void)state;
	root_make_store();
	tree_make_dir("root/objects/bb");
	tree_make_dir("root/objects/bb/" DIGEST_REST);
	tree_make_dir("root/objects/cc");
	assert_int_equal(
	    mkfifo(tree_path("root/objects/cc/" DIGEST_REST), 0644), 0);
	tree_make_dir("root/objects/dd");
	tree_write("secret", "secret\n");
	tree_symlink("../../../secret", "root/objects/dd/" DIGEST_REST);
	assert_int_equal(unlink(tree_path("root/trace")), 0);
	tree_make_dir("root/trace");
	capsule_open_one("listing = true;");
	assert_int_equal(
	    ask("/mirror/objects/bb" DIGEST_REST, &got), RESOLVED_ABSENT);
	assert_int_equal(
	    ask("/mirror/objects/cc" DIGEST_REST, &got), RESOLVED_ABSENT);
	assert_int_equal(
	    ask("/mirror/objects/dd" DIGEST_REST, &got), RESOLVED_ABSENT);
	assert_int_equal(ask("/mirror/trace", &got), RESOLVED_ABSENT);
	assert_int_equal(got.fd, -1);
}

static void
test_objects_can_be_turned_off(void **state)
{
	struct resolution got;

	(void)state;
	root_make_store();
	capsule_open_one("objects = false;");
	assert_int_equal(
	    ask("/mirror/objects/" DIGEST_A, &got), RESOLVED_ABSENT);
	check_row(is_as_wanted(&rows[4]), "the trace stays");
}

static void
test_a_plain_capsule_has_these_names_for_itself(void **state)
{
	struct resolution got;

	(void)state;
	tree_make_dir("root/mirror");
	tree_make_dir("root/mirror/objects");
	tree_write("root/mirror/trace", "mine\n");
	tree_write("root/mirror/objects/x", "mine\n");
	capsule_open_one("");
	assert_int_equal(ask("/mirror/trace", &got), RESOLVED_FILE);
	assert_null(got.type);
	(void)close(got.fd);
	assert_int_equal(ask("/mirror/objects/x", &got), RESOLVED_FILE);
	(void)close(got.fd);
	assert_int_equal(ask("/mirror/objects", &got), RESOLVED_SLASH);
}

static void
test_the_inventory_is_the_releases(void **state)
{
	struct inventory i;

	(void)state;
	root_make_store();
	capsule_open_one("");
	assert_true(inventory_read(capsule_host(), &i));
	assert_int_equal(i.n, 3);
	assert_string_equal(i.item[0].path, "index.gmi");
	assert_string_equal(i.item[1].path, "mirror/MANIFEST");
	inventory_fini(&i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		capsule_test(test_what_lies_beside_the_release),
		capsule_test(test_the_store_goes_before_the_release),
		capsule_test(test_only_regular_files),
		capsule_test(test_objects_can_be_turned_off),
		capsule_test(test_a_plain_capsule_has_these_names_for_itself),
		capsule_test(test_the_inventory_is_the_releases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
