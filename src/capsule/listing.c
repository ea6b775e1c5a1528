/* SPDX-License-Identifier: ISC */
#include "capsule/listing.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capsule/resolve.h"
#include "proto/gemtext.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/list.h"
#include "util/log.h"

enum {
	HEAD_MAX = 4096, /* bytes of a page in which its heading is */
	LABEL_MAX = 200, /* bytes of a heading that are shown */
	/* 1,000 lines of a name of 255 bytes, escaped, and a label. */
	PAGE_MAX = 4 * 1024 * 1024,
	/* A change within the granularity of mtime, here taken as generously as
	 * FAT does, cannot be seen: what is so young is not kept. */
	SETTLED_S = 2,
};

/* A directory and the files in it, as they were at one moment. */
struct listing_stamp {
	uint64_t sum;
	int64_t newest; /* last mtime of all, in seconds since 1970 */
};

/* What listing_get hands out is its first field. */
struct listing_kept {
	struct listing page;
	struct list link;
	struct buf text;
	const struct host *host;
	char *path;
	dev_t dev;
	ino_t ino;
	struct listing_stamp stamp;
};

struct listings {
	struct list recent; /* used longest ago first */
	size_t n;
};

struct listing_entry {
	char *name;
	bool directory;
};

/* A page being made. */
struct listing_page {
	const struct host *host;
	const char *path;
	struct buf *out;
	struct listing_entry *entries;
	size_t n;
	size_t names; /* read so far, of any kind */
	size_t left_out;
	bool failed; /* out of memory or descriptors */
};

static bool
listing_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
listing_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : (unsigned char)c;
}

/* Compares the numbers at *a and *b by value and moves after them. */
static int
listing_compare_numbers(const char **a, const char **b)
{
	const char *x = *a + strspn(*a, "0");
	const char *y = *b + strspn(*b, "0");
	size_t x_len = strspn(x, "0123456789");
	size_t y_len = strspn(y, "0123456789");

	*a = x + x_len;
	*b = y + y_len;
	if (x_len != y_len)
		return x_len < y_len ? -1 : 1;
	return memcmp(x, y, x_len);
}

int
listing_compare(const char *a, const char *b)
{
	const char *x = a;
	const char *y = b;
	int order = 0;

	while (order == 0 && *x != '\0' && *y != '\0') {
		if (listing_is_digit(*x) && listing_is_digit(*y))
			order = listing_compare_numbers(&x, &y);
		else
			order = listing_lower(*x++) - listing_lower(*y++);
	}
	if (order == 0)
		order = (*x != '\0') - (*y != '\0');
	/* "a1" and "A01" are two names all the same. */
	return order != 0 ? order : strcmp(a, b);
}

void
listing_size(uint64_t bytes, char out[16])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB",
		"PiB", "EiB" };
	uint64_t tenths;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(out, 16, "%u B", (unsigned)bytes);
		return;
	}
	/* Rounding may make 1024.0 of 1023.97: that is one of the next. */
	do {
		unit++;
		tenths =
		    (bytes >> (10 * unit)) * 10 +
		    (((bytes >> (10 * unit - 10)) & 1023) * 10 + 512) / 1024;
	} while (tenths >= 10240);
	snprintf(out, 16, "%u.%u %s", (unsigned)(tenths / 10),
	    (unsigned)(tenths % 10), units[unit]);
}

static int
listing_compare_entries(const void *a, const void *b)
{
	const struct listing_entry *x = a;
	const struct listing_entry *y = b;

	if (x->directory != y->directory)
		return x->directory ? -1 : 1;
	return listing_compare(x->name, y->name);
}

/* What a request for name is answered with, with a final slash when it is
 * a directory. Nothing is listed that would not be served. */
static enum resolved
listing_resolve(struct listing_page *p, const char *name, bool slash,
    struct resolution *got)
{
	struct uri_path path;
	struct buf decoded;

	buf_wrap(&decoded, path.decoded, sizeof(path.decoded) - 1);
	got->fd = -1;
	if (!buf_byte(&decoded, '/') || !buf_str(&decoded, p->path) ||
	    !buf_str(&decoded, name) || (slash && !buf_byte(&decoded, '/')))
		return RESOLVED_ABSENT;
	path.decoded[decoded.len] = '\0';
	path.decoded_len = decoded.len;
	return resolve(p->host, &path, got);
}

static void
listing_add_entry(struct listing_page *p, const char *name, bool directory)
{
	struct listing_entry *grown =
	    array_grow(p->entries, p->n, sizeof(*grown));

	if (grown == NULL) {
		p->failed = true;
		return;
	}
	p->entries = grown;
	p->entries[p->n].name = strdup(name);
	p->entries[p->n].directory = directory;
	if (p->entries[p->n].name == NULL)
		p->failed = true;
	else
		p->n++;
}

/* Takes an entry of the directory, unless what it is already says that it
 * cannot be served. */
