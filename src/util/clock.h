/* SPDX-License-Identifier: ISC */
/* Two clocks: one that only goes forward, for deadlines; the wall clock, for
 * what people read. Depends on libc alone. */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CLOCK_RFC3339_SIZE = sizeof("2026-11-22T10:00:00.000Z"),
	CLOCK_SPAN_SIZE = sizeof("18446744073709551615 minutes"),
};

/* Milliseconds and microseconds since some moment before start
 * (CLOCK_MONOTONIC). */
uint64_t clock_ms(void);
uint64_t clock_us(void);

/* Seconds since 1970 by the wall clock. */
int64_t clock_wall(void);

/* "2026-11-22T10:00:00Z" (RFC 3339, UTC) into out, of CLOCK_RFC3339_SIZE. */
void clock_rfc3339(int64_t wall, char *out);

/* The same for the present time, with milliseconds. */
void clock_rfc3339_now(char *out);

/* For people: "1 second", "90 minutes", "3 hours", "2 days" into out, of
 * CLOCK_SPAN_SIZE; rounded down, in a larger unit from two of it on. */
void clock_span(uint64_t seconds, char *out);

#endif
