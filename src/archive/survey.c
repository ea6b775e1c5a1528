/* SPDX-License-Identifier: ISC */
#include "archive/survey.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/gemtext.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/version.h"

/* ------------------------------------------------------------- whom to ask */

void
survey_add(struct survey *s, const char *base, struct slice label)
{
	struct look *l;

	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->look[i].base, base) == 0)
			return;
	if (s->n == SURVEY_MAX) {
		s->passed_over++;
		return;
	}
	l = &s->look[s->n++];
	*l = (struct look){ 0 };
	(void)snprintf(l->base, sizeof(l->base), "%s", base);
	if (label.len >= sizeof(l->label))
		label.len = sizeof(l->label) - 1;
	while (!slice_utf8(label))
		label.len--; /* never half a character */
	(void)snprintf(l->label, sizeof(l->label), "%.*s", SLICE_ARGS(label));
	l->is_origin = strcmp(base, s->known.origin) == 0;
}

void
survey_add_links(struct survey *s, struct slice page)
{
	struct gemtext g = { .rest = page };
	char base[MANIFEST_ORIGIN_MAX];
	struct gemtext_line line;

	while (gemtext_next(&g, &line))
		if (line.kind == GEMTEXT_LINK &&
		    manifest_origin(line.url, base))
			survey_add(s, base, line.text);
}

static bool
prepare_store(struct survey *s, const char *path, struct why *why)
{
	struct store *store = store_open(path, false, why);
	enum state_read read = STATE_UNREAD;
	struct buf page;
	bool ok;

	buf_init(&page, SOURCES_LIST_MAX);
	if (store != NULL)
		read = state_read(store, &s->known, why);
	if (read == STATE_NONE)
		why_set(why, "nothing is published or mirrored here yet");
	ok = read == STATE_READ && sources_list(store, &page, why);
	survey_add(s, s->known.origin, SLICE(""));
	survey_add_links(s, buf_view(&page));
	buf_fini(&page);
	store_close(&store);
	return ok;
}

/* The list of mirrors is what the manifest vouches for. */
static bool
prepare_url(
    struct survey *s, const char *url, struct fetcher *c, struct why *why)
{
	struct source source = { 0 };
	const struct manifest_entry *e;
	uint8_t digest[DIGEST_SIZE];
	struct buf text;
	struct manifest m;
	bool cut, ok;

	if (!manifest_origin(slice_str(url), source.base))
		return why_set(why, "not the URL of a capsule");
	buf_init(&text, MANIFEST_MAX);
	ok = fetcher_text(c, &source, MANIFEST_PATH, &text, &cut, why) ==
		 FETCHER_DONE &&
	     manifest_open(buf_view(&text), &s->known.ring, NULL, &m, why) ==
		 MANIFEST_GOOD;
	buf_fini(&text);
	if (!ok)
		return false;
	memcpy(s->known.origin, m.origin, sizeof(m.origin));
	survey_add(s, m.origin, SLICE("")); /* it has the first place */
	survey_add(s, source.base, SLICE(""));
	buf_init(&text, SOURCES_LIST_MAX);
	e = manifest_find(&m, SOURCES_LIST);
	if (e != NULL)
		ok = fetcher_text(c, &source, SOURCES_LIST, &text, &cut, why) ==
		     FETCHER_DONE;
	digest_sha256(buf_view(&text), digest);
	if (e != NULL && ok)
		ok = digest_equal(digest, e->digest) ||
		     (!cut && why_set(why, "%s is not what was signed",
				  SOURCES_LIST));
	if (ok)
		survey_add_links(s, buf_view(&text));
	buf_fini(&text);
	manifest_fini(&m);
	return ok;
}

/* ------------------------------------------------------------------ asking */

/* One mirror that is asked, for one thing after the other. */
struct asking {
	struct source source; /* the first: asking_trust is given it */
	const struct survey *survey;
	struct look *look;     /* NULL: nobody is asked */
	enum look_thing thing; /* that is asked for; LOOK_THINGS: no more */
	bool by_path; /* a sample, not by its hash, which no older page has */
	bool started;
	struct fetcher_request request;
	struct buf text;      /* of manifest or trace */
	struct digest digest; /* of a sample */
	struct manifest manifest;
	const struct manifest_entry *entry; /* the sample's; NULL: none */
};

