/* SPDX-License-Identifier: ISC */
#include "archive/courier.h"

#include <assert.h>
#include <poll.h>
#include <string.h>

#include "client/exchange.h"
#include "proto/response.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	COURIER_META_SHOWN_MAX = 200, /* bytes of a server's own words */
	SLOW_DOWN_MAX_S = 86400,
	SLOW_DOWN_DEFAULT_S = 5, /* when it does not say */
};

bool
courier_open(struct courier *c, struct why *why)
{
	c->patience_ms = COURIER_PATIENCE_MS;
	c->names = dial_names_new();
	if (c->names == NULL)
		why_memory(why);
	else
		c->tls = tls_client_new(NULL, NULL, why);
	return c->tls != NULL;
}

void
courier_close(struct courier *c)
{
	tls_client_free(&c->tls);
	dial_names_free(&c->names);
}

bool
courier_stopped(const struct courier *c)
{
	return c->stop != NULL && *c->stop != 0;
}

void
courier_wait(const struct courier *c, struct errand *const *errands, size_t n)
{
	struct pollfd want[COURIER_AT_ONCE];
	uint64_t until = UINT64_MAX;
	sigset_t all, before;
	nfds_t going = 0;

	assert(n <= COURIER_AT_ONCE);
	for (size_t i = 0; i < n; i++) {
		uint64_t one;

		if (errands[i] == NULL)
			continue;
		if (errands[i]->x != NULL)
			exchange_wants(errands[i]->x, &want[going++], &one);
		else
			one = errands[i]->not_before_ms;
		until = one < until ? one : until;
	}
	/* Or a signal between the look and the wait would be slept over. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	if (!courier_stopped(c)) {
		int ms = dial_patience(until);
		const struct timespec left = { .tv_sec = ms / 1000,
			.tv_nsec = ms % 1000 * 1000000L };

		(void)ppoll(want, going, &left, &before);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* ------------------------------------------------------------- errands */

static bool
fetcher_trusts(void *arg, const struct target *t, const struct cert *cert)
{
	struct errand *e = arg;

	(void)t;
	e->distrusted = e->courier->trust != NULL &&
			!e->courier->trust(e->courier->arg, e->source, cert);
	return !e->distrusted;
}

static bool
fetcher_header(void *arg, int status, struct slice meta)
{
	struct errand *e = arg;

	e->status = status;
	e->meta_len = meta.len;
	memcpy(e->meta, meta.ptr, meta.len);
	return status / 10 == 2;
}

static bool
fetcher_body(void *arg, struct slice bytes)
{
	struct errand *e = arg;

	e->courier->bytes += bytes.len;
	e->too_long = bytes.len > e->order.max - e->got;
	if (e->too_long)
		return false;
	e->got += bytes.len;
	return e->order.body(e->order.arg, bytes);
}

bool
errand_begin(struct errand *e, struct courier *c, struct source *s,
    const struct errand_order *o, struct why *why)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct buf url;

	*e = (struct errand){ .courier = c,
		.source = s,
		.order = *o,
		.not_before_ms = s->paused_ms,
		.begun_ms = clock_ms() };
	e->limits = (struct exchange_limits){ .silence_ms = COURIER_HEADER_MS,
		.total_ms = o->total_ms != 0 ? o->total_ms
					     : COURIER_FILE_MS +
						   o->max / COURIER_RATE * 1000,
		.floor = COURIER_FLOOR,
		.window_ms = COURIER_WINDOW_MS,
		.names = c->names };
	e->visitor = (struct fetch_visitor){ fetcher_trusts, fetcher_header, fetcher_body, e };
	e->order.path = NULL; /* no longer ours */
	buf_wrap(&url, memory, sizeof(memory));
	if (manifest_url(s->base, o->path, &url))
		return target_parse(buf_view(&url), &e->target, why) ==
		       TARGET_OK;
	return why_set(why, "its URL there is too long");
}

void
errand_end(struct errand *e)
{
	exchange_free(&e->x);
}

/* The status and what the server says with it. */
static enum errand_result
status_refuse(struct errand *e, struct why *why)
{
	struct slice meta = slice_of(e->meta, e->meta_len);

	if (meta.len > COURIER_META_SHOWN_MAX)
		meta.len = COURIER_META_SHOWN_MAX;
	why_set(why, "answers %d %.*s", e->status, SLICE_ARGS(meta));
	if (e->status == STATUS_NOT_FOUND || e->status == STATUS_GONE)
		return ERRAND_ABSENT;
	return e->status / 10 == 4 ? ERRAND_FAILED : ERRAND_DENIED;
}

