/* SPDX-License-Identifier: ISC */
#include "conf/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/fd.h"

void
source_init(struct conf_source *s, struct conf *c, struct report *r)
{
	*s = (struct conf_source){ .conf = c, .report = r, .lines = 1 };
	buf_init(&s->text, SOURCE_TEXT_MAX);
}

void
source_fini(struct conf_source *s)
{
	buf_fini(&s->text);
}

struct place
source_place(const struct conf_source *s, unsigned line)
{
	struct place place = { NULL, 0 };

	for (size_t i = 0; i < s->n_marks && s->marks[i].at <= line; i++) {
		place = s->marks[i].place;
		place.line += line - s->marks[i].at;
	}
	return place;
}

enum { SHOWN_MAX = 40 }; /* bytes of a token in a message */

/* One file on its way into the whole. Offsets count in in. */
struct scan {
	struct conf_source *source;
	struct slice in;
	char *file;
	size_t at;
	size_t copied;                     /* what is before is in the whole */
	size_t open[SOURCE_DEPTH_MAX + 1]; /* where brackets were opened */
	unsigned settings[SOURCE_DEPTH_MAX + 1];
	size_t depth;
	size_t last;       /* where the last token begins */
	struct slice name; /* of the option whose value comes */
	/* Of each open group: the names before here. */
	struct slice names[SOURCE_DEPTH_MAX + 1][SOURCE_SETTINGS_MAX];
	size_t first;    /* after where the open array's first entry begins */
	size_t doubtful; /* a text begins before here that seems to hold what
			    * should follow it; 0: none does */
};

static unsigned
lines_in(struct slice s)
{
	unsigned n = 0;
	size_t at;

	while (slice_find(s, '\n', &at)) {
		s = slice_skip(s, at + 1);
		n++;
	}
	return n;
}

/* The line of an offset, from 1. */
static unsigned
scan_line(const struct scan *p, size_t at)
{
	return lines_in(slice_head(p->in, at)) + 1;
}

static bool
scan_error(const struct scan *p, size_t at, const char *text)
{
	report_add(p->source->report, REPORT_ERROR, p->file, scan_line(p, at),
	    "%s", text);
	return false;
}

/* What people see at an offset: up to the end of a word, a text or a line. */
static struct slice
scan_shown(const struct scan *p, size_t at)
{
	struct slice rest = slice_skip(p->in, at);
	const char *ends = " \t\r\n\f;,(){}[]\"";
	size_t n = rest.len > 0 ? 1 : 0;

	if (slice_starts(rest, SLICE("\"")))
		ends = "\"\n";
	else if (rest.len > 0 && strchr(ends, rest.ptr[0]) != NULL)
		return slice_head(rest, 1);
	while (
	    n < rest.len && n < SHOWN_MAX && strchr(ends, rest.ptr[n]) == NULL)
		n++;
	if (ends[0] == '"' && n < rest.len && rest.ptr[n] == '"')
		n++;
	return slice_head(rest, n);
}

/* Reports that the file does not follow the grammar. A doubtful text is most
 * often one whose end was forgotten: then all that follows is read wrongly. */
static bool
scan_wrong(const struct scan *p, size_t at, const char *text)
{
	struct slice shown;

	if (p->doubtful == 0)
		return scan_error(p, at, text);
	at = p->doubtful - 1;
	shown = scan_shown(p, at);
	report_add(p->source->report, REPORT_ERROR, p->file, scan_line(p, at),
	    "unclosed text: %.*s", SLICE_ARGS(shown));
	return false;
}

/* The bracket that is open here; 0: none. */
static uint8_t
scan_bracket(const struct scan *p)
{
	return p->depth > 0 ? p->in.ptr[p->open[p->depth]] : p->source->open;
}

