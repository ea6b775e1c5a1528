/* SPDX-License-Identifier: ISC */
#include "capsule/inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capsule/mime.h"
#include "capsule/policy.h"
#include "capsule/resolve.h"
#include "os/file.h"
#include "proto/uri.h"
#include "util/fd.h"
#include "util/list.h"

struct inventory_reading {
	const struct host *host;
	struct inventory *out;
	bool short_of_memory;
	struct uri_path path; /* too large for the stack of every visit */
};

/* The normalised path that a client asks for a file by. False when no request
 * line holds it. */
static bool
inventory_path(const char *path, struct uri_path *out)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	return buf_byte(&text, '/') &&
	       uri_encode(&text, slice_str(path), true) &&
	       uri_path_normalise(buf_view(&text), out) == URI_PATH_OK;
}

/* What is decided about a path before any file is looked for. */
static enum status
inventory_decide(const struct host *h, const struct uri_path *path)
{
	const struct uri uri = { .port = -1 };
	uint8_t memory[RESPONSE_META_MAX];
	struct buf meta;

	buf_wrap(&meta, memory, sizeof(memory));
	return policy_decide(h, path, &uri, &meta);
}

enum status
inventory_policy(const struct host *h, const char *path)
{
	struct uri_path normal;

	return inventory_path(path, &normal) ? inventory_decide(h, &normal)
					     : STATUS_NOT_FOUND;
}

/* Whether a request for path is answered with the file at wanted. */
static bool
inventory_path_sends(
    const struct host *h, const struct uri_path *path, const char *wanted)
{
	struct resolution found;

	if (resolve(h, path, &found) != RESOLVED_FILE)
		return false;
	close(found.fd);
	return strcmp(found.path, wanted) == 0;
}

/* The path of the directory that holds a file. */
static void
inventory_cut_name(struct uri_path *path)
{
	while (path->decoded[path->decoded_len - 1] != '/')
		path->decoded_len--;
	path->decoded[path->decoded_len] = '\0';
	while (path->encoded_len > 0 &&
	       path->encoded[path->encoded_len - 1] != '/')
		path->encoded_len--;
	path->encoded[path->encoded_len] = '\0';
}

/* Whether the file is served: at its own path, or, when that is redirected,
 * as the index page of its directory. */
static bool
inventory_path_is_served(
    const struct host *h, const char *file, const struct uri_path *path)
{
	struct uri_path directory;

	switch (inventory_decide(h, path)) {
	case STATUS_NONE:
		return inventory_path_sends(h, path, file);
	case STATUS_REDIRECT:
	case STATUS_REDIRECT_PERMANENT:
		directory = *path;
		inventory_cut_name(&directory);
		return inventory_decide(h, &directory) == STATUS_NONE &&
		       inventory_path_sends(h, &directory, file);
	default:
		return false;
	}
}

/* path begins with '/'. */
static bool
inventory_path_is_page(const struct host *h, const char *path)
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
inventory_add(struct inventory_reading *r, const char *path, uint64_t size)
{
	struct inventory *out = r->out;
	struct inventory_item *item =
	    array_grow(out->item, out->n, sizeof(*item));

	if (item == NULL)
		return false;
	out->item = item;
	item += out->n;
	item->path = strdup(path);
	if (item->path == NULL)
		return false;
	item->size = size;
	item->page = inventory_path_is_page(r->host, r->path.decoded);
	out->n++;
	return true;
}

/* A file_visit for a struct inventory_reading: takes what is a file and served.
 * False when out of memory. */
static bool
inventory_visit(void *arg, const char *path, const struct stat *st)
{
	struct inventory_reading *r = arg;

	if (!S_ISREG(st->st_mode) || !inventory_path(path, &r->path) ||
	    !inventory_path_is_served(r->host, path, &r->path))
		return true;
	r->short_of_memory = !inventory_add(r, path, (uint64_t)st->st_size);
	return !r->short_of_memory;
}

static int
inventory_compare(const void *a, const void *b)
{
	const struct inventory_item *x = a, *y = b;

	return strcmp(x->path, y->path);
}

