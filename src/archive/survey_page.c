/* SPDX-License-Identifier: ISC */
/* What was seen, as a page of gemtext. Every line begins with words of ours, and
 * what strangers said is escaped: no line can be forged. */
#include <inttypes.h>
#include <string.h>

#include "archive/survey_look.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/version.h"

struct survey_writing {
	const struct survey *survey;
	int64_t now;
	uint64_t highest; /* serial that anybody has */
	int64_t highest_created;
	struct look *look;
	struct buf *out;
};

enum {
	MINUTE_S = 60,
	HOUR_S = 60 * MINUTE_S,
	DAY_S = 24 * HOUR_S,
	OLD_DAYS = 2 * DAY_S, /* from here on told in days */
};

static void
survey_put(struct survey_writing *w, const char *text)
{
	(void)buf_str(w->out, text);
}

/* What a stranger said, as part of a line: never the end of it. */
static void
survey_put_safe(struct survey_writing *w, const char *text)
{
	(void)log_escape(w->out, slice_str(text));
}

static void
survey_put_moment(struct survey_writing *w, int64_t moment)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_rfc3339(moment, text);
	survey_put(w, text);
}

/* "3 hours", "1 day". */
static void
survey_put_age(struct survey_writing *w, int64_t seconds)
{
	int64_t unit = seconds >= OLD_DAYS ? DAY_S
		       : seconds >= HOUR_S ? HOUR_S
					   : MINUTE_S;
	int64_t n = seconds < 0 ? 0 : seconds / unit;

	(void)buf_printf(w->out, "%" PRId64 " %s%s", n,
	    unit == DAY_S    ? "day"
	    : unit == HOUR_S ? "hour"
			     : "minute",
	    n == 1 ? "" : "s");
}

/* Begins a line that says what is wrong with the look, whose level rises. */
static void
survey_begin_fault(struct survey_writing *w, enum look_level level)
{
	if (level > w->look->level)
		w->look->level = level;
	survey_put(w, level == LOOK_ALARM ? "* ALARM: " : "* Warning: ");
}

/* All of such a line: words of ours, then a stranger's, or why. */
static void
survey_fault(struct survey_writing *w, enum look_level level, const char *text,
    const char *rest)
{
	survey_begin_fault(w, level);
	survey_put(w, text);
	(void)log_escape_most(w->out, slice_str(rest));
	survey_put(w, "\n");
}

/* LOOK_WELL: a short one. */
static enum look_level
survey_delay_level(int64_t seconds)
{
	if (seconds >= SURVEY_ALARM_S)
		return LOOK_ALARM;
	return seconds >= SURVEY_WARN_S ? LOOK_WARNING : LOOK_WELL;
}

/* ---------------------------------------------------------------- one look */

/* When the first serial that it lacks was signed, as far as any manifest that was
 * seen tells. */
static int64_t
lacking_since(const struct survey_writing *w)
{
	const struct survey *s = w->survey;
	uint64_t mine = w->look->serial, next = w->highest;
	int64_t since = w->highest_created;

	if (s->serial > mine && s->serial < next) {
		next = s->serial;
		since = s->created;
	}
	for (size_t i = 0; i < s->n; i++) {
		const struct look *l = &s->look[i];

		if (l->manifest == LOOK_SIGNED && l->serial > mine &&
		    l->serial < next) {
			next = l->serial;
			since = l->created;
		}
	}
	return since;
}

static void
write_serial(struct survey_writing *w)
{
	const struct look *l = w->look;
	uint64_t behind = w->highest - l->serial;
	int64_t lag = behind == 0 ? 0 : w->now - lacking_since(w);
	enum look_level level = survey_delay_level(lag);

	if (level != LOOK_WELL)
		survey_begin_fault(w, level);
	else
		survey_put(w, "* ");
	(void)buf_printf(w->out, "serial %" PRIu64 " of ", l->serial);
	survey_put_moment(w, l->created);
	if (behind == 0) {
		survey_put(w, ", the highest\n");
		return;
	}
	(void)buf_printf(
	    w->out, ", %" PRIu64 " behind the highest, for ", behind);
	survey_put_age(w, lag);
	survey_put(w, "\n");
}