static void
listing_consider(struct listing_page *p, const struct dirent *e)
{
	struct resolution got;
	enum resolved result;

	if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
		return;
	p->names++;
	if (host_hides(p->host, e->d_name, strlen(e->d_name)))
		return;
	switch (e->d_type) {
	case DT_DIR:
	case DT_REG:
		listing_add_entry(p, e->d_name, e->d_type == DT_DIR);
		return;
	case DT_LNK:
	case DT_UNKNOWN:
		break;
	default:
		return;
	}
	result = listing_resolve(p, e->d_name, false, &got);
	fd_close(got.fd);
	if (result == RESOLVED_EXHAUSTED)
		p->failed = true;
	else if (result == RESOLVED_FILE || result == RESOLVED_SLASH)
		listing_add_entry(p, e->d_name, result == RESOLVED_SLASH);
}

/* An open of our own: the caller's has a position that is shared. NULL: out of
 * memory or descriptors. */
static DIR *
directory_open(int fd)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own == -1 ? NULL : fdopendir(own);

	if (dir == NULL)
		fd_close(own);
	return dir;
}

static void
listing_read(struct listing_page *p, int fd)
{
	DIR *dir = directory_open(fd);
	const struct dirent *e;

	if (dir == NULL) {
		p->failed = true;
		return;
	}
	while (!p->failed && p->names <= LISTING_NAMES_MAX &&
	       (e = readdir(dir)) != NULL)
		listing_consider(p, e);
	closedir(dir);
}

/* The first heading of the page open at fd, not more than LABEL_MAX bytes of
 * it; empty when it has none. Borrows from head. */
static struct slice
listing_file_title(int fd, uint8_t head[HEAD_MAX])
{
	ssize_t n = fd_read_at(fd, head, HEAD_MAX, 0);
	struct slice title;

	if (n <= 0)
		return SLICE("");
	title = slice_trim(gemtext_title(slice_of(head, (size_t)n)));
	if (title.len <= LABEL_MAX)
		return title;
	title = slice_head(title, LABEL_MAX);
	while (title.len > 0 && !slice_utf8(title) && title.len > LABEL_MAX - 4)
		title.len--;
	return title;
}

static bool
listing_is_gemtext(struct slice name)
{
	return slice_ends_nocase(name, SLICE(".gmi")) ||
	       slice_ends_nocase(name, SLICE(".gemini"));
}

static bool
listing_write_file(
    struct buf *out, const char *name, const struct resolution *got)
{
	uint8_t head[HEAD_MAX];
	struct slice shown = slice_str(name);
	struct slice title = SLICE("");
	char size[16];

	if (listing_is_gemtext(shown))
		title = listing_file_title(got->fd, head);
	if (title.len > 0)
		shown = title;
	listing_size((uint64_t)got->st.st_size, size);
	return buf_str(out, "=> ") && uri_encode(out, slice_str(name), false) &&
	       buf_byte(out, ' ') && log_escape(out, shown) &&
	       buf_printf(out, " (%s)\n", size);
}

static bool
listing_write_directory(struct buf *out, struct slice name)
{
	return buf_str(out, "=> ") && uri_encode(out, name, false) &&
	       buf_str(out, "/ ") && log_escape(out, name) &&
	       buf_str(out, "/\n");
}

/* The line of one entry; false when it is not served after all. */
static bool
listing_write_entry(struct listing_page *p, const struct listing_entry *e)
{
	struct resolution got;
	enum resolved result = listing_resolve(p, e->name, e->directory, &got);
	bool shown = result == RESOLVED_FILE ||
		     (e->directory && result == RESOLVED_LISTING);

	if (result == RESOLVED_EXHAUSTED)
		p->failed = true;
	else if (shown &&
		 !(e->directory
			 ? listing_write_directory(p->out, slice_str(e->name))
			 : listing_write_file(p->out, e->name, &got)))
		p->failed = true;
	fd_close(got.fd);
	return shown;
}

static void
listing_write_page(struct listing_page *p)
{
	struct buf *out = p->out;
	size_t shown = 0;
	size_t i;

	buf_str(out, "# /");
	log_escape(out, slice_str(p->path));
	buf_str(out, "\n\n");
	if (p->path[0] != '\0')
		buf_str(out, "=> ../ ..\n");
	for (i = 0; i < p->n && shown < LISTING_ENTRIES_MAX && !p->failed; i++)
		shown += listing_write_entry(p, &p->entries[i]);
	p->left_out += p->n - i;
	if (p->left_out > 0)
		buf_printf(out, "\n%zu more %s not listed.\n", p->left_out,
		    p->left_out == 1 ? "is" : "are");
	else if (shown == 0)
		buf_str(out, "Nothing is in this directory.\n");
}

/* Appends the page of the directory open at fd, at path beneath h's root (as
 * listing_get has it), to out. False and errno as listing_get has them. */
