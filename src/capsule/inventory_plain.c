/* SPDX-License-Identifier: ISC */
/* inventory_read_plain() of capsule/inventory.h: what a release consists of, and
 * what it leaves out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capsule/inventory_internal.h"
#include "capsule/policy.h"
#include "os/file.h"

/* A walk that also keeps what it leaves out. */
struct sorting {
	struct reading reading;
	struct inventory_omissions *left;
	size_t room;
	size_t visited;
	char *closed; /* the directory left out last; NULL: none */
};

static bool
add_omission(struct sorting *s, const char *path, enum inventory_why why)
{
	struct inventory_omissions *left = s->left;
	struct inventory_omission *item;

	if (left->n == s->room) {
		s->room = s->room == 0 ? 64 : 2 * s->room;
		item = reallocarray(left->item, s->room, sizeof(*item));
		if (item == NULL)
			return false;
		left->item = item;
	}
	item = &left->item[left->n];
	item->path = strdup(path);
	item->why = why;
	left->n += item->path != NULL;
	return item->path != NULL;
}

/* Keeps it, and what lies in a directory from being told of once more. */
static bool
leave_out(struct sorting *s, const char *path, const struct stat *st,
    enum inventory_why why)
{
	if (S_ISDIR(st->st_mode)) {
		free(s->closed);
		s->closed = strdup(path);
	}
	if (add_omission(s, path, why) &&
	    (!S_ISDIR(st->st_mode) || s->closed != NULL))
		return true;
	s->reading.short_of_memory = true;
	return false;
}

/* Whether path lies in the directory that was left out. */
static bool
is_closed(const struct sorting *s, const char *path)
{
	size_t len = s->closed == NULL ? 0 : strlen(s->closed);

	return len > 0 && strncmp(path, s->closed, len) == 0 &&
	       path[len] == '/';
}

static bool
is_too_deep(const char *path)
{
	size_t slashes = 0;

	for (; *path != '\0'; path++)
		slashes += *path == '/';
	return slashes >= FILE_WALK_DEPTH_MAX;
}

/* What is said of the file whose path was asked for last, which may be read. */
static enum inventory_why
unserved_why(const struct sorting *s)
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

/* Whether a name can have no part in a release whatever capsule.conf says. */
static bool
is_unfit(struct sorting *s, const char *path, const struct stat *st,
    enum inventory_why *why)
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
	else if (!path_asked_for(path, &s->reading.path) ||
		 (S_ISDIR(st->st_mode) && is_too_deep(path)))
		*why = INVENTORY_TOO_LONG;
	else
		return false;
	return true;
}

/* A file or directory that is not in the inventory. False when that may be
 * otherwise the next time. */
static bool
judge(struct sorting *s, const char *path, const struct stat *st)
{
	enum inventory_why why;
	struct stat opened;
	int fd;

	if (is_unfit(s, path, st, &why))
		return leave_out(s, path, st, why);
	switch (file_open_beneath(s->reading.host->root, path, &fd, &opened)) {
	case FILE_OPENED:
		(void)close(fd);
		return S_ISDIR(st->st_mode) ||
		       leave_out(s, path, st, unserved_why(s));
	case FILE_ABSENT:
		return leave_out(s, path, st, INVENTORY_UNREADABLE);
	case FILE_EXHAUSTED:
	case FILE_FAILED:
		break;
	}
	errno = EIO;
	return false;
}

static bool
sort(void *arg, const char *path, const struct stat *st)
{
	struct sorting *s = arg;
	size_t n = s->reading.out->n;

	if (++s->visited >= FILE_WALK_ENTRIES_MAX) {
		errno = EOVERFLOW;
		return false;
	}
	if (is_closed(s, path))
		return true;
	return inventory_visit(&s->reading, path, st) &&
	       (s->reading.out->n > n || judge(s, path, st));
}

static int
compare_items(const void *a, const void *b)
{
	const struct inventory_item *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int
compare_omissions(const void *a, const void *b)
{
	const struct inventory_omission *x = a, *y = b;

	return strcmp(x->path, y->path);
}

bool
inventory_read_plain(const struct host *h, struct inventory *out,
    struct inventory_omissions *left)
{
	struct sorting s = { .reading = { .host = h, .out = out },
		.left = left };
	bool ok;

	*out = (struct inventory){ 0 };
	*left = (struct inventory_omissions){ 0 };
	ok = file_walk_plain(h->root, sort, NULL, &s);
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
		qsort(out->item, out->n, sizeof(*out->item), compare_items);
	if (left->n > 0)
		qsort(left->item, left->n, sizeof(*left->item),
		    compare_omissions);
	return true;
}

const char *
inventory_why_text(enum inventory_why why)
{
	static const char *const text[] = {
		[INVENTORY_HIDDEN] = "a dot name",
		[INVENTORY_LINK] = "a symbolic link",
		[INVENTORY_SPECIAL] = "neither a file nor a directory",
		[INVENTORY_UNREADABLE] = "cannot be read",
		[INVENTORY_TOO_LONG] = "too long for a request",
		[INVENTORY_GONE] = "gone, says capsule.conf",
		[INVENTORY_REDIRECTED] = "redirected, says capsule.conf",
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
