/* SPDX-License-Identifier: ISC */
#include "conf/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_SIZE = 8192 };

void
source_init(struct source *s, struct conf *c, struct report *r)
{
	*s = (struct source){ .conf = c, .report = r, .lines = 1 };
	buf_init(&s->text, SOURCE_TEXT_MAX);
}

void
source_fini(struct source *s)
{
	buf_fini(&s->text);
}

struct place
source_place(const struct source *s, unsigned line)
{
	struct place place = { NULL, 0 };

	for (size_t i = 0; i < s->n_marks && s->marks[i].at <= line; i++) {
		place = s->marks[i].place;
		place.line += line - s->marks[i].at;
	}
	return place;
}

/* All that can be read from fd, or some more than is allowed. */
static bool
fd_read(int fd, struct buf *out)
{
	uint8_t block[READ_SIZE];

	while (out->len <= CONF_FILE_MAX) {
		ssize_t n = read(fd, block, sizeof(block));

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		if (!buf_put(out, slice_of(block, (size_t)n)))
			return false;
	}
	return true;
}

/* Reads a regular file, and nothing else: a pipe or a device could keep the server
 * waiting, or never end. False, and errno; EINVAL: it is not a regular file. */
static bool
file_read(const char *file, struct buf *out)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	bool good = false;
	int error;

	if (fd == -1)
		return false;
	if (fstat(fd, &st) == 0) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		good = S_ISREG(st.st_mode) && fd_read(fd, out);
	}
	error = errno;
	close(fd);
	errno = error;
	return good;
}

static void
report_unread(struct source *s, const char *file, int error)
{
	if (error == EINVAL)
		report_add(s->report, REPORT_ERROR, file, 0,
		    "cannot read: not a regular file");
	else
		report_add(s->report, REPORT_ERROR, file, 0, "cannot read: %s",
		    strerror(error));
}

bool
source_file(struct source *s, const char *file)
{
	char *name = arena_text(s->conf, slice_str(file));
	struct buf bytes;
	bool good = false;

	buf_init(&bytes, CONF_FILE_MAX + READ_SIZE);
	if (name == NULL)
		goto out;
	if (!file_read(file, &bytes)) {
		report_unread(s, file, errno);
		goto out;
	}
	s->may_include = true;
	s->depth++;
	good = source_scan(s, buf_view(&bytes), name);
	s->depth--;
out:
	buf_fini(&bytes);
	return good;
}

bool
source_bytes(struct source *s, struct slice bytes, const char *name)
{
	char *file = arena_text(s->conf, slice_str(name));

	return file != NULL && source_scan(s, bytes, file);
}
