/* SPDX-License-Identifier: ISC */
#include "support/capsule.h"

#include "capsule/inventory.h"
#include "capsule/resolve.h"
#include "os/file_internal.h"
#include "support/root.h"

static enum resolved
ask(const char *request, struct resolution *got)
{
	struct uri_path path;

	assert_int_equal(
	    uri_path_normalise(slice_str(request), &path), URI_PATH_OK);
	return resolve(capsule_host(), &path, got);
}

/* A path, its result, and which file or directory was opened. Where the
 * walk without openat2 differs, it is absent. */
struct row {
	const char *rule;
	const char *request;
	enum resolved result;
	const char *path;
	bool by_link;
};

static const struct row rows[] = {
	{ "A1 rule 1.1.20", "", RESOLVED_FILE, "index.gmi", false },
	{ "A1", "/", RESOLVED_FILE, "index.gmi", false },
	{ "A29 rule 1.1.26", "//a.txt", RESOLVED_FILE, "a.txt", false },
	{ "A33", "/dir/../a.txt", RESOLVED_FILE, "a.txt", false },
	{ "a file", "/a.txt", RESOLVED_FILE, "a.txt", false },
	{ "A23", "/dir", RESOLVED_SLASH, NULL, false },
	{ "A25", "/sp%20ace", RESOLVED_SLASH, NULL, false },
	{ "rule 1.4.39", "/dir/", RESOLVED_FILE, "dir/index.gemini", false },
	{ "index in order", "/both/", RESOLVED_FILE, "both/index.gmi", false },
	{ "A26", "/bare/", RESOLVED_ABSENT, NULL, false },
	{ "A26 by glob", "/listed/", RESOLVED_LISTING, "listed/", false },
	{ "A26 by glob, no slash", "/listed", RESOLVED_SLASH, NULL, false },
	{ "index that is a directory", "/listed/odd/", RESOLVED_LISTING,
	    "listed/odd/", false },
	{ "index that is a FIFO", "/listed/fifo/", RESOLVED_LISTING,
	    "listed/fifo/", false },
	{ "index that is a link out", "/listed/out/", RESOLVED_ABSENT, NULL,
	    false },
	{ "A27 rule 1.1.27", "/a.txt/", RESOLVED_ABSENT, NULL, false },
	{ "A27 and further", "/a.txt/b", RESOLVED_ABSENT, NULL, false },
	{ "A30", "//etc/passwd", RESOLVED_ABSENT, NULL, false },
	{ "A35", "/%252e%252e/x", RESOLVED_ABSENT, NULL, false },
	{ "A36", "/..%5csecret", RESOLVED_ABSENT, NULL, false },
	{ "A39", "/%FF", RESOLVED_ABSENT, NULL, false },
	{ "A43", "/\xc3\xa9.txt", RESOLVED_FILE, "\xc3\xa9.txt", false },
	{ "A43 escaped", "/%C3%A9.txt", RESOLVED_FILE, "\xc3\xa9.txt", false },
	{ "A47", "/.hidden", RESOLVED_ABSENT, NULL, false },
	{ "A47 escaped", "/%2ehidden", RESOLVED_ABSENT, NULL, false },
	{ "A47 further up", "/.git/config", RESOLVED_ABSENT, NULL, false },
	{ "A47 a directory", "/.git/", RESOLVED_ABSENT, NULL, false },
	{ "A47 three dots", "/...", RESOLVED_ABSENT, NULL, false },
	{ "4.6.22", "/.well-known/security.txt", RESOLVED_FILE,
	    ".well-known/security.txt", false },
	{ "hidden, allowed", "/.config", RESOLVED_FILE, ".config", false },
	{ "A48", "/out", RESOLVED_ABSENT, NULL, false },
	{ "A48 through", "/outdir/canary", RESOLVED_ABSENT, NULL, false },
	{ "A48 with slash", "/outdir/", RESOLVED_ABSENT, NULL, false },
	{ "a link inside", "/in", RESOLVED_FILE, "in", true },
	{ "a link to a directory", "/indir/", RESOLVED_FILE,
	    "indir/index.gemini", true },
	{ "A49", "/fifo", RESOLVED_ABSENT, NULL, false },
	{ "A51", "/a.txt;x=1", RESOLVED_ABSENT, NULL, false },
	{ "missing", "/none", RESOLVED_ABSENT, NULL, false },
	{ "missing directory", "/none/", RESOLVED_ABSENT, NULL, false },
	{ "capsule.conf is served", "/capsule.conf", RESOLVED_FILE,
	    "capsule.conf", false },
};