/* The certificate of whom is asked; whose it is matters to no signature. */
static bool
asking_trust(void *arg, struct source *source, const struct cert *c)
{
	struct look *l = ((struct asking *)(void *)source)->look;
	struct target t;
	struct why why;

	(void)arg;
	l->has_cert = true;
	l->cert_end = cert_not_after(c);
	cert_digest(c, l->cert_digest);
	l->cert_names_it =
	    target_parse(slice_str(source->base), &t, &why) == TARGET_OK &&
	    (t.is_address || cert_names(c, t.host));
	return true;
}

static bool
asking_start(struct asking *a, struct fetcher *c, struct why *why)
{
	char object[MIRROR_OBJECT_SIZE];
	struct fetcher_file wanted = { .path = MANIFEST_PATH,
		.max = MANIFEST_MAX,
		.total_ms = SURVEY_FILE_MS,
		.body = fetcher_to_buf,
		.arg = &a->text };

	if (a->thing == LOOK_TRACE) {
		wanted.path = MIRROR_TRACE;
		wanted.max = TRACE_MAX;
	}
	buf_init(&a->text, (size_t)wanted.max);
	if (a->thing == LOOK_SAMPLE) {
		digest_init(&a->digest);
		mirror_object(a->entry->digest, object);
		wanted.path = a->by_path ? a->entry->path : object;
		wanted.max = SURVEY_SAMPLE_MAX;
		wanted.body = fetcher_to_digest;
		wanted.arg = &a->digest;
	}
	why_clear(why);
	a->started = true;
	return fetcher_start(&a->request, c, &a->source, &wanted, why);
}

/* Against what the survey knows; chooses a file at random. */
static bool
manifest_judge(struct asking *a, struct why *why)
{
	const struct keyring_key *signer;
	const struct survey *s = a->survey;
	struct manifest *m = &a->manifest;
	struct look *l = a->look;
	uint64_t random = 0;

	if (manifest_open(buf_view(&a->text), &s->known.ring, &signer, m,
		why) != MANIFEST_GOOD)
		return false;
	l->serial = m->serial;
	l->created = m->created;
	memcpy(l->digest, m->digest, sizeof(l->digest));
	if (strcmp(m->origin, s->known.origin) != 0)
		return why_set(why, "a manifest of %s", m->origin);
	if (signer->standing == KEYRING_RETIRED && m->serial > s->known.serial)
		return why_set(why, "signed by a key that has been retired");
	if (m->n == 0)
		return true;
	(void)!getrandom(&random, sizeof(random), 0);
	a->entry = &m->entry[random % m->n];
	(void)snprintf(l->sample, sizeof(l->sample), "%s", a->entry->path);
	return true;
}

static enum look_came
answer_judge(struct asking *a, enum fetcher_result result, struct why *why)
{
	const bool cut = a->request.cut;
	uint8_t digest[DIGEST_SIZE];
	struct why other;
	bool good;

	if (result == FETCHER_ABSENT)
		return CAME_ABSENT;
	if (result == FETCHER_TOO_LONG && a->thing == LOOK_SAMPLE &&
	    a->manifest.largest <= SURVEY_SAMPLE_MAX)
		return CAME_WRONG; /* longer than any that was signed */
	if (result != FETCHER_DONE)
		return CAME_FAILED;
	if (a->thing == LOOK_MANIFEST)
		good = manifest_judge(a, cut ? &other : why);
	else if (a->thing == LOOK_TRACE)
		good = trace_parse(buf_view(&a->text), &a->look->trace);
	else
		good = digest_end(&a->digest, digest) &&
		       digest_equal(digest, a->entry->digest);
	return good ? CAME_GOOD : cut ? CAME_FAILED : CAME_WRONG;
}

static void
request_end(struct asking *a)
{
	fetcher_end(&a->request);
	buf_fini(&a->text);
	digest_fini(&a->digest);
	a->started = false;
}

/* What was asked for is answered, or not: on to the next thing. */
static void
answer_handle(struct asking *a, enum look_came came)
{
	a->look->answer[a->thing].came = came;
	request_end(a);
	if (a->thing == LOOK_SAMPLE && came == CAME_ABSENT && !a->by_path)
		a->by_path = true;
	else if (a->thing == LOOK_MANIFEST && came != CAME_GOOD)
		a->thing = LOOK_THINGS;
	else if (++a->thing == LOOK_SAMPLE && a->entry == NULL)
		a->thing = LOOK_THINGS;
}

static void
asking_end(struct asking *a)
{
	request_end(a);
	manifest_fini(&a->manifest);
	*a = (struct asking){ 0 };
}

