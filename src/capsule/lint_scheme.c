/* SPDX-License-Identifier: ISC */
/* The schemes of links (spec.md 4.1.5). */
#include <string.h>

#include "capsule/lint_internal.h"
#include "conf/options.h"

enum { SCHEME_SIZE = 32 };

/* What capsules link to: a word that is nearly one of these is misspelt. */
static const char *const usual[] = { "gemini", "http", "https", "gopher",
	"mailto", "titan", "spartan", "finger", NULL };

/* What else there is, after the registry of schemes at IANA: those of links that
 * somebody might write, and all that look like a usual one. */
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
is_among(const char *const *schemes, const char *scheme)
{
	for (; *schemes != NULL; schemes++)
		if (strcmp(*schemes, scheme) == 0)
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

/* Whether the first segment of a relative link holds a colon (RFC 3986 4.2). */
static bool
has_colon(struct slice url)
{
	for (size_t i = 0; i < url.len; i++) {
		if (url.ptr[i] == ':')
			return true;
		if (slice_find(SLICE("/?#"), url.ptr[i], NULL))
			return false;
	}
	return false;
}

bool
lint_scheme(struct lint *l, const char *path, const struct gemtext_line *line)
{
	char scheme[SCHEME_SIZE];
	const char *near;

	read_scheme(line->url, scheme);
	if (scheme[0] == '\0' && has_colon(line->url))
		lint_link_add(l, "G036", path, line,
		    "clients look for a scheme in front of the colon; begin "
		    "it with ./",
		    NULL);
	if (scheme[0] == '\0' || strcmp(scheme, "gemini") == 0)
		return true;
	if (!is_among(usual, scheme) && !is_among(others, scheme)) {
		near = word_nearest(scheme, usual);
		if (near != NULL)
			lint_link_add(l, "G016", path, line,
			    "the scheme is misspelt; did you mean ", near);
		else
			lint_link_add(l, "G036", path, line,
			    "nobody knows the scheme ", scheme);
	}
	lint_link_list(l, path, line);
	return false;
}
