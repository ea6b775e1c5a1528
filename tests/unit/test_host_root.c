/* SPDX-License-Identifier: ISC */
#include "support/capsule.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "os/file.h"
#include "os/file_internal.h"
#include "support/root.h"

static const char key[] = "-----BEGIN "
			  "PRIVATE "
			  "KEY-----\n"
			  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n";

static void
assert_page(const char *wanted)
{
	char text[16] = "";
	struct stat st;
	int fd;

	assert_int_equal(
	    file_open_beneath(capsule_host()->root, "index.gmi", &fd, &st),
	    FILE_OPENED);
	assert_int_equal(read(fd, text, sizeof(text) - 1), st.st_size);
	assert_string_equal(text, wanted);
	close(fd);
}

static void
test_store_is_its_current_release(void **state)
{
	(void)state;
	root_make_store();
	capsule_open_one("");
	assert_int_not_equal(capsule_host()->store, -1);
	assert_int_equal(capsule_host()->serial, 1);
	assert_page("# 1\n");
	root_switch("releases/22");
	assert_page("# 1\n");
	capsule_open_one("");
	assert_int_equal(capsule_host()->serial, 22);
	assert_page("# 22\n");
	/* By the kernel or step by step: the link's text is what is opened. */
	file_force_walk(true);
	capsule_open_one("");
	file_force_walk(false);
	assert_int_equal(capsule_host()->serial, 22);
}

static void
test_other_directories_are_plain_capsules(void **state)
{
	(void)state;
	capsule_open_one("");
	assert_int_equal(capsule_host()->store, -1);
	assert_int_equal(capsule_host()->serial, 0);
	tree_make_dir("root/objects");
	tree_make_dir("root/releases");
	capsule_open_one("");
	assert_int_equal(capsule_host()->store, -1);
	tree_make_dir("root/current");
	capsule_open_one("");
	assert_int_equal(capsule_host()->store, -1);
	assert_int_equal(rmdir(tree_path("root/objects")), 0);
	assert_int_equal(rmdir(tree_path("root/current")), 0);
	tree_symlink("releases", "root/current");
	tree_write("root/lock", "");
	capsule_open_one("");
	assert_int_equal(capsule_host()->store, -1);
}

static void
test_store_without_a_release_is_reported(void **state)
{
	static const struct {
		const char *link; /* NULL: none; "": a directory */
		const char *reported;
	} rows[] = {
		{ NULL, "nothing has been published into this store yet" },
		{ "", "a store whose `current` is not a symbolic link" },
		{ "releases/3", "current release, releases/3, is not there" },
		{ "releases/1/index.gmi", "which is not one of its releases" },
		{ "releases/file", "which is not one of its releases" },
		{ "releases/7", "current release, releases/7, is not there" },
		{ "releases/", "leads to \"releases/\", which is not one" },
		{ "releases/01", "which is not one of its releases" },
		{ "releases/0", "which is not one of its releases" },
		{ "releases/1/", "which is not one of its releases" },
		{ "releases/-1", "which is not one of its releases" },
		{ "releases/1/../../..", "which is not one of its releases" },
		{ "releases/18446744073709551617", "not one of its releases" },
		{ "/etc",
		    "leads to \"/etc\", which is not one of its releases" },
		{ "objects", "which is not one of its releases" },
	};
	const char *const conf =
	    "capsules = (\n{ host = \"a.example\"; root = \"root\"; } );\n";

	(void)state;
	root_make_store();
	tree_write("root/releases/7", "no directory\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unlink(tree_path("root/current"));
		rmdir(tree_path("root/current"));
		if (rows[i].link != NULL && rows[i].link[0] == '\0')
			tree_make_dir("root/current");
		else if (rows[i].link != NULL)
			tree_symlink(rows[i].link, "root/current");
		assert_false(capsule_try_open(conf));
		if (!capsule_reported(REPORT_ERROR, 2, rows[i].reported)) {
			report_print(&capsule.report);
			fail_msg("\"%s\" is not reported", rows[i].reported);
		}
		assert_int_equal(capsule.report.errors, 1);
	}
}

static void
test_switch_is_noticed(void **state)
{
	uint64_t first, there;

	(void)state;
	root_make_store();
	capsule_open_one("");
	first = capsule_place();
	assert_int_not_equal(first, 0);
	root_switch("releases/22");
	there = capsule_place();
	assert_int_not_equal(there, 0);
	assert_int_not_equal(there, first);
	assert_int_equal(capsule_place(), there);
	root_switch("releases/1");
	assert_int_equal(capsule_place(), first);
	root_switch("releases/99"); /* leads nowhere */
	assert_int_equal(capsule_place(), 0);
	root_switch("objects");
	assert_int_not_equal(capsule_place(), first);
	assert_int_not_equal(capsule_place(), there);
	tree_write("root/trace", "serial: 2\n");
	root_switch("releases/1");
	assert_int_equal(capsule_place(), first);
}

