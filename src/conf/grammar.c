/* SPDX-License-Identifier: ISC */
#include "conf/grammar.h"

#include <limits.h>
#include <string.h>

#include "conf/options.h"

static size_t
word_digits(struct slice word, unsigned base)
{
	size_t n = 0;

	while (n < word.len && hex_value(word.ptr[n]) >= 0 &&
	       (unsigned)hex_value(word.ptr[n]) < base)
		n++;
	return n;
}

static struct slice
word_skip_sign(struct slice word)
{
	return slice_starts(word, SLICE("-")) || slice_starts(word, SLICE("+"))
		   ? slice_skip(word, 1)
		   : word;
}

static bool
word_ends_integer(struct slice rest)
{
	return rest.len == 0 || slice_equal(rest, SLICE("L")) ||
	       slice_equal(rest, SLICE("LL"));
}

/* Digits with a point or an exponent in or after them. */
static bool
word_is_fraction(struct slice word)
{
	size_t n = word_digits(word, 10), point = 0;

	word = slice_skip(word, n);
	if (slice_starts(word, SLICE("."))) {
		point = 1 + word_digits(slice_skip(word, 1), 10);
		word = slice_skip(word, point);
	}
	if (n == 0 && point < 2)
		return false;
	if (word.len == 0 || (word.ptr[0] | 0x20) != 'e')
		return point > 0 && word.len == 0;
	word = word_skip_sign(slice_skip(word, 1));
	n = word_digits(word, 10);
	return n > 0 && n == word.len;
}

static bool
word_is_number(struct slice word)
{
	size_t n;

	if (slice_starts(word, SLICE("0x")) ||
	    slice_starts(word, SLICE("0X"))) {
		word = slice_skip(word, 2);
		n = word_digits(word, 16);
		return n > 0 && word_ends_integer(slice_skip(word, n));
	}
	word = word_skip_sign(word);
	n = word_digits(word, 10);
	return (n > 0 && word_ends_integer(slice_skip(word, n))) ||
	       word_is_fraction(word);
}

static bool
byte_is_letter(uint8_t c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '*';
}

static bool
word_is_name(struct slice word)
{
	for (size_t i = 0; i < word.len; i++) {
		uint8_t c = word.ptr[i];

		if (!byte_is_letter(c) &&
		    (i == 0 || ((c < '0' || c > '9') && c != '-' && c != '_')))
			return false;
	}
	return word.len > 0;
}

enum token
grammar_word(struct slice word)
{
	if (word_is_number(word) || slice_equal_nocase(word, SLICE("true")) ||
	    slice_equal_nocase(word, SLICE("false")))
		return TOKEN_VALUE;
	return word_is_name(word) ? TOKEN_NAME : TOKEN_OTHER;
}

bool
grammar_number_fits(struct slice word)
{
	bool hex =
	    slice_starts(word, SLICE("0x")) || slice_starts(word, SLICE("0X"));
	unsigned base = hex ? 16 : 10;
	uint64_t value = 0;

	if (hex)
		word = slice_skip(word, 2);
	else if (word.len > 0 && (word.ptr[0] == '-' || word.ptr[0] == '+'))
		word = slice_skip(word, 1);
	for (; word.len > 0; word = slice_skip(word, 1)) {
		int digit = hex_value(word.ptr[0]);

		if (digit < 0 || (unsigned)digit >= base)
			break;
		if (value > (INT64_MAX - (uint64_t)digit) / base)
			return false;
		value = value * base + (uint64_t)digit;
	}
	return slice_starts(word, SLICE("L")) || value <= INT_MAX;
}

size_t
grammar_zeros(struct slice word)
{
	size_t sign = slice_starts(word, SLICE("+")) ? 1 : 0;
	size_t n = sign;

	while (slice_starts(slice_skip(word, n), SLICE("0")) &&
	       word_digits(slice_skip(word, n + 1), 10) > 0)
		n++;
	return n > sign ? n : 0;
}

bool
grammar_space(struct slice word, struct buf *out)
{
	uint32_t rune;
	size_t n;

	for (; word.len > 0; word = slice_skip(word, n == 0 ? 1 : n)) {
		n = slice_rune(word, &rune);
		if (n == 0 ||
		    (rune != 0xa0 && rune != 0xfeff && rune != 0x202f &&
			rune != 0x3000 && (rune < 0x2000 || rune > 0x200d)))
			continue;
		buf_printf(out, "unexpected U+%04X%s", (unsigned)rune,
		    rune == 0xa0     ? " (no-break space)"
		    : rune == 0xfeff ? " (byte order mark)"
				     : "");
		return true;
	}
	return false;
}

static bool
in_list(uint8_t in)
{
	return in == '(' || in == '[';
}

