/* SPDX-License-Identifier: ISC */
/* Configurations out of texts, in a directory of their own: what the tests of
 * src/conf share. Depends on conf. */
#ifndef TESTS_SUPPORT_CONF_H
#define TESTS_SUPPORT_CONF_H

#include "check.h"
#include "conf/conf.h"

/* A struct slice within a table. */
#define BYTES(literal)                                                         \
	{                                                                      \
		(const uint8_t *)("" literal), sizeof(literal) - 1             \
	}

extern const char conf_file[]; /* what conf_of writes */
extern const char conf_full[]; /* every option, none at its default */
extern char conf_directory[];  /* absolute; has a directory "parts" */

/* Fixtures of a group of tests: the working directory is a fresh one. */
int conf_set_up(void **state);
int conf_tear_down(void **state);

void conf_write(const char *file, struct slice bytes);

/* The configuration of a text, whatever is wrong with it. */
struct conf *conf_parse_text(const char *text, struct report *r);

/* Fails unless the i-th item reads like this. */
void report_check_item(
    const struct report *r, size_t i, const char *want, const char *row);

/* Fails unless r says wanted, which ends with NULL or after max, and no
 * more. */
void report_check_items(const struct report *r, const char *const *wanted,
    size_t max, const char *row);

#endif
