/* SPDX-License-Identifier: ISC */
#include "archive/pull.h"

#include <string.h>
#include <time.h>

#include "proto/response.h"
#include "proto/status.h"
#include "util/log.h"

enum { CLASSES = 10, MS = 1000 };

struct pulling {
	struct target target;
	uint64_t left;
	bool too_long;
	pull_sink *sink;
	void *arg;

	/* The header of the last answer. */
	int status;
	uint8_t meta[RESPONSE_META_MAX];
	size_t meta_len;
};

bool
pull_init(struct pull *p, struct buf *why)
{
	*p = (struct pull){ .tls = tls_client_new(NULL, NULL, why) };
	p->names = dial_names_new();
	if (p->tls != NULL && p->names == NULL)
		(void)buf_str(why, "out of memory");
	return p->tls != NULL && p->names != NULL;
}

void
pull_fini(struct pull *p)
{
	tls_client_free(&p->tls);
	dial_names_free(&p->names);
}

/* Integrity is a hash's and a signature's affair. */
static bool
on_trust(void *arg, const struct target *t, const struct cert *c)
{
	(void)arg;
	(void)t;
	(void)c;
	return true;
}

static bool
is_success(const struct pulling *g)
{
	return g->status / CLASSES == 2;
}

static bool
on_header(void *arg, int status, struct slice meta)
{
	struct pulling *g = arg;

	g->status = status;
	g->meta_len = meta.len;
	memcpy(g->meta, meta.ptr, meta.len);
	return is_success(g); /* what follows another has no end it must keep */
}

static bool
on_body(void *arg, struct slice bytes)
{
	struct pulling *g = arg;

	if (bytes.len > g->left) {
		g->too_long = true;
		return false;
	}
	g->left -= bytes.len;
	return g->sink(g->arg, bytes);
}

/* The answer in words. */
static void
explain(const struct pulling *g, struct buf *why)
{
	uint8_t memory[4 * RESPONSE_META_MAX];
	struct buf meta;

	buf_wrap(&meta, memory, sizeof(memory));
	(void)log_escape(&meta, slice_of(g->meta, g->meta_len));
	(void)buf_printf(why, "the server answers %d %.*s", g->status,
	    SLICE_ARGS(buf_view(&meta)));
}

/* Waits as long as "44 N" says; false: that is too long. */
static bool
wait_for_turn(struct pull *p, const struct pulling *g)
{
	struct timespec rest = { 0 };
	uint64_t seconds;

	if (!slice_number(
		slice_of(g->meta, g->meta_len), PULL_WAIT_MAX_S, &seconds))
		return false;
	if (seconds == 0)
		seconds = 1;
	if (seconds > PULL_WAIT_MAX_S - p->waited_s)
		return false;
	p->waited_s += (unsigned)seconds;
	rest.tv_sec = (time_t)seconds;
	(void)nanosleep(&rest, NULL);
	return true;
}

/* To where the answer leads; false and why: not there. */
static bool
follow(struct pulling *g, struct buf *why)
{
	size_t before = why->len;
	struct target to;

	if (target_follow(&g->target, slice_of(g->meta, g->meta_len), &to,
		why) != TARGET_OK ||
	    to.port != g->target.port || strcmp(to.host, g->target.host) != 0) {
		buf_truncate(why, before);
		(void)buf_str(
		    why, "the server sends us elsewhere: not followed");
		return false;
	}
	g->target = to;
	return true;
}

/* One request. False: its end is in *result, with why. */
static bool
ask(struct pull *p, struct pulling *g, uint64_t total_ms,
    enum pull_result *result, struct buf *why)
{
	const struct fetch_visitor visitor = { .trust = on_trust,
		.header = on_header,
		.body = on_body,
		.arg = g };
	const struct exchange_limits limits = {
		.silence_ms = (uint64_t)PULL_SILENCE_S * MS,
		.total_ms = total_ms,
		.floor = PULL_FLOOR,
		.window_ms = (uint64_t)PULL_WINDOW_S * MS,
		.names = p->names,
	};

	g->status = 0;
	*result = PULL_LATER;
	switch (fetch_within(&g->target, p->tls, &limits, &visitor, why)) {
	case FETCH_DONE:
		*result = PULL_DONE;
		return true;
	case FETCH_CUT:
		*result = PULL_CUT;
		return true;
	case FETCH_STOPPED:
		if (!is_success(g))
			return true;
		*result = g->too_long ? PULL_TOO_LONG : PULL_STOPPED;
		if (g->too_long)
			(void)buf_str(why, "the server sends too much");
		return false;
	case FETCH_FAILED:
	case FETCH_GOING:
		break;
	}
	return false;
}

/* From one answer to the next. */
static enum pull_result
converse(struct pull *p, struct pulling *g, uint64_t total_ms, struct buf *why)
{
	enum pull_result result;

	for (int redirects = 0; ask(p, g, total_ms, &result, why);) {
		switch (g->status / CLASSES) {
		case 2:
			return result;
		case 3:
			if (++redirects > FETCH_REDIRECTS_MAX) {
				(void)buf_str(why, "too many redirects");
				return PULL_NONE;
			}
			if (!follow(g, why))
				return PULL_NONE;
			break;
		case 4:
			if (g->status == STATUS_SLOW_DOWN &&
			    wait_for_turn(p, g))
				break;
			explain(g, why);
			return PULL_LATER;
		default:
			explain(g, why);
			return PULL_NONE;
		}
	}
	return result;
}

uint64_t
pull_file_ms(uint64_t max)
{
	return ((uint64_t)PULL_FILE_S + max / PULL_RATE) * MS;
}

enum pull_result
pull(struct pull *p, const char *base, const char *path, uint64_t max,
    uint64_t total_ms, pull_sink *sink, void *arg, struct buf *why)
{
	uint8_t memory[REQUEST_URI_MAX + 1];
	struct pulling g = { .left = max, .sink = sink, .arg = arg };
	struct buf url;

	buf_wrap(&url, memory, sizeof(memory));
	if (!manifest_url(base, path, &url)) {
		(void)buf_str(why, "its URL would be too long");
		return PULL_NONE;
	}
	if (target_parse(buf_view(&url), &g.target, why) != TARGET_OK)
		return PULL_NONE;
	return converse(p, &g, total_ms, why);
}
