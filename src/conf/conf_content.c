/* SPDX-License-Identifier: ISC */
#include "conf/conf_internal.h"

#include <string.h>

enum {
	REDIRECT_STEPS_MAX = 5,   /* clients follow no more */
	REDIRECT_PATH_MAX = 2048, /* bytes of a path on the way */
};

static void
text_over(struct conf_text *text, const struct conf_text *operators)
{
	if (operators->text != NULL)
		*text = *operators;
}

static void
list_over(struct conf_list *list, const struct conf_list *operators)
{
	if (operators->set)
		*list = *operators;
}

/* The elements of a, then those of b, in memory of their own, with the room
 * that arena_append counts on. */
static void *
joined(struct conf *c, const void *a, size_t n, const void *b, size_t m,
    size_t size)
{
	size_t room = 1;
	char *both;

	while (room < n + m)
		room *= 2;
	both = arena_alloc(c, room, size);
	if (both == NULL)
		return NULL;
	if (n > 0)
		memcpy(both, a, n * size);
	if (m > 0)
		memcpy(both + n * size, b, m * size);
	return both;
}

void
content_under(struct conf *c, struct conf_content *content,
    const struct conf_content *operators)
{
	const struct conf_content *o = operators;

	text_over(&content->title, &o->title);
	text_over(&content->lang, &o->lang);
	text_over(&content->charset, &o->charset);
	text_over(&content->feed, &o->feed);
	text_over(&content->copy, &o->copy);
	list_over(&content->index, &o->index);
	list_over(&content->order, &o->order);
	if (o->listing != CONF_UNSET)
		content->listing = o->listing;
	content->paths = joined(c, o->paths, o->n_paths, content->paths,
	    content->n_paths, sizeof(*content->paths));
	content->n_paths += o->n_paths;
	content->redirects =
	    joined(c, o->redirects, o->n_redirects, content->redirects,
		content->n_redirects, sizeof(*content->redirects));
	content->n_redirects += o->n_redirects;
	content->gone.item = joined(c, o->gone.item, o->gone.n,
	    content->gone.item, content->gone.n, sizeof(*o->gone.item));
	content->gone.n += o->gone.n;
	content->gone.set = content->gone.set || o->gone.set;
}

/* The bytes of a `from` that carry a rest, its '*' left out; 0: it carries
 * none. */
static size_t
redirect_carries(const char *from)
{
	size_t n = strlen(from);

	return n >= 2 && strcmp(from + n - 2, "/*") == 0 ? n - 1 : 0;
}

/* Appends the path of a target with its %XX decoded, up to query and fragment. */
static void
target_decode(struct buf *out, const char *to)
{
	for (; *to != '\0' && *to != '?' && *to != '#'; to++) {
		int high = *to == '%' ? hex_value((uint8_t)to[1]) : -1;
		int low = high < 0 ? -1 : hex_value((uint8_t)to[2]);

		if (low < 0) {
			(void)buf_byte(out, (uint8_t)*to);
			continue;
		}
		(void)buf_byte(out, (uint8_t)(high * 16 + low));
		to += 2;
	}
}

static bool
redirect_matches(const struct conf_redirect *d, struct slice path)
{
	size_t n = redirect_carries(d->from.text);

	if (n == 0)
		return slice_equal(path, slice_str(d->from.text));
	return slice_starts(path, slice_head(slice_str(d->from.text), n));
}

/* Where d leads from path; false: out of this capsule, or too far to follow. */
static bool
redirect_step(
    const struct conf_redirect *d, struct slice path, struct buf *next)
{
	const char *to = d->to.text;
	size_t n = redirect_carries(d->from.text);

	if (to[0] != '/')
		return false;
	buf_reset(next);
	target_decode(next, to);
	if (n == 0 || next->len == 0)
		return !next->failed;
	if (next->ptr[next->len - 1] == '*')
		buf_truncate(next, next->len - 1);
	else if (next->ptr[next->len - 1] != '/')
		(void)buf_byte(next, '/');
	return buf_put(next, slice_skip(path, n)) && !next->failed;
}

static const struct conf_redirect *
redirect_find(const struct conf_content *content, struct slice path)
{
	for (size_t i = 0; i < content->n_redirects; i++) {
		const struct conf_redirect *d = &content->redirects[i];

		if (d->from.text != NULL && d->to.text != NULL &&
		    redirect_matches(d, path))
			return d;
	}
	return NULL;
}

/* Walks from a path that d matches as a client would. */
static bool
redirect_ends(const struct conf_content *content, const struct conf_redirect *d)
{
	uint8_t memory[2][REDIRECT_PATH_MAX];
	struct buf paths[2];
	struct slice path = slice_str(d->from.text);

	buf_wrap(&paths[0], memory[0], sizeof(memory[0]));
	buf_wrap(&paths[1], memory[1], sizeof(memory[1]));
	for (unsigned step = 0; step < REDIRECT_STEPS_MAX; step++) {
		if (!redirect_step(d, path, &paths[step % 2]))
			return true;
		path = buf_view(&paths[step % 2]);
		d = redirect_find(content, path);
		if (d == NULL)
			return true;
	}
	return false;
}

static bool
is_gemini(const char *to)
{
	struct slice scheme, rest;

	return slice_cut(slice_str(to), ':', &scheme, &rest) &&
	       slice_equal_nocase(scheme, SLICE("gemini"));
}

void
check_redirects(const struct conf_content *content, struct report *r)
{
	for (size_t i = 0; i < content->n_redirects; i++) {
		const struct conf_redirect *d = &content->redirects[i];

		if (d->from.text == NULL || d->to.text == NULL)
			continue;
		if (d->to.text[0] != '/' && !is_gemini(d->to.text) &&
		    check_target(slice_str(d->to.text)) == NULL)
			report_add(r, REPORT_WARNING, d->to.file, d->to.line,
			    "redirects.to: clients do not follow \"%s\" out "
			    "of gemini",
			    d->to.text);
		if (!redirect_ends(content, d))
			text_error(r, &d->from,
			    "redirects.from: \"%s\" leads in a circle, or "
			    "over more than %d redirects",
			    d->from.text, REDIRECT_STEPS_MAX);
	}
}
