/* SPDX-License-Identifier: ISC */
/* What is shown of a mirror's run. */
#include "verbs/verb_mirror.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capsule/listing.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/log.h"
#include "verbs/verbs.h"

enum {
	PROGRESS_MS = 200,
	SIZE_TEXT = 16,
	MIRROR_JSON_MAX = 64 * 1024,
};

/* ------------------------------------------------------------- progress */

/* "48 KiB", without a ".0". */
static void
size_text(uint64_t bytes, char out[SIZE_TEXT])
{
	char *tenth;

	listing_size(bytes, out);
	tenth = strstr(out, ".0 ");
	if (tenth != NULL)
		memmove(tenth, tenth + 2, strlen(tenth + 2) + 1);
}

void
mirror_display_clear(struct mirror_display *d)
{
	if (d->shown)
		fputs("\r\x1b[K", stderr);
	d->shown = false;
}

static void
mirror_show_progress(const struct download *p, uint64_t took_ms)
{
	uint64_t rate = took_ms == 0 ? 0 : p->bytes * 1000 / took_ms;
	uint64_t left = p->to_come > p->bytes ? p->to_come - p->bytes : 0;
	char done[SIZE_TEXT], all[SIZE_TEXT], speed[SIZE_TEXT];

	size_text(p->bytes, done);
	size_text(p->to_come, all);
	size_text(rate, speed);
	fprintf(stderr, "\r%" PRIu64 " of %zu files, %s of %s, %s/s", p->files,
	    p->n_missing, done, all, speed);
	if (rate > 0)
		fprintf(stderr, ", %" PRIu64 " s left", left / rate);
	fputs("\x1b[K", stderr);
}

static void
on_progress(void *arg, const struct download *p)
{
	struct mirror_display *d = arg;
	uint64_t now;

	if (!d->wanted)
		return;
	now = clock_ms();
	if (d->began_ms == 0)
		d->began_ms = now;
	if (d->shown_ms != 0 && now - d->shown_ms < PROGRESS_MS)
		return;
	d->shown_ms = now;
	d->shown = true;
	mirror_show_progress(p, now - d->began_ms);
}

static void
on_say(void *arg, enum mirror_level level, const char *text)
{
	mirror_display_clear(arg);
	switch (level) {
	case MIRROR_INFO:
		log_info("%s", text);
		break;
	case MIRROR_WARNING:
		log_warn("%s", text);
		break;
	case MIRROR_ERROR:
		log_error("%s", text);
		break;
	}
}

struct mirror_listener
mirror_display_listener(struct mirror_display *d)
{
	return (struct mirror_listener){ on_say, on_progress, d };
}

/* -------------------------------------------------------------- the result */

static const char *
serving_text(const struct mirror_outcome *out, char text[64])
{
	if (out->serving == 0)
		return "nothing is served yet";
	snprintf(text, 64, "%s serving %" PRIu64,
	    out->switched || out->result == RESULT_GOOD ? "now" : "still",
	    out->serving);
	return text;
}

static void
updated_print(const struct mirror_outcome *out)
{
	const struct changes *c = &out->changes;
	char size[SIZE_TEXT], text[64];

	printf("serial ");
	if (out->before != 0)
		printf("%" PRIu64 " -> ", out->before);
	size_text(out->bytes, size);
	printf("%" PRIu64 ": %" PRIu64 " new, %" PRIu64 " gone, %" PRIu64
	       " kept; %s fetched in %" PRIu64 " request%s, %" PRIu64
	       ".%" PRIu64 " s; %s\n",
	    out->serial, c->added + c->changed, c->gone, c->kept, size,
	    out->requests, out->requests == 1 ? "" : "s", out->ms / 1000,
	    out->ms % 1000 / 100, serving_text(out, text));
}

/* One line; of a run without news only when verbose. */
static void
outcome_print(const struct mirror_outcome *out, bool verbose)
{
	struct slice place = strncmp(out->origin, "gemini://", 9) == 0
				 ? manifest_place(out->origin)
				 : slice_str(out->origin);
	char text[64];

	serving_text(out, text);
	if (out->result == RESULT_GOOD && !out->updated && !verbose)
		return;
	if (out->result == RESULT_GOOD || out->result == RESULT_REFUSED ||
	    out->result == RESULT_STALE)
		printf("mirror: %.*s: ", SLICE_ARGS(place));
	if (out->result == RESULT_REFUSED || out->result == RESULT_STALE) {
		printf("%s", out->result == RESULT_STALE ? "STALE" : "REFUSED");
		if (out->serial != 0)
			printf(" serial %" PRIu64, out->serial);
		printf(": %s; %s\n", out->why.text, serving_text(out, text));
	} else if (out->result != RESULT_GOOD) {
		log_error("%.*s: %s; %s", SLICE_ARGS(place), out->why.text,
		    serving_text(out, text));
	} else if (out->updated) {
		updated_print(out);
	} else {
		printf("serial %" PRIu64 ": no change%s; %s\n", out->serial,
		    out->overdue ? " (stale: the author intended to publish "
				   "again)"
				 : "",
		    serving_text(out, text));
	}
}

static void
outcome_json(const struct mirror_outcome *out, struct json *j)
{
	static const char *const results[] = {
		[RESULT_GOOD] = "same",
		[RESULT_FAILED] = "later",
		[RESULT_USAGE] = "usage",
		[RESULT_REFUSED] = "refused",
		[RESULT_LOCAL] = "local",
		[RESULT_STALE] = "stale",
	};
	const struct changes *c = &out->changes;

	json_object(j, NULL);
	json_text(j, "result",
	    out->result == RESULT_GOOD && out->updated ? "updated"
						       : results[out->result]);
	json_text(j, "origin", out->origin);
	json_text(j, "source", out->source);
	json_number(j, "before", out->before);
	json_number(j, "serial", out->serial);
	json_number(j, "serving", out->serving);
	json_number(j, "new", c->added + c->changed);
	json_number(j, "gone", c->gone);
	json_number(j, "kept", c->kept);
	json_number(j, "bytes", out->bytes);
	json_number(j, "requests", out->requests);
	json_number(j, "resumed", out->resumed);
	json_number(j, "milliseconds", out->ms);
	json_text(j, "why", out->why.text);
	json_bool(j, "stale", out->overdue);
	json_end(j);
}

bool
mirror_outcome_print(
    const struct mirror_outcome *out, bool as_json, bool verbose)
{
	struct buf text;
	struct json json = { .out = &text };
	bool ok;

	if (!as_json) {
		outcome_print(out, verbose);
		return true;
	}
	buf_init(&text, MIRROR_JSON_MAX);
	outcome_json(out, &json);
	ok = verb_print(&text);
	buf_fini(&text);
	return ok;
}