/* As far as it goes without waiting; true when nothing is left to ask. */
static bool
asking_run(struct asking *a, struct fetcher *c)
{
	while (a->thing != LOOK_THINGS) {
		struct why *why = &a->look->answer[a->thing].why;
		enum fetcher_result result = FETCHER_DENIED;

		if (a->started || asking_start(a, c, why))
			result = fetcher_step(&a->request, why);
		if (result == FETCHER_GOING)
			return false;
		answer_handle(a, answer_judge(a, result, why));
	}
	asking_end(a);
	return true;
}

struct round {
	struct survey *survey;
	struct fetcher *fetcher;
	size_t next; /* of the looks */
	struct asking asking[SURVEY_AT_ONCE];
};

static enum fetcher_job
round_step(void *arg, size_t i, struct fetcher_request **request)
{
	struct round *r = arg;
	struct asking *a = &r->asking[i];

	if (a->look == NULL) {
		if (r->next == r->survey->n)
			return JOB_NONE;
		a->survey = r->survey;
		a->look = &r->survey->look[r->next++];
		memcpy(a->source.base, a->look->base, sizeof(a->source.base));
	}
	*request = &a->request;
	return asking_run(a, r->fetcher) ? JOB_ENDED : JOB_WAITS;
}

static bool
survey_ask(struct survey *s, struct fetcher *c, struct why *why)
{
	struct round *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return why_memory(why);
	r->survey = s;
	r->fetcher = c;
	c->trust = asking_trust;
	fetcher_jobs(c, SURVEY_AT_ONCE, round_step, r);
	for (size_t i = 0; i < SURVEY_AT_ONCE; i++)
		asking_end(&r->asking[i]);
	free(r);
	return !fetcher_stopped(c) || why_set(why, "%s", fetcher_stop_word(c));
}

/* ---------------------------------------------------------------- the page */
struct page {
	const struct survey *survey;
	int64_t now;
	uint64_t highest; /* serial that anybody has */
	int64_t highest_created;
	struct look *look; /* the one at hand */
	struct buf *out;
	char when[CLOCK_RFC3339_SIZE], age[CLOCK_SPAN_SIZE];
};

static bool
is_signed(const struct look *l)
{
	return l->answer[LOOK_MANIFEST].came == CAME_GOOD;
}

/* Lines that raise no look's level. */
enum { LINE_LOOK = LOOK_ALARM + 1, LINE_LINK, LINE_TITLE };

/* One line, begun by us: what strangers said is escaped, and never ends it. */
__attribute__((format(printf, 3, 4))) static void
page_tell(struct page *p, unsigned kind, const char *format, ...)
{
	static const char *const begin[] = { "* ",
		"* Warning: ", "* ALARM: ", "\n## ", "\n=> ", "# " };
	char text[2 * WHY_MAX];
	va_list ap;

	if (kind <= LOOK_ALARM && kind > p->look->level)
		p->look->level = kind;
	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	(void)buf_str(p->out, begin[kind]);
	(void)log_escape_most(p->out, slice_str(text));
	(void)buf_byte(p->out, '\n');
}

static const char *
when(struct page *p, int64_t moment)
{
	clock_rfc3339(moment, p->when);
	return p->when;
}

static const char *
age(struct page *p, int64_t seconds)
{
	clock_span(seconds > 0 ? (uint64_t)seconds : 0, p->age);
	return p->age;
}

static enum look_level
delay_level(int64_t seconds)
{
	return seconds >= SURVEY_ALARM_S  ? LOOK_ALARM
	       : seconds >= SURVEY_WARN_S ? LOOK_WARNING
					  : LOOK_WELL;
}

/* The lowest above mine that anybody has; 0: none. And when it was signed. */
static uint64_t
serial_after(const struct survey *s, uint64_t mine, int64_t *created)
{
	uint64_t next = s->known.serial > mine ? s->known.serial : 0;

	*created = s->known.created;
	for (size_t i = 0; i < s->n; i++) {
		const struct look *l = &s->look[i];

		if (is_signed(l) && l->serial > mine &&
		    (next == 0 || l->serial < next)) {
			next = l->serial;
			*created = l->created;
		}
	}
	return next;
}

