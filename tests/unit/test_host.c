/* SPDX-License-Identifier: ISC */
#include "support/capsule.h"

static void
test_names_are_canonical(void **state)
{
	(void)state;
	tree_make_dir("two");
	capsule_open(
	    "capsules = (\n"
	    "{ host = \"Example.ORG.\"; root = \"root\";\n"
	    "  aliases = [\"caf\xc3\xa9.example\", \"EXAMPLE.org\"]; },\n"
	    "{ host = \"127.0.0.1\"; root = \"two\";\n"
	    "  aliases = [\"[::1]\"]; } );\n");
	assert_int_equal(capsule.hosts->n, 2);
	assert_string_equal(capsule.hosts->host[0].names[0], "example.org");
	/* Rules 1.1.17 and 1.1.19: every spelling of one name. */
	assert_int_equal(hosts_find(capsule.hosts, "example.org"), 0);
	assert_int_equal(hosts_find(capsule.hosts, "xn--caf-dma.example"), 0);
	assert_int_equal(hosts_find(capsule.hosts, "127.0.0.1"), 1);
	assert_int_equal(hosts_find(capsule.hosts, "::1"), 1);
	assert_int_equal(hosts_find(capsule.hosts, "other.example"), -1);
	assert_int_equal(
	    hosts_find_raw(capsule.hosts, SLICE("EXAMPLE.org.")), 0);
	assert_int_equal(
	    hosts_find_raw(capsule.hosts, SLICE("caf%C3%A9.example")), 0);
	assert_int_equal(
	    hosts_find_raw(capsule.hosts, SLICE("caf\xc3\xa9.example")), 0);
	assert_int_equal(hosts_find_raw(capsule.hosts, SLICE("[0:0::1]")), 1);
	assert_int_equal(hosts_find_raw(capsule.hosts, SLICE("a b")), -1);
	assert_int_equal(hosts_find_raw(capsule.hosts, SLICE("")), -1);
	assert_string_equal(capsule.hosts->known,
	    "example.org, xn--caf-dma.example, example.org, 127.0.0.1, ::1");
}

static void
test_problems_have_their_place(void **state)
{
	(void)state;
	tree_write("file", "x");
	assert_false(
	    capsule_try_open("capsules = (\n"
			     "{ host = \"a.example\"; root = \"root\"; },\n"
			     "{ host = \"A.example\";\n"
			     "  root = \"none\"; },\n"
			     "{ host = \"not a host\"; root = \"root\";\n"
			     "  aliases = [\"xn--caf-dma.example\"]; },\n"
			     "{ host = \"caf\xc3\xa9.example\";\n"
			     "  root = \"file\"; } );\n"));
	assert_true(capsule_reported(REPORT_ERROR, 3, "a.example"));
	assert_true(capsule_reported(REPORT_ERROR, 4, "No such file"));
	assert_true(capsule_reported(REPORT_ERROR, 5, "not a host"));
	assert_true(capsule_reported(REPORT_ERROR, 7, "xn--caf-dma.example"));
	assert_true(capsule_reported(REPORT_ERROR, 8, "Not a directory"));
	assert_int_equal(capsule.report.errors, 5);
}

static void
test_duplicate_host_of_the_command_line(void **state)
{
	struct conf_capsule *c;
	int i;

	(void)state;
	capsule_close();
	capsule.conf = conf_new();
	for (i = 0; i < 2; i++) {
		c = conf_add_capsule(capsule.conf);
		assert_true(conf_set_text(capsule.conf, &c->host, "localhost"));
		assert_true(
		    conf_set_text(capsule.conf, &c->root, tree_path("root")));
	}
	assert_null(hosts_open(capsule.conf, &capsule.report));
	assert_true(capsule_reported(REPORT_ERROR, 0, "duplicate host"));
}

static void
test_conf_check_problems_are_reported_once(void **state)
{
	(void)state;
	capsule_close();
	capsule.conf = conf_new();
	assert_non_null(conf_add_capsule(capsule.conf));
	assert_null(hosts_open(capsule.conf, &capsule.report));
	assert_int_equal(capsule.report.n, 0);
}

