/* SPDX-License-Identifier: ISC */
/* An archive against the manifest that it holds. The manifest lies somewhere in
 * its middle: it is read twice, first for that alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/ustar.h"
#include "archive/verify_internal.h"
#include "os/file.h"

struct members {
	struct verify *v;
	bool extracting; /* the first time */
	bool found;      /* the manifest, whole */
	const char *fault;

	/* The member that is being read. */
	bool is_manifest;
	bool is_listed;
	size_t at; /* its entry */
	struct digest digest;
};

static bool
same_manifest(const struct members *r, const uint8_t got[DIGEST_SIZE])
{
	uint8_t want[DIGEST_SIZE];

	digest_sha256(buf_view(&r->v->text), want);
	return digest_equal(want, got);
}

static bool
begin_extracting(struct members *r, struct slice path, uint64_t size)
{
	r->is_manifest = slice_equal(path, SLICE(MANIFEST_PATH));
	if (r->is_manifest && size > MANIFEST_MAX) {
		r->fault = "its " MANIFEST_PATH " is too long";
		return false;
	}
	return true;
}

static bool
begin(void *arg, struct slice path, uint64_t size)
{
	char text[USTAR_PATH_MAX + 1];
	struct members *r = arg;

	if (r->extracting)
		return begin_extracting(r, path, size);
	memcpy(text, path.ptr, path.len);
	text[path.len] = '\0';
	digest_fini(&r->digest);
	r->is_manifest = !r->found && strcmp(text, MANIFEST_PATH) == 0;
	/* A name that comes again is as much in excess as one not signed. */
	r->is_listed = !r->is_manifest && verify_find(r->v, text, &r->at) &&
		       r->v->mark[r->at] == VERIFY_UNSEEN;
	if (r->is_manifest || r->is_listed)
		digest_init(&r->digest);
	else
		verify_tell(r->v, VERIFY_EXTRA, text);
	return true;
}

static bool
take(void *arg, struct slice bytes)
{
	struct members *r = arg;

	if (r->extracting && r->is_manifest)
		return buf_put(&r->v->text, bytes);
	if (r->is_manifest || r->is_listed)
		digest_add(&r->digest, bytes);
	return true;
}

static bool
end(void *arg)
{
	uint8_t got[DIGEST_SIZE];
	struct members *r = arg;

	if (r->extracting) {
		r->found = r->is_manifest;
		return !r->found; /* the rest is for the second time */
	}
	if (!r->is_manifest && !r->is_listed)
		return true;
	if (!digest_end(&r->digest, got)) {
		r->fault = strerror(ENOMEM);
		return false;
	}
	if (r->is_manifest) {
		r->found = same_manifest(r, got);
		r->fault = r->found ? NULL : "it holds another manifest";
		return r->found;
	}
	if (digest_equal(got, r->v->manifest.entry[r->at].digest))
		r->v->mark[r->at] = VERIFY_SOUND;
	else
		verify_fault(r->v, r->at, VERIFY_CHANGED);
	return true;
}

/* All of fd, or as far as the visitor wants it. */
static bool
read_through(struct members *r, int fd, struct buf *why)
{
	const struct ustar_visitor visitor = {
		.file = begin, .bytes = take, .end = end, .arg = r
	};
	struct ustar_reader *reader = ustar_reader_new(&visitor);
	uint8_t chunk[VERIFY_CHUNK];
	size_t before = why->len;
	ssize_t n = 0;
	bool ok = reader != NULL;

	if (!ok)
		(void)buf_str(why, strerror(ENOMEM));
	while (ok && (n = file_read_some(fd, chunk, sizeof(chunk))) > 0)
		ok = ustar_reader_put(reader, slice_of(chunk, (size_t)n), why);
	if (ok && n == -1)
		(void)buf_str(why, strerror(errno));
	ok = ok && n == 0 && ustar_reader_end(reader, why);
	if (r->extracting && r->found)
		ok = true;
	else if (r->fault != NULL)
		ok = false;
	if (r->fault != NULL || ok)
		buf_truncate(why, before);
	if (r->fault != NULL)
		(void)buf_str(why, r->fault);
	ustar_reader_free(&reader);
	digest_fini(&r->digest);
	return ok;
}

bool
verify_extract(struct verify *v, int fd, struct buf *why)
{
	struct members r = { .v = v, .extracting = true };

	buf_fini(&v->text);
	buf_init(&v->text, MANIFEST_MAX);
	if (!read_through(&r, fd, why))
		return false;
	if (!r.found)
		(void)buf_str(why, "no " MANIFEST_PATH " is in it");
	return r.found;
}

bool
verify_members(struct verify *v, int fd, struct buf *why)
{
	struct members r = { .v = v };

	if (!read_through(&r, fd, why))
		return false;
	if (!r.found) {
		(void)buf_str(why, "no " MANIFEST_PATH " is in it");
		return false;
	}
	for (size_t i = 0; i < v->manifest.n; i++)
		if (v->mark[i] == VERIFY_UNSEEN)
			verify_fault(v, i, VERIFY_MISSING);
	return true;
}

static enum verify_result
check(struct verify *v, int fd, const char *path, struct buf *why)
{
	size_t before = why->len;
	enum verify_result result;

	(void)buf_printf(why, "%s: ", path);
	if (!verify_extract(v, fd, why))
		return VERIFY_REFUSED;
	buf_truncate(why, before);
	result = verify_open(v, MANIFEST_PATH, why);
	if (result != VERIFY_GOOD)
		return result;
	(void)buf_printf(why, "%s: ", path);
	if (lseek(fd, 0, SEEK_SET) == -1) {
		(void)buf_str(why, strerror(errno));
		return VERIFY_LOCAL;
	}
	if (!verify_members(v, fd, why))
		return VERIFY_REFUSED;
	buf_truncate(why, before);
	return verify_conclude(v);
}

enum verify_result
verify_archive(struct verify *v, const char *path, struct buf *why)
{
	enum verify_result result = VERIFY_LOCAL;
	struct stat st;
	int fd;

	if (v->n_keys == 0)
		return VERIFY_KEYLESS;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 || fstat(fd, &st) == -1)
		(void)buf_printf(why, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		(void)buf_printf(why,
		    "%s: an archive must be a file: it is read twice", path);
	else
		result = check(v, fd, path, why);
	if (fd != -1)
		(void)close(fd);
	return result;
}