static void
make_tree(void)
{
	static const char *const dirs[] = { "dir", "both", "bare", "listed",
		"listed/odd", "listed/odd/index.gmi", "listed/fifo",
		"listed/out", ".git", "...", ".well-known", "sp ace" };
	static const char *const files[] = { "index.gmi", "a.txt",
		"dir/index.gemini", "both/index.gmi", "both/index.gemini",
		"bare/a.txt", ".hidden", ".git/config", ".config",
		".well-known/security.txt", "\xc3\xa9.txt" };
	char name[128];
	size_t i;

	tree_make_dir("outside");
	tree_write("outside/canary", "canary");
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(name, sizeof(name), "root/%s", dirs[i]);
		tree_make_dir(name);
	}
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(name, sizeof(name), "root/%s", files[i]);
		tree_write(name, files[i]);
	}
	tree_write("root/capsule.conf",
	    "paths = ( { glob = \"/listed/*\"; listing = true; } );");
	tree_symlink("../outside/canary", "root/out");
	tree_symlink("../outside", "root/outdir");
	tree_symlink("../../../outside/canary", "root/listed/out/index.gmi");
	tree_symlink("a.txt", "root/in");
	tree_symlink("dir", "root/indir");
	assert_int_equal(mkfifo(tree_path("root/fifo"), 0644), 0);
	assert_int_equal(
	    mkfifo(tree_path("root/listed/fifo/index.gmi"), 0644), 0);
	capsule_open_one("hidden = [\".config\"];");
}

static void
try_rows(bool links)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct resolution got;
		enum resolved result = ask(row->request, &got);
		bool here = row->path != NULL && (links || !row->by_link);
		bool is_dir = row->result == RESOLVED_LISTING;

		if (row->by_link && !links) {
			check_row(result == RESOLVED_ABSENT, row->rule);
		} else {
			check_row(result == row->result, row->rule);
		}
		check_row((got.fd != -1) == here, row->rule);
		if (!here)
			continue;
		check_row(strcmp(got.path, row->path) == 0, row->rule);
		check_row(S_ISDIR(got.st.st_mode) == is_dir, row->rule);
		check_row(close(got.fd) == 0, row->rule);
	}
}

static void
test_rows(void **state)
{
	(void)state;
	make_tree();
	if (file_has_openat2())
		try_rows(true);
	file_force_walk(true);
	try_rows(false);
	file_force_walk(false);
}

