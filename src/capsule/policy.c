/* SPDX-License-Identifier: ISC */
#include "capsule/policy.h"

#include <stdlib.h>
#include <string.h>

#include "conf/options.h"
#include "util/glob.h"

static bool
path_is_gone(const struct conf_list *gone, const char *path)
{
	size_t i;

	for (i = 0; i < gone->n; i++)
		if (strcmp(gone->item[i].text, path) == 0 ||
		    glob_match(gone->item[i].text, path))
			return true;
	return false;
}

/* What follows a prefix of the decoded path, still encoded: both forms
 * have the same segments, so it begins after as many slashes. False when the
 * encoded form was too long to be kept. */
static bool
path_encoded_rest(
    const struct uri_path *path, struct slice prefix, struct slice *rest)
{
	size_t i;
	size_t at;

	*rest = slice_of(path->encoded, path->encoded_len);
	/* The directory of the prefix, without its slash. */
	if (path->decoded_len < prefix.len) {
		*rest = SLICE("");
		return true;
	}
	for (i = 0; i < prefix.len; i++) {
		if (prefix.ptr[i] != '/')
			continue;
		if (!slice_find(*rest, '/', &at))
			return false;
		*rest = slice_skip(*rest, at + 1);
	}
	return true;
}

/* The empty text when there is none: its lack was reported. */
static struct slice
text_slice(const struct conf_text *t)
{
	return t->text == NULL ? SLICE("") : slice_str(t->text);
}

bool
policy_carries_rest(const struct conf_redirect *redirect)
{
	return slice_ends(text_slice(&redirect->from), SLICE("/*"));
}

/* What stands before the rest, and is empty when there is none to carry. */
static struct slice
redirect_prefix(const struct conf_redirect *redirect)
{
	struct slice from = text_slice(&redirect->from);

	return policy_carries_rest(redirect) ? slice_head(from, from.len - 1)
					     : SLICE("");
}

static bool
redirect_is_filled(const struct conf_redirect *redirect)
{
	return redirect->from.text != NULL && redirect->to.text != NULL;
}

/* The text of redirects.from, measured: up to a final '*', if it has one. */
struct from {
	const char *text;
	size_t len;
	bool carries_rest;
};

static struct from
redirect_from(const struct conf_redirect *redirect)
{
	struct slice from = text_slice(&redirect->from);
	bool carries = policy_carries_rest(redirect);

	if (!redirect_is_filled(redirect))
		return (struct from){ "", 0, false };
	return (
	    struct from){ redirect->from.text, from.len - carries, carries };
}

/* A prefix matches its directory without the slash, too. */
static bool
from_matches(const struct from *from, const struct uri_path *path)
{
	size_t len = path->decoded_len;

	if (from->carries_rest ? len + 1 < from->len : len != from->len)
		return false;
	return memcmp(from->text, path->decoded,
		   len < from->len ? len : from->len) == 0;
}

static bool
redirect_matches(
    const struct conf_redirect *redirect, const struct uri_path *path)
{
	const struct from from = redirect_from(redirect);

	return from_matches(&from, path);
}

/* Appends what an operator wrote, with whatever may not stand in a URI
 * percent-encoded. */
static bool
target_put_safe(struct buf *out, struct slice s)
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

/* The target's path, the rest in its place: at a final '*', else after one
 * '/', before the target's own query. */
static bool
target_put_rest(struct buf *out, struct slice to, struct slice rest)
{
	struct slice before = to;
	struct slice query;
	size_t at;

	if (slice_ends(to, SLICE("*")))
		return target_put_safe(out, slice_head(to, to.len - 1)) &&
		       buf_put(out, rest);
	if (slice_find(to, '?', &at))
		before = slice_head(to, at);
	query = slice_skip(to, before.len);
	return target_put_safe(out, before) &&
	       (slice_ends(before, SLICE("/")) || buf_byte(out, '/')) &&
	       buf_put(out, rest) && target_put_safe(out, query);
}

