/* SPDX-License-Identifier: ISC */
/* Configurations from texts, in a temporary directory. */
#ifndef TESTS_SUPPORT_CONF_H
#define TESTS_SUPPORT_CONF_H

#include "conf/conf.h"
#include "support/report.h"
#include "support/tree.h"

/* A struct slice within a table. */
#define BYTES(literal)                                                         \
	{                                                                      \
		(const uint8_t *)("" literal), sizeof(literal) - 1             \
	}

extern const char conf_file[]; /* its text is written there */
extern const char conf_full[]; /* every option, none at its default */
extern char conf_directory[];  /* absolute; has a directory "parts" */

/* cmocka fixtures of a test or a group: the working directory is a new tree. */
int conf_set_up(void **state);
int conf_tear_down(void **state);

/* Reads a text, whatever is wrong with it; the caller frees the result with
 * conf_free, and r with report_fini. */
struct conf *conf_parse_text(const char *text, struct report *r);

#endif
