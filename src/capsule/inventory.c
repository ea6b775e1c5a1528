/* SPDX-License-Identifier: ISC */
#include "capsule/inventory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capsule/inventory_internal.h"
#include "capsule/mime_table.h"
#include "capsule/policy.h"
#include "capsule/resolve.h"
#include "os/file.h"

bool
path_asked_for(const char *path, struct uri_path *out)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	return buf_byte(&text, '/') &&
	       uri_encode(&text, slice_str(path), true) &&
	       uri_path_normalise(buf_view(&text), out) == URI_PATH_OK;
}

/* What is said of a path before any file is looked for. */
static enum status
decide(const struct host *h, const struct uri_path *path)
{
	const struct uri uri = { .port = -1 };
	uint8_t memory[RESPONSE_META_MAX];
	struct buf meta;

	buf_wrap(&meta, memory, sizeof(memory));
	return policy_decide(h, path, &uri, &meta);
}

/* Whether a request for path is answered with the file at wanted. */
static bool
sends(const struct host *h, const struct uri_path *path, const char *wanted)
{
	struct resolution found;

	if (resolve(h, path, &found) != RESOLVED_FILE)
		return false;
	(void)close(found.fd);
	return strcmp(found.path, wanted) == 0;
}

/* The path of the directory that holds a file. */
static void
cut_name(struct uri_path *path)
{
	while (path->decoded[path->decoded_len - 1] != '/')
		path->decoded_len--;
	path->decoded[path->decoded_len] = '\0';
	while (path->encoded_len > 0 &&
	       path->encoded[path->encoded_len - 1] != '/')
		path->encoded_len--;
	path->encoded[path->encoded_len] = '\0';
}

/* Whether visitors get the file: at its own path, or, when that is redirected,
 * as the index page of its directory. */
static bool
is_served(const struct host *h, const char *file, const struct uri_path *path)
{
	struct uri_path directory;

	switch (decide(h, path)) {
	case STATUS_NONE:
		return sends(h, path, file);
	case STATUS_REDIRECT:
	case STATUS_REDIRECT_PERMANENT:
		directory = *path;
		cut_name(&directory);
		return decide(h, &directory) == STATUS_NONE &&
		       sends(h, &directory, file);
	default:
		return false;
	}
}

/* path begins with '/'. */
static bool
is_page(const struct host *h, const char *path)
{
	struct slice type = policy_type(h, path);
	const char *slash = strrchr(path, '/');
	const char *known;

	if (type.len == 0) {
		known = mime_table_find(slice_str(slash + 1));
		type = slice_str(known != NULL ? known : "");
	}
	return slice_starts(type, SLICE("text/gemini"));
}

static bool
add(struct reading *r, const char *path, uint64_t size)
{
	struct inventory *out = r->out;
	struct inventory_item *item;

	if (out->n == r->room) {
		r->room = r->room == 0 ? 64 : 2 * r->room;
		item = reallocarray(out->item, r->room, sizeof(*item));
		if (item == NULL)
			return false;
		out->item = item;
	}
	item = &out->item[out->n];
	item->path = strdup(path);
	if (item->path == NULL)
		return false;
	item->size = size;
	item->page = is_page(r->host, r->path.decoded);
	out->n++;
	return true;
}

bool
inventory_visit(void *arg, const char *path, const struct stat *st)
{
	struct reading *r = arg;

	if (!S_ISREG(st->st_mode) || !path_asked_for(path, &r->path) ||
	    !is_served(r->host, path, &r->path))
		return true;
	r->short_of_memory = !add(r, path, (uint64_t)st->st_size);
	return !r->short_of_memory;
}

static int
compare(const void *a, const void *b)
{
	const struct inventory_item *x = a, *y = b;

	return strcmp(x->path, y->path);
}

bool
inventory_read(const struct host *h, struct inventory *out)
{
	struct reading r = { .host = h, .out = out };
	bool ok;

	*out = (struct inventory){ 0 };
	ok = file_walk(h->root, inventory_visit, &r);
	if (!ok) {
		if (r.short_of_memory)
			errno = ENOMEM;
		inventory_fini(out);
		return false;
	}
	/* The walk goes by directories: "a/b" comes before "a.gmi" there. */
	if (out->n > 0)
		qsort(out->item, out->n, sizeof(*out->item), compare);
	return true;
}

void
inventory_fini(struct inventory *i)
{
	for (size_t k = 0; k < i->n; k++)
		free(i->item[k].path);
	free(i->item);
	*i = (struct inventory){ 0 };
}

const struct inventory_item *
inventory_find(const struct inventory *i, const char *path)
{
	const struct inventory_item key = { .path = (char *)path };

	if (i->n == 0)
		return NULL;
	return bsearch(&key, i->item, i->n, sizeof(*i->item), compare);
}

bool
inventory_has_prefix(const struct inventory *i, const char *prefix)
{
	size_t len = strlen(prefix), low = 0, high = i->n;

	/* The first item that is not before all that prefix begins. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(i->item[middle].path, prefix) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < i->n && strncmp(i->item[low].path, prefix, len) == 0;
}

bool
inventory_names_page(const struct host *h, const char *path)
{
	char absolute[sizeof(((struct uri_path *)NULL)->decoded)];
	struct buf text;

	buf_wrap(&text, absolute, sizeof(absolute) - 1);
	return buf_printf(&text, "/%s", path) && is_page(h, buf_cstr(&text));
}

bool
inventory_load(const struct host *h, const char *path, struct buf *out)
{
	struct stat st;
	bool ok;
	int fd;

	if (file_open_beneath(h->root, path, &fd, &st) != FILE_OPENED)
		return false;
	ok = S_ISREG(st.st_mode) && file_read(fd, out);
	(void)close(fd);
	return ok;
}
