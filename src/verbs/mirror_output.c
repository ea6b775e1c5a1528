/* SPDX-License-Identifier: ISC */
#include "verbs/mirror_output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capsule/listing.h"
#include "util/clock.h"
#include "util/log.h"
#include "verbs/verbs.h"

enum {
	PROGRESS_MS = 200,
	SIZE_TEXT = 16,
	JSON_MAX = 6 * WHY_MAX + 4096,
};

/* ------------------------------------------------------------- progress */

/* "48 KiB": of tenths, only those that say something. */
static void
size_text(uint64_t bytes, char out[SIZE_TEXT])
{
	char *tenth;

	listing_size(bytes, out);
	tenth = strstr(out, ".0 ");
	if (tenth != NULL)
		memmove(tenth, tenth + 2, strlen(tenth + 2) + 1);
}

static void
wipe(struct mirror_output *o)
{
	if (o->shown)
		fputs("\r\x1b[K", stderr);
	o->shown = false;
}

static void
show(const struct mirror_progress *p, uint64_t took_ms)
{
	uint64_t rate = took_ms == 0 ? 0 : p->bytes * 1000 / took_ms;
	uint64_t left = p->bytes_all > p->bytes ? p->bytes_all - p->bytes : 0;
	char done[SIZE_TEXT], all[SIZE_TEXT], speed[SIZE_TEXT];

	size_text(p->bytes, done);
	size_text(p->bytes_all, all);
	size_text(rate, speed);
	fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " files, %s of %s, %s/s",
	    p->files, p->files_all, done, all, speed);
	if (rate > 0)
		fprintf(stderr, ", %" PRIu64 " s left", left / rate);
	fputs("\x1b[K", stderr);
}

static void
on_progress(void *arg, const struct mirror_progress *p)
{
	struct mirror_output *o = arg;
	uint64_t now;

	if (!o->progress)
		return;
	now = clock_ms();
	if (o->began_ms == 0)
		o->began_ms = now;
	if (o->shown_ms != 0 && now - o->shown_ms < PROGRESS_MS)
		return;
	o->shown_ms = now;
	o->shown = true;
	show(p, now - o->began_ms);
}

static void
on_say(void *arg, enum mirror_level level, const char *text)
{
	wipe(arg);
	switch (level) {
	case MIRROR_INFO:
		log_info("mirror: %s", text);
		break;
	case MIRROR_WARNING:
		log_warn("mirror: %s", text);
		break;
	case MIRROR_ERROR:
		log_error("mirror: %s", text);
		break;
	}
}

struct mirror_listener
mirror_output_open(struct mirror_output *o)
{
	o->progress = isatty(STDERR_FILENO) == 1;
	return (struct mirror_listener){ on_say, on_progress, o };
}

/* ------------------------------------------------------------- the line */

/* "example.org:1966" of "gemini://example.org:1966/". */
static struct slice
name_of(const char *origin)
{
	struct slice name = slice_str(origin);

	if (slice_starts(name, SLICE("gemini://")))
		name = slice_skip(name, sizeof("gemini://") - 1);
	if (slice_ends(name, SLICE("/")))
		name = slice_head(name, name.len - 1);
	return name;
}

static const char *
serving(const struct mirror_outcome *out, char text[64])
{
	if (out->serving == 0)
		return "nothing is served yet";
	snprintf(text, 64, "%s serving %" PRIu64,
	    out->switched || out->result == MIRROR_SAME ? "now" : "still",
	    out->serving);
	return text;
}