static void
test_no_descriptor_is_left_behind(void **state)
{
	int before, after;

	(void)state;
	make_tree();
	before = dup(0);
	close(before);
	try_rows(file_has_openat2());
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

static void
test_index_names_of_all_kinds(void **state)
{
	static char longest[NAME_MAX + 2];
	struct resolution got;
	struct conf_text names[] = {
		{ .text = (char *)(uintptr_t) "dir/index.gemini" },
		{ .text = (char *)(uintptr_t) ".hidden" },
		{ .text = (char *)(uintptr_t) "" },
		{ .text = longest },
		{ .text = (char *)(uintptr_t) "a.txt" },
	};

	(void)state;
	memset(longest, 'x', NAME_MAX + 1);
	make_tree();
	capsule.hosts->host[0].content.index =
	    (struct conf_list){ names, 5, true };
	assert_int_equal(ask("/", &got), RESOLVED_FILE);
	assert_string_equal(got.path, "a.txt");
	close(got.fd);
	/* None at all: the directory itself. */
	capsule.hosts->host[0].content.index =
	    (struct conf_list){ NULL, 0, true };
	assert_int_equal(ask("/", &got), RESOLVED_ABSENT);
	assert_int_equal(ask("/listed/", &got), RESOLVED_LISTING);
	assert_string_equal(got.path, "listed/");
	close(got.fd);
	assert_int_equal(ask("/listed/none/", &got), RESOLVED_ABSENT);
	assert_int_equal(got.fd, -1);
}

/* Root can read files of mode 0000: hence as nobody. */
static int
unreadable(void *arg)
{
	struct resolution got;

	(void)arg;
	if (ask("/a.txt", &got) != RESOLVED_ABSENT)
		return 1;
	/* Neither listed nor the next index page in its place. */
	if (ask("/listed/", &got) != RESOLVED_ABSENT || got.fd != -1)
		return 2;
	if (ask("/bare/", &got) != RESOLVED_ABSENT)
		return 3;
	/* A directory that may be searched but not read has an index page. */
	return ask("/both/", &got) == RESOLVED_FILE ? 0 : 4;
}

static void
test_A50_unreadable(void **state)
{
	(void)state;
	make_tree();
	tree_write("root/listed/index.gmi", "x");
	tree_write("root/listed/index.gemini", "x");
	assert_int_equal(chmod(tree_path("root/a.txt"), 0), 0);
	assert_int_equal(chmod(tree_path("root/listed/index.gmi"), 0), 0);
	assert_int_equal(chmod(tree_path("root/bare"), 0), 0);
	assert_int_equal(chmod(tree_path("root/both"), 0711), 0);
	assert_int_equal(tree_run_as_nobody(unreadable, NULL), 0);
	assert_int_equal(chmod(tree_path("root/bare"), 0755), 0);
}

static void
test_no_descriptors_left(void **state)
{
	static const char *const requests[] = { "/a.txt", "/", "/listed/" };
	struct resolution got;
	enum resolved result[3];
	enum resolved bare;
	size_t i;

	(void)state;
	make_tree();
	descriptors_limit(0);
	for (i = 0; i < 3; i++)
		result[i] = ask(requests[i], &got);
	capsule.hosts->host[0].content.index =
	    (struct conf_list){ NULL, 0, true };
	bare = ask("/listed/", &got);
	descriptors_unlimit();
	for (i = 0; i < 3; i++)
		assert_int_equal(result[i], RESOLVED_EXHAUSTED);
	assert_int_equal(bare, RESOLVED_EXHAUSTED);
}

static void
test_the_longest_path(void **state) /* rule 1.1.3 */
{
	char request[REQUEST_URI_MAX + 1];
	struct resolution got;

	(void)state;
	make_tree();
	memset(request, 'x', sizeof(request) - 1);
	request[0] = '/';
	request[sizeof(request) - 1] = '\0';
	assert_int_equal(ask(request, &got), RESOLVED_ABSENT);
	request[sizeof(request) - 2] = '/';
	assert_int_equal(ask(request, &got), RESOLVED_ABSENT);
}

#define TRACE "text/plain"
#define OBJECT "application/octet-stream"
#define ANY NULL

static const struct store_row {
	const char *rule;
	const char *request;
	enum resolved result;
	const char *type; /* of a file; ANY: not decided here */
	const char *text; /* what is in it */
} store_rows[] = {
	{ "a page", "/index.gmi", RESOLVED_FILE, ANY, "# 1\n" },
	{ "the index", "/", RESOLVED_FILE, ANY, "# 1\n" },
	{ "the list", "/mirror/MANIFEST", RESOLVED_FILE, ANY, "list\n" },
	{ "the archive", "/mirror/capsule.tar", RESOLVED_FILE, ANY,
	    "archive\n" },
	{ "the trace", "/mirror/trace", RESOLVED_FILE, TRACE, "serial: 1\n" },
	{ "the trace, escaped", "/mirror/tr%61ce", RESOLVED_FILE, TRACE,
	    "serial: 1\n" },
	{ "the trace is not a directory", "/mirror/trace/", RESOLVED_ABSENT,
	    ANY, NULL },
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
	{ "a slash after", "/mirror/objects/" DIGEST_A "/", RESOLVED_ABSENT,
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

static bool
is_as_wanted(const struct store_row *row)
{
	char text[32] = "";
	struct resolution got;
	enum resolved result = ask(row->request, &got);
	bool ok = result == row->result;

	if (got.fd != -1) {
		ok = ok && read(got.fd, text, sizeof(text) - 1) >= 0 &&
		     row->text != NULL && strcmp(text, row->text) == 0;
		close(got.fd);
	}
	if (ok && result == RESOLVED_FILE)
		ok = (got.type == NULL) == (row->type == NULL) &&
		     (got.type == NULL || strcmp(got.type, row->type) == 0);
	return ok;
}

static void
test_files_beside_the_release(void **state)
{
	size_t i;

	(void)state;
	root_make_store();
	tree_write("root/releases/1/mirror/objects.txt", "text\n");
	capsule_open_one("listing = true;");
	for (i = 0; i < sizeof(store_rows) / sizeof(store_rows[0]); i++)
		check_row(is_as_wanted(&store_rows[i]), store_rows[i].rule);
	file_force_walk(true);
	for (i = 0; i < sizeof(store_rows) / sizeof(store_rows[0]); i++)
		check_row(is_as_wanted(&store_rows[i]), store_rows[i].rule);
	file_force_walk(false);
}

/* A manifest cannot list such names; a directory that was made by hand may. */
static void
test_store_precedes_the_release(void **state)
{
	struct resolution got;

	(void)state;
	root_make_store();
	tree_write("root/releases/1/mirror/trace", "forged\n");
	tree_make_dir("root/releases/1/mirror/objects");
	tree_write("root/releases/1/mirror/objects/x", "forged\n");
	capsule_open_one("");
	check_row(is_as_wanted(&store_rows[4]), store_rows[4].rule);
	assert_int_equal(ask("/mirror/objects/x", &got), RESOLVED_ABSENT);
	assert_int_equal(unlink(tree_path("root/trace")), 0);
	assert_int_equal(ask("/mirror/trace", &got), RESOLVED_ABSENT);
}

/* Who cannot read the lists does not know what is hidden. */
static void
test_hidden_objects(void **state)
{
	static const char hidden[] =
	    DIGEST_A "  .old/x\n" DIGEST_A "  a/.old\nshort\n";
	static const char shown[] = DIGEST_A "  a/b\n";
	struct resolution got;
	struct host *h;

	(void)state;
	root_make_store();
	tree_make_dir("root/releases/22/mirror");
	tree_write("root/releases/22/mirror/MANIFEST", hidden);
	capsule_open_one("");
	h = &capsule.hosts->host[0];
	check_row(is_as_wanted(&store_rows[7]), store_rows[7].rule);
	assert_true(host_find_withheld(h));
	assert_int_equal(
	    ask("/mirror/objects/" DIGEST_A, &got), RESOLVED_ABSENT);
	capsule_close();

	tree_write("root/releases/1/mirror/MANIFEST", shown);
	capsule_open_one("");
	h = &capsule.hosts->host[0];
	assert_true(host_find_withheld(h));
	check_row(is_as_wanted(&store_rows[7]), store_rows[7].rule);
	descriptors_limit(0);
	assert_false(host_find_withheld(h));
	descriptors_unlimit();
	assert_int_equal(
	    ask("/mirror/objects/" DIGEST_A, &got), RESOLVED_ABSENT);
	assert_true(host_find_withheld(h));
	check_row(is_as_wanted(&store_rows[7]), store_rows[7].rule);
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
	check_row(is_as_wanted(&store_rows[4]), "the trace stays");
}

static void
test_plain_capsule_has_no_reserved_names(void **state)
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
	close(got.fd);
	assert_int_equal(ask("/mirror/objects/x", &got), RESOLVED_FILE);
	close(got.fd);
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
		capsule_test(test_rows),
		capsule_test(test_no_descriptor_is_left_behind),
		capsule_test(test_index_names_of_all_kinds),
		capsule_test(test_A50_unreadable),
		capsule_test(test_no_descriptors_left),
		capsule_test(test_the_longest_path),
		capsule_test(test_files_beside_the_release),
		capsule_test(test_store_precedes_the_release),
		capsule_test(test_hidden_objects),
		capsule_test(test_only_regular_files),
		capsule_test(test_objects_can_be_turned_off),
		capsule_test(test_plain_capsule_has_no_reserved_names),
		capsule_test(test_the_inventory_is_the_releases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
