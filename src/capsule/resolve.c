/* SPDX-License-Identifier: ISC */
#include "capsule/resolve.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capsule/policy.h"
#include "capsule/store_layout.h"

_Static_assert(sizeof(((struct resolution *)NULL)->path) >=
		   sizeof(((struct uri_path *)NULL)->decoded) + NAME_MAX,
    "a path has room for the name of an index page");

static enum resolved
resolve_failure(enum file_open result)
{
	switch (result) {
	case FILE_EXHAUSTED:
		return RESOLVED_EXHAUSTED;
	case FILE_FAILED:
		return RESOLVED_FAILED;
	case FILE_OPENED:
	case FILE_ABSENT:
		break;
	}
	return RESOLVED_ABSENT;
}

static void
resolve_forget(struct resolution *out)
{
	if (out->fd != -1)
		close(out->fd);
	out->fd = -1;
}

/* Opens out->path; when it is there but no directory (or none, as wanted), it
 * is closed again and absent. */
static enum file_open
resolve_open_kind(const struct host *h, bool directory, struct resolution *out)
{
	enum file_open result =
	    file_open_beneath(h->root, out->path, &out->fd, &out->st);

	if (result == FILE_OPENED && S_ISDIR(out->st.st_mode) != directory) {
		resolve_forget(out);
		result = FILE_ABSENT;
	}
	return result;
}

/* Whether a name in the open directory is an index page that we failed to open
 * because we may not, not because there is none: such a directory must not be
 * listed in its place. */
static bool
resolve_is_withheld(int directory, const char *name)
{
	struct stat st;

	return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode));
}

/* Whether name may be used as an index: a plain, visible name. */
static bool
resolve_index_name_fits(const struct host *h, const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= NAME_MAX && strchr(name, '/') == NULL &&
	       !host_hides(h, name, len);
}

/* Opens the directory at the front of at->path, len bytes of it, unless it is
 * open already. */
static enum file_open
resolve_open_directory(const struct host *h, struct resolution *at, size_t len)
{
	at->path[len] = '\0';
	return at->fd != -1 ? FILE_OPENED : resolve_open_kind(h, true, at);
}

/* Tries one index page of the directory that at->path names. RESOLVED_LISTING:
 * there is none of that name; at is then the open directory. */
static enum resolved
resolve_index(const struct host *h, const char *name, size_t len,
    struct resolution *at, struct resolution *page)
{
	enum file_open result;

	memcpy(page->path, at->path, len);
	memcpy(page->path + len, name, strlen(name) + 1);
	result = resolve_open_kind(h, false, page);
	if (result == FILE_OPENED)
		return RESOLVED_FILE;
	if (result != FILE_ABSENT)
		return resolve_failure(result);
	result = resolve_open_directory(h, at, len);
	if (result != FILE_OPENED)
		return resolve_failure(result);
	return resolve_is_withheld(at->fd, name) ? RESOLVED_ABSENT
						 : RESOLVED_LISTING;
}

/* A path with a final '/'. The first index page is opened by its own path,
 * without the directory: nearly every such request is for it. */
static enum resolved
resolve_directory(
    const struct host *h, const struct uri_path *path, struct resolution *out)
{
	enum resolved result = RESOLVED_LISTING;
	size_t len = strlen(out->path);
	struct resolution page;
	enum file_open opened;
	const char *name;
	size_t i;

	page.fd = -1;
	page.type = NULL;
	for (i = 0; result == RESOLVED_LISTING; i++) {
		name = host_index(h, i);
		if (name == NULL)
			break;
		if (resolve_index_name_fits(h, name))
			result = resolve_index(h, name, len, out, &page);
	}
	if (result == RESOLVED_LISTING && !policy_listing(h, path->decoded))
		result = RESOLVED_ABSENT;
	/* Without any index name the directory is not open yet. */
	if (result == RESOLVED_LISTING) {
		opened = resolve_open_directory(h, out, len);
		if (opened != FILE_OPENED)
			result = resolve_failure(opened);
	}
	if (result != RESOLVED_LISTING)
		resolve_forget(out);
	if (result == RESOLVED_FILE)
		*out = page;
	return result;
}

/* Which file of the store, not of its release, a path means; "": none. False:
 * the path is the release's. */
static bool
resolve_store_path(const struct host *h, struct slice path,
    char inside[STORE_PATH_SIZE], const char **type)
{
	const struct slice below = SLICE(MIRROR_OBJECTS);
	uint8_t digest[DIGEST_SIZE];

	*inside = '\0';
	if (h->store == -1)
		return false;
	if (slice_equal(path, SLICE(MIRROR_TRACE))) {
		*type = "text/plain";
		memcpy(inside, STORE_TRACE, sizeof(STORE_TRACE));
		return true;
	}
	if (!slice_starts(path, below))
		return slice_equal(path, slice_head(below, below.len - 1));
	*type = "application/octet-stream";
	if (h->conf->objects &&
	    digest_parse(slice_skip(path, below.len), digest) &&
	    !host_withholds(h, digest))
		store_layout_object(digest, inside);
	return true;
}

static enum resolved
resolve_store(const struct host *h, const char *inside, struct resolution *out)
{
	enum file_open result;

	if (*inside == '\0')
		return RESOLVED_ABSENT;
	result = file_open_beneath(h->store, inside, &out->fd, &out->st);
	if (result != FILE_OPENED)
		return resolve_failure(result);
	if (S_ISREG(out->st.st_mode))
		return RESOLVED_FILE;
	resolve_forget(out);
	return RESOLVED_ABSENT;
}

enum resolved
resolve(
    const struct host *h, const struct uri_path *path, struct resolution *out)
{
	char inside[STORE_PATH_SIZE];
	enum file_open result;

	assert(path->decoded_len > 0 && path->decoded[0] == '/');
	out->fd = -1;
	out->type = NULL;
	memcpy(out->path, path->decoded + 1, path->decoded_len);
	if (host_hides_path(h, out->path))
		return RESOLVED_ABSENT;
	if (resolve_store_path(h, slice_str(out->path), inside, &out->type))
		return resolve_store(h, inside, out);
	if (path->decoded[path->decoded_len - 1] == '/')
		return resolve_directory(h, path, out);
	result = file_open_beneath(h->root, out->path, &out->fd, &out->st);
	if (result != FILE_OPENED)
		return resolve_failure(result);
	if (S_ISREG(out->st.st_mode))
		return RESOLVED_FILE;
	resolve_forget(out);
	return RESOLVED_SLASH;
}
