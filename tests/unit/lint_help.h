/* SPDX-License-Identifier: ISC */
/* Capsules under the linter, and what it found: what the tests of
 * capsule/lint*.c share. */
#ifndef TESTS_UNIT_LINT_HELP_H
#define TESTS_UNIT_LINT_HELP_H

#include "capsule_help.h"

#include "capsule/lint.h"

enum {
	NOWHERE = -1,          /* in a row: there must be no such finding */
	LINT_NOW = 1795305600, /* 2026-11-22, noon */
};

static struct mime *lint_mime;
static const struct conf *lint_mime_conf; /* what it borrows from */
static struct lint *lint;

/* Runs over the first capsule that is open. */
static inline void
lint_help_run(void)
{
	if (lint_mime_conf != help.conf) {
		mime_free(&lint_mime);
		lint_mime = mime_new(help.conf, &help.report);
		lint_mime_conf = help.conf;
	}
	if (lint == NULL)
		lint = lint_new(LINT_NOW);
	assert_non_null(lint_mime);
	assert_non_null(lint);
	assert_true(lint_run(lint, help.hosts, help_host(), lint_mime));
}

/* The text of the finding of that code in file (NULL: the capsule's) at line, or
 * NULL. */
static inline const char *
lint_help_text(const char *code, const char *file, int line)
{
	const struct lint_finding *f;
	size_t n;

	f = lint_findings(lint, &n);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(f[i].rule->code, code) != 0 ||
		    (int)f[i].line != line ||
		    (f[i].file == NULL) != (file == NULL))
			continue;
		if (file == NULL || strcmp(f[i].file, file) == 0)
			return f[i].text;
	}
	return NULL;
}

static inline size_t
lint_help_count(const char *code)
{
	const struct lint_finding *f;
	size_t n, found = 0;

	f = lint_findings(lint, &n);
	for (size_t i = 0; i < n; i++)
		found += strcmp(f[i].rule->code, code) == 0;
	return found;
}

static inline void
lint_help_show(void)
{
	const struct lint_finding *f;
	size_t n;

	f = lint_findings(lint, &n);
	for (size_t i = 0; i < n; i++)
		print_message("%s %s:%u: %s\n", f[i].rule->code,
		    f[i].file == NULL ? "." : f[i].file, f[i].line, f[i].text);
}

/* A page, and where in it a code is found: once, or NOWHERE. */
struct lint_row {
	const char *rule;
	const char *code;
	int line;
	const char *page;
};

/* root/page.gmi becomes each page in turn. */
static inline void
lint_help_rows(const struct lint_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct lint_row *row = &rows[i];
		size_t want = row->line == NOWHERE ? 0 : 1;

		tree_file("root/page.gmi", row->page);
		lint_help_run();
		if (lint_help_count(row->code) == want &&
		    (want == 0 || lint_help_text(row->code, "page.gmi",
				      row->line) != NULL))
			continue;
		lint_help_show();
		fail_msg("row \"%s\": %s wanted at line %d", row->rule,
		    row->code, row->line);
	}
}

static inline void
lint_help_wants(const char *code, const char *file, int line, const char *words)
{
	const char *text = lint_help_text(code, file, line);

	if (text != NULL && strstr(text, words) != NULL)
		return;
	lint_help_show();
	fail_msg("%s %s:%d: \"%s\" is not there", code,
	    file == NULL ? "." : file, line, words);
}

static inline int
lint_help_tear_down(void **state)
{
	lint_free(&lint);
	mime_free(&lint_mime);
	lint_mime_conf = NULL;
	return help_tear_down(state);
}

#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])

#define under_lint(test)                                                       \
	cmocka_unit_test_setup_teardown(test, help_set_up, lint_help_tear_down)

#endif
