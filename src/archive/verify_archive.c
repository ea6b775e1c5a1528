/* SPDX-License-Identifier: ISC */
/* An archive against the manifest that it holds. The manifest lies somewhere in
 * its middle: it is read twice, first for that alone. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/ustar.h"
#include "archive/verify_internal.h"
#include "util/fd.h"

struct members {
	struct verify *v;
	bool extracting; /* the first time */
	bool found;      /* the manifest, whole */
	bool exhausted;  /* out of memory: nothing is wrong with it */
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
	/* A duplicate name is as much in excess as an unsigned one. */
	r->is_listed = !r->is_manifest && verify_find(r->v, text, &r->at) &&
		       r->v->mark[r->at] == VERIFY_UNSEEN;
	if (r->is_manifest || r->is_listed)
		digest_init(&r->digest);
	else
		verify_report(r->v, VERIFY_EXTRA, text);
	return true;
}

static bool
member_take(void *arg, struct slice bytes)
{
	struct members *r = arg;

	if (r->extracting && r->is_manifest) {
		r->exhausted = !buf_put(&r->v->text, bytes);
		return !r->exhausted;
	}
	if (r->is_manifest || r->is_listed)
		digest_add(&r->digest, bytes);
	return true;
}

static bool
member_end(void *arg)
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
		r->exhausted = true;
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

/* What was read comes to; n is what the last read returned. */
static enum result
members_judge(const struct members *r, ssize_t n, bool whole)
{
	if (r->exhausted || n == -1)
		return RESULT_LOCAL;
	if (r->extracting && r->found)
		return RESULT_GOOD;
	return whole && r->fault == NULL ? RESULT_GOOD : RESULT_REFUSED;
}

/* All of fd, or as far as the handler wants it. RESULT_LOCAL: it cannot be read. */
static enum result
read_through(struct members *r, int fd, struct why *why)
{
	const struct ustar_handler handler = {
		.file = begin, .bytes = member_take, .end = member_end, .arg = r
	};
	struct ustar_reader *reader = ustar_reader_new(&handler);
	uint8_t chunk[VERIFY_CHUNK];
	enum result result;
	const char *fault = NULL;
	ssize_t n = 0;
	bool ok = true;

	r->exhausted = reader == NULL;
	while (
	    ok && reader != NULL && (n = fd_read(fd, chunk, sizeof(chunk))) > 0)
		ok = ustar_reader_put(reader, slice_of(chunk, (size_t)n), why);
	if (n == -1)
		fault = strerror(errno);
	ok = ok && reader != NULL && n == 0 && ustar_reader_end(reader, why);
	result = members_judge(r, n, ok);
	if (r->exhausted)
		fault = strerror(ENOMEM);
	else if (result == RESULT_REFUSED)
		fault = r->fault;
	if (fault != NULL)
		why_set(why, "%s", fault);
	else if (result == RESULT_GOOD)
		why_clear(why);
	ustar_reader_free(&reader);
	digest_fini(&r->digest);
	return result;
}

enum result
verify_extract(struct verify *v, int fd, struct why *why)
{
	struct members r = { .v = v, .extracting = true };
	enum result result;

	buf_fini(&v->text);
	buf_init(&v->text, MANIFEST_MAX);
	result = read_through(&r, fd, why);
	if (result != RESULT_GOOD || r.found)
		return result;
	why_set(why, "no " MANIFEST_PATH " is in it");
	return RESULT_REFUSED;
}

enum result
verify_members(struct verify *v, int fd, struct why *why)
{
	struct members r = { .v = v };
	enum result result = read_through(&r, fd, why);

	if (result != RESULT_GOOD)
		return result;
	if (!r.found) {
		why_set(why, "no " MANIFEST_PATH " is in it");
		return RESULT_REFUSED;
	}
	for (size_t i = 0; i < v->manifest.n; i++)
		if (v->mark[i] == VERIFY_UNSEEN)
			verify_fault(v, i, VERIFY_MISSING);
	return RESULT_GOOD;
}

static enum result
archive_check(struct verify *v, int fd, const char *path, struct why *why)
{
	enum result result = verify_extract(v, fd, why);

	if (result == RESULT_GOOD) {
		result = verify_open(v, MANIFEST_PATH, why);
		if (result != RESULT_GOOD)
			return result;
		if (lseek(fd, 0, SEEK_SET) == -1) {
			why_errno(why, path);
			return RESULT_LOCAL;
		}
		result = verify_members(v, fd, why);
	}
	if (result == RESULT_GOOD)
		return verify_conclude(v);
	why_at(why, "%s", path);
	return result;
}

enum result
verify_archive(struct verify *v, const char *path, struct why *why)
{
	enum result result = RESULT_LOCAL;
	struct stat st;
	int fd;

	if (v->ring.n == 0)
		return RESULT_USAGE;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 || fstat(fd, &st) == -1)
		why_errno(why, path);
	else if (!S_ISREG(st.st_mode))
		why_set(why, "%s: an archive must be a file: it is read twice",
		    path);
	else
		result = archive_check(v, fd, path, why);
	if (fd != -1)
		(void)close(fd);
	return result;
}