/* Where a redirect that matches path leads. */
static bool
target_put(struct buf *out, const struct conf_redirect *redirect,
    const struct uri_path *path, const struct uri *uri)
{
	struct slice prefix = redirect_prefix(redirect);
	struct slice to = slice_str(redirect->to.text);
	struct slice rest, ignored;
	bool carries = prefix.len > 0;

	if (carries && !path_encoded_rest(path, prefix, &rest))
		return false;
	/* A redirect should have no fragment (Gemini protocol specification,
	 * "Redirection"). */
	slice_cut(to, '#', &to, &ignored);
	/* Two slashes would name another host (RFC 3986 4.2), and a client's
	 * rest alone could name another scheme. */
	while (slice_starts(to, SLICE("//")))
		to = slice_skip(to, 1);
	if (carries && slice_equal(to, SLICE("*")) && !buf_byte(out, '/'))
		return false;
	if (!(carries ? target_put_rest(out, to, rest)
		      : target_put_safe(out, to)))
		return false;
	return !uri->has_query || slice_find(to, '?', NULL) ||
	       (buf_byte(out, '?') && uri_encode_query(out, uri->query));
}

/* Whether a target is the request itself: that would be a loop. */
static bool
target_is_itself(struct slice target, const struct uri_path *path)
{
	struct slice ignored;

	slice_cut(target, '?', &target, &ignored);
	return path->encoded_len > 0 &&
	       slice_equal(target, slice_of(path->encoded, path->encoded_len));
}

static enum status
policy_answer(enum status status, struct buf *meta)
{
	buf_str(meta, status_text(status));
	return status;
}

enum status
policy_redirect(const struct conf_redirect *redirect,
    const struct uri_path *path, const struct uri *uri, struct buf *meta)
{
	uint8_t bytes[RESPONSE_META_MAX];
	struct buf target;

	if (!redirect_matches(redirect, path))
		return STATUS_NONE;
	buf_wrap(&target, bytes, sizeof(bytes));
	if (!target_put(&target, redirect, path, uri))
		return policy_answer(STATUS_NOT_FOUND, meta);
	if (target.len == 0 || target_is_itself(buf_view(&target), path))
		return STATUS_NONE;
	if (!buf_put(meta, buf_view(&target)))
		return policy_answer(STATUS_NOT_FOUND, meta);
	return redirect->permanent ? STATUS_REDIRECT_PERMANENT
				   : STATUS_REDIRECT;
}

enum status
policy_decide(const struct host *h, const struct uri_path *path,
    const struct uri *uri, struct buf *meta)
{
	enum status status;
	size_t i;

	if (path_is_gone(&h->content.gone, path->decoded))
		return policy_answer(STATUS_GONE, meta);
	for (i = 0; i < h->content.n_redirects; i++) {
		status =
		    policy_redirect(&h->content.redirects[i], path, uri, meta);
		if (status != STATUS_NONE)
			return status;
	}
	return STATUS_NONE;
}

bool
policy_redirect_path(const struct conf_redirect *redirect, const char *rest,
    struct uri_path *out)
{
	struct slice prefix = redirect_prefix(redirect);
	uint8_t memory[REQUEST_URI_MAX];
	struct buf text;

	if (redirect->from.text == NULL)
		return false;
	if (prefix.len == 0) {
		prefix = slice_str(redirect->from.text);
		rest = "";
	}
	buf_wrap(&text, memory, sizeof(memory));
	return uri_encode(&text, prefix, true) && buf_str(&text, rest) &&
	       uri_path_normalise(buf_view(&text), out) == URI_PATH_OK;
}

/* All redirects of a capsule, each measured once: where all are compared with
 * all, that takes most of the time. */
struct redirects {
	const struct conf_content *content;
	struct from *from;
};

static const struct conf_redirect *
redirect_find(const struct redirects *all, const struct uri_path *path)
{
	for (size_t i = 0; i < all->content->n_redirects; i++)
		if (from_matches(&all->from[i], path))
			return &all->content->redirects[i];
	return NULL;
}

/* Follows redirects as a client would, from a path that the first matches:
 * with this rest, if it carries one. */
static bool
redirect_ends(const struct redirects *all, const struct conf_redirect *redirect,
    const char *rest)
{
	const struct uri no_query = { .port = -1 };
	uint8_t memory[RESPONSE_META_MAX];
	struct uri_path path;
	struct slice target, query;
	struct buf text;

	if (!policy_redirect_path(redirect, rest, &path))
		return true;
	for (int i = 0; i < STATUS_REDIRECTS_MAX && redirect != NULL; i++) {
		buf_wrap(&text, memory, sizeof(memory));
		if (!target_put(&text, redirect, &path, &no_query))
			return true;
		slice_cut(buf_view(&text), '?', &target, &query);
		if (!slice_starts(target, SLICE("/")) ||
		    uri_path_normalise(target, &path) != URI_PATH_OK)
			return true;
		redirect = redirect_find(all, &path);
	}
	return redirect == NULL;
}

