/* SPDX-License-Identifier: ISC */
#include "util/secret.h"

enum {
	BODY_LINE_MIN = 32,   /* an Ed25519 key, the shortest, has 64 in one */
	SIGNIFY_MIN = 130,    /* 104 bytes in base64 are 140 */
	HEADER_LINES_MAX = 8, /* Proc-Type, DEK-Info, a blank line */
};

static bool
line_is_base64(struct slice s)
{
	size_t i;
	uint8_t c;

	for (i = 0; i < s.len; i++) {
		c = s.ptr[i];
		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
		    !(c >= '0' && c <= '9') && c != '+' && c != '/' && c != '=')
			return false;
	}
	return s.len > 0;
}

/* "-----BEGIN EC PRIVATE KEY-----", with any algorithm or none. */
static bool
line_is_pem_begin(struct slice line)
{
	return slice_starts(line, SLICE("-----BEGIN ")) &&
	       (slice_ends(line, SLICE("PRIVATE KEY-----")) ||
		   slice_ends(line, SLICE("PRIVATE KEY BLOCK-----")));
}

/* Whether a key's body follows, after headers if there are any. */
static bool
pem_body_follows(struct slice rest)
{
	struct slice line;
	int i;

	for (i = 0; i < HEADER_LINES_MAX && slice_line(&rest, &line); i++) {
		line = slice_trim(line);
		if (line.len >= BODY_LINE_MIN && line_is_base64(line))
			return true;
		if (line.len > 0 && !slice_find(line, ':', NULL))
			return false;
	}
	return false;
}

/* "EdBK" in base64: an Ed25519 secret key, its passphrase by bcrypt. */
static bool
line_is_signify_secret(struct slice line)
{
	return line.len >= SIGNIFY_MIN && slice_starts(line, SLICE("RWRCS")) &&
	       line_is_base64(line);
}

bool
secret_spotted(struct slice bytes)
{
	struct slice line;

	while (slice_line(&bytes, &line)) {
		line = slice_trim(line);
		if (line_is_signify_secret(line))
			return true;
		if (line_is_pem_begin(line) && pem_body_follows(bytes))
			return true;
	}
	return false;
}
