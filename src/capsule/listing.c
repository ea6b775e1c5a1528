/* SPDX-License-Identifier: ISC */
#include "capsule/listing.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capsule/listing_page.h"
#include "util/clock.h"
#include "util/list.h"

enum {
	/* 1,000 lines of a name of 255 bytes, escaped, and a label. */
	PAGE_MAX = 4 * 1024 * 1024,
	/* A change within the granularity of mtime, here taken as generously as
	 * FAT does, cannot be seen: so young a directory is not kept. */
	SETTLED_S = 2,
};

/* What listing_get hands out is its first field. */
struct kept {
	struct listing page;
	struct list link;
	struct buf text;
	const struct host *host;
	char *path;
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
};

struct listings {
	struct list recent; /* used longest ago first */
	size_t n;
};

struct listings *
listings_new(void)
{
	struct listings *l = calloc(1, sizeof(*l));

	if (l != NULL)
		list_init(&l->recent);
	return l;
}

static void
drop_first(struct listings *l)
{
	struct kept *k = LIST_ENTRY(l->recent.next, struct kept, link);

	list_remove(&k->link);
	l->n--;
	listing_release(&k->page);
}

void
listings_free(struct listings **l)
{
	if (*l == NULL)
		return;
	while (!list_empty(&(*l)->recent))
		drop_first(*l);
	free(*l);
	*l = NULL;
}

void
listing_release(struct listing *page)
{
	struct kept *k = (struct kept *)(void *)page;

	assert(page->references > 0);
	if (--page->references > 0)
		return;
	buf_fini(&k->text);
	free(k->path);
	free(k);
}

/* The page of the same directory, whatever its age. */
static struct kept *
find(struct listings *l, const struct host *h, const char *path,
    const struct stat *st)
{
	struct list *i;
	struct kept *k;

	LIST_EACH (i, &l->recent) {
		k = LIST_ENTRY(i, struct kept, link);
		if (k->ino == st->st_ino && k->dev == st->st_dev &&
		    k->host == h && strcmp(k->path, path) == 0)
			return k;
	}
	return NULL;
}

static struct kept *
make(const struct host *h, const char *path, int fd, const struct stat *st)
{
	struct kept *k = calloc(1, sizeof(*k));
	int error = ENOMEM;
	bool made;

	if (k == NULL)
		return NULL;
	list_init(&k->link);
	buf_init(&k->text, PAGE_MAX);
	k->page.references = 1;
	k->host = h;
	k->path = strdup(path);
	k->dev = st->st_dev;
	k->ino = st->st_ino;
	k->mtime = st->st_mtim;
	made = k->path != NULL && listing_write(h, path, fd, &k->text);
	if (!made && k->path != NULL)
		error = errno;
	if (!made) {
		listing_release(&k->page);
		errno = error;
		return NULL;
	}
	k->page.body = buf_view(&k->text);
	return k;
}

static bool
is_settled(const struct stat *st)
{
	int64_t age = clock_wall() - st->st_mtim.tv_sec;

	return age >= SETTLED_S || age < 0;
}

static void
keep(struct listings *l, struct kept *k)
{
	if (l->n == LISTING_CACHE_SIZE)
		drop_first(l);
	list_append(&l->recent, &k->link);
	l->n++;
	k->page.references++;
}

struct listing *
listing_get(struct listings *l, const struct host *h, const char *path, int fd,
    const struct stat *st)
{
	struct kept *k = find(l, h, path, st);

	if (k != NULL) {
		list_remove(&k->link);
		if (k->mtime.tv_sec == st->st_mtim.tv_sec &&
		    k->mtime.tv_nsec == st->st_mtim.tv_nsec) {
			list_append(&l->recent, &k->link);
			k->page.references++;
			return &k->page;
		}
		l->n--;
		listing_release(&k->page);
	}
	k = make(h, path, fd, st);
	if (k == NULL)
		return NULL;
	if (is_settled(st))
		keep(l, k);
	return &k->page;
}
