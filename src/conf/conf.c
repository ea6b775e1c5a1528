/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf_internal.h"

struct chunk {
	struct chunk *next;
	max_align_t data[];
};

struct arena {
	struct chunk *chunks;
	struct place *places; /* one for each row of the table */
	bool is_short;
	bool is_unread;
};

static struct arena *
arena_of(const struct conf *c)
{
	return c->arena;
}

void *
arena_alloc(struct conf *c, size_t n, size_t size)
{
	struct arena *a = arena_of(c);
	struct chunk *chunk = NULL;

	if (n <= (PTRDIFF_MAX - sizeof(*chunk)) / size)
		chunk = calloc(1, sizeof(*chunk) + n * size);
	if (chunk == NULL) {
		a->is_short = true;
		return NULL;
	}
	chunk->next = a->chunks;
	a->chunks = chunk;
	return chunk->data;
}

void *
arena_append(struct conf *c, void *old, size_t n, size_t size)
{
	void *grown;

	/* Room doubles whenever the number reaches a power of two. */
	if (n != 0 && (n & (n - 1)) != 0)
		return old;
	grown = arena_alloc(c, n == 0 ? 1 : n * 2, size);
	if (grown != NULL && n != 0)
		memcpy(grown, old, n * size);
	return grown;
}

char *
arena_text(struct conf *c, struct slice text)
{
	char *copy = arena_alloc(c, text.len + 1, 1);

	if (copy != NULL && text.len > 0)
		memcpy(copy, text.ptr, text.len);
	return copy;
}

struct place *
arena_place(const struct conf *c, const struct option *o)
{
	size_t n;

	return &arena_of(c)->places[o - options_all(&n)];
}

bool
arena_short(const struct conf *c)
{
	return arena_of(c)->is_short;
}

void
conf_unread(struct conf *c)
{
	arena_of(c)->is_unread = true;
}

bool
conf_is_unread(const struct conf *c)
{
	return arena_of(c)->is_unread;
}

