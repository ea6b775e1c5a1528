/* SPDX-License-Identifier: ISC */
/* Capsules from the text of a configuration, in a temporary directory. */
#ifndef TESTS_SUPPORT_CAPSULE_H
#define TESTS_SUPPORT_CAPSULE_H

#include "capsule/host.h"
#include "support/report.h"
#include "support/tree.h"

/* What capsule_open opened; the next call and the tear-down free it. */
struct capsule_fixture {
	struct conf *conf;
	struct hosts *hosts;
	struct report report;
};
extern struct capsule_fixture capsule;

/* cmocka fixtures: a tree with an empty directory root/, nothing open. */
int capsule_set_up(void **state);
int capsule_tear_down(void **state);
#define capsule_test(test)                                                     \
	cmocka_unit_test_setup_teardown(test, capsule_set_up, capsule_tear_down)

/* Reads text as carnation.conf beside root/, and opens its hosts: false for
 * errors, which are in capsule.report. A text that is not a configuration fails
 * the test. */
bool capsule_try_open(const char *text);

/* The same and each capsule.conf; any error fails the test. */
void capsule_open(const char *text);

/* One capsule, localhost at root/, with these settings. */
void capsule_open_one(const char *settings);
void capsule_close(void);

/* The first one. */
const struct host *capsule_host(void);

/* What host_mark remembers of its root's place; 0: there is none. */
uint64_t capsule_place(void);

/* Whether an item of the report has words in its text, at a line (0: any). */
bool
capsule_reported(enum report_level level, unsigned line, const char *words);

#endif
