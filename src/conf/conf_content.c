/* SPDX-License-Identifier: ISC */
#include "conf/conf_internal.h"

#include <string.h>

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
