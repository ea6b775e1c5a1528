/* SPDX-License-Identifier: ISC */
/* A page: its bytes (encoding, line ends, characters), the schemes of its
 * links, and line by line its headings, blocks, blank and broken lines. */
#include <string.h>

#include "capsule/lint_internal.h"
#include "conf/options.h"

enum line_end { END_NONE, END_LF, END_CRLF };

enum { ESCAPE = 0x1b, DELETE = 0x7f };

struct bytes {
	struct lint *l;
	const char *path;
	unsigned number;    /* of the line, from 1 */
	enum line_end ends; /* as the first line does */
	bool utf8; /* as pages are, unless their type has another charset */
	/* What one complaint about the page is enough for. */
	bool malformed;
	bool mixed;
	bool bare_cr;
};

static bool
page_is_utf8(struct lint *l, const char *path)
{
	const struct inventory_item *item = inventory_find(&l->inventory, path);
	const struct lint_target *t =
	    item != NULL ? lint_ask_item(l, item) : NULL;

	return t == NULL || t->status != STATUS_SUCCESS || lint_is_utf8(t);
}

/* Whether a character has no business on a page. */
static bool
rune_is_control(uint32_t rune)
{
	if (rune < 0x20)
		return rune != '\t' && rune != '\r' && rune != ESCAPE;
	return (rune >= DELETE && rune < 0xa0) || rune == 0x2028 ||
	       rune == 0x2029;
}

/* Whether the page is what a request for the root is answered with. */
static bool
page_is_front(struct lint *l, const char *path)
{
	const struct lint_target *t = lint_ask_path(l, SLICE(""));

	if (t != NULL)
		t = lint_follow(l, t);
	return t != NULL && t->item != NULL && strcmp(t->item->path, path) == 0;
}

static void
bytes_check_end(struct bytes *b, enum line_end end)
{
	if (b->ends == END_NONE)
		b->ends = end;
	if (end == END_NONE && page_is_front(b->l, b->path))
		lint_add(b->l, "G038", b->path, b->number,
		    "the front page's last line has no line ending");
	else if (end == END_NONE)
		lint_add(b->l, "G006", b->path, b->number,
		    "the last line has no line ending");
	else if (end != b->ends && !b->mixed) {
		b->mixed = true;
		lint_add(b->l, "G003", b->path, b->number,
		    end == END_LF
			? "this line ends with LF, the first with CRLF"
			: "this line ends with CRLF, the first with LF");
	}
}

/* One finding of each kind a line: *found are the kinds so far. */
static void
bytes_check_rune(struct bytes *b, uint32_t rune, unsigned *found)
{
	enum { CONTROL = 1, SEQUENCE = 2 };

	if (rune == ESCAPE && !(*found & SEQUENCE)) {
		*found |= SEQUENCE;
		lint_add(b->l, "G005", b->path, b->number,
		    "terminal escape sequence");
	} else if (rune == '\r' && !b->bare_cr) {
		b->bare_cr = true;
		lint_add(
		    b->l, "G003", b->path, b->number, "CR without LF after it");
	} else if (rune_is_control(rune) && !(*found & CONTROL)) {
		*found |= CONTROL;
		lint_add(b->l, "G004", b->path, b->number,
		    rune == 0x2028 || rune == 0x2029
			? "line separator U+%04X, which does not end a line"
			: "control character U+%04X",
		    (unsigned)rune);
	}
}

static void
bytes_check_line(struct bytes *b, struct slice s)
{
	unsigned found = 0;
	uint32_t rune;

	for (size_t i = 0, n = 1; i < s.len; i += n) {
		rune = s.ptr[i];
		n = 1;
		if (rune >= 0x80 && b->utf8)
			n = slice_rune(slice_skip(s, i), &rune);
		if (n == 0) {
			n = 1;
			if (!b->malformed)
				lint_add(b->l, "G001", b->path, b->number,
				    "byte 0x%02x is not UTF-8", s.ptr[i]);
			b->malformed = true;
		} else if (rune < 0x20 || (rune >= DELETE && b->utf8)) {
			bytes_check_rune(b, rune, &found);
		}
	}
}