static bool
scan_unexpected(const struct scan *p, enum token t, size_t at)
{
	struct grammar_place place = {
		.shown = scan_shown(p, at),
		.quote = t == TOKEN_TEXT ? "" : "'",
		.name = p->name,
		.open = scan_bracket(p),
		.open_line = p->depth > 0 ? scan_line(p, p->open[p->depth]) : 0,
		.same_line = scan_line(p, p->last) == scan_line(p, at),
	};
	char text[256] = "";
	struct buf why;

	buf_wrap(&why, text, sizeof(text) - 1);
	if (grammar_explain(&p->source->grammar, t, &place, &why))
		at = p->last;
	text[why.len] = '\0';
	return scan_wrong(p, at, text);
}

/* The token at an offset is the next one; open is the bracket open after it.
 * False after an error was reported. */
static bool
scan_grammar(struct scan *p, enum token t, size_t at, uint8_t open)
{
	if (!grammar_take(&p->source->grammar, t, open))
		return scan_unexpected(p, t, at);
	p->last = at;
	return true;
}

/* What is appended next stands at p->at of p's file. */
static bool
scan_mark(struct scan *p)
{
	struct conf_source *s = p->source;
	struct mark *marks =
	    arena_append(s->conf, s->marks, s->n_marks, sizeof(*marks));

	if (marks == NULL)
		return false;
	s->marks = marks;
	s->marks[s->n_marks++] = (struct mark){
		.at = s->lines,
		.place = { p->file, scan_line(p, p->at) },
	};
	return true;
}

/* Adds bytes that were read up to p->at. */
static bool
scan_put(struct scan *p, struct slice bytes)
{
	p->source->lines += lines_in(bytes);
	return buf_put(&p->source->text, bytes) ||
	       scan_error(p, p->at, "configuration larger than 4 MiB");
}

/* Hands on what was scanned, up to an offset. */
static bool
scan_flush(struct scan *p, size_t end)
{
	struct slice fresh = slice_skip(slice_head(p->in, end), p->copied);

	p->copied = end;
	return scan_put(p, fresh);
}

/* The byte n places on, or 0 after the end. */
static uint8_t
scan_peek(const struct scan *p, size_t n)
{
	return n < p->in.len - p->at ? p->in.ptr[p->at + n] : 0;
}

static bool
scan_starts(const struct scan *p, const char *text)
{
	return slice_starts(slice_skip(p->in, p->at), slice_str(text));
}

static void
scan_line_comment(struct scan *p)
{
	while (p->at < p->in.len && p->in.ptr[p->at] != '\n')
		p->at++;
}

static bool
scan_comment(struct scan *p)
{
	size_t start = p->at;

	for (p->at += 2; p->at < p->in.len; p->at++) {
		if (scan_starts(p, "*/")) {
			p->at += 2;
			return true;
		}
	}
	return scan_error(p, start, "unclosed comment");
}

static bool
is_escaped_nul(const struct scan *p)
{
	return (scan_peek(p, 1) | 0x20) == 'x' && scan_peek(p, 2) == '0' &&
	       scan_peek(p, 3) == '0';
}

/* Whether a text, without its quotes, ends where another text should begin, or
 * goes on in the next line. */
static bool
text_is_doubtful(struct slice text)
{
	struct slice end = slice_trim(text);

	return slice_find(text, '\n', NULL) || slice_ends(end, SLICE("=")) ||
	       slice_ends(end, SLICE(",")) || slice_ends(end, SLICE("("));
}

static void
scan_doubt(struct scan *p, size_t start)
{
	struct slice text = slice_skip(slice_head(p->in, p->at - 1), start + 1);

	if (p->doubtful == 0 && text_is_doubtful(text))
		p->doubtful = start + 1;
}

/* An error in the value of the last option. */
static bool
scan_value_error(const struct scan *p, size_t at, const char *text)
{
	report_add(p->source->report, REPORT_ERROR, p->file, scan_line(p, at),
	    "%.*s%s%s", SLICE_ARGS(p->name), p->name.len > 0 ? ": " : "", text);
	return false;
}

/* An entry of [ ] must be of the first one's kind, and only texts are of use:
 * what is none is named. */
