/* SPDX-License-Identifier: ISC */
#include "archive/fetcher.h"

#include <assert.h>
#include <poll.h>
#include <string.h>

#include "util/clock.h"

enum {
	FETCHER_META_SHOWN_MAX = 200, /* bytes of a server's own words */
	SLOW_DOWN_MAX_S = 86400,
	SLOW_DOWN_DEFAULT_S = 5, /* when it does not say */
};

bool
fetcher_open(struct fetcher *c, struct why *why)
{
	c->timeout_ms = FETCHER_TIMEOUT_MS;
	c->names = dial_names_new();
	if (c->names == NULL)
		why_memory(why);
	else
		c->tls = tls_client_new(NULL, NULL, why);
	return c->tls != NULL;
}

void
fetcher_close(struct fetcher *c)
{
	tls_client_free(&c->tls);
	dial_names_free(&c->names);
}

bool
fetcher_stopped(const struct fetcher *c)
{
	return c->stop != NULL && *c->stop != 0;
}

void
fetcher_wait(
    const struct fetcher *c, struct fetcher_request *const *requests, size_t n)
{
	struct pollfd want[FETCHER_AT_ONCE];
	uint64_t until = UINT64_MAX;
	sigset_t all, before;
	nfds_t going = 0;

	assert(n <= FETCHER_AT_ONCE);
	for (size_t i = 0; i < n; i++) {
		uint64_t one;

		if (requests[i] == NULL)
			continue;
		if (requests[i]->x != NULL)
			exchange_wants(requests[i]->x, &want[going++], &one);
		else
			one = requests[i]->not_before_ms;
		until = one < until ? one : until;
	}
	/* Or a signal between the look and the wait would be slept over. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	if (!fetcher_stopped(c)) {
		int ms = dial_timeout(until);
		const struct timespec left = { .tv_sec = ms / 1000,
			.tv_nsec = ms % 1000 * 1000000L };

		(void)ppoll(want, going, &left, &before);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* ------------------------------------------------------------- requests */

static bool
fetcher_trusts(void *arg, const struct target *t, const struct cert *cert)
{
	struct fetcher_request *e = arg;

	(void)t;
	e->distrusted = e->fetcher->trust != NULL &&
			!e->fetcher->trust(e->fetcher->arg, e->source, cert);
	return !e->distrusted;
}

static bool
fetcher_header(void *arg, int status, struct slice meta)
{
	struct fetcher_request *e = arg;

	e->status = status;
	e->meta_len = meta.len;
	memcpy(e->meta, meta.ptr, meta.len);
	return status / 10 == 2;
}

static bool
fetcher_body(void *arg, struct slice bytes)
{
	struct fetcher_request *e = arg;

	e->fetcher->bytes += bytes.len;
	e->too_long = bytes.len > e->wanted.max - e->got;
	if (e->too_long)
		return false;
	e->got += bytes.len;
	return e->wanted.body(e->wanted.arg, bytes);
}

bool
fetcher_start(struct fetcher_request *e, struct fetcher *c, struct source *s,
    const struct fetcher_file *o, struct why *why)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct buf url;

	*e = (struct fetcher_request){ .fetcher = c,
		.source = s,
		.wanted = *o,
		.not_before_ms = s->paused_ms,
		.begun_ms = clock_ms() };
	e->limits = (struct exchange_limits){ .silence_ms = FETCHER_HEADER_MS,
		.total_ms = o->total_ms != 0 ? o->total_ms
					     : FETCHER_FILE_MS +
						   o->max / FETCHER_RATE * 1000,
		.floor = FETCHER_FLOOR,
		.window_ms = FETCHER_WINDOW_MS,
		.names = c->names };
	e->handler = (struct fetch_handler){ .trust = fetcher_trusts,
		.header = fetcher_header,
		.body = fetcher_body,
		.arg = e };
	e->wanted.path = NULL; /* no longer ours */
	buf_wrap(&url, memory, sizeof(memory));
	if (manifest_url(s->base, o->path, &url))
		return target_parse(buf_view(&url), &e->target, why) ==
		       TARGET_OK;
	return why_set(why, "its URL there is too long");
}

void
fetcher_end(struct fetcher_request *e)
{
	exchange_free(&e->x);
}

/* The status and what the server says with it. */
static enum fetcher_result
status_refuse(struct fetcher_request *e, struct why *why)
{
	struct slice meta = slice_of(e->meta, e->meta_len);

	if (meta.len > FETCHER_META_SHOWN_MAX)
		meta.len = FETCHER_META_SHOWN_MAX;
	why_set(why, "answers %d %.*s", e->status, SLICE_ARGS(meta));
	if (e->status == STATUS_NOT_FOUND || e->status == STATUS_GONE)
		return FETCHER_ABSENT;
	return e->status / 10 == 4 ? FETCHER_FAILED : FETCHER_DENIED;
}

