/* SPDX-License-Identifier: ISC */
/* Lint of the first capsule that is open, and what it found. */
#ifndef TESTS_SUPPORT_LINTER_H
#define TESTS_SUPPORT_LINTER_H

#include "capsule/lint.h"
#include "support/capsule.h"

enum {
	NOWHERE = -1,          /* in a row: there must be no such finding */
	LINT_NOW = 1795305600, /* 2026-11-22, noon */
};

/* A text, and the line where a code is found in it: once, or NOWHERE. */
struct linter_row {
	const char *rule;
	const char *code;
	int line;
	const char *text;
};

#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])

/* Both made by the first linter_run of a test. */
extern struct lint *lint;
extern struct mime *linter_mime;

/* For cmocka; the set-up is capsule_set_up. */
int linter_tear_down(void **state);
#define linter_test(test)                                                      \
	cmocka_unit_test_setup_teardown(test, capsule_set_up, linter_tear_down)

void linter_run(void);

/* Writes each row's text to a file of the capsule, runs, and compares. */
void
linter_check_rows(const char *file, const struct linter_row *rows, size_t n);

/* The text of a code's finding in file (NULL: the capsule's own) at line, or
 * NULL; borrowed until the next run. */
const char *linter_find(const char *code, const char *file, int line);

/* Fails unless that finding is there and has words in its text. */
void linter_check_finding(
    const char *code, const char *file, int line, const char *words);

/* Findings of a code, or of all codes that begin with a letter. */
size_t linter_count(const char *code);
size_t linter_count_class(char letter);
void linter_print(void);

#endif
