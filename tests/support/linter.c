/* SPDX-License-Identifier: ISC */
#include "support/linter.h"

struct lint *lint;
struct mime *linter_mime;
static const struct conf *linter_mime_conf; /* what linter_mime borrows from */

void
linter_run(void)
{
	if (linter_mime_conf != capsule.conf) {
		mime_free(&linter_mime);
		linter_mime = mime_new(capsule.conf, &capsule.report);
		linter_mime_conf = capsule.conf;
	}
	if (lint == NULL)
		lint = lint_new(LINT_NOW);
	assert_non_null(linter_mime);
	assert_non_null(lint);
	assert_true(lint_run(lint, capsule.hosts, capsule_host(), linter_mime));
}

const char *
linter_find(const char *code, const char *file, int line)
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

size_t
linter_count(const char *code)
{
	const struct lint_finding *f;
	size_t n, found = 0;

	f = lint_findings(lint, &n);
	for (size_t i = 0; i < n; i++)
		found += strcmp(f[i].rule->code, code) == 0;
	return found;
}

void
linter_print(void)
{
	const struct lint_finding *f;
	size_t n;

	f = lint_findings(lint, &n);
	for (size_t i = 0; i < n; i++)
		print_message("%s %s:%u: %s\n", f[i].rule->code,
		    f[i].file == NULL ? "." : f[i].file, f[i].line, f[i].text);
}

void
linter_check_finding(
    const char *code, const char *file, int line, const char *words)
{
	const char *text = linter_find(code, file, line);

	if (text != NULL && strstr(text, words) != NULL)
		return;
	linter_print();
	fail_msg("%s %s:%d: \"%s\" is not there", code,
	    file == NULL ? "." : file, line, words);
}

int
linter_tear_down(void **state)
{
	lint_free(&lint);
	mime_free(&linter_mime);
	linter_mime_conf = NULL;
	return capsule_tear_down(state);
}

void
linter_check_rows(const char *file, const struct linter_row *rows, size_t n)
{
	char path[256];

	snprintf(path, sizeof(path), "root/%s", file);
	for (size_t i = 0; i < n; i++) {
		const struct linter_row *row = &rows[i];
		size_t want = row->line == NOWHERE ? 0 : 1;

		tree_write(path, row->text);
		linter_run();
		if (linter_count(row->code) == want &&
		    (want == 0 ||
			linter_find(row->code, file, row->line) != NULL))
			continue;
		linter_print();
		fail_msg("row \"%s\": %s wanted at line %d", row->rule,
		    row->code, row->line);
	}
}

size_t
linter_count_class(char letter)
{
	const struct lint_finding *f;
	size_t n, found = 0;

	f = lint_findings(lint, &n);
	for (size_t i = 0; i < n; i++)
		found += f[i].rule->code[0] == letter;
	return found;
}
