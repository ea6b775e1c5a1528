/* SPDX-License-Identifier: ISC */
#include "capsule_help.h"

#include <sys/resource.h>

static void
test_names_are_canonical(void **state)
{
	(void)state;
	tree_dir("two");
	help_open("capsules = (\n"
		  "{ host = \"Example.ORG.\"; root = \"root\";\n"
		  "  aliases = [\"caf\xc3\xa9.example\", \"EXAMPLE.org\"]; },\n"
		  "{ host = \"127.0.0.1\"; root = \"two\";\n"
		  "  aliases = [\"[::1]\"]; } );\n");
	assert_int_equal(help.hosts->n, 2);
	assert_string_equal(help.hosts->host[0].names[0], "example.org");
	/* Rules 1.1.17 and 1.1.19: every spelling of one name. */
	assert_int_equal(hosts_find(help.hosts, "example.org"), 0);
	assert_int_equal(hosts_find(help.hosts, "xn--caf-dma.example"), 0);
	assert_int_equal(hosts_find(help.hosts, "127.0.0.1"), 1);
	assert_int_equal(hosts_find(help.hosts, "::1"), 1);
	assert_int_equal(hosts_find(help.hosts, "other.example"), -1);
	assert_int_equal(hosts_find_raw(help.hosts, SLICE("EXAMPLE.org.")), 0);
	assert_int_equal(
	    hosts_find_raw(help.hosts, SLICE("caf%C3%A9.example")), 0);
	assert_int_equal(
	    hosts_find_raw(help.hosts, SLICE("caf\xc3\xa9.example")), 0);
	assert_int_equal(hosts_find_raw(help.hosts, SLICE("[0:0::1]")), 1);
	assert_int_equal(hosts_find_raw(help.hosts, SLICE("a b")), -1);
	assert_int_equal(hosts_find_raw(help.hosts, SLICE("")), -1);
	assert_string_equal(help.hosts->known,
	    "example.org, xn--caf-dma.example, example.org, 127.0.0.1, ::1");
}

static void
test_problems_have_their_place(void **state)
{
	(void)state;
	tree_file("file", "x");
	assert_false(help_try("capsules = (\n"
			      "{ host = \"a.example\"; root = \"root\"; },\n"
			      "{ host = \"A.example\";\n"
			      "  root = \"none\"; },\n"
			      "{ host = \"not a host\"; root = \"root\";\n"
			      "  aliases = [\"xn--caf-dma.example\"]; },\n"
			      "{ host = \"caf\xc3\xa9.example\";\n"
			      "  root = \"file\"; } );\n"));
	assert_true(help_told(REPORT_ERROR, 3, "a.example"));
	assert_true(help_told(REPORT_ERROR, 4, "No such file"));
	assert_true(help_told(REPORT_ERROR, 5, "not a host"));
	assert_true(help_told(REPORT_ERROR, 7, "xn--caf-dma.example"));
	assert_true(help_told(REPORT_ERROR, 8, "Not a directory"));
	assert_int_equal(help.report.errors, 5);
}

static void
test_a_duplicate_of_the_command_line(void **state)
{
	struct conf_capsule *c;
	int i;

	(void)state;
	help_close();
	help.conf = conf_new();
	for (i = 0; i < 2; i++) {
		c = conf_add_capsule(help.conf);
		assert_true(conf_set_text(help.conf, &c->host, "localhost"));
		assert_true(
		    conf_set_text(help.conf, &c->root, tree_path("root")));
	}
	assert_null(hosts_open(help.conf, &help.report));
	assert_true(help_told(REPORT_ERROR, 0, "another capsule"));
}

static void
test_what_conf_check_tells_is_not_told_twice(void **state)
{
	(void)state;
	help_close();
	help.conf = conf_new();
	assert_non_null(conf_add_capsule(help.conf));
	assert_null(hosts_open(help.conf, &help.report));
	assert_int_equal(help.report.n, 0);
}

static void
test_all_are_opened_to_tell_of_all_problems(void **state)
{
	struct conf_capsule *c;

	(void)state;
	help_close();
	help.conf = conf_new();
	assert_non_null(conf_add_capsule(help.conf)); /* no host, no root */
	c = conf_add_capsule(help.conf);
	assert_true(conf_set_text(help.conf, &c->host, "a.example"));
	assert_true(conf_set_text(help.conf, &c->root, tree_path("none")));
	c = conf_add_capsule(help.conf);
	assert_true(conf_set_text(help.conf, &c->host, "not a host"));
	assert_true(conf_set_text(help.conf, &c->root, tree_path("root")));
	help.hosts = hosts_open_all(help.conf, &help.report);
	assert_non_null(help.hosts);
	assert_int_equal(help.report.errors, 2);
	assert_int_equal(help.hosts->host[0].root, -1);
	assert_int_equal(help.hosts->host[1].root, -1);
	assert_int_not_equal(help.hosts->host[2].root, -1);
	assert_true(hosts_read_content(help.hosts, &help.report));
	assert_false(host_has_index(&help.hosts->host[1]));
	/* The same problems, told once already, are errors all the same. */
	assert_null(hosts_open(help.conf, &help.report));
}

