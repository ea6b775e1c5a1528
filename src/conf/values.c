/* SPDX-License-Identifier: ISC */
/* Why the text of an option is invalid: the checks that the table names. */
#include <string.h>

#include "conf/conf_internal.h"
#include "util/glob.h"
#include "util/network.h"

enum {
	META_PART_MAX = 255, /* of a type, lang or charset: they share 1,024 */
	META_MAX = 1024,     /* as RESPONSE_META_MAX */
};

static bool
check_is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool
check_is_alnum(uint8_t c)
{
	return check_is_letter(c) || (c >= '0' && c <= '9');
}

/* RFC 2045 5.1: what may stand unquoted in a media type. */
static bool
text_is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!check_is_alnum(s.ptr[i]) &&
		    (s.ptr[i] == '\0' ||
			strchr("!#$%&'*+-.^_`{|}~", s.ptr[i]) == NULL))
			return false;
	return s.len > 0;
}

static bool
text_has_control(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return true;
	return false;
}

const char *
check_filled(struct slice text)
{
	return text.len == 0 ? "must not be empty" : NULL;
}

const char *
check_line(struct slice text)
{
	return text_has_control(text) ? "contains a control character" : NULL;
}

const char *
check_suites(struct slice text)
{
	if (text.len == 0)
		return "must not be empty";
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f)
			return "not a list of cipher suites separated by ':'";
	return NULL;
}

const char *
check_network(struct slice text)
{
	struct network ignored;

	return network_parse(text, &ignored) ? NULL
					     : "not an address or ADDRESS/BITS";
}

const char *
check_extension(struct slice text)
{
	if (slice_starts(text, SLICE(".")))
		text = slice_skip(text, 1);
	if (text.len == 0)
		return "must not be empty";
	if (slice_find(text, '.', NULL))
		return "contains a dot: only what follows a name's last "
		       "dot counts";
	return slice_find(text, '/', NULL) || text_has_control(text)
		   ? "contains '/' or a control character"
		   : NULL;
}

/* "; name=value" as often as one likes: a lone ';' and a parameter without '='
 * make clients fail. */
static bool
text_is_parameters(struct slice text)
{
	struct slice one, name, value;
	bool more;

	do {
		more = slice_cut(text, ';', &one, &text);
		if (!slice_cut(slice_trim(one), '=', &name, &value) ||
		    !text_is_token(name) || value.len == 0)
			return false;
		for (size_t i = 0; i < value.len; i++)
			if (value.ptr[i] < ' ' || value.ptr[i] >= 0x7f)
				return false;
	} while (more);
	return true;
}

const char *
check_media_type(struct slice text)
{
	struct slice type, subtype, parameters;

	if (text.len <= META_PART_MAX &&
	    slice_cut(text, '/', &type, &subtype) && text_is_token(type)) {
		bool more = slice_cut(subtype, ';', &subtype, &parameters);

		if (text_is_token(subtype) &&
		    (!more || text_is_parameters(parameters)))
			return NULL;
	}
	return "not a media type such as text/plain";
}

const char *
check_media_type_or_none(struct slice text)
{
	return text.len == 0 ? NULL : check_media_type(text);
}

const char *
check_hidden(struct slice text)
{
	if (!slice_starts(text, SLICE(".")))
		return "does not begin with a dot, so it is never hidden";
	if (slice_equal(text, SLICE(".")) || slice_equal(text, SLICE("..")) ||
	    slice_find(text, '/', NULL))
		return "not a file name";
	return NULL;
}

/* BCP 47 in outline: letters first, then parts of up to eight. */
static bool
text_is_tag(struct slice tag)
{
	struct slice part;
	bool first = true, more;

	do {
		more = slice_cut(tag, '-', &part, &tag);
		if (part.len == 0 || part.len > 8)
			return false;
		for (size_t i = 0; i < part.len; i++)
			if (first ? !check_is_letter(part.ptr[i])
				  : !check_is_alnum(part.ptr[i]))
				return false;
		first = false;
	} while (more);
	return true;
}

const char *
check_lang(struct slice text)
{
	static const char wrong[] =
	    "not a list of language tags such as \"en\" or \"az,en-GB\"";
	struct slice tag;
	bool more;

	if (text.len == 0)
		return NULL;
	if (text.len > META_PART_MAX)
		return wrong;
	do {
		more = slice_cut(text, ',', &tag, &text);
		if (!text_is_tag(tag))
			return wrong;
	} while (more);
	return NULL;
}

bool
lang_suggest(struct slice text, struct buf *out)
{
	size_t start = out->len;
	bool skip = false;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		skip = c != ',' && (skip || c == '.' || c == '@');
		if (!skip && (c != ' ' || i == 0 || text.ptr[i - 1] != ','))
			buf_byte(out, c == '_' ? '-' : c);
	}
	text = slice_skip(buf_view(out), start);
	return !out->failed && text.len > 1 && check_lang(text) == NULL;
}