static bool
state_takes_value(enum grammar_state state)
{
	return state == GRAMMAR_VALUE || state == GRAMMAR_FIRST ||
	       state == GRAMMAR_ENTRY;
}

static enum grammar_state
state_after_value(enum grammar_state state, enum token t, enum token last)
{
	if (state == GRAMMAR_VALUE)
		return GRAMMAR_AFTER;
	if (state_takes_value(state))
		return GRAMMAR_COMMA;
	/* Texts that follow each other are one. */
	return t == TOKEN_TEXT && last == TOKEN_TEXT ? state : GRAMMAR_WRONG;
}

static enum grammar_state
state_after_close(enum grammar_state state, uint8_t in)
{
	if (state != GRAMMAR_NAME && state != GRAMMAR_AFTER &&
	    state != GRAMMAR_FIRST && state != GRAMMAR_COMMA)
		return GRAMMAR_WRONG;
	return in_list(in) ? GRAMMAR_COMMA : GRAMMAR_AFTER;
}

static enum grammar_state
state_after_separator(enum grammar_state state, enum token t)
{
	if (state == GRAMMAR_AFTER)
		return GRAMMAR_NAME;
	return state == GRAMMAR_COMMA && t == TOKEN_COMMA ? GRAMMAR_ENTRY
							  : GRAMMAR_WRONG;
}

static enum grammar_state
state_after(const struct grammar *g, enum token t, uint8_t in)
{
	enum grammar_state state = g->state;

	switch (t) {
	case TOKEN_NAME:
		return state == GRAMMAR_NAME || state == GRAMMAR_AFTER
			   ? GRAMMAR_EQUALS
			   : GRAMMAR_WRONG;
	case TOKEN_EQUALS:
		return state == GRAMMAR_EQUALS ? GRAMMAR_VALUE : GRAMMAR_WRONG;
	case TOKEN_VALUE:
	case TOKEN_TEXT:
		return state_after_value(state, t, g->last);
	case TOKEN_OPEN:
		if (!state_takes_value(state))
			return GRAMMAR_WRONG;
		return in_list(in) ? GRAMMAR_FIRST : GRAMMAR_NAME;
	case TOKEN_CLOSE:
		return state_after_close(state, in);
	case TOKEN_SEMICOLON:
	case TOKEN_COMMA:
		return state_after_separator(state, t);
	case TOKEN_END:
		return state == GRAMMAR_EQUALS || state == GRAMMAR_VALUE
			   ? GRAMMAR_WRONG
			   : state;
	case TOKEN_OTHER:
		break;
	}
	return GRAMMAR_WRONG;
}

bool
grammar_take(struct grammar *g, enum token t, uint8_t in)
{
	enum grammar_state state = state_after(g, t, in);

	if (state == GRAMMAR_WRONG)
		return false;
	g->state = state;
	g->last = t;
	return true;
}

static bool
token_is_word(enum token t)
{
	return t == TOKEN_NAME || t == TOKEN_OTHER;
}

static bool
word_is_switch(struct slice word)
{
	return slice_equal_nocase(word, SLICE("on")) ||
	       slice_equal_nocase(word, SLICE("off")) ||
	       slice_equal_nocase(word, SLICE("yes")) ||
	       slice_equal_nocase(word, SLICE("no"));
}

/* What is expected after "NAME =" instead of a word: the same name has the same
 * type in every group. NULL: a text. */
static const char *
value_expected(const struct grammar_place *p)
{
	size_t n, i = 0;
	const struct option *all = options_all(&n);

	while (i < n && !slice_equal(p->name, slice_str(option_word(&all[i]))))
		i++;
	if (i == n)
		return word_is_switch(p->shown) ? "true or false" : NULL;
	switch (all[i].type) {
	case OPTION_NUMBER:
	case OPTION_SECONDS:
		return "a whole number";
	case OPTION_BOOL:
	case OPTION_SWITCH:
		return "true or false";
	case OPTION_GROUP:
		return "a group { }";
	case OPTION_LIST_OF_GROUPS:
		return "a list of groups ( { }, ... )";
	default:
		return NULL;
	}
}

#define SHOWN "%s%.*s%s"
#define SHOWN_ARGS(p) (p)->quote, SLICE_ARGS((p)->shown), (p)->quote

static void
explain_token(const struct grammar_place *p, struct buf *out)
{
	buf_printf(out, "unexpected " SHOWN, SHOWN_ARGS(p));
}

