/* SPDX-License-Identifier: ISC */
#include "util/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t
clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail on Linux */
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t
clock_ms(void)
{
	return clock_us() / 1000;
}

_Static_assert(sizeof(time_t) == 8,
    "times after 2038, as in our certificates: -D_TIME_BITS=64");

int64_t
clock_wall(void)
{
	return (int64_t)time(NULL);
}

/* RFC 3339 has four digits for the year. */
static void
wall_to_tm(int64_t wall, struct tm *tm)
{
	const int64_t first = -62167219200; /* 0000-01-01T00:00:00Z */
	const int64_t last = 253402300799;  /* 9999-12-31T23:59:59Z */
	time_t t = (time_t)(wall < first ? first : wall > last ? last : wall);

	gmtime_r(&t, tm);
}

void
clock_rfc3339(int64_t wall, char *out)
{
	char text[80];
	struct tm tm;

	wall_to_tm(wall, &tm);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
	memcpy(out, text, sizeof("2026-11-22T10:00:00Z"));
}

void
clock_rfc3339_now(char *out)
{
	const size_t seconds = sizeof("2026-11-22T10:00:00") - 1;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_rfc3339((int64_t)now.tv_sec, out);
	snprintf(out + seconds, CLOCK_RFC3339_SIZE - seconds, ".%03uZ",
	    (unsigned)(now.tv_nsec / 1000000) % 1000);
}

void
clock_span(uint64_t seconds, char *out)
{
	static const struct {
		unsigned seconds;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" },
		{ 1, "second" } };
	uint64_t n;
	size_t i = 0;

	while (units[i].seconds > 1 && seconds < 2 * units[i].seconds)
		i++;
	n = seconds / units[i].seconds;
	snprintf(out, CLOCK_SPAN_SIZE, "%" PRIu64 " %s%s", n, units[i].name,
	    n == 1 ? "" : "s");
}