static void
test_exchanged_store_is_noticed(void **state)
{
	uint64_t first;

	(void)state;
	tree_write("root/index.gmi", "# plain\n");
	capsule_open_one("");
	first = capsule_place();
	assert_int_equal(rename(tree_path("root"), tree_path("capsule")), 0);
	tree_make_dir("root");
	root_make_store();
	assert_int_not_equal(capsule_place(), first);
	capsule_open_one("");
	first = capsule_place();
	assert_int_equal(rename(tree_path("root"), tree_path("store")), 0);
	assert_int_equal(rename(tree_path("capsule"), tree_path("root")), 0);
	assert_int_not_equal(capsule_place(), first);
}

static uint64_t
cause_now(void)
{
	struct host_mark mark;

	host_mark(capsule_host(), false, &mark);
	return mark.cause;
}

static void
test_mark_changes_when_a_retry_may_help(void **state)
{
	uint64_t before;

	(void)state;
	tree_write("root/capsule.conf", "lang = \"en\";\n");
	tree_make_dir("root/sub");
	capsule_open_one("");
	before = cause_now();
	assert_int_equal(cause_now(), before);
	tree_write("root/sub/page.gmi", "# below\n");
	assert_int_equal(cause_now(), before);
	assert_int_equal(host_secret_mark(capsule_host(), "key"), 0);
	tree_write("root/capsule.conf", "lang = \"de-CH\";\n");
	assert_int_not_equal(cause_now(), before);
	before = cause_now();
	tree_write("root/key", "x");
	assert_int_not_equal(cause_now(), before);
	assert_int_not_equal(host_secret_mark(capsule_host(), "key"), 0);
}

/* What serve falls back to. */
static void
test_older_releases(void **state)
{
	struct why why;
	struct host *h;

	(void)state;
	root_make_store();
	capsule_open_one("");
	h = &capsule.hosts->host[0];
	host_close(h);
	assert_true(host_open(h, 23, &why));
	assert_int_equal(h->serial, 22);
	host_close(h);
	assert_true(host_open(h, 22, &why));
	assert_int_equal(h->serial, 1);
	host_close(h);
	assert_false(host_open(h, 1, &why));
	assert_int_equal(h->root, -1);
	assert_int_equal(h->serial, 0);
}

/* Nobody may remove what is open. */
static void
test_open_release_is_locked(void **state)
{
	int fd;

	(void)state;
	root_make_store();
	capsule_open_one("");
	fd = open(tree_path("root/releases/1"), O_RDONLY | O_DIRECTORY);
	assert_int_not_equal(fd, -1);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	host_close(&capsule.hosts->host[0]);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(close(fd), 0);
}

static void
test_survey_of_a_store(void **state)
{
	static const char *const places[] = { "oops.sec", "tmp/oops",
		"objects/aa/" DIGEST_REST };
	struct host_survey s;
	char path[256];

	(void)state;
	root_make_store();
	tree_make_dir("root/tmp");
	capsule_open_one("");
	host_survey(capsule_host(), UINT64_MAX, &s);
	host_survey_store(capsule_host(), UINT64_MAX, &s);
	assert_int_equal(s.pages, 1);
	assert_int_equal(s.files, 1);
	assert_int_equal(s.bytes, 4);
	assert_string_equal(s.secret, "");
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "root/%s", places[i]);
		tree_write(path, key);
		host_survey(capsule_host(), UINT64_MAX, &s);
		assert_string_equal(s.secret, "");
		host_survey_store(capsule_host(), UINT64_MAX, &s);
		assert_string_equal(s.secret, places[i]);
		assert_int_equal(unlink(tree_path(path)), 0);
	}
	tree_write("root/releases/1/mirror/capsule.tar", key);
	host_survey(capsule_host(), UINT64_MAX, &s);
	assert_string_equal(s.secret, "mirror/capsule.tar");
	host_survey_store(capsule_host(), UINT64_MAX, &s);
	assert_string_equal(s.secret, "mirror/capsule.tar");
}

static void
test_capsule_conf_is_named_by_its_path(void **state)
{
	(void)state;
	root_make_store();
	tree_write("root/releases/1/capsule.conf", "lang = 7;\n");
	assert_true(capsule_try_open(
	    "capsules = ({ host = \"a.example\"; root = \"root\"; });\n"));
	assert_false(hosts_read_content(capsule.hosts, &capsule.report));
	assert_non_null(
	    strstr(capsule.report.items[0].file, "/root/current/capsule.conf"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		capsule_test(test_store_is_its_current_release),
		capsule_test(test_other_directories_are_plain_capsules),
		capsule_test(test_store_without_a_release_is_reported),
		capsule_test(test_switch_is_noticed),
		capsule_test(test_exchanged_store_is_noticed),
		capsule_test(test_mark_changes_when_a_retry_may_help),
		capsule_test(test_older_releases),
		capsule_test(test_open_release_is_locked),
		capsule_test(test_survey_of_a_store),
		capsule_test(test_capsule_conf_is_named_by_its_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