static enum fetcher_result
redirected(struct fetcher_request *e, struct why *why)
{
	struct target to;

	if (++e->redirects > STATUS_REDIRECTS_MAX) {
		why_set(
		    why, "more than %d redirects", (int)STATUS_REDIRECTS_MAX);
		return FETCHER_DENIED;
	}
	if (target_follow(&e->target, slice_of(e->meta, e->meta_len), &to,
		why) != TARGET_OK ||
	    strcmp(to.host, e->target.host) != 0 || to.port != e->target.port) {
		why_set(why, "redirects to another host");
		return FETCHER_DENIED;
	}
	e->target = to;
	return FETCHER_GOING;
}

/* Status 44. */
static enum fetcher_result
slow_down(struct fetcher_request *e, struct why *why)
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
		e->fetcher->timeout_ms)) {
		why_set(why, "asks to wait %u s, longer than this run does",
		    (unsigned)seconds);
		s->out = true;
		return FETCHER_FAILED;
	}
	e->not_before_ms = s->paused_ms;
	return FETCHER_GOING;
}

/* A header that is not 20: goes on elsewhere or later, or that is it. */
static enum fetcher_result
status_handle(struct fetcher_request *e, struct why *why)
{
	if (e->status / 10 == 3)
		return redirected(e, why);
	if (e->status == STATUS_SLOW_DOWN)
		return slow_down(e, why);
	return status_refuse(e, why);
}

static enum fetcher_result
conclude(struct fetcher_request *e, enum fetch_result result, struct why *why)
{
	if (e->distrusted) {
		why_set(why, "shows another certificate than before");
		return FETCHER_DISTRUSTED;
	}
	if (result == FETCH_FAILED)
		return FETCHER_FAILED;
	if (e->status / 10 != 2)
		return status_handle(e, why);
	if (e->too_long)
		why_set(why, "more bytes than it may have");
	else if (result == FETCH_STOPPED)
		why_set(why, "interrupted");
	if (result == FETCH_STOPPED)
		return e->too_long ? FETCHER_TOO_LONG : FETCHER_STOPPED;
	e->cut = result == FETCH_CUT;
	return FETCHER_DONE;
}

static bool
fetcher_connect(struct fetcher_request *e, struct why *why)
{
	e->status = 0;
	e->fetcher->requests++;
	e->x = exchange_new(
	    &e->target, e->fetcher->tls, &e->limits, &e->handler, why);
	return e->x != NULL;
}

enum fetcher_result
fetcher_step(struct fetcher_request *e, struct why *why)
{
	enum fetcher_result result = FETCHER_GOING;

	while (result == FETCHER_GOING) {
		enum fetch_result got;

		if (e->x == NULL && clock_ms() < e->not_before_ms)
			return FETCHER_GOING;
		if (e->x == NULL && !fetcher_connect(e, why))
			return FETCHER_FAILED;
		got = exchange_step(e->x, why);
		if (got == FETCH_GOING)
			return FETCHER_GOING;
		e->fetcher->resumed += exchange_resumed(e->x);
		exchange_free(&e->x);
		result = conclude(e, got, why);
	}
	return result;
}

/* ------------------------------------------------------- waited for */

static enum fetcher_result
fetcher_run(struct fetcher_request *e, struct why *why)
{
	struct fetcher_request *const all[] = { e };
	enum fetcher_result result;

	while ((result = fetcher_step(e, why)) == FETCHER_GOING) {
		if (fetcher_stopped(e->fetcher)) {
			why_set(why, "interrupted");
			return FETCHER_STOPPED;
		}
		fetcher_wait(e->fetcher, all, 1);
	}
	return result;
}

enum fetcher_result
fetcher_get(struct fetcher *c, struct source *s, const struct fetcher_file *o,
    bool *cut, struct why *why)
{
	enum fetcher_result result = FETCHER_DENIED;
	struct fetcher_request e;

	if (fetcher_start(&e, c, s, o, why))
		result = fetcher_run(&e, why);
	*cut = e.cut;
	fetcher_end(&e);
	return result;
}

static bool
text_append(void *arg, struct slice bytes)
{
	return buf_put(arg, bytes);
}

enum fetcher_result
fetcher_text(struct fetcher *c, struct source *s, const char *path,
    uint64_t total_ms, struct buf *out, bool *cut, struct why *why)
{
	const struct fetcher_file wanted = { .path = path,
		.max = out->max - out->len,
		.total_ms = total_ms,
		.body = text_append,
		.arg = out };
	enum fetcher_result result = fetcher_get(c, s, &wanted, cut, why);

	if (out->failed)
		why_memory(why);
	return result;
}

enum fetcher_result
fetcher_manifest(struct fetcher *c, struct source *s, struct buf *out,
    bool *cut, struct why *why)
{
	return fetcher_text(
	    c, s, MANIFEST_PATH, FETCHER_MANIFEST_MS, out, cut, why);
}
