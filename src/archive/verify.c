/* SPDX-License-Identifier: ISC */
#include "archive/verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/verify_internal.h"
#include "os/file.h"
#include "util/fd.h"

void
verify_fini(struct verify *v)
{
	if (v->opened)
		manifest_fini(&v->manifest);
	v->opened = false;
	buf_fini(&v->text);
	free(v->mark);
	v->mark = NULL;
	free(v->own);
	v->own = NULL;
	free(v->serial);
	v->serial = NULL;
	v->n_serials = 0;
}

void
verify_report(struct verify *v, enum verify_news news, const char *path)
{
	v->reported[news]++;
	v->older[news] += v->in_older;
	if (v->report != NULL)
		v->report(v->arg, news, path);
}

void
verify_fault(struct verify *v, size_t i, enum verify_news news)
{
	if (v->mark[i] != VERIFY_FAULTY)
		verify_report(v, news, v->manifest.entry[i].path);
	v->mark[i] = VERIFY_FAULTY;
}

enum verify_result
verify_open(struct verify *v, const char *what, struct why *why)
{
	size_t which;

	if (v->n_keys == 0)
		return VERIFY_KEYLESS;
	if (manifest_open(buf_view(&v->text), v->keys, v->n_keys, &which,
		&v->manifest, NULL, why) != MANIFEST_GOOD) {
		why_at(why, "%s", what);
		return VERIFY_REFUSED;
	}
	v->opened = true;
	v->signer = v->keys[which];
	v->mark = calloc(v->manifest.n + 1, sizeof(*v->mark));
	if (v->mark != NULL)
		return VERIFY_GOOD;
	why_memory(why);
	return VERIFY_LOCAL;
}

enum verify_result
verify_conclude(const struct verify *v)
{
	if (v->reported[VERIFY_CHANGED] + v->reported[VERIFY_MISSING] +
		v->reported[VERIFY_EXTRA] >
	    0)
		return VERIFY_REFUSED;
	return v->reported[VERIFY_UNREADABLE] > 0 ? VERIFY_LOCAL : VERIFY_GOOD;
}

enum verify_news
verify_news_of(int error)
{
	if (file_is_absent(error))
		return VERIFY_MISSING;
	/* A directory, a pipe; one longer than any can be. */
	if (error == EISDIR || error == EINVAL || error == ENXIO ||
	    error == EFBIG)
		return VERIFY_CHANGED;
	return VERIFY_UNREADABLE;
}

bool
verify_find(const struct verify *v, const char *path, size_t *i)
{
	const struct manifest_entry *e = manifest_find(&v->manifest, path);

	if (e != NULL)
		*i = (size_t)(e - v->manifest.entry);
	return e != NULL;
}

bool
verify_hash(int fd, uint8_t digest[DIGEST_SIZE], uint64_t *size)
{
	uint8_t chunk[VERIFY_CHUNK];
	struct digest d;
	ssize_t n;

	*size = 0;
	if (lseek(fd, 0, SEEK_SET) == -1)
		return false;
	digest_init(&d);
	while ((n = fd_read(fd, chunk, sizeof(chunk))) > 0) {
		digest_add(&d, slice_of(chunk, (size_t)n));
		*size += (uint64_t)n;
	}
	if (n == -1) {
		digest_fini(&d);
		return false;
	}
	errno = ENOMEM;
	return digest_end(&d, digest);
}
