/* SPDX-License-Identifier: ISC */
/* What a report holds. */
#ifndef TESTS_SUPPORT_REPORT_H
#define TESTS_SUPPORT_REPORT_H

#include "conf/report.h"

/* Whether an item has words in its text, at a line (0: any). */
bool report_contains(const struct report *r, enum report_level level,
    unsigned line, const char *words);
void report_print(const struct report *r);

/* Fails unless the i-th item reads like this. */
void report_check_item(
    const struct report *r, size_t i, const char *want, const char *row);

/* Fails unless r has just these items; wanted ends with NULL or after max. */
void report_check_items(const struct report *r, const char *const *wanted,
    size_t max, const char *row);

#endif
