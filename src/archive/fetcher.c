/* SPDX-License-Identifier: ISC */
#include "archive/fetcher.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "proto/gemtext.h"
#include "util/clock.h"
#include "util/fd.h"

enum {
	FETCHER_META_SHOWN_MAX = 200, /* bytes of a server's own words */
	SLOW_DOWN_MAX_S = 86400,
	SLOW_DOWN_DEFAULT_S = 5, /* when it does not say how long */
};

/* -------------------------------------------------------------- sources */

void
sources_add(struct sources *s, const char *base)
{
	struct source *new = &s->at[s->n];

	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->at[i].base, base) == 0)
			return;
	if (s->n == SOURCES_MAX || base[0] == '\0' ||
	    strlen(base) >= sizeof(new->base))
		return;
	*new = (struct source){ 0 };
	memcpy(new->base, base, strlen(base) + 1);
	s->n++;
}

bool
base_has_host(const char *base, const char *host)
{
	struct target t;
	struct why why;

	return target_parse(slice_str(base), &t, &why) == TARGET_OK &&
	       strcmp(t.host, host) == 0;
}

void
sources_add_links(struct sources *s, struct slice page, const char *own)
{
	struct gemtext g = { .rest = page };
	char base[MANIFEST_ORIGIN_MAX];
	struct gemtext_line line;

	while (gemtext_next(&g, &line))
		if (line.kind == GEMTEXT_LINK &&
		    manifest_origin(line.url, base) &&
		    !base_has_host(base, own))
			sources_add(s, base);
}

void
sources_add_origin(struct sources *s, const char *base)
{
	sources_add(s, base);
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->at[i].base, base) == 0)
			s->at[i].by_path = true;
}

void
sources_revive(struct sources *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->at[i].failures = 0;
}

bool
sources_list(const struct store *store, struct buf *page, struct why *why)
{
	const uint64_t serial = store_current(store);

	if (serial == 0)
		return why_set(why, "%s",
		    file_is_absent(errno)
			? "nothing is published or mirrored here yet"
			: strerror(errno));
	return store_read(store, serial, SOURCES_LIST, page) ||
	       file_is_absent(errno) || why_errno(why, SOURCES_LIST);
}

void
sources_of(struct sources *s, const struct store *store, const struct state *st)
{
	struct buf page;
	struct why why;

	sources_add(s, st->url);
	sources_add_origin(s, st->origin);
	for (size_t i = 0; i < st->n_also; i++)
		sources_add(s, st->also[i]);
	buf_init(&page, SOURCES_LIST_MAX);
	if (sources_list(store, &page, &why))
		sources_add_links(s, buf_view(&page), st->host);
	buf_fini(&page);
}

bool
source_is_out(const struct source *s)
{
	return s->distrusted || s->failures >= SOURCE_OUT;
}

bool
source_is_slow(const struct source *s)
{
	return s->late_ms > SOURCE_LATE_MS;
}

struct source *
sources_find(struct sources *all, uint32_t but, bool slow)
{
	for (size_t i = 0; i < all->n; i++)
		if ((but & UINT32_C(1) << i) == 0 &&
		    !source_is_out(&all->at[i]) &&
		    source_is_slow(&all->at[i]) == slow)
			return &all->at[i];
	return NULL;
}

void
source_strike(struct source *s, const char *said, uint64_t took_ms)
{
	why_set(&s->said, "%s", said);
	s->failures += SOURCE_FAILURE;
	s->paused_ms = clock_ms() + s->failures * (uint64_t)SOURCE_PAUSE_MS;
	if (took_ms >= SOURCE_SLOW_MS)
		s->failures = SOURCE_OUT;
}

void
source_miss(struct source *s)
{
	s->failures += SOURCE_MISS;
}

void
source_praise(struct source *s, uint64_t got, uint64_t took_ms)
{
	s->failures = 0;
	source_delay(s, got, took_ms);
}

bool
source_pause(struct source *s, uint64_t ms, uint64_t timeout_ms)
{
	uint64_t now = clock_ms();
	uint64_t since = s->paused_ms > now ? s->paused_ms : now;
	uint64_t more = now + ms > since ? now + ms - since : 0;

	if (s->late_ms + more > timeout_ms)
		return false;
	s->late_ms += more;
	s->paused_ms = since + more;
	return true;
}

static uint64_t
late_after(const struct source *s, uint64_t got, uint64_t took_ms)
{
	uint64_t fair = SOURCE_EACH_MS + got / SOURCE_RATE * 1000;
	uint64_t all = s->late_ms + took_ms;

	return all > fair ? all - fair : 0;
}

bool
source_is_late(const struct source *s, uint64_t got, uint64_t took_ms)
{
	return late_after(s, got, took_ms) > SOURCE_LATE_MS;
}

