/* SPDX-License-Identifier: ISC */
#include "archive/survey_write.h"

#include <inttypes.h>

#include "util/clock.h"
#include "util/log.h"

enum {
	MINUTE_S = 60,
	HOUR_S = 60 * MINUTE_S,
	DAY_S = 24 * HOUR_S,
	OLD_DAYS = 2 * DAY_S, /* from here on told in days */
};

void
survey_put(struct survey_writing *w, const char *text)
{
	(void)buf_str(w->out, text);
}

void
survey_put_safe(struct survey_writing *w, const char *text)
{
	(void)log_escape(w->out, slice_str(text));
}

void
survey_put_moment(struct survey_writing *w, int64_t moment)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_rfc3339(moment, text);
	survey_put(w, text);
}

void
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

void
survey_begin_fault(struct survey_writing *w, enum look_level level)
{
	if (level > w->look->level)
		w->look->level = level;
	survey_put(w, level == LOOK_ALARM ? "* ALARM: " : "* Warning: ");
}

void
survey_fault(struct survey_writing *w, enum look_level level, const char *text,
    const char *rest)
{
	survey_begin_fault(w, level);
	survey_put(w, text);
	(void)log_escape_most(w->out, slice_str(rest));
	survey_put(w, "\n");
}

enum look_level
survey_delay_level(int64_t seconds)
{
	if (seconds >= SURVEY_ALARM_S)
		return LOOK_ALARM;
	return seconds >= SURVEY_WARN_S ? LOOK_WARNING : LOOK_WELL;
}
