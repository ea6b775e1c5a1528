/* SPDX-License-Identifier: ISC */
/* What a release is made of: SRC's files, and the feed and text copy made from
 * them, each with its hash. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/links.h"
#include "archive/publish_internal.h"
#include "util/fd.h"

static int
making_compare(const void *a, const void *b)
{
	const struct publish_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static bool
making_is_made(const struct publish *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->file[i].path, path) == 0)
			return true;
	return false;
}

static bool
stamp(const struct publish *p, struct publish_file *f, struct report *r)
{
	if (!publish_stamp_of(p->root.host->root, f->path, &f->stamp)) {
		publish_problem(
		    p, r, REPORT_ERROR, f->path, 0, "%s", strerror(errno));
		return false;
	}
	/* It was read before all others. */
	if (strcmp(f->path, PUBLISH_CONF_FILE) != 0)
		return true;
	if (p->has_conf)
		f->stamp = p->conf_stamp;
	return publish_file_unchanged(p, f, r);
}

enum result
publish_stamp_files(struct publish *p, struct report *r)
{
	size_t made;

	p->file = calloc(p->pages.n + 2, sizeof(*p->file));
	if (p->file == NULL) {
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		return RESULT_LOCAL;
	}
	if (p->root.host->content.feed.text != NULL)
		p->file[p->n++] = (struct publish_file){ .path = FEED_FILE,
			.made = &p->atom };
	p->file[p->n++] =
	    (struct publish_file){ .path = copy_file(p->root.host),
		    .made = &p->copy };
	made = p->n;
	for (size_t i = 0; i < p->pages.n; i++) {
		struct publish_file *f = &p->file[p->n];
		size_t n = p->n;

		/* An older one in its place goes into no release. */
		p->n = made;
		f->path = p->pages.item[i].path;
		if (making_is_made(p, f->path)) {
			p->n = n;
			continue;
		}
		p->n = n + 1;
		if (!stamp(p, f, r))
			return RESULT_FAILED;
	}
	qsort(p->file, p->n, sizeof(*p->file), making_compare);
	return RESULT_GOOD;
}

enum result
publish_make_files(struct publish *p, struct report *r)
{
	const struct host *h = p->root.host;
	struct feed_options feed = { p->o->author, &p->origin, NULL };
	bool ok = true;

	for (size_t i = 0; i < p->n; i++)
		if (p->file[i].made != NULL &&
		    links_policy(h, p->file[i].path) != STATUS_NONE) {
			publish_problem(p, r, REPORT_ERROR, p->file[i].path, 0,
			    "is made when publishing, yet capsule.conf says "
			    "that it is gone or elsewhere");
			ok = false;
		}
	if (h->content.feed.text != NULL) {
		if (p->last_serial > 0 && publish_open_last(p))
			feed.last = p->last.host;
		else if (p->last_serial > 0)
			report_add(r, REPORT_WARNING, p->o->store, 0,
			    "serial %llu cannot be read: feed readers may show "
			    "its entries again",
			    (unsigned long long)p->last_serial);
		ok = feed_atom(h, &p->pages, &feed, &p->atom, r) && ok;
	}
	ok = copy_text(h, &p->pages, &p->origin, &p->copy, r) && ok;
	return ok ? RESULT_GOOD : RESULT_FAILED;
}

/* False and errno when it cannot be read. */
static bool
hash(int fd, struct publish_file *f)
{
	uint8_t bytes[PUBLISH_READ_SIZE];
	struct digest d;
	ssize_t n;

	digest_init(&d);
	f->size = 0;
	while ((n = fd_read(fd, bytes, sizeof(bytes))) != 0) {
		if (n == -1)
			break;
		digest_add(&d, slice_of(bytes, (size_t)n));
		f->size += (uint64_t)n;
	}
	if (n == -1) {
		digest_fini(&d);
		return false;
	}
	errno = ENOMEM;
	return digest_end(&d, f->digest);
}

static enum result
hash_file(const struct publish *p, struct publish_file *f, struct report *r)
{
	bool ok;
	int fd;

	if (f->made != NULL) {
		f->size = f->made->len;
		digest_sha256(buf_view(f->made), f->digest);
		return RESULT_GOOD;
	}
	fd = publish_file_open(p, f, r);
	if (fd == -1)
		return RESULT_FAILED;
	ok = hash(fd, f);
	if (!ok)
		publish_problem(p, r, REPORT_ERROR, f->path, 0,
		    "cannot be read: %s", strerror(errno));
	(void)close(fd);
	if (!ok)
		return RESULT_LOCAL;
	return publish_file_unchanged(p, f, r) ? RESULT_GOOD : RESULT_FAILED;
}

enum result
publish_hash_files(struct publish *p, struct report *r)
{
	enum result result = RESULT_GOOD;

	for (size_t i = 0; i < p->n && result == RESULT_GOOD; i++)
		result = hash_file(p, &p->file[i], r);
	return result;
}