static bool
scan_entry(struct scan *p, size_t start)
{
	size_t wrong = start;
	char text[128];

	if (scan_bracket(p) != '[')
		return true;
	if (p->first == 0)
		p->first = start + 1;
	if ((p->in.ptr[start] == '"') == (p->in.ptr[p->first - 1] == '"'))
		return true;
	if (p->in.ptr[start] == '"')
		wrong = p->first - 1;
	snprintf(text, sizeof(text), "expected text in quotes, not '%.*s'",
	    SLICE_ARGS(scan_shown(p, wrong)));
	return scan_value_error(p, wrong, text);
}

static bool
scan_text(struct scan *p)
{
	size_t start = p->at;

	/* libconfig 1.5 leaks a text that it did not expect. */
	if (!scan_grammar(p, TOKEN_TEXT, start, scan_bracket(p)) ||
	    !scan_entry(p, start))
		return false;
	p->at++;
	for (; p->at < p->in.len; p->at++) {
		uint8_t c = p->in.ptr[p->at];

		if (c == '"') {
			p->at++;
			scan_doubt(p, start);
			return true;
		}
		if (c != '\\')
			continue;
		if (is_escaped_nul(p))
			return scan_error(p, p->at, "text contains a NUL");
		if (scan_peek(p, 1) == '"' || scan_peek(p, 1) == '\\')
			p->at++;
	}
	if (p->doubtful == 0)
		p->doubtful = start + 1;
	return scan_wrong(p, start, "");
}

/* A number goes to libconfig without zeros before it. */
static bool
scan_value(struct scan *p, size_t start, struct slice word)
{
	if (!grammar_number_fits(word))
		return scan_value_error(p, start, "number too large");
	if (!scan_flush(p, start))
		return false;
	p->copied = start + grammar_zeros(word);
	return scan_entry(p, start);
}

static bool
scan_word(struct scan *p)
{
	size_t start = p->at;
	char text[64] = "";
	struct slice word;
	struct buf space;
	enum token t;

	while (p->at < p->in.len &&
	       strchr(" \t\r\n\f\"@(){}[]=:;,#", p->in.ptr[p->at]) == NULL &&
	       !scan_starts(p, "//") && !scan_starts(p, "/*"))
		p->at++;
	word = slice_skip(slice_head(p->in, p->at), start);
	t = grammar_word(word);
	buf_wrap(&space, text, sizeof(text) - 1);
	if (grammar_space(word, &space))
		return scan_wrong(p, start, text);
	if (!scan_grammar(p, t, start, scan_bracket(p)))
		return false;
	if (t == TOKEN_NAME)
		p->name = word;
	return t != TOKEN_VALUE || scan_value(p, start, word);
}

static bool
scan_open(struct scan *p)
{
	if (scan_bracket(p) == '[')
		return scan_error(
		    p, p->at, "no brackets within [ ]: use ( ) around them");
	if (p->depth == SOURCE_DEPTH_MAX)
		return scan_error(p, p->at, "brackets nested too deeply");
	if (!scan_grammar(p, TOKEN_OPEN, p->at, p->in.ptr[p->at]))
		return false;
	p->depth++;
	p->first = 0;
	p->open[p->depth] = p->at;
	p->settings[p->depth] = 0;
	p->at++;
	return true;
}

/* At the end of a file people look for where the bracket was opened. */
static bool
scan_unclosed(const struct scan *p)
{
	size_t open = p->open[p->depth];
	char text[] = "unclosed '('";

	text[sizeof("unclosed '") - 1] = (char)p->in.ptr[open];
	return scan_wrong(p, open, text);
}

