/* SPDX-License-Identifier: ISC */
#include "support/conf.h"

#include <limits.h>
#include <stdio.h>

/* Fails unless got is before, the directory, and path. */
static void
conf_check_path(const char *got, const char *before, const char *path)
{
	char want[PATH_MAX + 64];

	snprintf(want, sizeof(want), "%s%s/%s", before, conf_directory, path);
	assert_string_equal(got, want);
}

static void
test_defaults(void **state)
{
	struct conf *c = conf_new();

	(void)state;
	assert_non_null(c);
	assert_null(c->file);
	assert_int_equal(c->listen.n, 1);
	assert_false(c->listen.set);
	assert_string_equal(c->listen.item[0].text, "*:1965");
	assert_null(c->listen.item[0].file);
	assert_int_equal(c->public_port, 0);
	assert_int_equal(c->workers, 0);
	assert_null(c->user.text);
	assert_null(c->group.text);
	assert_int_equal(c->limits.connections, 1024);
	assert_int_equal(c->limits.per_address, 64);
	assert_int_equal(c->limits.rate, 10);
	assert_int_equal(c->limits.burst, 60);
	assert_int_equal(c->limits.exempt.n, 2);
	assert_string_equal(c->limits.exempt.item[0].text, "127.0.0.0/8");
	assert_int_equal(c->limits.handshake, 10);
	assert_int_equal(c->limits.request, 10);
	assert_int_equal(c->limits.stall, 30);
	assert_int_equal(c->limits.drain, 10);
	assert_string_equal(c->tls.minimum.text, "1.2");
	assert_null(c->tls.suites.text);
	assert_true(c->tls.tickets);
	assert_string_equal(c->log.access.text, "stderr");
	assert_int_equal(c->log.format, CONF_LOG_TEXT);
	assert_int_equal(c->log.addresses, CONF_ADDRESSES_TRUNCATED);
	assert_false(c->log.query);
	assert_false(c->log.handshakes);
	assert_int_equal(c->n_types, 0);
	assert_int_equal(c->n_capsules, 0);
	conf_free(&c);
	assert_null(c);
	conf_free(&c);
}

static void
check_full_server(const struct conf *c)
{
	assert_string_equal(c->file, conf_file);
	assert_int_equal(c->listen.n, 2);
	assert_true(c->listen.set);
	conf_check_path(c->listen.item[1].text, "unix:", "run/x.sock");
	assert_int_equal(c->public_port, 1966);
	assert_int_equal(c->workers, 2);
	assert_string_equal(c->user.text, "u");
	assert_string_equal(c->group.text, "g");
	assert_int_equal(c->limits.connections, 1);
	assert_int_equal(c->limits.per_address, 2);
	assert_int_equal(c->limits.rate, 3);
	assert_int_equal(c->limits.burst, 4);
	assert_int_equal(c->limits.exempt.n, 3);
	assert_int_equal(c->limits.handshake, 5);
	assert_int_equal(c->limits.request, 6);
	assert_int_equal(c->limits.stall, 7);
	assert_int_equal(c->limits.drain, 0);
	assert_string_equal(c->tls.minimum.text, "1.3");
	assert_string_equal(c->tls.suites.text, "A:B");
	assert_false(c->tls.tickets);
	conf_check_path(c->log.access.text, "", "a.log");
	assert_int_equal(c->log.format, CONF_LOG_JSON);
	assert_int_equal(c->log.addresses, CONF_ADDRESSES_FULL);
	assert_true(c->log.query);
	assert_true(c->log.handshakes);
	assert_int_equal(c->n_types, 2);
	assert_string_equal(c->types[0].extension.text, "foo");
	assert_string_equal(c->types[1].type.text, "text/plain; format=flowed");
}

