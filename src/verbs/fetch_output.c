/* SPDX-License-Identifier: ISC */
#include "verbs/fetch_output.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/fd.h"

enum {
	OUTPUT_CHUNK = 4096,
	OUTPUT_PROGRESS_MS = 200,
};

void
fetch_output_end_line(struct fetch_output *o)
{
	if (o->progress && o->shown_ms != 0)
		fputs("\r\x1b[K", stderr);
	o->shown_ms = 0;
	if (o->terminal && o->in_line)
		fd_write_all(o->fd, SLICE("\n"));
	o->in_line = false;
}

static bool
output_failed(struct fetch_output *o)
{
	int error = errno;

	fetch_output_end_line(o);
	log_error(
	    "%s: %s", o->file != NULL ? o->file : "stdout", strerror(error));
	return false;
}

bool
fetch_output_open(
    struct fetch_output *o, const char *file, const struct fetch_broker *broker)
{
	*o = (struct fetch_output){
		.file = file, .fd = STDOUT_FILENO, .broker = broker
	};
	if (file == NULL) {
		o->terminal = isatty(STDOUT_FILENO) == 1;
		return true;
	}
	o->progress = isatty(STDERR_FILENO) == 1;
	o->fd = fetch_broker_open(broker);
	return o->fd != -1 || output_failed(o);
}

static bool
output_put(struct fetch_output *o, struct slice bytes)
{
	return fd_write_all(o->fd, bytes) || output_failed(o);
}

static void
output_show_progress(struct fetch_output *o)
{
	uint64_t now = clock_ms();

	if (!o->progress || now - o->shown_ms < OUTPUT_PROGRESS_MS)
		return;
	o->shown_ms = now;
	fprintf(stderr, "\r%s: %.1f MiB ", o->file,
	    (double)o->bytes / (1024 * 1024));
}

static bool
screen_write(struct fetch_output *o, struct slice bytes)
{
	uint8_t memory[SCREEN_GROWTH * (OUTPUT_CHUNK + sizeof(o->screen.kept))];
	struct buf out;

	while (bytes.len > 0) {
		size_t n = bytes.len < OUTPUT_CHUNK ? bytes.len : OUTPUT_CHUNK;

		buf_wrap(&out, memory, sizeof(memory));
		if (!screen_put(&o->screen, slice_head(bytes, n), &out) ||
		    !output_put(o, buf_view(&out)))
			return false;
		bytes = slice_skip(bytes, n);
	}
	return true;
}

bool
fetch_output_write(struct fetch_output *o, struct slice bytes)
{
	o->bytes += bytes.len;
	o->in_line = bytes.ptr[bytes.len - 1] != '\n';
	output_show_progress(o);
	return o->terminal ? screen_write(o, bytes) : output_put(o, bytes);
}

static bool
file_close(struct fetch_output *o, bool whole)
{
	uint8_t memory[PATH_MAX];
	struct buf kept;
	bool done = true;

	fetch_output_end_line(o);
	if (o->fd == -1)
		return true;
	if (close(o->fd) == -1)
		done = output_failed(o);
	buf_wrap(&kept, memory, sizeof(memory) - 1);
	if (!fetch_broker_end(o->broker, done && whole, &kept) && done)
		done = output_failed(o);
	if (kept.len > 0)
		log_info("what was received is kept as %s", buf_cstr(&kept));
	return done;
}

bool
fetch_output_close(struct fetch_output *o, bool whole)
{
	uint8_t memory[SCREEN_GROWTH * sizeof(o->screen.kept)];
	struct buf out;

	if (o->file != NULL)
		return file_close(o, whole);
	if (!o->terminal)
		return true;
	buf_wrap(&out, memory, sizeof(memory));
	return screen_end(&o->screen, &out) && output_put(o, buf_view(&out));
}