static bool
listing_listing_write(
    const struct host *h, const char *path, int fd, struct buf *out)
{
	struct listing_page p = { .host = h, .path = path, .out = out };
	bool fits;

	listing_read(&p, fd);
	fits = p.names <= LISTING_NAMES_MAX;
	if (!p.failed && fits) {
		if (p.n > 0)
			qsort(p.entries, p.n, sizeof(*p.entries),
			    listing_compare_entries);
		listing_write_page(&p);
	}
	while (p.n > 0)
		free(p.entries[--p.n].name);
	free(p.entries);
	errno = p.failed || fits ? ENOMEM : EFBIG;
	return !p.failed && fits && !out->failed;
}

struct listings *
listings_new(void)
{
	struct listings *l = calloc(1, sizeof(*l));

	if (l != NULL)
		list_init(&l->recent);
	return l;
}

static void
listing_drop_first(struct listings *l)
{
	struct listing_kept *k =
	    LIST_ENTRY(l->recent.next, struct listing_kept, link);

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
		listing_drop_first(*l);
	free(*l);
	*l = NULL;
}

void
listing_release(struct listing *page)
{
	struct listing_kept *k = (struct listing_kept *)(void *)page;

	assert(page->references > 0);
	if (--page->references > 0)
		return;
	buf_fini(&k->text);
	free(k->path);
	free(k);
}

static void
hash_add(uint64_t *hash, const void *bytes, size_t n)
{
	/* FNV-1a. */
	for (size_t i = 0; i < n; i++)
		*hash = (*hash ^ ((const uint8_t *)bytes)[i]) *
			UINT64_C(0x100000001b3);
}

static void
stamp_add(struct listing_stamp *stamp, const char *name, const struct stat *st)
{
	const uint64_t facts[] = { st->st_dev, st->st_ino, st->st_mode,
		(uint64_t)st->st_size, (uint64_t)st->st_mtim.tv_sec,
		(uint64_t)st->st_mtim.tv_nsec, (uint64_t)st->st_ctim.tv_sec,
		(uint64_t)st->st_ctim.tv_nsec };
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	hash_add(&hash, name, strlen(name));
	hash_add(&hash, facts, sizeof(facts));
	/* A sum: names come in any order. */
	stamp->sum += hash;
	if (st->st_mtim.tv_sec > stamp->newest)
		stamp->newest = st->st_mtim.tv_sec;
}

/* Describes the directory open at fd, and each file in it as it now is: a file
 * that is edited in place does not change its directory. False: out of memory
 * or descriptors. */
static bool
stamp_take(int fd, const struct stat *directory, struct listing_stamp *stamp)
{
	DIR *dir = directory_open(fd);
	const struct dirent *e;
	struct stat st;

	*stamp = (struct listing_stamp){ 0 };
	if (dir == NULL)
		return false;
	stamp_add(stamp, "", directory);
	for (size_t n = 0; n <= LISTING_NAMES_MAX && (e = readdir(dir)) != NULL;
	     n++)
		if (strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0 &&
		    fstatat(fd, e->d_name, &st, 0) == 0)
			stamp_add(stamp, e->d_name, &st);
	closedir(dir);
	return true;
}

/* The page of the same directory, whatever its age. */
static struct listing_kept *
listing_find(struct listings *l, const struct host *h, const char *path,
    const struct stat *st)
{
	struct list *i;
	struct listing_kept *k;

	LIST_EACH (i, &l->recent) {
		k = LIST_ENTRY(i, struct listing_kept, link);
		if (k->ino == st->st_ino && k->dev == st->st_dev &&
		    k->host == h && strcmp(k->path, path) == 0)
			return k;
	}
	return NULL;
}

static struct listing_kept *
listing_make(const struct host *h, const char *path, int fd,
    const struct stat *st, const struct listing_stamp *stamp)
{
	struct listing_kept *k = calloc(1, sizeof(*k));
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
	k->stamp = *stamp;
	made = k->path != NULL && listing_listing_write(h, path, fd, &k->text);
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
stamp_is_settled(const struct listing_stamp *stamp)
{
	int64_t age = clock_wall() - stamp->newest;

	return age >= SETTLED_S || age < 0;
}

static void
listing_keep(struct listings *l, struct listing_kept *k)
{
	if (l->n == LISTING_CACHE_SIZE)
		listing_drop_first(l);
	list_append(&l->recent, &k->link);
	l->n++;
	k->page.references++;
}

struct listing *
listing_get(struct listings *l, const struct host *h, const char *path, int fd,
    const struct stat *st)
{
	struct listing_kept *k = listing_find(l, h, path, st);
	struct listing_stamp stamp;
	bool stamped = stamp_take(fd, st, &stamp);

	if (k != NULL) {
		list_remove(&k->link);
		if (stamped && k->stamp.sum == stamp.sum) {
			list_append(&l->recent, &k->link);
			k->page.references++;
			return &k->page;
		}
		l->n--;
		listing_release(&k->page);
	}
	k = listing_make(h, path, fd, st, &stamp);
	if (k == NULL)
		return NULL;
	if (stamped && stamp_is_settled(&stamp))
		listing_keep(l, k);
	return &k->page;
}
