/* SPDX-License-Identifier: ISC */
#include "conf/conf_internal.h"

#include <arpa/inet.h>
#include <string.h>

#include "util/glob.h"

enum {
	META_PART_MAX = 255, /* of a type, lang or charset: they share 1,024 */
	META_MAX = 1024,     /* as RESPONSE_META_MAX */
};

static bool
is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool
is_alnum(uint8_t c)
{
	return is_letter(c) || (c >= '0' && c <= '9');
}

/* RFC 2045 5.1: what may stand unquoted in a media type. */
static bool
is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum(s.ptr[i]) &&
		    (s.ptr[i] == '\0' ||
			strchr("!#$%&'*+-.^_`{|}~", s.ptr[i]) == NULL))
			return false;
	return s.len > 0;
}

static bool
has_control(struct slice s)
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
	return has_control(text) ? "contains a control character" : NULL;
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
	static const char wrong[] = "not an address or ADDRESS/BITS";
	uint8_t address[16];
	char name[INET6_ADDRSTRLEN] = "";
	struct slice bits;
	bool has_bits = slice_cut(text, '/', &text, &bits);
	uint64_t n, max;

	if (text.len >= sizeof(name))
		return wrong;
	memcpy(name, text.ptr, text.len);
	if (inet_pton(AF_INET, name, address) == 1)
		max = 32;
	else if (inet_pton(AF_INET6, name, address) == 1)
		max = 128;
	else
		return wrong;
	return has_bits && !slice_number(bits, max, &n) ? wrong : NULL;
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
	return slice_find(text, '/', NULL) || has_control(text)
		   ? "contains '/' or a control character"
		   : NULL;
}

/* "; name=value" as often as one likes: a lone ';' and a parameter without '='
 * make clients fail. */
static bool
is_parameters(struct slice text)
{
	struct slice one, name, value;
	bool more;

	do {
		more = slice_cut(text, ';', &one, &text);
		if (!slice_cut(slice_trim(one), '=', &name, &value) ||
		    !is_token(name) || value.len == 0)
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
	    slice_cut(text, '/', &type, &subtype) && is_token(type)) {
		bool more = slice_cut(subtype, ';', &subtype, &parameters);

		if (is_token(subtype) && (!more || is_parameters(parameters)))
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
is_tag(struct slice tag)
{
	struct slice part;
	bool first = true, more;

	do {
		more = slice_cut(tag, '-', &part, &tag);
		if (part.len == 0 || part.len > 8)
			return false;
		for (size_t i = 0; i < part.len; i++)
			if (first ? !is_letter(part.ptr[i])
				  : !is_alnum(part.ptr[i]))
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
		if (!is_tag(tag))
			return wrong;
	} while (more);
	return NULL;
}

const char *
check_charset(struct slice text)
{
	if (text.len == 0)
		return NULL;
	return !is_token(text) || text.len > META_PART_MAX
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

static const char glob_too_long[] = "longer than 255 bytes";
_Static_assert(GLOB_MAX == 255, "the text above");

const char *
check_glob(struct slice text)
{
	if (!slice_starts(text, SLICE("/")) && !slice_starts(text, SLICE("*")))
		return "must begin with '/' or '*'";
	return text.len > GLOB_MAX ? glob_too_long : NULL;
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

/* Whether a URI's scheme stands in front (RFC 3986 3.1). */
static bool
has_scheme(struct slice text)
{
	struct slice scheme, rest;

	if (!slice_cut(text, ':', &scheme, &rest) || scheme.len == 0 ||
	    !is_letter(scheme.ptr[0]))
		return false;
	for (size_t i = 0; i < scheme.len; i++)
		if (!is_alnum(scheme.ptr[i]) &&
		    memchr("+-.", scheme.ptr[i], 3) == NULL)
			return false;
	return true;
}

const char *
check_target(struct slice text)
{
	if (slice_starts(text, SLICE("//")))
		return "must not begin with \"//\", which names another host";
	if (!slice_starts(text, SLICE("/")) && !has_scheme(text))
		return "neither a path that begins with '/' nor a URL";
	if (has_control(text))
		return "contains a control character";
	return text.len > META_MAX ? "too long for a response header" : NULL;
}

const char *
check_gone(struct slice text)
{
	bool glob = slice_find(text, '*', NULL) ||
		    slice_find(text, '?', NULL) ||
		    slice_find(text, '[', NULL) || slice_find(text, '\\', NULL);

	if (!slice_starts(text, SLICE("/")))
		return "must begin with '/'";
	return glob && text.len > GLOB_MAX ? glob_too_long : NULL;
}

/* A file's path beneath the root, as it lies on the disk. */
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
