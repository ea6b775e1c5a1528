/* SPDX-License-Identifier: ISC */
/* The directory that a capsule is served from: one of the operator's, or the
 * current release of a store (mirroring.md 2), which is a directory with objects/,
 * releases/ and the symbolic link `current`. And hosts_moved() of host.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capsule/host_internal.h"
#include "os/file.h"

#define CURRENT "current"

enum { WHY_MAX = 1024 };

static bool
has_kind(int dir, const char *name, mode_t kind)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (st.st_mode & S_IFMT) == kind;
}

/* As archive/store has it. A store that nothing was published into yet has no link:
 * its lock tells it from a capsule with directories of such names. */
static bool
is_store(int dir)
{
	return has_kind(dir, "objects", S_IFDIR) &&
	       has_kind(dir, "releases", S_IFDIR) &&
	       (has_kind(dir, CURRENT, S_IFLNK) ||
		   has_kind(dir, "lock", S_IFREG));
}

/* The serial of "releases/42", as the link is written and not otherwise; 0: it is
 * something else. */
static uint64_t
serial_of(struct slice link)
{
	const struct slice before = SLICE("releases/");
	struct slice digits;
	uint64_t serial = 0;

	if (!slice_starts(link, before))
		return 0;
	digits = slice_skip(link, before.len);
	if (slice_starts(digits, SLICE("0")))
		return 0;
	for (size_t i = 0; i < digits.len; i++) {
		unsigned digit = (unsigned)digits.ptr[i] - '0';

		if (digit > 9 || serial > (UINT64_MAX - digit) / 10)
			return 0;
		serial = 10 * serial + digit;
	}
	return serial;
}

static const char *
current_fault(int error)
{
	switch (error) {
	case ENOENT:
		return "nothing has been published into this store yet";
	case EINVAL:
		return "a store whose `" CURRENT "` is no symbolic link";
	default:
		return strerror(error);
	}
}

/* What `current` of the store says, into link. */
static bool
read_current(struct host *h, char *link, size_t size, struct buf *why)
{
	ssize_t len = readlinkat(h->store, CURRENT, link, size - 1);

	if (len == -1) {
		(void)buf_str(why, current_fault(errno));
		return false;
	}
	link[len] = '\0';
	h->serial = serial_of(slice_of(link, (size_t)len));
	if (h->serial == 0)
		(void)buf_printf(why,
		    "a store whose link `" CURRENT "` leads to \"%s\", which "
		    "is none of its releases",
		    link);
	return h->serial != 0;
}

/* The link is read once and what it says is opened, so that the serial is that
 * of the directory, whatever is switched meanwhile. */
static bool
open_release(struct host *h, struct buf *why)
{
	char link[NAME_MAX + 1];
	struct stat st;

	if (!read_current(h, link, sizeof(link), why))
		return false;
	if (file_open_beneath(h->store, link, &h->root, &st) == FILE_OPENED &&
	    S_ISDIR(st.st_mode))
		return true;
	(void)buf_printf(why,
	    "a store whose current release, %s, is not there or cannot be "
	    "opened",
	    link);
	return false;
}

static bool
open_directory(struct host *h, struct buf *why)
{
	struct stat st;

	h->root = file_root(h->conf->root.text);
	if (h->root != -1 && is_store(h->root)) {
		h->store = h->root;
		h->root = -1;
		if (!open_release(h, why))
			return false;
	}
	if (h->root == -1 || fstat(h->root, &st) == -1) {
		(void)buf_str(why, strerror(errno));
		return false;
	}
	h->root_dev = st.st_dev;
	h->root_ino = st.st_ino;
	return true;
}

bool
host_root_open(struct host *h, struct report *r)
{
	const struct conf_text *root = &h->conf->root;
	struct buf why;
	bool ok;

	buf_init(&why, WHY_MAX);
	h->root = h->store = -1;
	h->serial = 0;
	ok = open_directory(h, &why);
	if (!ok) {
		report_add(r, REPORT_ERROR, root->file, root->line,
		    "root %s: %s", root->text, buf_cstr(&why));
		host_root_close(h);
	}
	buf_fini(&why);
	return ok;
}

void
host_root_close(struct host *h)
{
	if (h->root != -1)
		(void)close(h->root);
	if (h->store != -1)
		(void)close(h->store);
	h->root = h->store = -1;
}

/* Where a capsule's path leads now: a store's, through its link. A directory that
 * has become a store, or is one no more, is another place, too. */
static bool
find_place(const struct host *h, struct stat *st)
{
	int dir = file_root(h->conf->root.text);
	bool found = dir != -1;

	if (found)
		found = is_store(dir) ? fstatat(dir, CURRENT, st, 0) == 0
				      : fstat(dir, st) == 0;
	if (dir != -1)
		(void)close(dir);
	return found && S_ISDIR(st->st_mode);
}

uint64_t
hosts_moved(const struct hosts *h)
{
	uint64_t sum = 1;
	bool moved = false;
	struct stat st;
	size_t i;

	for (i = 0; i < h->n; i++) {
		const struct host *host = &h->host[i];

		if (!find_place(host, &st))
			continue;
		moved = moved || st.st_dev != host->root_dev ||
			st.st_ino != host->root_ino;
		sum = (sum ^ st.st_dev) * 0x100000001b3u; /* FNV-1a's prime */
		sum = (sum ^ st.st_ino) * 0x100000001b3u;
	}
	return moved ? sum : 0;
}
