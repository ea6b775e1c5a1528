/* SPDX-License-Identifier: ISC */
#include "verbs/lint_output.h"

#include <stdio.h>
#include <string.h>

#include "util/log.h"

enum { LINE_MAX_BYTES = 256 * 1024 }; /* a path and a text, escaped */

static const char *const levels[] = { "off", "info", "warning", "error" };

static bool
put_text(struct buf *out, const struct lint_finding *f)
{
	return buf_printf(out, "%s ", f->rule->code) &&
	       log_escape(out, slice_str(f->file == NULL ? "." : f->file)) &&
	       (f->line == 0 || buf_printf(out, ":%u", f->line)) &&
	       buf_str(out, ": ") &&
	       (f->level == LINT_ERROR ||
		   buf_printf(out, "%s: ", levels[f->level])) &&
	       log_escape(out, slice_str(f->text)) && buf_byte(out, '\n');
}

static bool
put_string(struct buf *out, const char *name, const char *text)
{
	if (text == NULL)
		return buf_printf(out, "\"%s\":null", name);
	return buf_printf(out, "\"%s\":\"", name) &&
	       log_escape_json(out, slice_str(text)) && buf_byte(out, '"');
}

static bool
put_json(struct buf *out, const struct lint_finding *f)
{
	return buf_byte(out, '{') && put_string(out, "code", f->rule->code) &&
	       buf_byte(out, ',') &&
	       put_string(out, "level", levels[f->level]) &&
	       buf_byte(out, ',') && put_string(out, "file", f->file) &&
	       buf_printf(out, ",\"line\":%u,", f->line) &&
	       put_string(out, "text", f->text) && buf_byte(out, '}');
}

/* Writes each finding, with a separator between two. */
static void
print_all(const struct lint *l, const char *separator,
    bool (*put)(struct buf *out, const struct lint_finding *f))
{
	const struct lint_finding *f;
	struct buf line;
	size_t n;

	f = lint_findings(l, &n);
	buf_init(&line, LINE_MAX_BYTES);
	for (size_t i = 0; i < n; i++) {
		buf_reset(&line);
		if (put(&line, &f[i]))
			printf("%s%s", i > 0 ? separator : "", buf_cstr(&line));
	}
	buf_fini(&line);
}

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

bool
lint_print_text(const struct lint *l)
{
	size_t errors = lint_count(l, LINT_ERROR);
	size_t warnings = lint_count(l, LINT_WARNING);
	size_t infos = lint_count(l, LINT_INFO);
	const struct lint_finding *f;
	size_t n, external = 0;

	print_all(l, "", put_text);
	f = lint_findings(l, &n);
	for (size_t i = 0; i < n; i++)
		external += f[i].level == LINT_INFO &&
			    strcmp(f[i].rule->code, "G020") == 0;
	fprintf(stderr,
	    "%zu error%s, %zu warning%s, %zu external link%s, %zu other "
	    "remark%s\n",
	    errors, plural(errors), warnings, plural(warnings), external,
	    plural(external), infos - external, plural(infos - external));
	if (n < errors + warnings + infos)
		fprintf(stderr, "only the first %zu are listed\n", n);
	return fflush(stdout) == 0 && !ferror(stdout);
}

bool
lint_print_json(const struct lint *l)
{
	printf(
	    "{\"errors\":%zu,\"warnings\":%zu,\"infos\":%zu,\"findings\":[\n",
	    lint_count(l, LINT_ERROR), lint_count(l, LINT_WARNING),
	    lint_count(l, LINT_INFO));
	print_all(l, ",\n", put_json);
	printf("]}\n");
	return fflush(stdout) == 0 && !ferror(stdout);
}
