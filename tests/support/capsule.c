/* SPDX-License-Identifier: ISC */
#include "support/capsule.h"

struct capsule_fixture capsule;

void
capsule_close(void)
{
	hosts_free(&capsule.hosts);
	conf_free(&capsule.conf);
	report_fini(&capsule.report);
	capsule.report = (struct report){ 0 };
}

bool
capsule_try_open(const char *text)
{
	capsule_close();
	tree_write("carnation.conf", text);
	capsule.conf = conf_new();
	assert_non_null(capsule.conf);
	if (!conf_read(
		capsule.conf, tree_path("carnation.conf"), &capsule.report)) {
		report_print(&capsule.report);
		fail_msg("the configuration cannot be read");
	}
	capsule.hosts = hosts_open(capsule.conf, &capsule.report);
	return capsule.hosts != NULL;
}

uint64_t
capsule_place(void)
{
	struct host_mark mark;

	host_mark(&capsule.hosts->host[0], true, &mark);
	return mark.place;
}

void
capsule_open(const char *text)
{
	if (capsule_try_open(text) &&
	    hosts_read_content(capsule.hosts, &capsule.report))
		return;
	report_print(&capsule.report);
	fail_msg("the configuration has errors");
}

void
capsule_open_one(const char *settings)
{
	char text[8192];

	snprintf(text, sizeof(text),
	    "capsules = ( { host = \"localhost\"; root = \"root\"; %s } );",
	    settings);
	capsule_open(text);
}

const struct host *
capsule_host(void)
{
	return &capsule.hosts->host[0];
}

bool
capsule_reported(enum report_level level, unsigned line, const char *words)
{
	return report_contains(&capsule.report, level, line, words);
}

int
capsule_set_up(void **state)
{
	if (tree_set_up(state) != 0)
		return -1;
	return mkdir(tree_path("root"), 0755);
}

int
capsule_tear_down(void **state)
{
	capsule_close();
	return tree_tear_down(state);
}
