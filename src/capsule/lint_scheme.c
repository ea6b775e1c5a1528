/* SPDX-License-Identifier: ISC */
/* The schemes of links (spec.md 4.1.5). */
#include <string.h>

#include "capsule/lint_internal.h"
#include "conf/options.h"

enum { SCHEME_SIZE = 32 };

static const char *const known[] = { "gemini", "http", "https", "gopher",
	"gophers", "mailto", "titan", "spartan", "finger", "ftp", "ftps",
	"sftp", "tel", "sms", "irc", "ircs", "xmpp", "sip", "sips", "matrix",
	"magnet", "data", "nex", "guppy", "scroll", "misfin", "text", "news",
	"nntp", "ssh", "telnet", "git", "rtsp", "geo", "urn", "doi", "ipfs",
	"ipns", "bitcoin", "monero", "acct", "webcal", NULL };

static bool
is_known(const char *scheme)
{
	for (size_t i = 0; known[i] != NULL; i++)
		if (strcmp(known[i], scheme) == 0)
			return true;
	return false;
}

/* The scheme at the front of url in small letters; "" when it has none, cut
 * when it is longer than any. */
static void
read_scheme(struct slice url, char out[SCHEME_SIZE])
{
	struct slice name = SLICE(""), rest;
	size_t n = 0;

	if (uri_is_absolute(url))
		(void)slice_cut(url, ':', &name, &rest);
	for (; n < name.len && n < SCHEME_SIZE - 1; n++) {
		uint8_t c = name.ptr[n];

		out[n] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	out[n] = '\0';
}

bool
lint_scheme(struct lint *l, const char *path, const struct gemtext_line *line)
{
	char scheme[SCHEME_SIZE];
	const char *near;

	read_scheme(line->url, scheme);
	if (scheme[0] == '\0' || strcmp(scheme, "gemini") == 0)
		return true;
	near = is_known(scheme) ? NULL : word_nearest(scheme, known);
	if (near != NULL)
		lint_link_add(l, "G016", path, line,
		    "the scheme is misspelt; did you mean ", near);
	else if (!is_known(scheme))
		lint_link_add(
		    l, "G036", path, line, "nobody knows the scheme ", scheme);
	lint_link_list(l, path, line);
	return false;
}