static bool
scan_close(struct scan *p)
{
	static const char pairs[] = "(){}[]";
	char c = (char)p->in.ptr[p->at], open = (char)scan_bracket(p);
	char text[64];

	if (p->depth == 0) {
		snprintf(text, sizeof(text), "unmatched '%c'", c);
		return scan_wrong(p, p->at, text);
	}
	if (strchr(pairs, open)[1] != c) {
		snprintf(text, sizeof(text),
		    "unexpected '%c': the '%c' of line %u is not closed", c,
		    open, scan_line(p, p->open[p->depth]));
		return scan_wrong(p, p->at, text);
	}
	p->depth--;
	if (!scan_grammar(p, TOKEN_CLOSE, p->at, scan_bracket(p)))
		return false;
	p->at++;
	return true;
}

static bool
scan_duplicate(const struct scan *p, struct slice first)
{
	report_add(p->source->report, REPORT_ERROR, p->file,
	    scan_line(p, (size_t)(p->name.ptr - p->in.ptr)),
	    "duplicate option \"%.*s\" (first at %s:%u)", SLICE_ARGS(first),
	    p->file, scan_line(p, (size_t)(first.ptr - p->in.ptr)));
	return false;
}

static bool
scan_setting(struct scan *p)
{
	struct slice *names = p->names[p->depth];
	unsigned n = p->settings[p->depth];

	if (!scan_grammar(p, TOKEN_EQUALS, p->at, scan_bracket(p)))
		return false;
	p->at++;
	for (unsigned i = 0; i < n; i++)
		if (p->name.len > 0 && slice_equal(p->name, names[i]))
			return scan_duplicate(p, names[i]);
	if (n == SOURCE_SETTINGS_MAX)
		return scan_error(p, p->at, "too many settings in one group");
	names[p->settings[p->depth]++] = p->name;
	return true;
}

static bool
scan_separator(struct scan *p)
{
	enum token t = p->in.ptr[p->at] == ';' ? TOKEN_SEMICOLON : TOKEN_COMMA;

	if (!scan_grammar(p, t, p->at, scan_bracket(p)))
		return false;
	p->at++;
	return true;
}

/* Reads the quoted name after @include. */
static bool
scan_included(struct scan *p, struct slice *name)
{
	size_t start = p->at;

	p->at += strlen("@include");
	while (scan_peek(p, 0) == ' ' || scan_peek(p, 0) == '\t')
		p->at++;
	*name = slice_skip(p->in, p->at);
	if (!slice_starts(*name, SLICE("\"")) ||
	    !slice_cut(slice_skip(*name, 1), '"', name, &(struct slice){ 0 }) ||
	    name->len == 0 || slice_find(*name, '\n', NULL)) {
		p->at = start;
		return false;
	}
	p->at += name->len + 2;
	return true;
}

static bool
source_append(struct conf_source *s, const char *file, struct place from);

static bool
scan_include(struct scan *p)
{
	struct conf_source *s = p->source;
	size_t start = p->at;
	uint8_t outer = s->open;
	struct slice name;
	char *file, text[64];
	bool good;

	if (!scan_starts(p, "@include")) {
		snprintf(text, sizeof(text), "unexpected '%.*s'",
		    SLICE_ARGS(scan_shown(p, start)));
		return scan_wrong(p, start, text);
	}
	if (!s->may_include)
		return scan_error(p, start, "@include is not allowed here");
	if (s->depth > SOURCE_INCLUDES_MAX)
		return scan_error(p, start, "@include nested too deeply");
	if (!scan_flush(p, p->at))
		return false;
	if (!scan_included(p, &name))
		return scan_error(
		    p, start, "@include requires a file name in quotes");
	p->copied = p->at;
	file = arena_text(s->conf, name);
	if (file != NULL)
		file = path_beside(s->conf, p->file, file);
	s->open = scan_bracket(p);
	good =
	    file != NULL && source_append(s, file,
				(struct place){ p->file, scan_line(p, start) });
	s->open = outer;
	return good && scan_mark(p);
}