bool
inventory_read(const struct host *h, struct inventory *out)
{
	struct inventory_reading r = { .host = h, .out = out };
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
		qsort(out->item, out->n, sizeof(*out->item), inventory_compare);
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

/* A walk that also keeps what it leaves out. */
struct inventory_sorting {
	struct inventory_reading reading;
	struct inventory_omissions *left;
	size_t visited;
	char *closed; /* the directory left out last; NULL: none */
};

static bool
inventory_add_omission(
    struct inventory_sorting *s, const char *path, enum inventory_why why)
{
	struct inventory_omissions *left = s->left;
	struct inventory_omission *item =
	    array_grow(left->item, left->n, sizeof(*item));

	if (item == NULL)
		return false;
	left->item = item;
	item += left->n;
	item->path = strdup(path);
	item->why = why;
	left->n += item->path != NULL;
	return item->path != NULL;
}

/* Records it; what is in a directory is then not reported again. */
static bool
inventory_omit(struct inventory_sorting *s, const char *path,
    const struct stat *st, enum inventory_why why)
{
	if (S_ISDIR(st->st_mode)) {
		free(s->closed);
		s->closed = strdup(path);
	}
	if (inventory_add_omission(s, path, why) &&
	    (!S_ISDIR(st->st_mode) || s->closed != NULL))
		return true;
	s->reading.short_of_memory = true;
	return false;
}

/* Whether path is in the directory that was left out. */
static bool
inventory_is_omitted(const struct inventory_sorting *s, const char *path)
{
	size_t len = s->closed == NULL ? 0 : strlen(s->closed);

	return len > 0 && strncmp(path, s->closed, len) == 0 &&
	       path[len] == '/';
}

static bool
inventory_is_too_deep(const char *path)
{
	size_t slashes = 0;

	for (; *path != '\0'; path++)
		slashes += *path == '/';
	return slashes >= FILE_WALK_DEPTH_MAX;
}

/* Why the file whose path was tried last is not served, though readable. */
static enum inventory_why
inventory_unserved_why(const struct inventory_sorting *s)
{
	const struct uri uri = { .port = -1 };
	uint8_t memory[RESPONSE_META_MAX];
	struct buf meta;

	buf_wrap(&meta, memory, sizeof(memory));
	switch (policy_decide(s->reading.host, &s->reading.path, &uri, &meta)) {
	case STATUS_NONE:
		return INVENTORY_UNREADABLE; /* since a moment ago */
	case STATUS_GONE:
		return INVENTORY_GONE;
	default:
		return INVENTORY_REDIRECTED;
	}
}

/* Whether a name cannot be in a release, whatever capsule.conf has. */
static bool
inventory_is_unfit(struct inventory_sorting *s, const char *path,
    const struct stat *st, enum inventory_why *why)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;

	if (host_hides(s->reading.host, name, strlen(name)))
		*why = INVENTORY_HIDDEN;
	else if (S_ISLNK(st->st_mode))
		*why = INVENTORY_LINK;
	else if (st->st_mode == 0)
		*why = INVENTORY_UNREADABLE;
	else if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		*why = INVENTORY_SPECIAL;
	else if (!inventory_path(path, &s->reading.path) ||
		 (S_ISDIR(st->st_mode) && inventory_is_too_deep(path)))
		*why = INVENTORY_TOO_LONG;
	else
		return false;
	return true;
}

/* A file or directory that is not in the inventory. False when that may be
 * otherwise the next time. */
static bool
inventory_judge(
    struct inventory_sorting *s, const char *path, const struct stat *st)
{
	enum inventory_why why;
	struct stat opened;
	int fd;

	if (inventory_is_unfit(s, path, st, &why))
		return inventory_omit(s, path, st, why);
	switch (file_open_beneath(s->reading.host->root, path, &fd, &opened)) {
	case FILE_OPENED:
		close(fd);
		return S_ISDIR(st->st_mode) ||
		       inventory_omit(s, path, st, inventory_unserved_why(s));
	case FILE_ABSENT:
		return inventory_omit(s, path, st, INVENTORY_UNREADABLE);
	case FILE_EXHAUSTED:
	case FILE_FAILED:
		break;
	}
	errno = EIO;
	return false;
}

static bool
inventory_sort(void *arg, const char *path, const struct stat *st)
{
	struct inventory_sorting *s = arg;
	size_t n = s->reading.out->n;

	if (++s->visited >= FILE_WALK_ENTRIES_MAX) {
		errno = EOVERFLOW;
		return false;
	}
	if (inventory_is_omitted(s, path))
		return true;
	return inventory_visit(&s->reading, path, st) &&
	       (s->reading.out->n > n || inventory_judge(s, path, st));
}

static int
inventory_compare_omissions(const void *a, const void *b)
{
	const struct inventory_omission *x = a, *y = b;

	return strcmp(x->path, y->path);
}

bool
inventory_read_plain(const struct host *h, struct inventory *out,
    struct inventory_omissions *left)
{
	struct inventory_sorting s = { .reading = { .host = h, .out = out },
		.left = left };
	bool ok;

	*out = (struct inventory){ 0 };
	*left = (struct inventory_omissions){ 0 };
	ok = file_walk_plain(h->root, inventory_sort, NULL, &s);
	if (!ok) {
		if (s.reading.short_of_memory)
			errno = ENOMEM;
		free(s.closed);
		inventory_fini(out);
		inventory_omissions_fini(left);
		return false;
	}
	free(s.closed);
	if (out->n > 0)
		qsort(out->item, out->n, sizeof(*out->item), inventory_compare);
	if (left->n > 0)
		qsort(left->item, left->n, sizeof(*left->item),
		    inventory_compare_omissions);
	return true;
}

