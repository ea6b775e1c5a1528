/* SPDX-License-Identifier: ISC */
/* Companion files under the linter: what the tests of their checks share. */
#ifndef TESTS_UNIT_LINT_FILE_HELP_H
#define TESTS_UNIT_LINT_FILE_HELP_H

#include "lint_help.h"

/* What a file holds, and where in it a code is found: once, or NOWHERE. */
struct lint_file_row {
	const char *rule;
	const char *code;
	int line;
	const char *text;
};

/* The file of the capsule that is open becomes each text in turn. */
static inline void
lint_file_rows(const char *file, const struct lint_file_row *rows, size_t n)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "root/%s", file);
	for (size_t i = 0; i < n; i++) {
		const struct lint_file_row *row = &rows[i];
		size_t want = row->line == NOWHERE ? 0 : 1;

		tree_file(path, row->text);
		lint_help_run();
		if (lint_help_count(row->code) == want &&
		    (want == 0 ||
			lint_help_text(row->code, file, row->line) != NULL))
			continue;
		lint_help_show();
		fail_msg("row \"%s\": %s wanted at line %d", row->rule,
		    row->code, row->line);
	}
}

/* Findings whose code begins with that letter. */
static inline size_t
lint_file_count(char letter)
{
	const struct lint_finding *f;
	size_t n, found = 0;

	f = lint_findings(lint, &n);
	for (size_t i = 0; i < n; i++)
		found += f[i].rule->code[0] == letter;
	return found;
}

#endif
