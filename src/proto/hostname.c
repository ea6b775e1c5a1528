/* SPDX-License-Identifier: ISC */
#include "proto/hostname.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>

enum {
	HOSTNAME_LABEL_MAX = 63,
	/* The longest spelling that is looked at: more than a name of 253
	 * bytes needs as raw UTF-8, and than a request line can hold. */
	HOSTNAME_RAW_MAX = 1024,
};

/* Digits, letters, hyphen, underscore: with the dots nothing else is in a
 * canonical name, so that it may stand in a file name or a log. */
static int
byte_is_of_name(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c | 0x20;
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	    c == '_')
		return c;
	return -1;
}

static enum hostname_kind
hostname_canonical_ipv4(char *out)
{
	struct in_addr address;

	return inet_pton(AF_INET, out, &address) == 1 ? HOSTNAME_IPV4
						      : HOSTNAME_NAME;
}

/* The path of every request: allocates nothing, looks at each byte once. */
static enum hostname_kind
hostname_canonical_ascii(struct slice name, char *out)
{
	size_t label = 0;
	bool digits = true;

	if (slice_ends(name, SLICE(".")))
		name.len--;
	if (name.len == 0 || name.len > HOSTNAME_MAX)
		return HOSTNAME_BAD;
	for (size_t i = 0; i < name.len; i++) {
		int c = name.ptr[i] == '.' ? '.' : byte_is_of_name(name.ptr[i]);

		if (c == -1 || (c == '.' && label == 0))
			return HOSTNAME_BAD;
		label = c == '.' ? 0 : label + 1;
		if (label > HOSTNAME_LABEL_MAX)
			return HOSTNAME_BAD;
		digits = digits && (c == '.' || (c >= '0' && c <= '9'));
		out[i] = (char)c;
	}
	if (label == 0)
		return HOSTNAME_BAD;
	out[name.len] = '\0';
	return digits ? hostname_canonical_ipv4(out) : HOSTNAME_NAME;
}

static enum hostname_kind
hostname_canonical_ipv6(struct slice text, char *out)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr address;

	_Static_assert(INET6_ADDRSTRLEN <= HOSTNAME_SIZE, "an address fits");
	if (text.len == 0 || text.len >= sizeof(copy) ||
	    slice_find(text, '\0', NULL))
		return HOSTNAME_BAD;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET6, copy, &address) != 1 ||
	    inet_ntop(AF_INET6, &address, out, HOSTNAME_SIZE) == NULL)
		return HOSTNAME_BAD;
	return HOSTNAME_IPV6;
}

/* Percent-decodes raw into a C string; false on a malformed escape, a NUL or
 * too much of it. */
static bool
hostname_decode(struct slice raw, char out[HOSTNAME_RAW_MAX + 1])
{
	size_t len = 0;

	for (size_t i = 0; i < raw.len; i++) {
		int c = raw.ptr[i];

		if (c == '%') {
			int high, low;

			if (raw.len - i < 3)
				return false;
			high = hex_value(raw.ptr[i + 1]);
			low = hex_value(raw.ptr[i + 2]);
			if (high == -1 || low == -1)
				return false;
			c = high * 16 + low;
			i += 2;
		}
		if (c == '\0' || len == HOSTNAME_RAW_MAX)
			return false;
		out[len++] = (char)c;
	}
	out[len] = '\0';
	return true;
}

/* Names with escapes or beyond ASCII. */
static enum hostname_kind
hostname_canonical_unicode(struct slice raw, char *out)
{
	const int flags = IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL;
	char name[HOSTNAME_RAW_MAX + 1];
	char *ascii = NULL;
	enum hostname_kind kind = HOSTNAME_BAD;

	if (!hostname_decode(raw, name) || !slice_utf8(slice_str(name)))
		return HOSTNAME_BAD;
	/* What comes back is checked like any other name: the mappings of
	 * IDNA can produce '/', ':' and empty labels. */
	if (idn2_to_ascii_8z(name, &ascii, flags) == IDN2_OK)
		kind = hostname_canonical_ascii(slice_str(ascii), out);
	idn2_free(ascii);
	return kind;
}

static bool
hostname_is_plain(struct slice raw)
{
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.ptr[i] >= 0x80 || raw.ptr[i] == '%')
			return false;
	}
	return true;
}

enum hostname_kind
hostname_canonical(struct slice raw, char out[HOSTNAME_SIZE])
{
	enum hostname_kind kind;

	if (slice_starts(raw, SLICE("[")))
		kind = slice_ends(raw, SLICE("]"))
			   ? hostname_canonical_ipv6(
				 slice_of(raw.ptr + 1, raw.len - 2), out)
			   : HOSTNAME_BAD;
	else if (slice_find(raw, ':', NULL))
		kind = hostname_canonical_ipv6(raw, out);
	else if (hostname_is_plain(raw))
		kind = hostname_canonical_ascii(raw, out);
	else
		kind = hostname_canonical_unicode(raw, out);
	if (kind == HOSTNAME_BAD)
		out[0] = '\0';
	return kind;
}

/* Whether text is only another spelling of canonical. */
static bool
hostname_same_name(const char *text, const char *canonical)
{
	char again[HOSTNAME_SIZE];

	return hostname_canonical(slice_str(text), again) == HOSTNAME_NAME &&
	       !strcmp(again, canonical);
}

bool
hostname_display(const char *canonical, char *out, size_t size)
{
	const char *shown = canonical;
	char *unicode = NULL;
	size_t len;

	/* A label that decodes to something that would not have been encoded
	 * so (a control, a capital) is shown as it is. */
	if (strstr(canonical, "xn--") != NULL &&
	    idn2_to_unicode_8z8z(canonical, &unicode, IDN2_NONTRANSITIONAL) ==
		IDN2_OK &&
	    hostname_same_name(unicode, canonical))
		shown = unicode;
	len = strlen(shown);
	if (len < size)
		memcpy(out, shown, len + 1);
	idn2_free(unicode);
	return len < size;
}