static void
test_all_roots_are_opened_to_report_all_problems(void **state)
{
	struct conf_capsule *c;

	(void)state;
	capsule_close();
	capsule.conf = conf_new();
	assert_non_null(conf_add_capsule(capsule.conf)); /* no host, no root */
	c = conf_add_capsule(capsule.conf);
	assert_true(conf_set_text(capsule.conf, &c->host, "a.example"));
	assert_true(conf_set_text(capsule.conf, &c->root, tree_path("none")));
	c = conf_add_capsule(capsule.conf);
	assert_true(conf_set_text(capsule.conf, &c->host, "not a host"));
	assert_true(conf_set_text(capsule.conf, &c->root, tree_path("root")));
	capsule.hosts = hosts_open_all(capsule.conf, &capsule.report);
	assert_non_null(capsule.hosts);
	assert_int_equal(capsule.report.errors, 2);
	assert_int_equal(capsule.hosts->host[0].root, -1);
	assert_int_equal(capsule.hosts->host[1].root, -1);
	assert_int_not_equal(capsule.hosts->host[2].root, -1);
	assert_true(hosts_read_content(capsule.hosts, &capsule.report));
	/* The same problems, already reported, are errors all the same. */
	assert_null(hosts_open(capsule.conf, &capsule.report));
}

static void
test_known_types_fit_in_a_header(void **state)
{
	struct conf_capsule *c;
	char name[64];
	int i;

	(void)state;
	capsule_close();
	capsule.conf = conf_new();
	for (i = 0; i < 100; i++) {
		c = conf_add_capsule(capsule.conf);
		snprintf(name, sizeof(name), "capsule%d.example", i);
		assert_true(conf_set_text(capsule.conf, &c->host, name));
		assert_true(
		    conf_set_text(capsule.conf, &c->root, tree_path("root")));
	}
	capsule.hosts = hosts_open(capsule.conf, &capsule.report);
	assert_non_null(capsule.hosts);
	assert_true(strlen(capsule.hosts->known) < HOST_KNOWN_MAX);
	assert_true(strlen(capsule.hosts->known) > HOST_KNOWN_MAX - 40);
	assert_true(slice_ends(
	    slice_str(capsule.hosts->known), SLICE(".example, ...")));
	assert_int_equal(hosts_find(capsule.hosts, "capsule99.example"), 99);
}

static void
test_operator_overrides_content(void **state)
{
	(void)state;
	tree_write("root/capsule.conf",
	    "title = \"Mine\"; lang = \"az\"; listing = true;");
	capsule_open_one("lang = \"en\";");
	assert_string_equal(capsule_host()->content.title.text, "Mine");
	assert_string_equal(capsule_host()->content.lang.text, "en");
	assert_int_equal(capsule_host()->content.listing, 1);
	assert_null(capsule_host()->conf->content.title.text);
	/* Read again, not added to. */
	tree_write("root/capsule.conf", "title = \"Yours\";");
	assert_true(hosts_read_content(capsule.hosts, &capsule.report));
	assert_string_equal(capsule_host()->content.title.text, "Yours");
	assert_int_not_equal(capsule_host()->content.listing, 1);
}

static void
test_invalid_content(void **state)
{
	static char big[HOST_CONF_MAX + 1];

	(void)state;
	capsule_open_one("");
	assert_int_equal(mkfifo(tree_path("root/capsule.conf"), 0644), 0);
	assert_false(hosts_read_content(capsule.hosts, &capsule.report));
	assert_true(capsule_reported(REPORT_ERROR, 0, "not a file"));
	assert_int_equal(unlink(tree_path("root/capsule.conf")), 0);
	tree_make_dir("root/capsule.conf");
	assert_false(hosts_read_content(capsule.hosts, &capsule.report));
	assert_true(capsule_reported(REPORT_ERROR, 0, "not a regular file"));
	assert_int_equal(rmdir(tree_path("root/capsule.conf")), 0);
	tree_symlink("/etc/hostname", "root/capsule.conf");
	assert_false(hosts_read_content(capsule.hosts, &capsule.report));
	assert_int_equal(unlink(tree_path("root/capsule.conf")), 0);
	memset(big, '\n', sizeof(big));
	tree_write_bytes("root/capsule.conf", slice_of(big, sizeof(big)));
	assert_false(hosts_read_content(capsule.hosts, &capsule.report));
	assert_true(capsule_reported(REPORT_ERROR, 0, "larger"));
	tree_write("root/capsule.conf", "\n\nlang = ;");
	assert_false(hosts_read_content(capsule.hosts, &capsule.report));
	assert_true(capsule_reported(REPORT_ERROR, 3, ""));
}

static void
test_invalid_content_changes_nothing(void **state)
{
	(void)state;
	capsule_open_one("redirects = ( { from = \"/o\"; to = \"/oo\"; } );");
	tree_write("root/capsule.conf",
	    "title = \"T\"; gone = [\"/x\"]; lsting = true;");
	assert_false(hosts_read_content(capsule.hosts, &capsule.report));
	assert_memory_equal(&capsule_host()->content,
	    &capsule_host()->conf->content, sizeof(struct conf_content));
	/* An operator's redirect and a capsule's can make a circle together. */
	tree_write("root/capsule.conf",
	    "redirects = ( { from = \"/oo\"; to = \"/o\"; } );");
	assert_false(hosts_read_content(capsule.hosts, &capsule.report));
	assert_true(capsule_reported(REPORT_ERROR, 1, "circle"));
	assert_int_equal(capsule_host()->content.n_redirects, 1);
	hosts_salvage_content(capsule.hosts);
	assert_int_equal(capsule_host()->content.n_redirects, 2);
}