void
source_delay(struct source *s, uint64_t got, uint64_t took_ms)
{
	s->late_ms = late_after(s, got, took_ms);
}

/* ------------------------------------------------------------ the fetcher */

bool
fetcher_open(struct fetcher *c, struct why *why)
{
	c->timeout_ms = FETCHER_TIMEOUT_MS;
	c->tls = tls_client_new(NULL, NULL, why);
	return c->tls != NULL;
}

void
fetcher_close(struct fetcher *c)
{
	tls_client_free(&c->tls);
	dial_names_fini(&c->names);
}

static bool
is_over(const struct fetcher *c)
{
	return c->deadline_ms != 0 && clock_ms() >= c->deadline_ms;
}

bool
fetcher_stopped(const struct fetcher *c)
{
	return (c->stop != NULL && *c->stop != 0) || c->local || is_over(c);
}

const char *
fetcher_stop_word(const struct fetcher *c)
{
	return c->local     ? "no descriptors or memory to connect with"
	       : is_over(c) ? "the deadline (--deadline) has passed"
			    : "interrupted";
}

enum result
fetcher_stop_result(const struct fetcher *c)
{
	return c->local ? RESULT_LOCAL : RESULT_FAILED;
}

/* ------------------------------------------------------------- requests */

static bool
fetcher_trusts(void *arg, const struct target *t, const struct cert *cert)
{
	struct fetcher_request *e = arg;

	(void)t;
	if (e->fetcher->trust == NULL ||
	    e->fetcher->trust(e->fetcher->arg, e->source, cert))
		return true;
	e->ended = FETCHER_DISTRUSTED;
	return false;
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
	if (bytes.len > e->wanted.max - e->got) {
		e->ended = FETCHER_TOO_LONG;
		return false;
	}
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
		.not_before_ms = s->paused_ms };
	e->handler = (struct fetch_handler){ .trust = fetcher_trusts,
		.header = fetcher_header,
		.body = fetcher_body,
		.arg = e };
	e->wanted.path = NULL; /* no longer ours */
	buf_wrap(&url, memory, sizeof(memory));
	if (manifest_url(s->base, slice_str(o->path), &url))
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
refuse(struct why *why, const char *text)
{
	why_set(why, "%s", text);
	return FETCHER_DENIED;
}

static enum fetcher_result
redirected(struct fetcher_request *e, struct why *why)
{
	const struct slice meta = slice_of(e->meta, e->meta_len);
	struct target to;

	if (++e->redirects > STATUS_REDIRECTS_MAX)
		return refuse(why, "redirects too often");
	switch (target_follow(&e->target, meta, &to, why)) {
	case TARGET_OK:
		break;
	case TARGET_BAD:
		why_at(why, "redirects to nowhere");
		return FETCHER_DENIED;
	case TARGET_OTHER_SCHEME:
		return refuse(why, "redirects to what is not Gemini");
	}
	if (strcmp(to.host, e->target.host) != 0 || to.port != e->target.port)
		return refuse(why, "redirects to another host");
	e->target = to;
	return FETCHER_GOING;
}

/* Status 44. */
static enum fetcher_result
slow_down(struct fetcher_request *e, struct why *why)
{
	struct source *s = e->source;
	char span[CLOCK_SPAN_SIZE];
	uint64_t seconds;

	if (!slice_number(slice_trim(slice_of(e->meta, e->meta_len)),
		SLOW_DOWN_MAX_S, &seconds) ||
	    seconds == 0)
		seconds = SLOW_DOWN_DEFAULT_S;
	if (!source_pause(s, seconds * 1000, e->fetcher->timeout_ms)) {
		clock_span(seconds, span);
		why_set(
		    why, "asks to wait %s, longer than this run does", span);
		s->failures = SOURCE_OUT;
		return FETCHER_FAILED;
	}
	e->not_before_ms = s->paused_ms;
	e->begun_ms = 0;
	return FETCHER_GOING;
}

/* How an exchange ended, and what that is for the request: FETCHER_GOING, when it
 * goes to another place or asks again later. */
static enum fetcher_result
conclude(struct fetcher_request *e, enum fetch_result result, struct why *why)
{
	const int class = e->status / 10;

	if (result == FETCH_FAILED && e->fetcher->local)
		return FETCHER_STOPPED;
	if (result == FETCH_FAILED && class != 2)
		return FETCHER_FAILED;
	if (e->ended == FETCHER_DISTRUSTED)
		why_set(why, "shows another certificate than before");
	else if (class == 3)
		return redirected(e, why);
	else if (e->status == STATUS_SLOW_DOWN)
		return slow_down(e, why);
	else if (class != 2)
		return status_refuse(e, why);
	else if (e->ended == FETCHER_TOO_LONG)
		why_set(why, "more bytes than it may have");
	else if (result == FETCH_CUT)
		why_set(why, "broke off without close_notify");
	e->cut = result != FETCH_DONE;
	return result == FETCH_STOPPED ? e->ended : FETCHER_DONE;
}