static bool
scan_token(struct scan *p)
{
	uint8_t c = p->in.ptr[p->at];

	if (c == '"')
		return scan_text(p);
	else if (c == '@')
		return scan_include(p);
	else if (c == '(' || c == '{' || c == '[')
		return scan_open(p);
	else if (c == ')' || c == '}' || c == ']')
		return scan_close(p);
	else if (c == '=' || c == ':')
		return scan_setting(p);
	else if (c == ';' || c == ',')
		return scan_separator(p);
	return scan_word(p);
}

/* A token, or what may stand between two. */
static bool
scan_next(struct scan *p)
{
	uint8_t c = p->in.ptr[p->at];

	if (c == '#' || scan_starts(p, "//")) {
		scan_line_comment(p);
		return true;
	}
	if (scan_starts(p, "/*"))
		return scan_comment(p);
	if (memchr(" \t\r\n\f", c, 5) != NULL) {
		p->at++;
		return true;
	}
	return scan_token(p);
}

/* The whole of one file or of a capsule.conf; file is the arena's. From one
 * file to the next by way of @include, SOURCE_INCLUDES_MAX times. */
static bool
source_scan(struct conf_source *s, struct slice in, char *file)
{
	struct scan p = { .source = s, .in = in, .file = file };
	size_t nul;

	if (slice_find(in, '\0', &nul))
		return scan_error(&p, nul, "file contains a NUL byte");
	if (!scan_mark(&p))
		return false;
	while (p.at < in.len)
		if (!scan_next(&p))
			return false;
	if (p.depth > 0)
		return scan_unclosed(&p);
	if (s->depth <= 1 && !scan_grammar(&p, TOKEN_END, in.len, 0))
		return false;
	/* To libconfig a comment without a line's end is an error. */
	return scan_flush(&p, p.at) &&
	       (slice_ends(in, SLICE("\n")) || scan_put(&p, SLICE("\n")));
}

/* Reads a regular file, and nothing else: a pipe or a device could keep the
 * server waiting, or never end. False, and errno; EINVAL: it is not a regular
 * file; EFBIG: it is too large. */
static bool
source_read(const char *file, struct buf *out)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	bool good = false;

	if (fd == -1)
		return false;
	if (fstat(fd, &st) == 0) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		good = S_ISREG(st.st_mode) && fd_read_all(fd, out);
	}
	fd_close(fd);
	return good;
}

_Static_assert(CONF_FILE_MAX == 1048576, "the text below");

/* from: where it is included; its line is 0 when it is not. */
static void
source_report_unread(
    struct conf_source *s, const char *file, int error, struct place from)
{
	const char *why = error == EINVAL  ? "not a regular file"
			  : error == EFBIG ? "larger than 1048576 bytes"
					   : strerror(error);

	if (from.line > 0)
		report_add(s->report, REPORT_ERROR, from.file, from.line,
		    "cannot include %s: %s", file, why);
	else
		report_add(s->report, REPORT_ERROR, file, 0, "%s%s",
		    error == EFBIG ? "" : "cannot read: ", why);
}

static bool
source_append(struct conf_source *s, const char *file, struct place from)
{
	char *name = arena_text(s->conf, slice_str(file));
	struct buf bytes;
	bool good = false;

	buf_init(&bytes, CONF_FILE_MAX);
	if (name == NULL)
		goto out;
	if (!source_read(file, &bytes)) {
		source_report_unread(s, file, errno, from);
		goto out;
	}
	s->may_include = true;
	s->depth++;
	good = source_scan(s, buf_view(&bytes), name);
	s->depth--;
out:
	buf_fini(&bytes);
	return good;
}

bool
source_file(struct conf_source *s, const char *file)
{
	return source_append(s, file, (struct place){ NULL, 0 });
}

bool
source_bytes(struct conf_source *s, struct slice bytes, const char *name)
{
	char *file = arena_text(s->conf, slice_str(name));

	if (bytes.len > CONF_FILE_MAX) {
		source_report_unread(s, name, EFBIG, (struct place){ NULL, 0 });
		return false;
	}
	return file != NULL && source_scan(s, bytes, file);
}
