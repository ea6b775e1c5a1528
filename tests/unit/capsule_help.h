/* SPDX-License-Identifier: ISC */
/* Capsules out of configuration texts, in a temporary directory: what the tests
 * of src/capsule share. Depends on capsule. */
#ifndef TESTS_UNIT_CAPSULE_HELP_H
#define TESTS_UNIT_CAPSULE_HELP_H

#include "tree.h"

#include "capsule/host.h"

/* A tree, as by tree_set_up, and what is configured over it. */
static struct {
	struct conf *conf;
	struct hosts *hosts;
	struct report report;
} help;

static inline void
help_close(void)
{
	hosts_free(&help.hosts);
	conf_free(&help.conf);
	report_fini(&help.report);
	help.report = (struct report){ 0 };
}

static inline void
help_show_report(void)
{
	char text[1024];
	struct buf out;
	size_t i;

	for (i = 0; i < help.report.n; i++) {
		buf_wrap(&out, text, sizeof(text) - 1);
		(void)report_format(&help.report.items[i], &out);
		print_message("%s\n", buf_cstr(&out));
	}
}

/* Reads text as the operator's file beside the roots and opens the hosts:
 * false when there were errors, which are in help.report. */
static inline bool
help_try(const char *text)
{
	help_close();
	tree_file("carnation.conf", text);
	help.conf = conf_new();
	assert_non_null(help.conf);
	if (!conf_read(help.conf, tree_path("carnation.conf"), &help.report)) {
		help_show_report();
		fail_msg("the configuration cannot be read");
	}
	help.hosts = hosts_open(help.conf, &help.report);
	return help.hosts != NULL;
}

static inline uint64_t
help_place(void)
{
	struct host_mark mark;

	host_mark(&help.hosts->host[0], true, &mark);
	return mark.place;
}

/* The same, where nothing may be wrong, with each capsule.conf. */
static inline void
help_open(const char *text)
{
	if (help_try(text) && hosts_read_content(help.hosts, &help.report))
		return;
	help_show_report();
	fail_msg("the configuration has errors");
}

/* One capsule, localhost, at root/, with further settings. */
static inline void
help_open_one(const char *settings)
{
	char text[8192];

	(void)snprintf(text, sizeof(text),
	    "capsules = ( { host = \"localhost\"; root = \"root\"; %s } );",
	    settings);
	help_open(text);
}

static inline const struct host *
help_host(void)
{
	return &help.hosts->host[0];
}

/* Whether some problem's text has words in it, at a line (0: anywhere). */
static inline bool
help_told(enum report_level level, unsigned line, const char *words)
{
	size_t i;

	for (i = 0; i < help.report.n; i++) {
		const struct report_item *item = &help.report.items[i];

		if (item->level == level && (line == 0 || item->line == line) &&
		    strstr(item->text, words) != NULL)
			return true;
	}
	return false;
}

static inline int
help_set_up(void **state)
{
	if (tree_set_up(state) != 0)
		return -1;
	return mkdir(tree_path("root"), 0755);
}

static inline int
help_tear_down(void **state)
{
	help_close();
	return tree_tear_down(state);
}

#define in_a_capsule(test)                                                     \
	cmocka_unit_test_setup_teardown(test, help_set_up, help_tear_down)

#endif