static void
write_serial(struct page *p)
{
	const struct look *l = p->look;
	int64_t since;

	if (serial_after(p->survey, l->serial, &since) == 0)
		page_tell(p, LOOK_WELL, "serial %" PRIu64 " of %s, the highest",
		    l->serial, when(p, l->created));
	else
		page_tell(p, delay_level(p->now - since),
		    "serial %" PRIu64 " of %s, %" PRIu64
		    " behind the highest, for %s",
		    l->serial, when(p, l->created), p->highest - l->serial,
		    age(p, p->now - since));
}

/* Two signed manifests of one serial. */
static void
write_equivocation(struct page *p, uint64_t serial, const uint8_t *digest,
    const char *of, const char *whom)
{
	if (p->look->serial == serial && serial != 0 &&
	    !digest_equal(p->look->digest, digest))
		page_tell(p, LOOK_ALARM,
		    "equivocation: signed, and yet another manifest of this "
		    "serial than %s%s",
		    of, whom);
}

/* What came of one thing; detail (or "") is what it is about. */
static void
write_answer(struct page *p, enum look_thing thing, const char *detail)
{
	static const char *const told[LOOK_THINGS][CAME_ALL] = {
		{ "not asked", "manifest, signed: SHA-256 ",
		    "the manifest is not to be trusted", "no manifest",
		    "no manifest" },
		{ NULL, NULL, "its trace cannot be read",
		    "no trace: when it last looked is not known", "no trace" },
		{ NULL, "sample, as signed: ", "sample, NOT what was signed: ",
		    "sample, not there: ", "sample, not got: " },
	};
	const enum look_came came = p->look->answer[thing].came;
	const char *why =
	    came == CAME_GOOD ? "" : p->look->answer[thing].why.text;
	const char *words = told[thing][came];
	enum look_level level = LOOK_WARNING;

	if (thing == LOOK_MANIFEST && !p->look->has_cert)
		words = "not reached";
	if (came == CAME_WRONG && thing != LOOK_TRACE)
		level = LOOK_ALARM;
	if (came == CAME_GOOD)
		level = LOOK_WELL;
	if (words != NULL)
		page_tell(p, level, "%s%s%s%s", words, detail,
		    why[0] != '\0' ? ": " : "", why);
}

static void
write_manifest(struct page *p)
{
	const struct survey *s = p->survey;
	const struct look *l = p->look;
	char hex[DIGEST_HEX_SIZE];

	if (is_signed(l)) {
		write_serial(p);
		write_equivocation(
		    p, s->known.serial, s->known.manifest, "ours", "");
	}
	for (size_t i = 0; is_signed(l) && i < s->n; i++)
		if (is_signed(&s->look[i]))
			write_equivocation(p, s->look[i].serial,
			    s->look[i].digest, "that of ", s->look[i].base);
	digest_hex(l->digest, hex);
	write_answer(p, LOOK_MANIFEST, is_signed(l) ? hex : "");
}

static void
write_checked(struct page *p)
{
	const int64_t checked = p->look->trace.checked;
	const int64_t ago = p->now - checked;

	if (p->look->is_origin)
		return; /* it has nobody to look at */
	if (checked == 0)
		page_tell(p, LOOK_WARNING,
		    "its trace does not say when it last looked");
	else if (-ago > SURVEY_SKEW_S)
		page_tell(p, LOOK_WARNING, "last looked %s (in the future)",
		    when(p, checked));
	else
		page_tell(p, delay_level(ago), "last looked %s, %s ago",
		    when(p, checked), age(p, ago));
}

static void
write_trace(struct page *p)
{
	const struct trace *t = &p->look->trace;

	if (strcmp(t->origin, p->survey->known.origin) != 0)
		page_tell(p, LOOK_WARNING,
		    "its trace is that of a mirror of %s", t->origin);
	write_checked(p);
	if (t->serial != p->look->serial)
		page_tell(
		    p, LOOK_WELL, "its trace names serial %" PRIu64, t->serial);
	if (t->upstream[0] != '\0')
		page_tell(p, LOOK_WELL, "from: %s", t->upstream);
	if (t->software[0] != '\0')
		page_tell(p, LOOK_WELL, "software: %s", t->software);
	if (t->contact[0] != '\0')
		page_tell(p, LOOK_WELL, "contact: %s", t->contact);
}