static bool
fetcher_connect(struct fetcher_request *e, struct why *why)
{
	const struct fetcher_file *o = &e->wanted;
	struct fetcher *c = e->fetcher;
	const struct exchange_limits limits = { .silence_ms = FETCHER_HEADER_MS,
		.total_ms = o->total_ms != 0 ? o->total_ms
					     : FETCHER_FILE_MS +
						   o->max / FETCHER_RATE * 1000,
		.floor = FETCHER_FLOOR,
		.window_ms = FETCHER_WINDOW_MS,
		.names = &c->names,
		.proxy = c->proxy,
		.rate = &c->rate,
		.local = &c->local };

	e->status = 0;
	e->ended = FETCHER_STOPPED;
	if (e->begun_ms == 0)
		e->begun_ms = clock_ms();
	c->requests++;
	e->x = exchange_new(&e->target, c->tls, &limits, &e->handler, why);
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
			return e->fetcher->local ? FETCHER_STOPPED
						 : FETCHER_FAILED;
		got = exchange_step(e->x, why);
		if (got == FETCH_GOING)
			return FETCHER_GOING;
		e->fetcher->resumed += exchange_resumed(e->x);
		e->held_ms += exchange_held_ms(e->x);
		exchange_free(&e->x);
		result = conclude(e, got, why);
	}
	return result;
}

uint64_t
fetcher_took_ms(const struct fetcher_request *e)
{
	uint64_t held = e->held_ms + (e->x ? exchange_held_ms(e->x) : 0);
	uint64_t all = e->begun_ms != 0 ? clock_ms() - e->begun_ms : 0;

	return all > held ? all - held : 0;
}

/* ------------------------------------------------------- waited for */

/* Waits until one of n requests (NULL ones are passed over) can go on, a signal
 * came or the deadline. */
static void
fetcher_wait(
    const struct fetcher *c, struct fetcher_request *const *requests, size_t n)
{
	uint64_t until = c->deadline_ms != 0 ? c->deadline_ms : UINT64_MAX;
	struct pollfd want[FETCHER_JOBS_MAX];
	nfds_t going = 0;

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
	if (!fetcher_stopped(c))
		dial_wait(want, going, until, c->stop);
}

void
fetcher_jobs(struct fetcher *c, size_t n, fetcher_job_step *step, void *arg)
{
	struct fetcher_request *waiting[FETCHER_JOBS_MAX];
	bool any = true, ended;

	assert(n <= FETCHER_JOBS_MAX);
	while (any && !fetcher_stopped(c)) {
		any = ended = false;
		for (size_t i = 0; i < n; i++) {
			enum fetcher_job job = step(arg, i, &waiting[i]);

			any = any || job != JOB_NONE;
			ended = ended || job == JOB_ENDED;
			if (job != JOB_WAITS)
				waiting[i] = NULL;
		}
		if (any && !ended)
			fetcher_wait(c, waiting, n);
	}
}

enum fetcher_result
fetcher_get(struct fetcher *c, struct source *s, const struct fetcher_file *o,
    bool *cut, struct why *why)
{
	enum fetcher_result result = FETCHER_DENIED;
	struct fetcher_request e, *const all[] = { &e };

	if (fetcher_start(&e, c, s, o, why))
		while ((result = fetcher_step(&e, why)) == FETCHER_GOING &&
		       !fetcher_stopped(c))
			fetcher_wait(c, all, 1);
	if (result == FETCHER_GOING ||
	    (result == FETCHER_STOPPED && c->local)) {
		why_set(why, "%s", fetcher_stop_word(c));
		result = FETCHER_STOPPED;
	}
	*cut = e.cut;
	fetcher_end(&e);
	return result;
}

bool
fetcher_to_buf(void *buf, struct slice bytes)
{
	return buf_put(buf, bytes);
}

bool
fetcher_to_digest(void *digest, struct slice bytes)
{
	digest_add(digest, bytes);
	return true;
}

enum fetcher_result
fetcher_text(struct fetcher *c, struct source *s, const char *path,
    struct buf *out, bool *cut, struct why *why)
{
	const struct fetcher_file wanted = { .path = path,
		.max = out->max - out->len,
		.total_ms = FETCHER_TEXT_MS,
		.body = fetcher_to_buf,
		.arg = out };
	enum fetcher_result result = fetcher_get(c, s, &wanted, cut, why);

	if (out->failed)
		why_memory(why);
	return result;
}