/* Encoding, line ends and characters of the page at path. */
static void
bytes_check(struct lint *l, const char *path, struct slice bytes)
{
	struct bytes b = {
		.l = l, .path = path, .utf8 = page_is_utf8(l, path)
	};
	struct slice line;
	size_t before;

	if (slice_starts(bytes, SLICE("\xef\xbb\xbf")))
		lint_add(l, "G002", path, 1, "byte order mark");
	before = bytes.len;
	while (slice_line(&bytes, &line)) {
		size_t end = before - bytes.len - line.len;

		before = bytes.len;
		b.number++;
		bytes_check_line(&b, line);
		bytes_check_end(&b, end == 2   ? END_CRLF
				    : end == 1 ? END_LF
					       : END_NONE);
	}
}

enum { SCHEME_SIZE = 32 };

/* What capsules link to: a word that is nearly one of these is misspelt. */
static const char *const usual[] = { "gemini", "http", "https", "gopher",
	"mailto", "titan", "spartan", "finger", NULL };

/* What else there is, after the registry of schemes at IANA: those of links
 * that somebody might write, and all that look like a usual one. */
static const char *const others[] = { "about", "acct", "bitcoin", "callto",
	"cid", "dat", "data", "dhttp", "dict", "dns", "doi", "ed2k", "ethereum",
	"feed", "file", "ftp", "ftps", "geo", "git", "gophers", "guppy", "imap",
	"info", "ipfs", "ipns", "irc", "irc6", "ircs", "jabber", "jitsi",
	"ldap", "ldaps", "lightning", "magnet", "market", "matrix", "mid",
	"misfin", "mms", "monero", "mumble", "news", "nex", "nfs", "ni", "nntp",
	"pop", "pttp", "rsync", "rtmp", "rtsp", "rtsps", "rtspu", "scroll",
	"sftp", "sgnl", "shttp", "sip", "sips", "skype", "sms", "smtp", "smb",
	"snews", "ssb", "ssh", "steam", "stun", "svn", "swh", "tag",
	"teamspeak", "tel", "telnet", "text", "tftp", "tg", "tip", "tn3270",
	"tox", "turn", "udp", "urn", "view-source", "vnc", "wais", "webcal",
	"ws", "wss", "xmpp", NULL };

static bool
scheme_is_among(const char *const *schemes, const char *scheme)
{
	for (; *schemes != NULL; schemes++)
		if (strcmp(*schemes, scheme) == 0)
			return true;
	return false;
}

/* The scheme at the front of url in small letters; "" when it has none, cut
 * when it is longer than any. */