static void
test_content_without_descriptors(void **state)
{
	bool ok;

	(void)state;
	capsule_open_one("");
	descriptors_limit(0);
	ok = hosts_read_content(capsule.hosts, &capsule.report);
	descriptors_unlimit();
	assert_false(ok);
	assert_true(capsule_reported(REPORT_ERROR, 0, "cannot read now"));
}

static void
test_moved(void **state)
{
	uint64_t first;

	(void)state;
	tree_make_dir("v1");
	tree_make_dir("v2");
	tree_symlink("v1", "now");
	capsule_open("capsules = ({ host = \"a.example\"; root = \"now\"; });");
	first = capsule_place();
	assert_int_not_equal(first, 0);
	assert_int_equal(unlink(tree_path("now")), 0);
	assert_int_equal(capsule_place(), 0); /* leads nowhere */
	tree_write("now", "x");
	assert_int_equal(capsule_place(), 0);
	assert_int_equal(unlink(tree_path("now")), 0);
	tree_symlink("v2", "now");
	assert_int_not_equal(capsule_place(), 0);
	assert_int_not_equal(capsule_place(), first);
}

static void
test_index_names(void **state)
{
	(void)state;
	capsule_open_one("");
	assert_string_equal(host_index(capsule_host(), 0), "index.gmi");
	assert_string_equal(host_index(capsule_host(), 1), "index.gemini");
	assert_null(host_index(capsule_host(), 2));
	capsule_open_one("index = [\"a.gmi\"];");
	assert_string_equal(host_index(capsule_host(), 0), "a.gmi");
	assert_null(host_index(capsule_host(), 1));
	capsule_open_one("index = [];");
	assert_null(host_index(capsule_host(), 0));
}

static void
test_hides(void **state)
{
	(void)state;
	capsule_open_one("hidden = [\".config\"];");
	assert_true(host_hides(capsule_host(), ".git", 4));
	assert_true(host_hides(capsule_host(), ".configs", 8));
	assert_true(host_hides(capsule_host(), ".well-known2", 12));
	assert_false(host_hides(capsule_host(), ".well-known", 11));
	assert_false(host_hides(capsule_host(), ".config", 7));
	assert_false(host_hides(capsule_host(), "a.git", 5));
	assert_false(host_hides(capsule_host(), "", 0));
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
	tree_make_dir("root/sub");
	tree_make_dir("root/.git");
	tree_write("root/a.gmi", "# A\n");
	tree_write("root/sub/B.GEMINI", "# B\n");
	tree_write("root/sub/c.txt", "cc\n");
	tree_write("root/.git/d.gmi", "# D\n");
	tree_write("root/empty", "");
	capsule_open_one("");
	host_survey(capsule_host(), UINT64_MAX, &s);
	assert_int_equal(s.pages, 2);
	assert_int_equal(s.files, 4);
	assert_int_equal(s.bytes, 11);
	assert_string_equal(s.secret, "");
	tree_make_dir("root/index.gmi");
	tree_write("root/index.gemini", "# I\n");
	tree_write("root/.git/key", key);
	tree_write("root/sub/z.pem", key);
	host_survey(capsule_host(), UINT64_MAX, &s);
	assert_string_equal(s.secret, ".git/key");
	assert_int_equal(s.pages, 3);
	assert_false(s.unfinished);
	host_survey(capsule_host(), 0, &s); /* no time at all */
	assert_true(s.unfinished);
	assert_string_equal(s.secret, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		capsule_test(test_names_are_canonical),
		capsule_test(test_problems_have_their_place),
		capsule_test(test_duplicate_host_of_the_command_line),
		capsule_test(test_conf_check_problems_are_reported_once),
		capsule_test(test_all_roots_are_opened_to_report_all_problems),
		capsule_test(test_known_types_fit_in_a_header),
		capsule_test(test_operator_overrides_content),
		capsule_test(test_invalid_content),
		capsule_test(test_invalid_content_changes_nothing),
		capsule_test(test_content_without_descriptors),
		capsule_test(test_moved),
		capsule_test(test_index_names),
		capsule_test(test_hides),
		capsule_test(test_survey),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
