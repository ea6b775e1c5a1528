/* SPDX-License-Identifier: ISC */
#include "verbs/fetch_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	OUTPUT_CHUNK = 4096,
	OUTPUT_PROGRESS_MS = 200,
};

static bool
complain(const struct fetch_output *o)
{
	log_error(
	    "%s: %s", o->part != NULL ? o->part : "stdout", strerror(errno));
	return false;
}

bool
fetch_output_open(struct fetch_output *o, const char *file)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
	struct stat st;
	bool special;

	*o = (struct fetch_output){ .file = file, .fd = STDOUT_FILENO };
	if (file == NULL) {
		o->terminal = isatty(STDOUT_FILENO) == 1;
		return true;
	}
	/* A device or a pipe is written to, never renamed over. */
	special = stat(file, &st) == 0 && !S_ISREG(st.st_mode);
	if (asprintf(&o->part, special ? "%s" : "%s.part", file) == -1) {
		o->part = NULL;
		return complain(o);
	}
	o->progress = isatty(STDERR_FILENO) == 1;
	o->fd = open(o->part, flags, 0666);
	return o->fd != -1 || complain(o);
}

static bool
write_all(const struct fetch_output *o, struct slice bytes)
{
	return file_write_all(o->fd, bytes) || complain(o);
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

static bool
close_file(struct fetch_output *o, bool whole)
{
	bool done = true;

	if (o->progress && o->shown_ms != 0)
		fputs("\r\x1b[K", stderr);
	if (o->fd != -1 && close(o->fd) == -1)
		done = complain(o);
	if (done && whole && rename(o->part, o->file) == -1)
		done = complain(o);
	if (o->fd != -1 && !(done && whole))
		log_info("what came is kept as %s", o->part);
	free(o->part);
	o->part = NULL;
	return done;
}

bool
fetch_output_close(struct fetch_output *o, bool whole)
{
	uint8_t memory[SCREEN_GROWTH * sizeof(o->screen.kept)];
	struct buf out;

	if (o->part != NULL)
		return close_file(o, whole);
	if (!o->terminal)
		return true;
	buf_wrap(&out, memory, sizeof(memory));
	return screen_end(&o->screen, &out) && write_all(o, buf_view(&out));
}