static void
arena_free(struct arena *a)
{
	struct chunk *next;

	for (struct chunk *chunk = a->chunks; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(a);
}

/* The one place where the table's offsets become pointers. */
void *
option_field(const struct option *o, const void *base)
{
	return (char *)base + o->offset;
}

void
option_prefix(const struct option *o, char prefix[OPTION_NAME_MAX])
{
	int n = snprintf(prefix, OPTION_NAME_MAX, "%s.", o->name);

	assert(n > 0 && n < OPTION_NAME_MAX);
}

static size_t *
element_number(const struct option *o, const void *base)
{
	return (void *)((char *)base + o->count);
}

size_t
element_count(const struct option *o, const void *base)
{
	return *element_number(o, base);
}

void *
element_at(const struct option *o, const void *base, size_t i)
{
	void *first;

	/* Each list of groups is a pointer to a struct of its own, and all of
	 * those pointers look alike in memory. */
	memcpy(&first, option_field(o, base), sizeof(first));
	return first == NULL ? NULL : (char *)first + i * o->size;
}

void *
element_add(struct conf *c, const struct option *o, void *base)
{
	size_t *n = element_number(o, base);
	void *first = arena_append(c, element_at(o, base, 0), *n, o->size);
	char prefix[OPTION_NAME_MAX];
	struct conf_content *content;
	void *element;

	if (first == NULL)
		return NULL;
	memcpy(option_field(o, base), &first, sizeof(first));
	element = element_at(o, base, (*n)++);
	option_prefix(o, prefix);
	conf_defaults(c, prefix, o->places, element);
	content = element_content(o, element);
	if (content != NULL)
		conf_defaults(c, "", OPTION_CAPSULE, content);
	return element;
}

struct conf_content *
element_content(const struct option *o, void *element)
{
	if (strcmp(o->name, "capsules") != 0)
		return NULL;
	return &((struct conf_capsule *)element)->content;
}

void
conf_defaults(struct conf *c, const char *prefix, unsigned place, void *base)
{
	const struct option *o = NULL;
	char inner[OPTION_NAME_MAX];

	while ((o = option_next(o, prefix, place)) != NULL) {
		if (o->type == OPTION_GROUP) {
			option_prefix(o, inner);
			conf_defaults(c, inner, place, option_field(o, base));
		} else if (o->type == OPTION_SWITCH) {
			/* Unset must stay visible: capsule.conf may set it. */
			*(int *)option_field(o, base) = CONF_UNSET;
		} else if (o->fallback != NULL) {
			read_fallback(c, o, base);
		}
	}
}

struct conf *
conf_new(void)
{
	struct conf *c = calloc(1, sizeof(*c));
	struct arena *a = calloc(1, sizeof(*a));
	size_t n;

	(void)options_all(&n);
	if (c == NULL || a == NULL) {
		free(c);
		free(a);
		return NULL;
	}
	c->arena = a;
	a->places = arena_alloc(c, n, sizeof(*a->places));
	if (a->places != NULL)
		conf_defaults(c, "", OPTION_OPERATOR, c);
	if (arena_short(c))
		conf_free(&c);
	return c;
}

void
conf_free(struct conf **c)
{
	if (*c == NULL)
		return;
	arena_free(arena_of(*c));
	free(*c);
	*c = NULL;
}

static bool
field_set(struct conf *c, struct conf_text *field, struct slice text)
{
	char *copy = arena_text(c, text);

	if (copy == NULL)
		return false;
	*field = (struct conf_text){ .text = copy };
	return true;
}

bool
conf_set_text(struct conf *c, struct conf_text *field, const char *text)
{
	return field_set(c, field, slice_str(text));
}

bool
conf_set_dir(struct conf *c, struct conf_text *field, const char *dir)
{
	struct slice bare = slice_str(dir);

	while (bare.len > 1 && slice_ends(bare, SLICE("/")))
		bare.len--;
	return field_set(c, field, bare);
}

bool
conf_list_add(struct conf *c, struct conf_list *list, const char *text)
{
	struct conf_text *items;

	/* The command line's first word replaces what the file or the table
	 * said; its further words are added. */
	if (!list->set || (list->n > 0 && list->item[0].file != NULL))
		*list = (struct conf_list){ 0 };
	items = arena_append(c, list->item, list->n, sizeof(*items));
	if (items == NULL)
		return false;
	list->item = items;
	if (!conf_set_text(c, &items[list->n], text))
		return false;
	list->n++;
	list->set = true;
	return true;
}

struct conf_capsule *
conf_add_capsule(struct conf *c)
{
	struct conf_capsule *capsule =
	    element_add(c, option_find("capsules"), c);

	return arena_short(c) ? NULL : capsule;
}

char *
path_beside(struct conf *c, const char *file, const char *path)
{
	const char *slash = file == NULL ? NULL : strrchr(file, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - file) + 1;
	char *beside;

	if (path[0] == '/' || n == 0)
		return arena_text(c, slice_str(path));
	beside = arena_alloc(c, n + strlen(path) + 1, 1);
	if (beside == NULL)
		return NULL;
	memcpy(beside, file, n);
	memcpy(beside + n, path, strlen(path));
	return beside;
}

char *
path_absolute(struct conf *c, const char *file, const char *path)
{
	char *beside = path_beside(c, file, path);
	char here[PATH_MAX + 1];

	if (beside == NULL || beside[0] == '/')
		return beside;
	/* Without a working directory the path stays as it was written. */
	if (getcwd(here, sizeof(here) - 1) == NULL)
		return beside;
	memcpy(here + strlen(here), "/", sizeof("/"));
	return path_beside(c, here, beside);
}

static void
text_override(struct conf_text *text, const struct conf_text *operators)
{
	if (operators->text != NULL)
		*text = *operators;
}

static void
list_override(struct conf_list *list, const struct conf_list *operators)
{
	if (operators->set)
		*list = *operators;
}

/* The elements of a, then those of b, in memory of their own, with the room
 * that arena_append counts on. */
static void *
arena_join(struct conf *c, const void *a, size_t n, const void *b, size_t m,
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

	text_override(&content->title, &o->title);
	text_override(&content->origin, &o->origin);
	text_override(&content->lang, &o->lang);
	text_override(&content->charset, &o->charset);
	text_override(&content->feed, &o->feed);
	text_override(&content->copy, &o->copy);
	list_override(&content->index, &o->index);
	list_override(&content->order, &o->order);
	if (o->listing != CONF_UNSET)
		content->listing = o->listing;
	content->paths = arena_join(c, o->paths, o->n_paths, content->paths,
	    content->n_paths, sizeof(*content->paths));
	content->n_paths += o->n_paths;
	content->redirects =
	    arena_join(c, o->redirects, o->n_redirects, content->redirects,
		content->n_redirects, sizeof(*content->redirects));
	content->n_redirects += o->n_redirects;
	content->gone.item = arena_join(c, o->gone.item, o->gone.n,
	    content->gone.item, content->gone.n, sizeof(*o->gone.item));
	content->gone.n += o->gone.n;
	content->gone.set = content->gone.set || o->gone.set;
}