static bool
contradicts(const struct look *l, uint64_t serial, const uint8_t *digest)
{
	return l->serial == serial && !digest_equal(l->digest, digest);
}

/* Two manifests of one serial, both signed: the author, or the holder of the
 * key, tells different people different things. */
static void
write_equivocation(struct survey_writing *w)
{
	const struct survey *s = w->survey;

	if (s->serial != 0 && contradicts(w->look, s->serial, s->digest))
		survey_fault(w, LOOK_ALARM,
		    "equivocation: signed, and yet another manifest of this "
		    "serial than ours",
		    "");
	for (size_t i = 0; i < s->n; i++)
		if (s->look[i].manifest == LOOK_SIGNED &&
		    contradicts(w->look, s->look[i].serial, s->look[i].digest))
			survey_fault(w, LOOK_ALARM,
			    "equivocation: signed, and yet another manifest of "
			    "this serial than that of ",
			    s->look[i].base);
}

static void
write_manifest(struct survey_writing *w)
{
	static const char *const words[] = {
		[LOOK_UNREACHED] = "not reached: ",
		[LOOK_UNHEARD] = "no manifest: ",
		[LOOK_WRONG] = "the manifest is not to be trusted: ",
	};
	const struct look *l = w->look;
	char hex[DIGEST_HEX_SIZE];

	if (l->manifest != LOOK_SIGNED) {
		survey_fault(w,
		    l->manifest == LOOK_WRONG ? LOOK_ALARM : LOOK_WARNING,
		    words[l->manifest], l->why.text);
		return;
	}
	write_serial(w);
	write_equivocation(w);
	digest_hex(l->digest, hex);
	(void)buf_printf(w->out, "* manifest, signed: SHA-256 %s\n", hex);
}

static void
write_checked(struct survey_writing *w)
{
	int64_t checked = w->look->trace.checked;
	int64_t age = w->now - checked;
	enum look_level level = survey_delay_level(age);

	if (w->look->is_origin)
		return; /* it has nobody to look at */
	if (checked == 0) {
		survey_fault(w, LOOK_WARNING,
		    "its trace does not say when it last looked", "");
		return;
	}
	if (level != LOOK_WELL || -age > SURVEY_SKEW_S)
		survey_begin_fault(
		    w, level != LOOK_WELL ? level : LOOK_WARNING);
	else
		survey_put(w, "* ");
	survey_put(w, "last looked ");
	survey_put_moment(w, checked);
	if (-age > SURVEY_SKEW_S) {
		survey_put(w, " (in the future)\n");
		return;
	}
	survey_put(w, ", ");
	survey_put_age(w, age);
	survey_put(w, " ago\n");
}

static void
write_said(struct survey_writing *w, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	survey_put(w, "* ");
	survey_put(w, name);
	survey_put(w, ": ");
	survey_put_safe(w, value);
	survey_put(w, "\n");
}

static void
page_write_trace(struct survey_writing *w)
{
	const struct look *l = w->look;

	switch (l->trace_came) {
	case TRACE_UNASKED:
		return;
	case TRACE_ABSENT:
		if (!l->is_origin)
			survey_fault(w, LOOK_WARNING,
			    "no trace: when it last looked is not known", "");
		return;
	case TRACE_MALFORMED:
		survey_fault(w, LOOK_WARNING, "its trace cannot be read", "");
		return;
	case TRACE_FAILED:
		survey_fault(w, LOOK_WARNING, "no trace: ", l->trace_why.text);
		return;
	case TRACE_READ:
		break;
	}
	if (strcmp(l->trace.origin, w->survey->origin) != 0)
		survey_fault(w, LOOK_WARNING,
		    "its trace is that of a mirror of ", l->trace.origin);
	write_checked(w);
	if (l->trace.serial != l->serial)
		(void)buf_printf(w->out,
		    "* its trace names serial %" PRIu64 "\n", l->trace.serial);
	write_said(w, "from", l->trace.upstream);
	write_said(w, "software", l->trace.software);
	write_said(w, "contact", l->trace.contact);
}