static void
test_full_configuration(void **state)
{
	struct report r = { 0 };
	struct conf *c = conf_parse_text(conf_full, &r);
	const struct conf_capsule *capsule = &c->capsules[0];
	const struct conf_content *content = &capsule->content;

	(void)state;
	assert_true(conf_check(c, &r));
	assert_int_equal(r.n, 0);
	check_full_server(c);
	assert_int_equal(c->n_capsules, 2);
	assert_string_equal(capsule->host.text, "example.org");
	assert_int_equal(capsule->host.line, 12);
	assert_string_equal(capsule->host.file, conf_file);
	assert_int_equal(capsule->aliases.n, 1);
	conf_check_path(capsule->root.text, "", "caps");
	assert_string_equal(capsule->certificate.text, "/c.crt");
	conf_check_path(capsule->key.text, "", "k.key");
	assert_string_equal(capsule->hidden.item[0].text, ".config");
	assert_string_equal(content->title.text, "T");
	assert_string_equal(content->lang.text, "az,en-GB");
	assert_string_equal(content->charset.text, "utf-8");
	assert_int_equal(content->index.n, 1);
	assert_true(content->index.set);
	assert_int_equal(content->listing, 1);
	assert_int_equal(content->n_paths, 1);
	assert_int_equal(content->paths[0].listing, 0);
	assert_string_equal(content->paths[0].charset.text, "");
	assert_int_equal(content->n_redirects, 2);
	assert_true(content->redirects[0].permanent);
	assert_false(content->redirects[1].permanent);
	assert_int_equal(content->order.n, 2);
	assert_string_equal(content->feed.text, "u.gmi");
	assert_int_equal(c->capsules[1].content.listing, CONF_UNSET);
	assert_int_equal(c->capsules[1].content.index.n, 2);
	assert_false(c->capsules[1].content.index.set);
	assert_true(c->capsules[1].aliases.set);
	report_fini(&r);
	conf_free(&c);
}

static void
test_paths_begin_where_they_are_written(void **state)
{
	struct report r = { 0 };
	struct conf *c;
	char file[PATH_MAX + 32];

	(void)state;
	tree_write_bytes("parts/a.conf",
	    SLICE("capsules = ( { host = \"h\"; root = \"r\"; } );\n"
		  "log = { access = \"none\"; };"
		  "listen = [ \"unix:\", \"unix:/x\", \"unix:y\" ];"));
	c = conf_parse_text("@include \"parts/a.conf\"", &r);
	conf_check_path(c->capsules[0].root.text, "", "parts/r");
	assert_string_equal(c->log.access.text, "none");
	assert_string_equal(c->listen.item[0].text, "unix:");
	assert_string_equal(c->listen.item[1].text, "unix:/x");
	conf_check_path(c->listen.item[2].text, "unix:", "parts/y");
	conf_free(&c);
	snprintf(file, sizeof(file), "%s/parts/a.conf", conf_directory);
	c = conf_new();
	assert_true(conf_read(c, file, &r));
	conf_check_path(c->capsules[0].root.text, "", "parts/r");
	report_fini(&r);
	conf_free(&c);
}

static void
test_command_line_overrides(void **state)
{
	struct report r = { 0 };
	struct conf *c = conf_parse_text(conf_full, &r);
	struct conf_capsule *capsule;

	(void)state;
	assert_true(conf_set_text(c, &c->user, "other"));
	assert_string_equal(c->user.text, "other");
	assert_null(c->user.file);
	for (unsigned i = 0; i < 5; i++)
		assert_true(conf_list_add(c, &c->listen, i == 0 ? "a" : "b"));
	assert_int_equal(c->listen.n, 5);
	assert_string_equal(c->listen.item[0].text, "a");
	assert_string_equal(c->listen.item[4].text, "b");
	capsule = conf_add_capsule(c);
	assert_int_equal(c->n_capsules, 3);
	assert_ptr_equal(capsule, &c->capsules[2]);
	assert_null(capsule->host.text);
	assert_int_equal(capsule->content.listing, CONF_UNSET);
	assert_int_equal(capsule->content.index.n, 2);
	assert_string_equal(c->capsules[0].host.text, "example.org");
	conf_free(&c);
	c = conf_new();
	assert_true(conf_list_add(c, &c->listen, "a"));
	assert_int_equal(c->listen.n, 1);
	assert_true(c->listen.set);
	report_fini(&r);
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_full_configuration),
		cmocka_unit_test(test_paths_begin_where_they_are_written),
		cmocka_unit_test(test_command_line_overrides),
	};

	return cmocka_run_group_tests(tests, conf_set_up, conf_tear_down);
}