static void
test_known_fits_in_a_header(void **state)
{
	struct conf_capsule *c;
	char name[64];
	int i;

	(void)state;
	help_close();
	help.conf = conf_new();
	for (i = 0; i < 100; i++) {
		c = conf_add_capsule(help.conf);
		(void)snprintf(name, sizeof(name), "capsule%d.example", i);
		assert_true(conf_set_text(help.conf, &c->host, name));
		assert_true(
		    conf_set_text(help.conf, &c->root, tree_path("root")));
	}
	help.hosts = hosts_open(help.conf, &help.report);
	assert_non_null(help.hosts);
	assert_true(strlen(help.hosts->known) < HOST_KNOWN_MAX);
	assert_true(strlen(help.hosts->known) > HOST_KNOWN_MAX - 40);
	assert_true(
	    slice_ends(slice_str(help.hosts->known), SLICE(".example, ...")));
	assert_int_equal(hosts_find(help.hosts, "capsule99.example"), 99);
}

static void
test_content_lies_under_the_operators(void **state)
{
	(void)state;
	tree_file("root/capsule.conf",
	    "title = \"Mine\"; lang = \"az\"; listing = true;");
	help_open_one("lang = \"en\";");
	assert_string_equal(help_host()->content.title.text, "Mine");
	assert_string_equal(help_host()->content.lang.text, "en");
	assert_int_equal(help_host()->content.listing, 1);
	assert_null(help_host()->conf->content.title.text);
	/* Read again, not added to. */
	tree_file("root/capsule.conf", "title = \"Yours\";");
	assert_true(hosts_read_content(help.hosts, &help.report));
	assert_string_equal(help_host()->content.title.text, "Yours");
	assert_int_not_equal(help_host()->content.listing, 1);
}

static void
test_content_that_is_wrong(void **state)
{
	static char big[HOST_CONF_MAX + 1];

	(void)state;
	help_open_one("");
	assert_int_equal(mkfifo(tree_path("root/capsule.conf"), 0644), 0);
	assert_false(hosts_read_content(help.hosts, &help.report));
	assert_true(help_told(REPORT_ERROR, 0, "not a file"));
	assert_int_equal(unlink(tree_path("root/capsule.conf")), 0);
	tree_dir("root/capsule.conf");
	assert_false(hosts_read_content(help.hosts, &help.report));
	assert_true(help_told(REPORT_ERROR, 0, "not a regular file"));
	assert_int_equal(rmdir(tree_path("root/capsule.conf")), 0);
	tree_link("/etc/hostname", "root/capsule.conf");
	assert_false(hosts_read_content(help.hosts, &help.report));
	assert_int_equal(unlink(tree_path("root/capsule.conf")), 0);
	memset(big, '\n', sizeof(big));
	tree_bytes("root/capsule.conf", slice_of(big, sizeof(big)));
	assert_false(hosts_read_content(help.hosts, &help.report));
	assert_true(help_told(REPORT_ERROR, 0, "larger"));
	tree_file("root/capsule.conf", "\n\nlang = ;");
	assert_false(hosts_read_content(help.hosts, &help.report));
	assert_true(help_told(REPORT_ERROR, 3, ""));
}

static void
test_content_with_an_error_changes_nothing(void **state)
{
	(void)state;
	help_open_one("redirects = ( { from = \"/o\"; to = \"/oo\"; } );");
	tree_file("root/capsule.conf",
	    "title = \"T\"; gone = [\"/x\"]; lsting = true;");
	assert_false(hosts_read_content(help.hosts, &help.report));
	assert_memory_equal(&help_host()->content, &help_host()->conf->content,
	    sizeof(struct conf_content));
	/* An operator's redirect and a capsule's can make a circle together. */
	tree_file("root/capsule.conf",
	    "redirects = ( { from = \"/oo\"; to = \"/o\"; } );");
	assert_false(hosts_read_content(help.hosts, &help.report));
	assert_true(help_told(REPORT_ERROR, 1, "circle"));
	assert_int_equal(help_host()->content.n_redirects, 1);
	hosts_salvage_content(help.hosts);
	assert_int_equal(help_host()->content.n_redirects, 2);
}