static void
write_certificate(struct survey_writing *w)
{
	const struct look *l = w->look;
	char text[CERT_FINGERPRINT_SIZE];
	int64_t left = l->cert_end - w->now;

	if (!l->has_cert)
		return;
	if (left < CERT_EXPIRY_WARNING_DAYS * INT64_C(86400))
		survey_begin_fault(w, LOOK_WARNING);
	else
		survey_put(w, "* ");
	cert_fingerprint(l->cert_digest, text);
	survey_put(w, left < 0 ? "certificate, out of date since "
			       : "certificate, good until ");
	survey_put_moment(w, l->cert_end);
	(void)buf_printf(w->out, ": SHA-256 %s\n", text);
	if (!l->cert_names_it)
		survey_fault(
		    w, LOOK_WARNING, "its certificate names another host", "");
}

static void
write_sample(struct survey_writing *w)
{
	const struct look *l = w->look;

	switch (l->sample_came) {
	case SAMPLE_UNASKED:
		return;
	case SAMPLE_RIGHT:
		survey_put(w, "* sample, as signed: ");
		break;
	case SAMPLE_WRONG:
		survey_begin_fault(w, LOOK_ALARM);
		survey_put(w, "sample, NOT what was signed: ");
		break;
	case SAMPLE_ABSENT:
		survey_begin_fault(w, LOOK_WARNING);
		survey_put(w, "sample, not there: ");
		break;
	case SAMPLE_FAILED:
		survey_begin_fault(w, LOOK_WARNING);
		survey_put(w, "sample, not got (");
		survey_put(w, l->sample_why.text);
		survey_put(w, "): ");
		break;
	}
	survey_put_safe(w, l->sample);
	survey_put(w, "\n");
}

static void
write_look(struct survey_writing *w)
{
	struct look *l = w->look;

	l->level = LOOK_WELL;
	survey_put(w, "\n## ");
	if (l->is_origin)
		survey_put(w, "The origin");
	else
		survey_put_safe(w, l->label[0] != '\0' ? l->label : l->base);
	survey_put(w, "\n\n=> ");
	survey_put_safe(w, l->base);
	survey_put(w, "\n");
	write_manifest(w);
	page_write_trace(w);
	write_certificate(w);
	write_sample(w);
}

/* ---------------------------------------------------------------- the page */

static void
page_find_highest(struct survey_writing *w)
{
	const struct survey *s = w->survey;

	w->highest = s->serial;
	w->highest_created = s->created;
	for (size_t i = 0; i < s->n; i++) {
		const struct look *l = &s->look[i];

		if (l->manifest == LOOK_SIGNED && l->serial > w->highest) {
			w->highest = l->serial;
			w->highest_created = l->created;
		}
	}
}

static size_t
count(const struct survey *s, enum look_level level)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->look[i].level == level;
	return n;
}

static void
write_head(struct survey_writing *w)
{
	const struct survey *s = w->survey;

	survey_put(w, "# Mirrors of ");
	survey_put_safe(w, s->origin);
	survey_put(w, "\n\nAs seen ");
	survey_put_moment(w, w->now);
	(void)buf_printf(w->out,
	    " by carnation %s. Places asked: %zu; well: %zu; with warnings: "
	    "%zu; with alarms: %zu.",
	    CARNATION_VERSION, s->n, count(s, LOOK_WELL),
	    count(s, LOOK_WARNING), count(s, LOOK_ALARM));
	if (w->highest != 0) {
		(void)buf_printf(w->out,
		    " The highest serial is %" PRIu64 ", of ", w->highest);
		survey_put_moment(w, w->highest_created);
		survey_put(w, ".");
	}
	if (s->passed_over > 0)
		(void)buf_printf(w->out, " Skipped: %zu (limit %d).",
		    s->passed_over, SURVEY_MAX);
	survey_put(w, "\n");
}

bool
survey_page(struct survey *s, int64_t now, struct buf *out)
{
	struct survey_writing w = { .survey = s, .now = now };
	struct buf body;
	bool ok;

	/* The head tells how many are well, which the body finds. */
	buf_init(&body, SURVEY_PAGE_MAX);
	w.out = &body;
	page_find_highest(&w);
	for (size_t i = 0; i < s->n; i++) {
		w.look = &s->look[i];
		write_look(&w);
	}
	w.out = out;
	write_head(&w);
	ok = buf_put(out, buf_view(&body)) && !body.failed &&
	     count(s, LOOK_WELL) == s->n;
	buf_fini(&body);
	return ok;
}