static enum errand_result
redirected(struct errand *e, struct why *why)
{
	struct target to;

	if (++e->redirects > STATUS_REDIRECTS_MAX) {
		why_set(
		    why, "more than %d redirects", (int)STATUS_REDIRECTS_MAX);
		return ERRAND_DENIED;
	}
	if (target_follow(&e->target, slice_of(e->meta, e->meta_len), &to,
		why) != TARGET_OK ||
	    strcmp(to.host, e->target.host) != 0 || to.port != e->target.port) {
		why_set(why, "redirects to another host");
		return ERRAND_DENIED;
	}
	e->target = to;
	return ERRAND_GOING;
}

/* Status 44. */
static enum errand_result
slow_down(struct errand *e, struct why *why)
{
	struct source *s = e->source;
	uint64_t seconds;

	if (!slice_number(slice_trim(slice_of(e->meta, e->meta_len)),
		SLOW_DOWN_MAX_S, &seconds)) {
		if (e->vague)
			return status_refuse(e, why);
		e->vague = true;
		seconds = SLOW_DOWN_DEFAULT_S;
	}
	if (!source_pause(s, (seconds == 0 ? 1 : seconds) * 1000,
		e->courier->patience_ms)) {
		why_set(why, "asks to wait %u s, longer than this run does",
		    (unsigned)seconds);
		s->out = true;
		return ERRAND_FAILED;
	}
	e->not_before_ms = s->paused_ms;
	return ERRAND_GOING;
}

/* A header that is not 20: goes on elsewhere or later, or that is it. */
static enum errand_result
heed_status(struct errand *e, struct why *why)
{
	if (e->status / 10 == 3)
		return redirected(e, why);
	if (e->status == STATUS_SLOW_DOWN)
		return slow_down(e, why);
	return status_refuse(e, why);
}

static enum errand_result
conclude(struct errand *e, enum fetch_result result, struct why *why)
{
	if (e->distrusted) {
		why_set(why, "shows another certificate than before");
		return ERRAND_DISTRUSTED;
	}
	if (result == FETCH_FAILED)
		return ERRAND_FAILED;
	if (e->status / 10 != 2)
		return heed_status(e, why);
	if (e->too_long)
		why_set(why, "more bytes than it may have");
	else if (result == FETCH_STOPPED)
		why_set(why, "interrupted");
	if (result == FETCH_STOPPED)
		return e->too_long ? ERRAND_TOO_LONG : ERRAND_STOPPED;
	e->cut = result == FETCH_CUT;
	return ERRAND_DONE;
}

static bool
fetcher_connect(struct errand *e, struct why *why)
{
	e->status = 0;
	e->courier->requests++;
	e->x = exchange_new(
	    &e->target, e->courier->tls, &e->limits, &e->visitor, why);
	return e->x != NULL;
}

enum errand_result
errand_step(struct errand *e, struct why *why)
{
	enum errand_result result = ERRAND_GOING;

	while (result == ERRAND_GOING) {
		enum fetch_result got;

		if (e->x == NULL && clock_ms() < e->not_before_ms)
			return ERRAND_GOING;
		if (e->x == NULL && !fetcher_connect(e, why))
			return ERRAND_FAILED;
		got = exchange_step(e->x, why);
		if (got == FETCH_GOING)
			return ERRAND_GOING;
		e->courier->resumed += exchange_resumed(e->x);
		exchange_free(&e->x);
		result = conclude(e, got, why);
	}
	return result;
}

/* ------------------------------------------------------- waited for */

static enum errand_result
fetcher_run(struct errand *e, struct why *why)
{
	struct errand *const all[] = { e };
	enum errand_result result;

	while ((result = errand_step(e, why)) == ERRAND_GOING) {
		if (courier_stopped(e->courier)) {
			why_set(why, "interrupted");
			return ERRAND_STOPPED;
		}
		courier_wait(e->courier, all, 1);
	}
	return result;
}

enum errand_result
courier_fetch(struct courier *c, struct source *s, const struct errand_order *o,
    bool *cut, struct why *why)
{
	enum errand_result result = ERRAND_DENIED;
	struct errand e;

	if (errand_begin(&e, c, s, o, why))
		result = fetcher_run(&e, why);
	*cut = e.cut;
	errand_end(&e);
	return result;
}

static bool
text_append(void *arg, struct slice bytes)
{
	return buf_put(arg, bytes);
}

enum errand_result
courier_text(struct courier *c, struct source *s, const char *path,
    uint64_t total_ms, struct buf *out, bool *cut, struct why *why)
{
	const struct errand_order order = { .path = path,
		.max = out->max - out->len,
		.total_ms = total_ms,
		.body = text_append,
		.arg = out };
	enum errand_result result = courier_fetch(c, s, &order, cut, why);

	if (out->failed)
		why_memory(why);
	return result;
}

enum errand_result
courier_manifest(struct courier *c, struct source *s, struct buf *out,
    bool *cut, struct why *why)
{
	return courier_text(
	    c, s, MANIFEST_PATH, COURIER_MANIFEST_MS, out, cut, why);
}