static void
test_content_when_descriptors_are_short(void **state)
{
	struct rlimit before, none;
	bool ok;

	(void)state;
	help_open_one("");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	ok = hosts_read_content(help.hosts, &help.report);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_false(ok);
	assert_true(help_told(REPORT_ERROR, 0, "cannot be read now"));
}

static void
test_moved(void **state)
{
	uint64_t first;

	(void)state;
	tree_dir("v1");
	tree_dir("v2");
	tree_link("v1", "now");
	help_open("capsules = ({ host = \"a.example\"; root = \"now\"; });");
	first = help_place();
	assert_int_not_equal(first, 0);
	assert_int_equal(unlink(tree_path("now")), 0);
	assert_int_equal(help_place(), 0); /* leads nowhere */
	tree_file("now", "x");
	assert_int_equal(help_place(), 0);
	assert_int_equal(unlink(tree_path("now")), 0);
	tree_link("v2", "now");
	assert_int_not_equal(help_place(), 0);
	assert_int_not_equal(help_place(), first);
}

static void
test_index_names(void **state)
{
	(void)state;
	help_open_one("");
	assert_string_equal(host_index(help_host(), 0), "index.gmi");
	assert_string_equal(host_index(help_host(), 1), "index.gemini");
	assert_null(host_index(help_host(), 2));
	help_open_one("index = [\"a.gmi\"];");
	assert_string_equal(host_index(help_host(), 0), "a.gmi");
	assert_null(host_index(help_host(), 1));
	help_open_one("index = [];");
	assert_null(host_index(help_host(), 0));
}

static void
test_hides(void **state)
{
	(void)state;
	help_open_one("hidden = [\".config\"];");
	assert_true(host_hides(help_host(), ".git", 4));
	assert_true(host_hides(help_host(), ".configs", 8));
	assert_true(host_hides(help_host(), ".well-known2", 12));
	assert_false(host_hides(help_host(), ".well-known", 11));
	assert_false(host_hides(help_host(), ".config", 7));
	assert_false(host_hides(help_host(), "a.git", 5));
	assert_false(host_hides(help_host(), "", 0));
}

static const char key[] = "-----BEGIN "
			  "PRIVATE "
			  "KEY-----\n"
			  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n";

static void
test_survey(void **state)
{
	struct host_survey s;

	(void)state;
	tree_dir("root/sub");
	tree_dir("root/.git");
	tree_file("root/a.gmi", "# A\n");
	tree_file("root/sub/B.GEMINI", "# B\n");
	tree_file("root/sub/c.txt", "cc\n");
	tree_file("root/.git/d.gmi", "# D\n");
	tree_file("root/empty", "");
	help_open_one("");
	host_survey(help_host(), UINT64_MAX, &s);
	assert_int_equal(s.pages, 2);
	assert_int_equal(s.files, 4);
	assert_int_equal(s.bytes, 11);
	assert_false(host_has_index(help_host()));
	assert_string_equal(s.secret, "");
	tree_dir("root/index.gmi");
	host_survey(help_host(), UINT64_MAX, &s);
	assert_false(host_has_index(help_host()));
	tree_file("root/index.gemini", "# I\n");
	tree_file("root/.git/key", key);
	tree_file("root/sub/z.pem", key);
	host_survey(help_host(), UINT64_MAX, &s);
	assert_true(host_has_index(help_host()));
	assert_string_equal(s.secret, ".git/key");
	assert_int_equal(s.pages, 3);
	assert_false(s.unfinished);
	host_survey(help_host(), 0, &s); /* no time at all */
	assert_true(s.unfinished);
	assert_string_equal(s.secret, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_capsule(test_names_are_canonical),
		in_a_capsule(test_problems_have_their_place),
		in_a_capsule(test_a_duplicate_of_the_command_line),
		in_a_capsule(test_what_conf_check_tells_is_not_told_twice),
		in_a_capsule(test_all_are_opened_to_tell_of_all_problems),
		in_a_capsule(test_known_fits_in_a_header),
		in_a_capsule(test_content_lies_under_the_operators),
		in_a_capsule(test_content_that_is_wrong),
		in_a_capsule(test_content_with_an_error_changes_nothing),
		in_a_capsule(test_content_when_descriptors_are_short),
		in_a_capsule(test_moved),
		in_a_capsule(test_index_names),
		in_a_capsule(test_hides),
		in_a_capsule(test_survey),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