static void
write_certificate(struct page *p)
{
	const struct look *l = p->look;
	const int64_t left = l->cert_end - p->now;
	const bool soon = left < CERT_EXPIRY_WARNING_DAYS * INT64_C(86400);
	char text[CERT_FINGERPRINT_SIZE];

	if (!l->has_cert)
		return;
	cert_fingerprint(l->cert_digest, text);
	page_tell(p, soon ? LOOK_WARNING : LOOK_WELL,
	    "certificate, %s %s: SHA-256 %s",
	    left < 0 ? "out of date since" : "good until", when(p, l->cert_end),
	    text);
	if (!l->cert_names_it)
		page_tell(
		    p, LOOK_WARNING, "its certificate names another host");
}

static void
write_look(struct page *p)
{
	struct look *l = p->look;

	l->level = LOOK_WELL;
	page_tell(p, LINE_LOOK, "%s",
	    l->is_origin          ? "The origin"
	    : l->label[0] != '\0' ? l->label
				  : l->base);
	page_tell(p, LINE_LINK, "%s", l->base);
	write_manifest(p);
	if (l->answer[LOOK_TRACE].came == CAME_GOOD)
		write_trace(p);
	else if (l->answer[LOOK_TRACE].came != CAME_ABSENT || !l->is_origin)
		write_answer(p, LOOK_TRACE, "");
	write_certificate(p);
	write_answer(p, LOOK_SAMPLE, l->sample);
}

/* The head tells how many are well, which the body finds. */
static void
write_head(struct page *p, const size_t count[])
{
	const struct survey *s = p->survey;

	page_tell(p, LINE_TITLE, "Mirrors of %s", s->known.origin);
	(void)buf_printf(p->out,
	    "\nAs seen %s by carnation %s. Places asked: %zu; well: %zu; with "
	    "warnings: %zu; with alarms: %zu.",
	    when(p, p->now), CARNATION_VERSION, s->n, count[LOOK_WELL],
	    count[LOOK_WARNING], count[LOOK_ALARM]);
	if (p->highest != 0)
		(void)buf_printf(p->out,
		    " The highest serial is %" PRIu64 ", of %s.", p->highest,
		    when(p, p->highest_created));
	if (s->passed_over > 0)
		(void)buf_printf(p->out, " Skipped: %zu (limit %d).",
		    s->passed_over, SURVEY_MAX);
	(void)buf_byte(p->out, '\n');
}

bool
survey_page(struct survey *s, int64_t now, struct buf *out)
{
	size_t count[LOOK_ALARM + 1] = { 0 };
	int64_t created;
	struct buf body;
	struct page p = { .survey = s, .now = now, .out = &body };
	uint64_t n;
	bool ok;

	while ((n = serial_after(s, p.highest, &created)) != 0) {
		p.highest = n;
		p.highest_created = created;
	}
	buf_init(&body, SURVEY_PAGE_MAX);
	for (size_t i = 0; i < s->n; i++) {
		p.look = &s->look[i];
		write_look(&p);
		count[p.look->level]++;
	}
	p.out = out;
	write_head(&p, count);
	ok = buf_put(out, buf_view(&body)) && !body.failed;
	buf_fini(&body);
	return ok && count[LOOK_WELL] == s->n;
}

static enum result
survey_prepare(struct survey *s, struct fetcher *c,
    const struct survey_options *o, struct why *why)
{
	const char *proxy = o->proxy != NULL ? o->proxy : s->known.proxy;

	if (o->store != NULL && !prepare_store(s, o->store, why))
		return RESULT_LOCAL;
	for (size_t i = 0; i < o->n_keys; i++)
		(void)keyring_pin(&s->known.ring, &o->keys[i]);
	c->timeout_ms = SURVEY_TIMEOUT_MS;
	if (proxy[0] != '\0') {
		if (!proxy_parse(proxy, &s->proxy, why))
			return RESULT_LOCAL;
		c->proxy = &s->proxy;
	}
	if (o->store == NULL && !prepare_url(s, o->url, c, why))
		return RESULT_FAILED;
	return RESULT_GOOD;
}

enum result
survey_run(const struct survey_options *o, struct buf *page, struct why *why)
{
	struct survey *s = calloc(1, sizeof(*s));
	enum result result = RESULT_FAILED;
	struct fetcher c = { .stop = o->stop };

	if (s == NULL)
		why_memory(why);
	else if (fetcher_open(&c, why))
		result = survey_prepare(s, &c, o, why);
	if (result == RESULT_GOOD && !survey_ask(s, &c, why))
		result = fetcher_stop_result(&c);
	else if (result == RESULT_GOOD && !survey_page(s, clock_wall(), page))
		result = RESULT_FAILED;
	fetcher_close(&c);
	free(s);
	return result;
}
