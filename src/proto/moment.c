/* SPDX-License-Identifier: ISC */
#include "proto/moment.h"

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

/* Takes two digits of a number up to max off *s; -1 when they are not there. */
static int64_t
moment_take_two(struct slice *s, uint64_t max)
{
	uint64_t n;

	if (s->len < 2 || !slice_number(slice_head(*s, 2), max, &n))
		return -1;
	*s = slice_skip(*s, 2);
	return (int64_t)n;
}

static bool
moment_take(struct slice *s, char c)
{
	if (s->len == 0 || s->ptr[0] != (uint8_t)c)
		return false;
	*s = slice_skip(*s, 1);
	return true;
}

/* ".123", or nothing. */
static bool
moment_take_fraction(struct slice *s)
{
	size_t n = 0;

	if (!moment_take(s, '.'))
		return true;
	while (n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9')
		n++;
	*s = slice_skip(*s, n);
	return n > 0;
}

/* The zone's seconds ahead of UTC. */
static bool
moment_take_zone(struct slice *s, int64_t *ahead)
{
	int64_t hours, minutes;
	bool west;

	*ahead = 0;
	if (moment_take(s, 'Z'))
		return true;
	west = moment_take(s, '-');
	if (!west && !moment_take(s, '+'))
		return false;
	hours = moment_take_two(s, 23);
	if (hours == -1 || !moment_take(s, ':'))
		return false;
	minutes = moment_take_two(s, 59);
	*ahead = (hours * HOUR_S + minutes * MINUTE_S) * (west ? -1 : 1);
	return minutes != -1;
}

bool
moment_parse(struct slice s, int64_t *out)
{
	struct subscription_day day;
	int64_t hour, minute, second, ahead;

	if (!subscription_date(s, &day))
		return false;
	s = slice_skip(s, sizeof("YYYY-MM-DD") - 1);
	if (!moment_take(&s, 'T'))
		return false;
	hour = moment_take_two(&s, 23);
	if (hour == -1 || !moment_take(&s, ':'))
		return false;
	minute = moment_take_two(&s, 59);
	if (minute == -1 || !moment_take(&s, ':'))
		return false;
	second = moment_take_two(&s, 60);
	if (second == -1 || !moment_take_fraction(&s) ||
	    !moment_take_zone(&s, &ahead))
		return false;
	*out = subscription_days(&day) * DAY_S + hour * HOUR_S +
	       minute * MINUTE_S + second - ahead;
	return s.len == 0;
}
