/* SPDX-License-Identifier: ISC */
#include "client/target.h"

#include <assert.h>
#include <string.h>

/* Longer than any URI we send: there is room to see that it is too long. */
enum { TARGET_TEXT_MAX = 4 * REQUEST_URI_MAX };

static const char scheme[] = "gemini://";

bool
target_root(const char *host, unsigned port, struct buf *out)
{
	bool v6 = strchr(host, ':') != NULL;

	return buf_printf(out, v6 ? "%s[%s]" : "%s%s", scheme, host) &&
	       (port == TARGET_PORT || buf_printf(out, ":%u", port));
}

/* Text as it goes over the wire; false when it does not fit. */
static bool
target_write(struct target *t, const struct uri *u)
{
	struct buf out;

	buf_wrap(&out, t->uri, sizeof(t->uri) - 1);
	target_root(t->host, t->port, &out);
	if (u->path.len == 0)
		buf_byte(&out, '/');
	uri_encode_query(&out, u->path);
	if (u->has_query)
		buf_byte(&out, '?');
	if (u->has_query)
		uri_encode_query(&out, u->query);
	t->uri[out.len] = '\0';
	return !out.failed;
}

static enum target_result
target_take(struct slice text, struct target *out, struct why *why)
{
	const char *wrong = "";
	enum hostname_kind kind;
	struct slice fragment;
	struct target t;
	struct uri u;

	slice_cut(text, '#', &text, &fragment);
	switch (uri_parse(text, &u, &wrong)) {
	case URI_OTHER_SCHEME:
		return TARGET_OTHER_SCHEME;
	case URI_BAD:
		why_set(why, "invalid URL: %s", wrong);
		return TARGET_BAD;
	case URI_OK:
		break;
	}
	kind = hostname_canonical(u.host, t.host);
	if (kind == HOSTNAME_BAD) {
		why_set(why, "invalid host name");
		return TARGET_BAD;
	}
	t.is_address = kind != HOSTNAME_NAME;
	t.port = u.port < 0 ? TARGET_PORT : (unsigned)u.port;
	if (!target_write(&t, &u)) {
		why_set(why, "the URL is longer than 1024 bytes");
		return TARGET_BAD;
	}
	*out = t;
	return TARGET_OK;
}

enum target_result
target_parse(struct slice text, struct target *out, struct why *why)
{
	uint8_t memory[TARGET_TEXT_MAX];
	struct slice part;
	struct buf whole;

	text = slice_trim(text);
	buf_wrap(&whole, memory, sizeof(memory));
	if (text.len < 4 || memmem(text.ptr, text.len, "://", 3) == NULL)
		buf_str(&whole, scheme);
	while (slice_cut(text, ' ', &part, &text)) {
		buf_put(&whole, part);
		buf_str(&whole, "%20");
	}
	buf_put(&whole, part);
	if (!whole.failed)
		return target_take(buf_view(&whole), out, why);
	why_set(why, "the URL is longer than 1024 bytes");
	return TARGET_BAD;
}

enum target_result
target_follow(const struct target *from, struct slice reference,
    struct target *out, struct why *why)
{
	uint8_t memory[TARGET_TEXT_MAX];
	struct slice protocol, rest;
	struct buf whole;
	const char *wrong;
	struct uri base;
	enum uri_result sane;

	sane = uri_parse(slice_str(from->uri), &base, &wrong);
	assert(sane == URI_OK);
	buf_wrap(&whole, memory, sizeof(memory));
	if (!uri_resolve(&base, reference, &whole)) {
		why_set(why, "the redirect's target is too long");
		return TARGET_BAD;
	}
	slice_cut(buf_view(&whole), ':', &protocol, &rest);
	if (!slice_equal_nocase(protocol, SLICE("gemini")))
		return TARGET_OTHER_SCHEME;
	return target_take(buf_view(&whole), out, why);
}

static bool
target_is_unreserved(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~", c) != NULL);
}

bool
target_answer(struct target *t, struct slice answer)
{
	char uri[sizeof(t->uri)];
	struct slice before, query;
	struct buf out;

	slice_cut(slice_str(t->uri), '?', &before, &query);
	buf_wrap(&out, uri, sizeof(uri) - 1);
	buf_put(&out, before);
	buf_byte(&out, '?');
	for (size_t i = 0; i < answer.len; i++) {
		if (target_is_unreserved(answer.ptr[i]))
			buf_byte(&out, answer.ptr[i]);
		else
			buf_printf(&out, "%%%02X", answer.ptr[i]);
	}
	if (out.failed)
		return false;
	uri[out.len] = '\0';
	memcpy(t->uri, uri, sizeof(uri));
	return true;
}

bool
target_place(const struct target *t, struct buf *out)
{
	return strchr(t->host, ':') != NULL
		   ? buf_printf(out, "[%s]:%u", t->host, t->port)
		   : buf_printf(out, "%s:%u", t->host, t->port);
}