/* A word without quotes, or in those of other languages. */
static void
explain_word(const struct grammar_place *p, struct buf *out)
{
	static const char *const quotes[] = { "\xe2\x80\x9c", "\xe2\x80\x9d",
		"\xe2\x80\x9e", "\xe2\x80\x98", "\xe2\x80\x99", "\xe2\x80\x9a",
		"\xc2\xab", "\xc2\xbb" };
	struct slice word = p->shown;

	for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++) {
		if (!slice_starts(word, slice_str(quotes[i])))
			continue;
		buf_printf(out,
		    "text is written in quotes like \"x\", not in %s",
		    quotes[i]);
		return;
	}
	if (slice_starts(word, SLICE("'")) && slice_ends(word, SLICE("'")) &&
	    word.len > 1)
		word = slice_skip(slice_head(word, word.len - 1), 1);
	buf_printf(
	    out, "text is written in quotes: \"%.*s\"", SLICE_ARGS(word));
}

static bool
explain_value(enum token t, const struct grammar_place *p, struct buf *out)
{
	bool word = token_is_word(t);
	const char *expected = value_expected(p);

	if (t == TOKEN_EQUALS || (word && slice_starts(p->shown, SLICE(">")))) {
		explain_token(p, out);
		return false;
	}
	buf_printf(out, "%.*s: ", SLICE_ARGS(p->name));
	if (!p->same_line || !word)
		buf_str(out, "missing value");
	else if (expected != NULL)
		buf_printf(
		    out, "expected %s, not " SHOWN, expected, SHOWN_ARGS(p));
	else
		explain_word(p, out);
	return !p->same_line || !word;
}

static void
explain_unclosed(enum token t, const struct grammar_place *p, struct buf *out)
{
	explain_token(p, out);
	if (p->open_line > 0)
		buf_printf(out, ": the '%c' of line %u is not closed", p->open,
		    p->open_line);
	else if (t == TOKEN_OPEN)
		buf_str(out, ": a group is written NAME = { }");
}

static void
explain_name(const struct grammar *g, enum token t,
    const struct grammar_place *p, struct buf *out)
{
	bool scalar = t == TOKEN_VALUE || t == TOKEN_TEXT;

	if (scalar && g->last == TOKEN_COMMA)
		buf_printf(out,
		    "unexpected " SHOWN " after ',': several values are "
		    "written in brackets [ ]",
		    SHOWN_ARGS(p));
	else if (t == TOKEN_TEXT)
		buf_printf(out,
		    "option names are written without quotes: " SHOWN,
		    SHOWN_ARGS(p));
	else if (scalar || t == TOKEN_OTHER)
		buf_printf(out, "expected the name of an option, not " SHOWN,
		    SHOWN_ARGS(p));
	else if (t == TOKEN_SEMICOLON || t == TOKEN_EQUALS)
		explain_token(p, out);
	else
		explain_unclosed(t, p, out);
}

static bool
explain_entry(enum token t, const struct grammar_place *p, struct buf *out)
{
	if (t == TOKEN_CLOSE)
		buf_str(out, "',' after the last entry: remove it");
	else if (token_is_word(t) && p->open == '(')
		buf_printf(out, "expected '{' or text in quotes, not " SHOWN,
		    SHOWN_ARGS(p));
	else if (token_is_word(t))
		explain_word(p, out);
	else
		explain_token(p, out);
	return t == TOKEN_CLOSE;
}

static void
explain_comma(enum token t, const struct grammar_place *p, struct buf *out)
{
	if (t == TOKEN_EQUALS) {
		explain_token(p, out);
		return;
	}
	buf_printf(out, "missing %s'%c' before " SHOWN,
	    t == TOKEN_SEMICOLON ? "" : "',' or ", p->open == '(' ? ')' : ']',
	    SHOWN_ARGS(p));
	if (p->open_line > 0)
		buf_printf(
		    out, ": the '%c' is in line %u", p->open, p->open_line);
}

bool
grammar_explain(const struct grammar *g, enum token t,
    const struct grammar_place *p, struct buf *out)
{
	switch (g->state) {
	case GRAMMAR_EQUALS:
		buf_printf(
		    out, "missing '=' after '%.*s'", SLICE_ARGS(p->name));
		return true;
	case GRAMMAR_VALUE:
		return explain_value(t, p, out);
	case GRAMMAR_FIRST:
	case GRAMMAR_ENTRY:
		return explain_entry(t, p, out);
	case GRAMMAR_NAME:
		explain_name(g, t, p, out);
		break;
	case GRAMMAR_COMMA:
		explain_comma(t, p, out);
		break;
	case GRAMMAR_AFTER:
	case GRAMMAR_WRONG:
		if (t == TOKEN_OPEN) {
			explain_unclosed(t, p, out);
			break;
		}
		explain_token(p, out);
		buf_printf(
		    out, " after the value of '%.*s'", SLICE_ARGS(p->name));
		break;
	}
	return false;
}
