/* SPDX-License-Identifier: ISC */
/* What a release consists of, made from a manifest and objects in one pass: the
 * files, and the archive that holds the same bytes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/store_internal.h"
#include "archive/ustar.h"
#include "util/fd.h"

struct fill {
	struct store *store;
	const struct manifest *m;
	struct why *why;
	int release;
	bool link;

	/* The directory that was last linked to, and how its path begins. */
	int dir;
	struct slice dir_path;
	size_t directories;

	int tar;
	struct ustar_writer ustar;
	size_t held; /* bytes in out */
	uint8_t out[STORE_CHUNK];
	uint8_t in[STORE_CHUNK];
};

static bool
flush(struct fill *f)
{
	bool ok = fd_write_all(f->tar, slice_of(f->out, f->held));

	f->held = 0;
	return ok || store_fault(f->store, f->why, MANIFEST_ARCHIVE, NULL);
}

/* ustar's sink: small pieces go to the disk as one. */
static bool
sink(void *arg, struct slice bytes)
{
	struct fill *f = arg;
	size_t n;

	while (bytes.len > 0) {
		n = sizeof(f->out) - f->held;
		n = n < bytes.len ? n : bytes.len;
		memcpy(f->out + f->held, bytes.ptr, n);
		f->held += n;
		bytes = slice_skip(bytes, n);
		if (f->held == sizeof(f->out) && !flush(f))
			return false;
	}
	return true;
}

/* Another directory becomes f->dir: step by step from the release down. */
static bool
enter(struct fill *f, struct slice path)
{
	char part[MANIFEST_PART_MAX + 1];
	struct slice rest = path, head;
	int fd, dir = store_dir_open(f->release, ".");
	bool made;

	while (dir != -1 && rest.len > 0) {
		(void)slice_cut(rest, '/', &head, &rest);
		if (head.len == 0 || head.len >= sizeof(part)) {
			errno = ENAMETOOLONG;
			break;
		}
		memcpy(part, head.ptr, head.len);
		part[head.len] = '\0';
		fd = store_dir_make(dir, part, &made);
		store_shut(dir);
		dir = fd;
		f->directories += made;
		if (f->directories > STORE_DIRECTORIES_MAX)
			break;
	}
	store_shut(f->dir);
	f->dir = dir;
	f->dir_path = path;
	if (f->directories > STORE_DIRECTORIES_MAX)
		return store_fault(f->store, f->why, "releases",
		    "the manifest has too many directories");
	return (dir != -1 && rest.len == 0) ||
	       store_fault(f->store, f->why, "releases", NULL);
}

static bool
link_file(struct fill *f, const struct manifest_entry *e)
{
	const char *slash = strrchr(e->path, '/');
	struct slice dir =
	    slice_of(e->path, slash == NULL ? 0 : (size_t)(slash - e->path));
	const char *fault = manifest_name_fault(slice_str(e->path));

	if (fault != NULL)
		return store_fault(f->store, f->why, e->path, fault);
	if ((f->dir == -1 || !slice_equal(dir, f->dir_path)) && !enter(f, dir))
		return false;
	return store_link(f->store, e->digest, f->dir,
	    slash == NULL ? e->path : slash + 1, f->why);
}

/* Nothing rotten gets into a release: the next run brings it anew. */
static bool
is_rotten(struct fill *f, const struct manifest_entry *e)
{
	char path[DIGEST_HEX_SIZE + 16];

	store_object_path(e->digest, path);
	if (!store_discard(f->store, e->digest, f->why))
		return false;
	return store_fault(f->store, f->why, path,
	    "had rotten and was taken away: run this again");
}

static bool
archive_file(struct fill *f, const struct manifest_entry *e)
{
	uint8_t got[DIGEST_SIZE];
	int fd = store_object_fd(f->store, e->digest);
	struct digest d;
	uint64_t size = 0, left;
	bool ok;
	ssize_t n = 0;

	if (fd == -1 || !store_size(f->store, e->digest, &size) ||
	    !ustar_begin(&f->ustar, e->path, size, f->m->created)) {
		store_shut(fd);
		if (f->why->text[0] == '\0')
			(void)store_fault(f->store, f->why, e->path,
			    fd == -1 ? "its object cannot be opened"
				     : "cannot be archived");
		return false;
	}
	digest_init(&d);
	ok = true;
	for (left = size; ok && left > 0; left -= (uint64_t)n) {
		n = fd_read(fd, f->in,
		    left < sizeof(f->in) ? (size_t)left : sizeof(f->in));
		if (n <= 0)
			break;
		digest_add(&d, slice_of(f->in, (size_t)n));
		ok = ustar_bytes(&f->ustar, slice_of(f->in, (size_t)n));
	}
	store_shut(fd);
	if (!digest_end(&d, got) || !ok)
		return false;
	if (n == -1)
		return store_fault(f->store, f->why, e->path, NULL);
	return digest_equal(got, e->digest) || is_rotten(f, e);
}

static bool
filling_archive_manifest(struct fill *f, struct slice bytes)
{
	return ustar_begin(
		   &f->ustar, MANIFEST_PATH, bytes.len, f->m->created) &&
	       ustar_bytes(&f->ustar, bytes);
}

static bool
write_all_files(struct fill *f, struct slice bytes)
{
	bool written = false;

	for (size_t i = 0; i < f->m->n; i++) {
		const struct manifest_entry *e = &f->m->entry[i];

		if (!written && strcmp(e->path, MANIFEST_PATH) > 0) {
			written = true;
			if (!filling_archive_manifest(f, bytes))
				return false;
		}
		if ((f->link && !link_file(f, e)) || !archive_file(f, e))
			return false;
	}
	return (written || filling_archive_manifest(f, bytes)) &&
	       ustar_end(&f->ustar) && flush(f);
}

static const char *
last_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* Both into mirror/, of which nothing is seen before it is whole. */
static bool
put_both(struct fill *f, const char *tmp, struct slice bytes)
{
	struct store *s = f->store;
	int mirror = store_dir_make(f->release, "mirror", NULL);
	bool ok;

	ok = mirror != -1 && fchmod(f->tar, STORE_OBJECT_MODE) == 0 &&
	     renameat(s->tmp, tmp, mirror, last_of(MANIFEST_ARCHIVE)) == 0 &&
	     store_put_file(
		 s, mirror, last_of(MANIFEST_PATH), bytes, STORE_OBJECT_MODE);
	store_shut(mirror);
	return ok || store_fault(s, f->why, "mirror", NULL);
}

bool
store_fill(struct store *s, int release, bool link, const struct manifest *m,
    struct slice bytes, struct why *why)
{
	struct fill *f = calloc(1, sizeof(*f));
	char tmp[STORE_NAME_SIZE];
	bool ok;

	if (f == NULL)
		return store_fault(s, why, "tmp", strerror(ENOMEM));
	*f = (struct fill){ .store = s,
		.m = m,
		.why = why,
		.release = release,
		.link = link,
		.dir = -1 };
	f->ustar.sink = sink;
	f->ustar.arg = f;
	f->tar = store_tmp_file(s, tmp);
	if (f->tar == -1) {
		free(f);
		return store_fault(s, why, "tmp", NULL);
	}
	ok = write_all_files(f, bytes) && put_both(f, tmp, bytes);
	if (!ok)
		(void)unlinkat(s->tmp, tmp, 0);
	store_shut(f->tar);
	store_shut(f->dir);
	free(f);
	return ok;
}