static void
scheme_read(struct slice url, char out[SCHEME_SIZE])
{
	struct slice name = SLICE(""), rest;
	size_t n = 0;

	if (uri_is_absolute(url))
		slice_cut(url, ':', &name, &rest);
	for (; n < name.len && n < SCHEME_SIZE - 1; n++) {
		uint8_t c = name.ptr[n];

		out[n] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	out[n] = '\0';
}

/* Whether the first segment of a relative link holds a colon (RFC 3986 4.2). */
static bool
scheme_has_colon(struct slice url)
{
	for (size_t i = 0; i < url.len; i++) {
		if (url.ptr[i] == ':')
			return true;
		if (slice_find(SLICE("/?#"), url.ptr[i], NULL))
			return false;
	}
	return false;
}

/* Those of links that name a host. */
static const char *const hosted[] = { "http", "https", "gopher", "gophers",
	"titan", "spartan", "finger", "ftp", "ftps", "guppy", "nex", "scroll",
	"ws", "wss", NULL };

/* Why a link of another scheme leads nowhere, or NULL. */
static const char *
scheme_fault(const char *scheme, struct slice url)
{
	struct slice ignored, rest;

	if (strcmp(scheme, "file") == 0)
		return "leads to a file on the reader's own computer";
	if (!scheme_is_among(hosted, scheme))
		return NULL;
	slice_cut(url, ':', &ignored, &rest);
	if (slice_starts(rest, SLICE("//")) && rest.len > 2 &&
	    !slice_find(SLICE("/?#:"), rest.ptr[2], NULL))
		return NULL;
	return "no host in the URI";
}

bool
lint_scheme(struct lint *l, const char *path, const struct gemtext_line *line)
{
	char scheme[SCHEME_SIZE];
	const char *near, *fault;

	scheme_read(line->url, scheme);
	if (scheme[0] == '\0' && scheme_has_colon(line->url))
		lint_link_add(l, "G036", path, line,
		    "clients take what precedes the colon for a scheme; begin "
		    "the URL with ./",
		    NULL);
	if (scheme[0] == '\0' || strcmp(scheme, "gemini") == 0)
		return true;
	if (!scheme_is_among(usual, scheme) &&
	    !scheme_is_among(others, scheme)) {
		near = word_nearest(scheme, usual);
		if (near != NULL)
			lint_link_add(l, "G016", path, line,
			    "misspelt scheme; did you mean ", near);
		else
			lint_link_add(
			    l, "G036", path, line, "unknown scheme ", scheme);
	}
	fault = scheme_fault(scheme, line->url);
	if (fault != NULL)
		lint_link_add(l, "G007", path, line, fault, NULL);
	else
		lint_link_list(l, path, line);
	return false;
}

enum {
	BLANK_MAX = 2,     /* lines in a row */
	WRAPPED_MIN = 3,   /* lines that make a broken paragraph */
	WRAPPED_FROM = 60, /* characters of such a line */
	WRAPPED_TO = 85,
};

struct lint_page {
	struct lint *l;
	const char *path;
	struct gemtext at;
	bool one_line;   /* fences of one line leave the last block open */
	unsigned opened; /* line of the last opening toggle */
	unsigned first;  /* line that is not blank; 0: none yet */
	unsigned title;  /* line of the first level-1 heading */
	unsigned titles;
	int level; /* of the last heading; 0: none yet */
	unsigned blank;
	unsigned wrapped;
	struct lint_markup markup;
};

/* "```ls```": meant to open and close a block on one line, which no line does
 * (Gemini hypertext format specification, "Preformatting toggle lines"). */
static bool
toggle_is_one_line(const struct gemtext_line *line)
{
	struct slice rest = slice_trim(line->raw);

	while (slice_starts(rest, SLICE("`")))
		rest = slice_skip(rest, 1);
	return line->kind == GEMTEXT_TOGGLE && rest.len > 0 &&
	       slice_ends(line->text, SLICE("```"));
}

/* Whether rest ends within a block; one_line: were its fences of one line
 * blocks of their own. */
static bool
page_ends_preformatted(struct slice rest, bool one_line)
{
	struct gemtext at = { .rest = rest };
	struct gemtext_line line;

	while (gemtext_next(&at, &line))
		if (one_line && at.preformatted && toggle_is_one_line(&line))
			at.preformatted = false;
	return at.preformatted;
}

static void
page_check_toggle(struct lint_page *p, const struct gemtext_line *line)
{
	bool one_line = toggle_is_one_line(line);

	/* Reading on as the author meant it, so that what follows is not
	 * reported for this line's fault. */
	if (p->one_line && p->at.preformatted && one_line) {
		p->at.preformatted = false;
		lint_add(p->l, "G021", p->path, line->number,
		    "this line opens a block and does not close it: its text "
		    "is hidden, and what follows is preformatted");
	} else if (one_line) {
		lint_add(p->l, "G037", p->path, line->number,
		    "this line only %s a block: its text is not shown",
		    p->at.preformatted ? "opens" : "closes");
	} else if (!p->at.preformatted && line->text.len > 0) {
		lint_add(p->l, "G022", p->path, line->number,
		    "text after the end of a preformatted block is not shown");
	} else if (p->at.preformatted && line->text.len == 0) {
		lint_add(p->l, "G023", p->path, line->number,
		    "preformatted block without a description");
	}
	if (p->at.preformatted)
		p->opened = line->number;
}

static void
page_check_title(struct lint_page *p, const struct gemtext_line *line)
{
	p->titles++;
	if (p->titles == 2)
		lint_add(p->l, "G027", p->path, line->number,
		    "a second level-1 heading; the first is on line %u",
		    p->title);
	if (p->titles > 1)
		return;
	p->title = line->number;
	if (p->first != line->number)
		lint_add(p->l, "G028", p->path, p->first,
		    "the title is only on line %u", p->title);
}

/* "####" and longer: a rule or a frame; it is not a level of the page. */
static bool
heading_is_row(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] != '#')
			return false;
	return s.len > 3;
}

static void
page_check_heading(struct lint_page *p, const struct gemtext_line *line)
{
	if (heading_is_row(slice_trim(line->raw))) {
		lint_add(p->l, "G024", p->path, line->number,
		    "a row of # is shown as a heading");
		return;
	}
	if (slice_starts(line->raw, SLICE("####")))
		lint_add(p->l, "G024", p->path, line->number,
		    "headings have three levels: the fourth # is shown");
	else if (line->text.len == 0)
		lint_add(p->l, "G030", p->path, line->number, "empty heading");
	if (line->level == 1)
		page_check_title(p, line);
	if (p->level > 0 && line->level > p->level + 1)
		lint_add(p->l, "G029", p->path, line->number,
		    "level %d heading after one of level %d", line->level,
		    p->level);
	p->level = line->level;
}