const char *
check_charset(struct slice text)
{
	if (text.len == 0)
		return NULL;
	return !text_is_token(text) || text.len > META_PART_MAX
		   ? "not the name of a character set"
		   : NULL;
}

const char *
check_name(struct slice text)
{
	if (text.len == 0)
		return "must not be empty";
	return slice_find(text, '/', NULL) || slice_equal(text, SLICE(".")) ||
		       slice_equal(text, SLICE(".."))
		   ? "not a file name"
		   : NULL;
}

/* What is before the first wildcard is only compared. */
static const char *
check_glob_length(struct slice text)
{
	size_t at = 0;

	_Static_assert(GLOB_MAX == 255, "the text below");
	while (at < text.len && strchr(GLOB_SPECIALS, text.ptr[at]) == NULL)
		at++;
	return text.len - at > GLOB_MAX
		   ? "longer than 255 bytes, from its first wildcard on"
		   : NULL;
}

const char *
check_glob(struct slice text)
{
	if (!slice_starts(text, SLICE("/")) && !slice_starts(text, SLICE("*")))
		return "must begin with '/' or '*'";
	return check_glob_length(text);
}

const char *
check_from(struct slice text)
{
	size_t star;

	if (!slice_starts(text, SLICE("/")))
		return "must begin with '/'";
	if (slice_find(text, '*', &star) &&
	    (star != text.len - 1 || !slice_ends(text, SLICE("/*"))))
		return "'*' is only allowed at the end, after '/'";
	return NULL;
}

/* Whether it begins with a URI's scheme (RFC 3986 3.1). */
static bool
text_has_scheme(struct slice text)
{
	struct slice scheme, rest;

	if (!slice_cut(text, ':', &scheme, &rest) || scheme.len == 0 ||
	    !check_is_letter(scheme.ptr[0]))
		return false;
	for (size_t i = 0; i < scheme.len; i++)
		if (!check_is_alnum(scheme.ptr[i]) &&
		    memchr("+-.", scheme.ptr[i], 3) == NULL)
			return false;
	return true;
}

/* Whether a URL has a host that is followed by something (RFC 3986 3.2): else
 * what is appended becomes the host, or a part of it. */
static bool
url_host_ends(struct slice url)
{
	struct slice scheme, rest;

	slice_cut(url, ':', &scheme, &rest);
	if (!slice_starts(rest, SLICE("//")))
		return false;
	rest = slice_skip(rest, 2);
	for (size_t i = 0; i < rest.len; i++)
		if (memchr("/?#", rest.ptr[i], 3) != NULL)
			return i > 0 && rest.ptr[i - 1] != '@';
	return false;
}

const char *
check_target(struct slice text)
{
	if (slice_starts(text, SLICE("//")))
		return "must not begin with \"//\", which names another host";
	if (!slice_starts(text, SLICE("/")) && !text_has_scheme(text))
		return "neither a path that begins with '/' nor a URL";
	if (text_has_control(text))
		return "contains a control character";
	if (text.len > META_MAX)
		return "too long for a response header";
	return !slice_starts(text, SLICE("/")) &&
		       slice_ends(text, SLICE("*")) && !url_host_ends(text)
		   ? "'*' could name another host: write '/' before '*'"
		   : NULL;
}

const char *
check_gone(struct slice text)
{
	if (!slice_starts(text, SLICE("/")))
		return "must begin with '/'";
	return check_glob_length(text);
}

/* A file's path beneath the root, as on the disk. */
const char *
check_file(struct slice text)
{
	struct slice part, rest = text;
	bool more;

	if (text.len == 0)
		return "must not be empty";
	if (text.ptr[0] == '/')
		return "must not begin with '/': paths are relative to the "
		       "root";
	do {
		more = slice_cut(rest, '/', &part, &rest);
		if (slice_equal(part, SLICE("..")))
			return "must not lead out of the root";
	} while (more);
	return NULL;
}

/* Its last label has a letter: else it is an address. */
static bool
text_is_host_name(struct slice text)
{
	bool letters = false;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if (!check_is_alnum(c) && c < 0x80 && c != '-' && c != '_' &&
		    c != '.')
			return false;
		if (c == '.' && i + 1 < text.len)
			letters = false;
		else if (check_is_letter(c) || c >= 0x80)
			letters = true;
	}
	return letters && text.ptr[0] != '.';
}

const char *
check_origin(struct slice text)
{
	const struct slice scheme = SLICE("gemini://");
	const char *wrong = "not gemini://HOST or gemini://HOST:PORT";
	struct slice host, port;
	uint64_t number;

	if (text.len <= scheme.len ||
	    !slice_equal_nocase(slice_head(text, scheme.len), scheme))
		return wrong;
	text = slice_skip(text, scheme.len);
	if (slice_ends(text, SLICE("/")))
		text = slice_head(text, text.len - 1);
	if (slice_cut(text, ':', &host, &port) &&
	    (!slice_number(port, 65535, &number) || number == 0))
		return wrong;
	return text_is_host_name(host) ? NULL : wrong;
}
