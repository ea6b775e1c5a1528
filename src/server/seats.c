/* SPDX-License-Identifier: ISC */
#include "server/seats.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "util/fd.h"

size_t
seats_wanted(size_t workers, size_t descriptors)
{
	size_t least = 2 * workers;
	size_t wanted = SEATS_TIMES * workers;
	size_t can = descriptors / (SEATS_DESCRIPTORS * SEATS_SETS);

	if (wanted < SEATS_MIN)
		wanted = SEATS_MIN;
	if (wanted > SEATS_MAX)
		wanted = SEATS_MAX;
	if (can <= least)
		return 0;
	return can - 1 < wanted ? can - 1 : wanted; /* one is the parent's */
}

size_t
seats_descriptors(size_t workers)
{
	return SEATS_DESCRIPTORS * SEATS_SETS * (2 * workers + 1);
}

static void
seat_close(struct seat *s)
{
	fd_close(s->near);
	fd_close(s->far);
	s->near = s->far = -1;
}

bool
seats_open(struct seats *s, size_t n)
{
	s->seat = calloc(n + 1, sizeof(*s->seat));
	s->n = s->seat == NULL ? 0 : n + 1;
	s->retired = false;
	for (size_t i = 0; i < s->n; i++)
		s->seat[i].near = s->seat[i].far = -1;
	for (size_t i = 0; i < s->n; i++) {
		int ends[2];

		if (socketpair(
			AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
			return false;
		s->seat[i] = (struct seat){ ends[0], ends[1], i == 0 };
	}
	return s->n > 0;
}

void
seats_close(struct seats *s)
{
	for (size_t i = 0; i < s->n; i++)
		seat_close(&s->seat[i]);
	free(s->seat);
	s->seat = NULL;
	s->n = 0;
}

static bool
seat_is_free(const struct seat *s)
{
	return !s->taken && s->near != -1;
}

int
seats_take(struct seats *s)
{
	for (size_t i = 1; i < s->n; i++)
		if (seat_is_free(&s->seat[i])) {
			s->seat[i].taken = true;
			return (int)i;
		}
	return -1;
}

void
seats_drop(struct seats *s, int seat)
{
	assert(seat > 0 && (size_t)seat < s->n && s->seat[seat].taken);
	s->seat[seat].taken = false;
	if (s->retired)
		seat_close(&s->seat[seat]);
}

size_t
seats_free(const struct seats *s)
{
	size_t n = 0;

	for (size_t i = 1; i < s->n; i++)
		n += seat_is_free(&s->seat[i]);
	return n;
}

int
seats_near(const struct seats *s, int seat)
{
	assert(seat >= 0 && (size_t)seat < s->n);
	return s->seat[seat].near;
}

size_t
seats_far(const struct seats *s, int *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->seat[i].far != -1)
			out[n++] = s->seat[i].far;
	return n;
}

void
seats_retire(struct seats *s)
{
	s->retired = true;
	for (size_t i = 1; i < s->n; i++)
		if (seat_is_free(&s->seat[i]))
			seat_close(&s->seat[i]);
}