/* The length of the one of texts that s ends with, or 0. */
static size_t
line_ends_with(struct slice s, const char *const *texts)
{
	for (; *texts != NULL; texts++)
		if (slice_ends(s, slice_str(*texts)))
			return slice_str(*texts).len;
	return 0;
}

/* Whether text ends as sentences do, quotation marks and brackets aside. */
static bool
line_ends_sentence(struct slice s)
{
	static const char *const closers[] = { "\"", "'", ")", "]",
		"\xe2\x80\x9d", "\xe2\x80\x99", "\xc2\xbb", NULL };
	static const char *const ends[] = { ".", "!", "?", ":", "\xe2\x80\xa6",
		NULL };
	size_t n;

	while ((n = line_ends_with(s, closers)) > 0)
		s.len -= n;
	return line_ends_with(s, ends) > 0;
}

static bool
line_looks_wrapped(const struct gemtext_line *line)
{
	size_t n = 0;

	if (line->kind != GEMTEXT_TEXT || lint_markup_begins_row(line->text))
		return false;
	for (size_t i = 0; i < line->raw.len && n <= WRAPPED_TO; i++)
		n += (line->raw.ptr[i] & 0xc0) != 0x80;
	return n >= WRAPPED_FROM && n <= WRAPPED_TO &&
	       !line_ends_sentence(line->text);
}

/* Runs of lines: blank ones, and those that an editor seems to have broken. */
static void
page_check_runs(struct lint_page *p, const struct gemtext_line *line)
{
	bool blank = line->kind == GEMTEXT_TEXT && line->text.len == 0;

	p->blank = blank ? p->blank + 1 : 0;
	if (p->blank == BLANK_MAX + 1)
		lint_add(p->l, "G032", p->path, line->number,
		    "more than %d blank lines in a row", BLANK_MAX);
	p->wrapped = line_looks_wrapped(line) ? p->wrapped + 1 : 0;
	if (p->wrapped == WRAPPED_MIN)
		lint_add(p->l, "G031", p->path, line->number - WRAPPED_MIN + 1,
		    "hard-wrapped paragraph: clients wrap lines to the screen "
		    "themselves");
	if (!blank && p->first == 0)
		p->first = line->number;
}

static void
page_check_line(struct lint_page *p, const struct gemtext_line *line)
{
	page_check_runs(p, line);
	lint_markup(p->l, p->path, line, &p->markup);
	switch (line->kind) {
	case GEMTEXT_LINK:
		lint_link(p->l, p->path, line);
		break;
	case GEMTEXT_HEADING:
		page_check_heading(p, line);
		break;
	case GEMTEXT_TOGGLE:
		page_check_toggle(p, line);
		break;
	case GEMTEXT_TEXT:
	case GEMTEXT_ITEM:
	case GEMTEXT_QUOTE:
	case GEMTEXT_PREFORMATTED:
		break;
	}
}

void
lint_page(struct lint *l, const char *path, struct slice bytes)
{
	struct lint_page p = { .l = l, .path = path };
	struct gemtext_line line;
	unsigned matter;

	bytes_check(l, path, bytes);
	p.at.rest = bytes;
	/* The mark was reported; the line after it is not. */
	if (slice_starts(bytes, SLICE("\xef\xbb\xbf")))
		p.at.rest = slice_skip(bytes, 3);
	p.one_line = page_ends_preformatted(p.at.rest, false) &&
		     !page_ends_preformatted(p.at.rest, true);
	matter = lint_front_matter(p.at.rest);
	if (matter > 0)
		lint_add(l, "G026", path, 1,
		    "front matter is shown to readers: remove lines 1 to %u",
		    matter);
	while (gemtext_next(&p.at, &line))
		if (line.number > matter)
			page_check_line(&p, &line);
	if (p.at.preformatted)
		lint_add(
		    l, "G021", path, p.opened, "unclosed preformatted block");
	if (p.titles == 0)
		lint_add(l, "G027", path, 0, "no level-1 heading");
}
