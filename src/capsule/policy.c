/* SPDX-License-Identifier: ISC */
#include "capsule/policy.h"

#include <assert.h>
#include <string.h>

#include "util/glob.h"

static bool
is_gone(const struct conf_list *gone, const char *path)
{
	size_t i;

	for (i = 0; i < gone->n; i++)
		if (strcmp(gone->item[i].text, path) == 0 ||
		    glob_match(gone->item[i].text, path))
			return true;
	return false;
}

/* What lies behind a prefix of the decoded path, still encoded: both forms
 * have the same segments, so it begins behind as many slashes. False when the
 * encoded form was too long to be kept. */
static bool
encoded_rest(
    const struct uri_path *path, struct slice prefix, struct slice *rest)
{
	size_t i;
	size_t at;

	*rest = slice_of(path->encoded, path->encoded_len);
	for (i = 0; i < prefix.len; i++) {
		if (prefix.ptr[i] != '/')
			continue;
		if (!slice_find(*rest, '/', &at))
			return false;
		*rest = slice_skip(*rest, at + 1);
	}
	return true;
}

/* Whether a redirect is about this path; *prefix is then what goes before the
 * rest, and empty when there is none to carry. */
static bool
from_matches(
    const char *from, const struct uri_path *path, struct slice *prefix)
{
	struct slice text = slice_str(from);

	*prefix = SLICE("");
	if (!slice_ends(text, SLICE("/*")))
		return strcmp(from, path->decoded) == 0;
	*prefix = slice_head(text, text.len - 1);
	return slice_starts(
	    slice_of(path->decoded, path->decoded_len), *prefix);
}

/* Appends what an operator wrote, with whatever may not stand in a URI
 * percent-encoded. */
static bool
put_safe(struct buf *out, struct slice s)
{
	size_t i;
	uint8_t c;

	for (i = 0; i < s.len; i++) {
		c = s.ptr[i];
		if (!(c <= ' ' || c >= 0x7f ? buf_printf(out, "%%%02X", c)
					    : buf_byte(out, c)))
			return false;
	}
	return true;
}

/* The target's path, the rest in its place: at a final '*', else behind one
 * '/', before the target's own query. */
static bool
put_with_rest(struct buf *out, struct slice to, struct slice rest)
{
	struct slice before = to;
	struct slice query;
	size_t at;

	if (slice_ends(to, SLICE("*")))
		return put_safe(out, slice_head(to, to.len - 1)) &&
		       buf_put(out, rest);
	if (slice_find(to, '?', &at))
		before = slice_head(to, at);
	query = slice_skip(to, before.len);
	return put_safe(out, before) &&
	       (slice_ends(before, SLICE("/")) || buf_byte(out, '/')) &&
	       buf_put(out, rest) && put_safe(out, query);
}

static bool
put_target(struct buf *out, const char *text, const struct slice *rest,
    const struct uri *uri)
{
	struct slice to = slice_str(text);
	struct slice ignored;

	/* A redirect should have no fragment (Gemini protocol specification,
	 * "Redirection"). */
	(void)slice_cut(to, '#', &to, &ignored);
	/* Two slashes would name another host (RFC 3986 4.2), and a client's
	 * rest alone could name another scheme. */
	while (slice_starts(to, SLICE("//")))
		to = slice_skip(to, 1);
	if (rest != NULL && slice_equal(to, SLICE("*")) && !buf_byte(out, '/'))
		return false;
	if (!(rest == NULL ? put_safe(out, to) : put_with_rest(out, to, *rest)))
		return false;
	return !uri->has_query || slice_find(to, '?', NULL) ||
	       (buf_byte(out, '?') && uri_encode_query(out, uri->query));
}

/* Whether a target is just what was asked for: to say so would be a loop. */
static bool
is_itself(struct slice target, const struct uri_path *path)
{
	struct slice ignored;

	(void)slice_cut(target, '?', &target, &ignored);
	return path->encoded_len > 0 &&
	       slice_equal(target, slice_of(path->encoded, path->encoded_len));
}

static enum status
answer_with(enum status status, struct buf *meta)
{
	(void)buf_str(meta, status_text(status));
	return status;
}

/* The status of one redirect for a path; STATUS_NONE when it does not apply. */
static enum status
try_redirect(const struct conf_redirect *redirect, const struct uri_path *path,
    const struct uri *uri, struct buf *meta)
{
	uint8_t bytes[RESPONSE_META_MAX];
	struct slice prefix;
	struct slice rest;
	struct buf target;

	if (!from_matches(redirect->from.text, path, &prefix))
		return STATUS_NONE;
	buf_wrap(&target, bytes, sizeof(bytes));
	if ((prefix.len > 0 && !encoded_rest(path, prefix, &rest)) ||
	    !put_target(
		&target, redirect->to.text, prefix.len > 0 ? &rest : NULL, uri))
		return answer_with(STATUS_NOT_FOUND, meta);
	if (target.len == 0 || is_itself(buf_view(&target), path))
		return STATUS_NONE;
	if (!buf_put(meta, buf_view(&target)))
		return answer_with(STATUS_NOT_FOUND, meta);
	return redirect->permanent ? STATUS_REDIRECT_PERMANENT
				   : STATUS_REDIRECT;
}

enum status
policy_decide(const struct host *h, const struct uri_path *path,
    const struct uri *uri, struct buf *meta)
{
	enum status status;
	size_t i;

	if (is_gone(&h->content.gone, path->decoded))
		return answer_with(STATUS_GONE, meta);
	for (i = 0; i < h->content.n_redirects; i++) {
		status =
		    try_redirect(&h->content.redirects[i], path, uri, meta);
		if (status != STATUS_NONE)
			return status;
	}
	return STATUS_NONE;
}

/* A field of struct conf_path by its offset: the first glob's that says
 * something, else fallback. */
static struct slice
path_text(const struct host *h, const char *path, size_t field,
    const struct conf_text *fallback)
{
	const struct conf_text *text = fallback;
	size_t i;

	for (i = 0; i < h->content.n_paths; i++) {
		const struct conf_path *p = &h->content.paths[i];
		const struct conf_text *own =
		    (const struct conf_text *)(const void *)((const char *)p +
							     field);

		if (own->text != NULL && glob_match(p->glob.text, path)) {
			text = own;
			break;
		}
	}
	return text == NULL || text->text == NULL ? SLICE("")
						  : slice_str(text->text);
}

struct slice
policy_lang(const struct host *h, const char *path)
{
	return path_text(
	    h, path, offsetof(struct conf_path, lang), &h->content.lang);
}

struct slice
policy_charset(const struct host *h, const char *path)
{
	return path_text(
	    h, path, offsetof(struct conf_path, charset), &h->content.charset);
}

struct slice
policy_type(const struct host *h, const char *path)
{
	return path_text(h, path, offsetof(struct conf_path, type), NULL);
}

bool
policy_listing(const struct host *h, const char *path)
{
	size_t i;

	for (i = 0; i < h->content.n_paths; i++) {
		const struct conf_path *p = &h->content.paths[i];

		if (p->listing != CONF_UNSET && glob_match(p->glob.text, path))
			return p->listing != 0;
	}
	return h->content.listing == 1;
}