const char *
inventory_why_text(enum inventory_why why)
{
	static const char *const text[] = {
		[INVENTORY_HIDDEN] = "a dot name",
		[INVENTORY_LINK] = "a symbolic link",
		[INVENTORY_SPECIAL] = "neither a file nor a directory",
		[INVENTORY_UNREADABLE] = "unreadable",
		[INVENTORY_TOO_LONG] = "too long for a request",
		[INVENTORY_GONE] = "declared gone in capsule.conf",
		[INVENTORY_REDIRECTED] = "redirected in capsule.conf",
	};

	return text[why];
}

void
inventory_omissions_fini(struct inventory_omissions *left)
{
	for (size_t k = 0; k < left->n; k++)
		free(left->item[k].path);
	free(left->item);
	*left = (struct inventory_omissions){ 0 };
}

const struct inventory_item *
inventory_find(const struct inventory *i, const char *path)
{
	const struct inventory_item key = { .path = (char *)path };

	if (i->n == 0)
		return NULL;
	return bsearch(
	    &key, i->item, i->n, sizeof(*i->item), inventory_compare);
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
	return buf_printf(&text, "/%s", path) &&
	       inventory_path_is_page(h, buf_cstr(&text));
}

const char *
inventory_denied(const struct host *h, const char *path)
{
	char full[REQUEST_URI_MAX];
	struct uri_path request;
	struct stat st;
	bool directory;

	if (fstatat(h->root, path, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return NULL;
	directory = S_ISDIR(st.st_mode);
	if ((!directory && !S_ISREG(st.st_mode)) ||
	    faccessat(h->root, path, directory ? X_OK : R_OK, AT_EACCESS) ==
		0 ||
	    errno != EACCES || host_hides_path(h, path) ||
	    snprintf(full, sizeof(full), "%s%s", path, directory ? "/" : "") >=
		(int)sizeof(full) ||
	    !inventory_path(full, &request) ||
	    inventory_decide(h, &request) != STATUS_NONE)
		return NULL;
	return directory ? "chmod a+rx" : "chmod a+r";
}

/* The same of the index page that the directory path, len bytes with the final
 * slash, is answered with. */
static bool
inventory_index_is_denied(const struct host *h, char *path, size_t len)
{
	const char *name;
	struct stat st;

	for (size_t i = 0; (name = host_index(h, i)) != NULL; i++) {
		if (strlen(name) >= REQUEST_URI_MAX - len)
			continue;
		memcpy(path + len, name, strlen(name) + 1);
		if (fstatat(h->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return inventory_denied(h, path) != NULL;
	}
	return false;
}

bool
inventory_is_denied(const struct host *h, struct slice path)
{
	char memory[REQUEST_URI_MAX];

	if (path.len >= sizeof(memory))
		return false;
	memcpy(memory, path.ptr, path.len);
	for (size_t i = 1; i <= path.len; i++) {
		if (i < path.len && path.ptr[i] != '/')
			continue;
		memory[i] = '\0';
		if (inventory_denied(h, memory) != NULL)
			return true;
		memory[i] = '/';
	}
	return (path.len == 0 || path.ptr[path.len - 1] == '/') &&
	       inventory_index_is_denied(h, memory, path.len);
}

bool
inventory_load(const struct host *h, const char *path, struct buf *out)
{
	struct stat st;
	bool ok;
	int fd;

	if (file_open_beneath(h->root, path, &fd, &st) != FILE_OPENED)
		return false;
	ok = S_ISREG(st.st_mode) && fd_read_all(fd, out);
	close(fd);
	return ok;
}

enum { PROBLEM_MAX = 2048 }; /* bytes of a message; the rest is cut */

void
page_problem(struct report *r, enum report_level level, const struct host *h,
    const char *path, unsigned line, const char *format, ...)
{
	const char *root = h->conf->root.text;
	char text[PROBLEM_MAX];
	struct buf file;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	buf_init(&file, strlen(root) + strlen(path) + sizeof("/"));
	buf_printf(&file, "%s/%s", root, path);
	report_add(r, level, buf_cstr(&file), line, "%s", text);
	buf_fini(&file);
}

/* The first line that is not UTF-8; 0: there is none. */
static unsigned
page_invalid_line(struct slice text)
{
	struct slice line;
	unsigned number = 0;

	while (slice_line(&text, &line)) {
		number++;
		if (!slice_utf8(line))
			return number;
	}
	return 0;
}

bool
page_read(const struct host *h, const char *path, struct buf *out,
    struct slice *text, struct report *r)
{
	unsigned line;

	buf_reset(out);
	if (!inventory_load(h, path, out)) {
		page_problem(r, REPORT_ERROR, h, path, 0,
		    "unreadable, or larger than %d MiB",
		    PAGE_MAX / (1024 * 1024));
		return false;
	}
	*text = buf_view(out);
	line = page_invalid_line(*text);
	if (line > 0) {
		page_problem(r, REPORT_ERROR, h, path, line, "not UTF-8");
		return false;
	}
	if (slice_starts(*text, SLICE("\xef\xbb\xbf")))
		*text = slice_skip(*text, 3);
	return true;
}
