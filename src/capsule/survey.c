/* SPDX-License-Identifier: ISC */
/* host_survey() and host_survey_store() of capsule/host.h: what a root holds, told
 * at the start. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capsule/host.h"
#include "os/file.h"
#include "util/clock.h"
#include "util/secret.h"

struct survey {
	const struct host *host;
	int root; /* host's root, or its store */
	struct host_survey *out;
	uint64_t until_ms;
	size_t entries;
	uint8_t bytes[SECRET_LOOK_MAX];
};

/* The first bytes of a file; none when it cannot be read. */
static struct slice
first_bytes(struct survey *s, const char *path)
{
	struct stat st;
	size_t len = 0;
	ssize_t n;
	int fd;

	if (file_open_beneath(s->root, path, &fd, &st) != FILE_OPENED)
		return SLICE("");
	while ((n = file_read_some(
		    fd, s->bytes + len, sizeof(s->bytes) - len)) > 0)
		len += (size_t)n;
	(void)close(fd);
	return slice_of(s->bytes, len);
}

/* Whether any segment of a path is one that visitors are not let see. */
static bool
is_hidden(const struct host *h, const char *path)
{
	size_t len;

	while (*path != '\0') {
		len = strcspn(path, "/");
		if (host_hides(h, path, len))
			return true;
		path += len + strspn(path + len, "/");
	}
	return false;
}

static void
look_for_secret(struct survey *s, const char *path, const struct stat *st)
{
	struct host_survey *out = s->out;

	if (out->secret[0] != '\0' || st->st_size == 0 ||
	    !secret_spotted(first_bytes(s, path)))
		return;
	/* The mark is that of a file that holds a key even if it is replaced
	 * just now. */
	out->secret_mark = host_secret_mark(s->host, path);
	if (secret_spotted(first_bytes(s, path)))
		(void)snprintf(out->secret, sizeof(out->secret), "%s", path);
}

/* Whether the survey goes on: neither time nor entries have run out. */
static bool
has_time(struct survey *s)
{
	s->entries++;
	if (clock_ms() >= s->until_ms || s->entries >= FILE_WALK_ENTRIES_MAX)
		s->out->unfinished = true;
	return !s->out->unfinished;
}

static bool
visit(void *arg, const char *path, const struct stat *st)
{
	struct survey *s = arg;
	struct host_survey *out = s->out;
	struct slice name = slice_str(path);

	if (!has_time(s))
		return false;
	if (!S_ISREG(st->st_mode))
		return true;
	/* What is hidden now may be one option away from being seen. */
	look_for_secret(s, path, st);
	/* A release has its archive and its list besides what it consists of. */
	if (is_hidden(s->host, path) ||
	    (s->host->store != -1 && slice_starts(name, SLICE("mirror/"))))
		return true;
	out->files++;
	out->bytes += (uint64_t)st->st_size;
	if (slice_ends_nocase(name, SLICE(".gmi")) ||
	    slice_ends_nocase(name, SLICE(".gemini")))
		out->pages++;
	return true;
}

bool
host_has_index(const struct host *h)
{
	enum file_open result;
	const char *name;
	struct stat st;
	size_t i;
	int fd;

	for (i = 0; (name = host_index(h, i)) != NULL; i++) {
		result = file_open_beneath(h->root, name, &fd, &st);
		if (result != FILE_OPENED)
			continue;
		(void)close(fd);
		if (S_ISREG(st.st_mode))
			return true;
	}
	return false;
}

void
host_survey(const struct host *h, uint64_t until_ms, struct host_survey *out)
{
	struct survey s = {
		.host = h,
		.root = h->root,
		.out = out,
		.until_ms = until_ms,
	};

	*out = (struct host_survey){ 0 };
	(void)file_walk(h->root, visit, &s);
}

/* Releases consist of objects, which are looked at. */
static bool
visit_store(void *arg, const char *path, const struct stat *st)
{
	struct survey *s = arg;

	if (!has_time(s))
		return false;
	if (S_ISREG(st->st_mode) &&
	    !slice_starts(slice_str(path), SLICE("releases/")))
		look_for_secret(s, path, st);
	return s->out->secret[0] == '\0';
}

void
host_survey_store(
    const struct host *h, uint64_t until_ms, struct host_survey *out)
{
	struct survey s = {
		.host = h,
		.root = h->store,
		.out = out,
		.until_ms = until_ms,
	};

	if (h->store != -1 && out->secret[0] == '\0')
		(void)file_walk_plain(h->store, visit_store, NULL, &s);
}