static void
print_updated(const struct mirror_outcome *out)
{
	const struct changes *c = &out->changes;
	char size[SIZE_TEXT], text[64];

	printf("mirror: %.*s: serial ", SLICE_ARGS(name_of(out->origin)));
	if (out->before != 0)
		printf("%" PRIu64 " -> ", out->before);
	size_text(out->bytes, size);
	printf("%" PRIu64 ": %" PRIu64 " new, %" PRIu64 " gone, %" PRIu64
	       " kept; %s fetched in %" PRIu64 " request%s, %" PRIu64
	       ".%" PRIu64 " s; %s\n",
	    out->serial, c->added + c->changed, c->gone, c->kept, size,
	    out->requests, out->requests == 1 ? "" : "s", out->ms / 1000,
	    out->ms % 1000 / 100, serving(out, text));
}

static void
print_refused(const struct mirror_outcome *out)
{
	char text[64];

	printf("mirror: %.*s: REFUSED", SLICE_ARGS(name_of(out->origin)));
	if (out->serial != 0)
		printf(" serial %" PRIu64, out->serial);
	printf(": %s; %s\n", out->why.text, serving(out, text));
}

static void
print_line(const struct mirror_outcome *out)
{
	char text[64];

	switch (out->result) {
	case MIRROR_UPDATED:
		print_updated(out);
		break;
	case MIRROR_SAME:
		if (isatty(STDOUT_FILENO) == 1)
			printf("mirror: %.*s: serial %" PRIu64
			       ": no change%s; %s\n",
			    SLICE_ARGS(name_of(out->origin)), out->serial,
			    out->stale ? " (stale: the author meant to have "
					 "published again)"
				       : "",
			    serving(out, text));
		break;
	case MIRROR_REFUSED:
		print_refused(out);
		break;
	case MIRROR_LATER:
	case MIRROR_USAGE:
	case MIRROR_LOCAL:
		log_error("mirror: %.*s: %s; %s",
		    SLICE_ARGS(name_of(out->origin)), out->why.text,
		    serving(out, text));
		break;
	}
}

/* ----------------------------------------------------------------- JSON */

static bool
put_text(struct buf *out, const char *name, struct slice text)
{
	return buf_printf(out, "\"%s\":\"", name) &&
	       log_escape_json(out, text) && buf_str(out, "\",");
}

static bool
put_number(struct buf *out, const char *name, uint64_t n)
{
	return buf_printf(out, "\"%s\":%" PRIu64 ",", name, n);
}

static bool
put_json(struct buf *line, const struct mirror_outcome *out)
{
	static const char *const results[] = {
		[MIRROR_UPDATED] = "updated",
		[MIRROR_SAME] = "same",
		[MIRROR_LATER] = "later",
		[MIRROR_USAGE] = "usage",
		[MIRROR_REFUSED] = "refused",
		[MIRROR_LOCAL] = "local",
	};
	const struct changes *c = &out->changes;

	return buf_byte(line, '{') &&
	       put_text(line, "result", slice_str(results[out->result])) &&
	       put_text(line, "origin", slice_str(out->origin)) &&
	       put_text(line, "source", slice_str(out->source)) &&
	       put_number(line, "before", out->before) &&
	       put_number(line, "serial", out->serial) &&
	       put_number(line, "serving", out->serving) &&
	       put_number(line, "new", c->added + c->changed) &&
	       put_number(line, "gone", c->gone) &&
	       put_number(line, "kept", c->kept) &&
	       put_number(line, "bytes", out->bytes) &&
	       put_number(line, "requests", out->requests) &&
	       put_number(line, "resumed", out->resumed) &&
	       put_number(line, "milliseconds", out->ms) &&
	       put_text(line, "why", slice_str(out->why.text)) &&
	       buf_printf(
		   line, "\"stale\":%s}\n", out->stale ? "true" : "false");
}

bool
mirror_output_close(struct mirror_output *o, const struct mirror_outcome *out)
{
	struct buf line;

	wipe(o);
	buf_init(&line, JSON_MAX);
	if (!o->json)
		print_line(out);
	else if (put_json(&line, out))
		fputs(buf_cstr(&line), stdout);
	buf_fini(&line);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	log_error("standard output: %s", strerror(errno));
	return false;
}
