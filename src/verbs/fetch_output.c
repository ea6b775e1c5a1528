/* SPDX-License-Identifier: ISC */
#include "verbs/fetch_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/fd.h"
#include "util/log.h"

enum {
	OUTPUT_CHUNK = 4096,
	OUTPUT_PROGRESS_MS = 200,
	OUTPUT_MODE = 0666,
};

static bool
complain(const struct fetch_output *o)
{
	log_error(
	    "%s: %s", o->file != NULL ? o->file : "stdout", strerror(errno));
	return false;
}

/* As open(2) would have made it. */
static bool
set_mode(int fd)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	return fchmod(fd, OUTPUT_MODE & ~mask) == 0;
}

/* A name of our own: two runs do not share it, and nobody can have put a link
 * there. */
static int
open_temporary(struct fetch_output *o)
{
	int fd;

	if (asprintf(&o->temporary, "%s.part.XXXXXX", o->file) == -1) {
		o->temporary = NULL;
		return -1;
	}
	fd = mkostemp(o->temporary, O_CLOEXEC);
	if (fd == -1 || set_mode(fd))
		return fd;
	(void)close(fd);
	(void)unlink(o->temporary);
	return -1;
}

bool
fetch_output_open(struct fetch_output *o, const char *file)
{
	struct stat st;

	*o = (struct fetch_output){ .file = file, .fd = STDOUT_FILENO };
	if (file == NULL) {
		o->terminal = isatty(STDOUT_FILENO) == 1;
		return true;
	}
	o->progress = isatty(STDERR_FILENO) == 1;
	/* A device or a pipe is written to, never renamed over. */
	if (stat(file, &st) == 0 && !S_ISREG(st.st_mode))
		o->fd = open(file, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	else
		o->fd = open_temporary(o);
	return o->fd != -1 || complain(o);
}

static bool
write_all(const struct fetch_output *o, struct slice bytes)
{
	return fd_write_all(o->fd, bytes) || complain(o);
}

static void
show_progress(struct fetch_output *o)
{
	uint64_t now = clock_ms();

	if (!o->progress || now - o->shown_ms < OUTPUT_PROGRESS_MS)
		return;
	o->shown_ms = now;
	fprintf(stderr, "\r%s: %.1f MiB ", o->file,
	    (double)o->bytes / (1024 * 1024));
}

static bool
write_screen(struct fetch_output *o, struct slice bytes)
{
	uint8_t memory[SCREEN_GROWTH * (OUTPUT_CHUNK + sizeof(o->screen.kept))];
	struct buf out;

	while (bytes.len > 0) {
		size_t n = bytes.len < OUTPUT_CHUNK ? bytes.len : OUTPUT_CHUNK;

		buf_wrap(&out, memory, sizeof(memory));
		if (!screen_put(&o->screen, slice_head(bytes, n), &out) ||
		    !write_all(o, buf_view(&out)))
			return false;
		bytes = slice_skip(bytes, n);
	}
	return true;
}

bool
fetch_output_write(struct fetch_output *o, struct slice bytes)
{
	o->bytes += bytes.len;
	show_progress(o);
	return o->terminal ? write_screen(o, bytes) : write_all(o, bytes);
}

/* Under FILE.part, whatever lies there; a link there is replaced, not followed. */
static void
keep_part(const struct fetch_output *o)
{
	const char *kept = o->temporary;
	char *part;

	if (asprintf(&part, "%s.part", o->file) == -1)
		part = NULL;
	if (part != NULL && rename(o->temporary, part) == 0)
		kept = part;
	log_info("what came is kept as %s", kept);
	free(part);
}

static bool
close_file(struct fetch_output *o, bool whole)
{
	bool done = true;

	if (o->progress && o->shown_ms != 0)
		fputs("\r\x1b[K", stderr);
	if (o->fd != -1 && close(o->fd) == -1)
		done = complain(o);
	if (o->fd != -1 && o->temporary != NULL) {
		if (done && whole && rename(o->temporary, o->file) == -1)
			done = complain(o);
		if (!(done && whole))
			keep_part(o);
	}
	free(o->temporary);
	o->temporary = NULL;
	return done;
}

bool
fetch_output_close(struct fetch_output *o, bool whole)
{
	uint8_t memory[SCREEN_GROWTH * sizeof(o->screen.kept)];
	struct buf out;

	if (o->file != NULL)
		return close_file(o, whole);
	if (!o->terminal)
		return true;
	buf_wrap(&out, memory, sizeof(memory));
	return screen_end(&o->screen, &out) && write_all(o, buf_view(&out));
}