/* Warns of a URL that clients do not follow; an invalid target was reported. */
static void
target_check(const struct conf_text *t, struct report *r)
{
	struct slice to = slice_str(t->text), scheme, rest;
	const char *why;
	struct uri uri;

	if (option_find("redirects.to")->check(to) != NULL ||
	    !uri_is_absolute(to))
		return;
	slice_cut(to, ':', &scheme, &rest);
	if (!slice_equal_nocase(scheme, SLICE("gemini"))) {
		report_add(r, REPORT_WARNING, t->file, t->line,
		    "redirects.to: \"%s\" is not a gemini URL: clients do not "
		    "follow it",
		    t->text);
		return;
	}
	slice_cut(to, '#', &to, &rest); /* a fragment is left out */
	if (uri_parse(to, &uri, &why) == URI_BAD)
		report_add(r, REPORT_WARNING, t->file, t->line,
		    "redirects.to: \"%s\" is not a valid gemini URL (%s): "
		    "clients do not follow it",
		    t->text, why);
}

static void
redirect_check(const struct redirects *all, const struct conf_redirect *d,
    struct report *r)
{
	target_check(&d->to, r);
	/* "*" stands for any rest: it is encoded as itself. */
	if (redirect_ends(all, d, "*") && redirect_ends(all, d, ""))
		return;
	report_add(r, REPORT_ERROR, d->from.file, d->from.line,
	    "redirects.from: \"%s\" leads in a circle, or over more than %d "
	    "redirects",
	    d->from.text, (int)STATUS_REDIRECTS_MAX);
}

bool
policy_check_content(const struct conf_content *content, struct report *r)
{
	size_t before = r->errors, n = content->n_redirects;
	struct redirects all = {
		.content = content,
		.from = n == 0 ? NULL : calloc(n, sizeof(*all.from)),
	};

	if (n > 0 && all.from == NULL) {
		report_add(r, REPORT_ERROR, content->redirects[0].from.file, 0,
		    "out of memory");
		return false;
	}
	for (size_t i = 0; i < n; i++)
		all.from[i] = redirect_from(&content->redirects[i]);
	for (size_t i = 0; i < n; i++)
		if (redirect_is_filled(&content->redirects[i]))
			redirect_check(&all, &content->redirects[i], r);
	free(all.from);
	return r->errors == before;
}

bool
policy_check(const struct conf *conf, struct report *r)
{
	size_t before = r->errors;

	for (size_t i = 0; i < conf->n_capsules; i++)
		policy_check_content(&conf->capsules[i].content, r);
	return r->errors == before;
}

static bool
path_matches(const struct conf_path *p, const char *path)
{
	return p->glob.text != NULL && glob_match(p->glob.text, path);
}

/* A field of struct conf_path by its offset: the first glob's that has
 * something, else fallback. */
static struct slice
policy_path_text(const struct host *h, const char *path, size_t field,
    const struct conf_text *fallback)
{
	const struct conf_text *text = fallback;
	size_t i;

	for (i = 0; i < h->content.n_paths; i++) {
		const struct conf_path *p = &h->content.paths[i];
		const struct conf_text *own =
		    (const struct conf_text *)(const void *)((const char *)p +
							     field);

		if (own->text != NULL && path_matches(p, path)) {
			text = own;
			break;
		}
	}
	return text == NULL ? SLICE("") : text_slice(text);
}

struct slice
policy_lang(const struct host *h, const char *path)
{
	return policy_path_text(
	    h, path, offsetof(struct conf_path, lang), &h->content.lang);
}

struct slice
policy_charset(const struct host *h, const char *path)
{
	return policy_path_text(
	    h, path, offsetof(struct conf_path, charset), &h->content.charset);
}

struct slice
policy_type(const struct host *h, const char *path)
{
	return policy_path_text(
	    h, path, offsetof(struct conf_path, type), NULL);
}

bool
policy_listing(const struct host *h, const char *path)
{
	size_t i;

	for (i = 0; i < h->content.n_paths; i++) {
		const struct conf_path *p = &h->content.paths[i];

		if (p->listing != CONF_UNSET && path_matches(p, path))
			return p->listing != 0;
	}
	return h->content.listing == 1;
}
