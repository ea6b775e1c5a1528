/* SPDX-License-Identifier: ISC */
#include "archive/links.h"

#include <string.h>

#include "capsule/policy.h"
#include "proto/gemtext.h"
#include "proto/uri.h"

enum { GEMINI_PORT = 1965, NAME_MAX_BYTES = 256 };

/* A walk through all pages. */
struct walk {
	const struct links_place *place;
	char host[HOSTNAME_SIZE]; /* the origin's */
	int port;
	struct buf bytes; /* of one page */
	link_handler *handle;
	void *arg;
};

static int
links_port_of(const struct uri *u)
{
	return u->port == -1 ? GEMINI_PORT : u->port;
}

static bool
links_is_origin(const struct walk *w, const struct uri *u)
{
	char host[HOSTNAME_SIZE];

	return links_port_of(u) == w->port &&
	       hostname_canonical(u->host, host) != HOSTNAME_BAD &&
	       strcmp(host, w->host) == 0;
}

/* The first entry that does not stand before path in byte order. */
static size_t
links_place_of(const struct manifest *m, const char *path)
{
	size_t low = 0, high = m->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(m->entry[middle].path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct manifest_entry *
links_find(const struct manifest *m, const char *path)
{
	size_t i = links_place_of(m, path);

	return i < m->n && strcmp(m->entry[i].path, path) == 0 ? &m->entry[i]
							       : NULL;
}

/* Whether files are listed whose paths begin with prefix. */
static bool
has_prefix(const struct manifest *m, const char *prefix)
{
	size_t i = links_place_of(m, prefix);

	return i < m->n &&
	       strncmp(m->entry[i].path, prefix, strlen(prefix)) == 0;
}

/* The page that a directory is answered with; directory is "" or ends in '/'. */
static const struct manifest_entry *
index_of(const struct links_place *p, const char *directory)
{
	char memory[REQUEST_URI_MAX + 2 + NAME_MAX_BYTES];
	const struct manifest_entry *entry = NULL;
	const char *index;
	struct buf path;

	for (size_t i = 0; entry == NULL; i++) {
		index = host_index(p->host, i);
		if (index == NULL)
			break;
		buf_wrap(&path, memory, sizeof(memory) - 1);
		if (buf_str(&path, directory) && buf_str(&path, index))
			entry = links_find(p->list, buf_cstr(&path));
	}
	return entry;
}

/* What lies under mirror/ is in no list, yet in every release. */
static bool
links_is_made(const char *path)
{
	for (size_t i = 0; i < MIRROR_MADE; i++)
		if (strcmp(path, mirror_made[i]) == 0)
			return true;
	return false;
}

/* path: decoded, with its first slash. */
static enum links_end
end_at(const struct links_place *p, const char *path,
    const struct manifest_entry **entry)
{
	const char *name = path + 1;
	char directory[REQUEST_URI_MAX + 3];
	struct buf text;
	bool slash = path[strlen(path) - 1] == '/';

	*entry = slash ? index_of(p, name) : links_find(p->list, name);
	if (*entry != NULL)
		return LINKS_FILE;
	if (links_is_made(name))
		return LINKS_MADE;
	/* A directory without its slash is answered with the way to it. */
	buf_wrap(&text, directory, sizeof(directory) - 1);
	if (!buf_str(&text, name) || (!slash && !buf_byte(&text, '/')) ||
	    !has_prefix(p->list, buf_cstr(&text)))
		return LINKS_NOWHERE;
	*entry = index_of(p, directory);
	if (*entry != NULL)
		return LINKS_FILE;
	/* Settings are for the path with its slash in front. */
	buf_reset(&text);
	(void)buf_byte(&text, '/');
	(void)buf_str(&text, name);
	if (!slash)
		(void)buf_byte(&text, '/');
	return !text.failed && policy_listing(p->host, buf_cstr(&text))
		   ? LINKS_LISTING
		   : LINKS_NOWHERE;
}

/* Follows a reference on the page at base (a URL), and then the redirects of
 * capsule.conf. False when it leads out of the capsule. */
static bool
links_follow(const struct walk *w, struct slice base, struct slice reference,
    struct link *out)
{
	uint8_t memory[2][REQUEST_URI_MAX], meta_memory[RESPONSE_META_MAX];
	struct uri from, u;
	struct uri_path path;
	struct buf line, meta;
	const char *why;

	out->end = LINKS_NOWHERE;
	buf_wrap(&meta, meta_memory, sizeof(meta_memory));
	for (int i = 0; i <= LINKS_REDIRECTS_MAX; i++) {
		buf_wrap(&line, memory[i % 2], sizeof(memory[0]));
		if (uri_parse(base, &from, &why) != URI_OK)
			return false;
		if (!uri_resolve(&from, reference, &line) ||
		    uri_parse(buf_view(&line), &u, &why) != URI_OK ||
		    !links_is_origin(w, &u))
			return false;
		if (uri_path_normalise(u.path, &path) != URI_PATH_OK)
			return true;
		buf_reset(&meta);
		switch (policy_decide(w->place->host, &path, &u, &meta)) {
		case STATUS_NONE:
			out->end = end_at(w->place, path.decoded, &out->entry);
			return true;
		case STATUS_REDIRECT:
		case STATUS_REDIRECT_PERMANENT:
			break;
		default:
			return true;
		}
		base = buf_view(&line);
		reference = buf_view(&meta);
	}
	return true;
}

/* Whether a reference names a host of its own. */
static bool
is_absolute(struct slice url)
{
	return uri_is_absolute(url) || slice_starts(url, SLICE("//"));
}

static void
links_look_at(const struct walk *w, const char *page, struct slice text)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct gemtext g = { .rest = text };
	struct gemtext_line line;
	struct buf base;

	buf_wrap(&base, memory, sizeof(memory));
	if (!manifest_url(w->place->list->origin, page, &base))
		return;
	while (gemtext_next(&g, &line)) {
		struct link link = { .page = page,
			.line = line.number,
			.url = line.url,
			.absolute = is_absolute(line.url) };

		if (line.kind == GEMTEXT_LINK && line.url.len > 0 &&
		    links_follow(w, buf_view(&base), line.url, &link))
			w->handle(w->arg, &link);
	}
}

static bool
links_take_origin(struct walk *w)
{
	const char *why;
	struct uri u;

	if (uri_parse(slice_str(w->place->list->origin), &u, &why) != URI_OK)
		return false;
	w->port = links_port_of(&u);
	return hostname_canonical(u.host, w->host) != HOSTNAME_BAD;
}

bool
links_each(const struct links_place *p, link_handler *handle, void *arg)
{
	struct walk w = { .place = p, .handle = handle, .arg = arg };
	bool ok = true;

	if (!links_take_origin(&w))
		return false;
	buf_init(&w.bytes, LINKS_PAGE_MAX);
	for (size_t i = 0; i < p->pages->n; i++) {
		const struct inventory_item *item = &p->pages->item[i];

		if (!item->page || item->size > LINKS_PAGE_MAX)
			continue;
		buf_reset(&w.bytes);
		if (inventory_load(p->host, item->path, &w.bytes))
			links_look_at(&w, item->path, buf_view(&w.bytes));
		else
			ok = false;
	}
	buf_fini(&w.bytes);
	return ok;
}

enum status
links_policy(const struct host *h, const char *path)
{
	uint8_t memory[REQUEST_URI_MAX], meta_memory[RESPONSE_META_MAX];
	const struct uri u = { .port = -1 };
	struct uri_path normal;
	struct buf text, meta;

	buf_wrap(&text, memory, sizeof(memory));
	buf_wrap(&meta, meta_memory, sizeof(meta_memory));
	if (!buf_byte(&text, '/') ||
	    !uri_encode(&text, slice_str(path), true) ||
	    uri_path_normalise(buf_view(&text), &normal) != URI_PATH_OK)
		return STATUS_NOT_FOUND;
	return policy_decide(h, &normal, &u, &meta);
}
