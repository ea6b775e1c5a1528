/* SPDX-License-Identifier: ISC */
#include "server/seats.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tls/signing.h"
#include "util/clock.h"
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
	fd_close(s->worker_fd);
	fd_close(s->keyd_fd);
	s->worker_fd = s->keyd_fd = -1;
}

bool
seats_open(struct seats *s, size_t n)
{
	s->seat = calloc(n + 1, sizeof(*s->seat));
	s->n = s->seat == NULL ? 0 : n + 1;
	s->retired = false;
	for (size_t i = 0; i < s->n; i++)
		s->seat[i].worker_fd = s->seat[i].keyd_fd = -1;
	for (size_t i = 0; i < s->n; i++) {
		int ends[2];

		if (socketpair(
			AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
			return false;
		s->seat[i].worker_fd = ends[0];
		s->seat[i].keyd_fd = ends[1];
	}
	if (s->n > 0)
		s->seat[0].state = SEAT_TAKEN;
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
	return s->state == SEAT_FREE && s->worker_fd != -1;
}

/* Frees one that has answered. */
static void
seat_settle(struct seat *s)
{
	if (s->state != SEAT_DOUBTFUL)
		return;
	if (!s->pinged)
		s->pinged = signing_ping(s->worker_fd);
	else if (signing_pong(s->worker_fd))
		s->state = SEAT_FREE;
}

int
seats_take(struct seats *s)
{
	for (size_t i = 1; i < s->n; i++) {
		seat_settle(&s->seat[i]);
		if (seat_is_free(&s->seat[i])) {
			s->seat[i].state = SEAT_TAKEN;
			return (int)i;
		}
	}
	return -1;
}

void
seats_drop(struct seats *s, int seat)
{
	struct seat *to;

	assert(seat > 0 && (size_t)seat < s->n);
	to = &s->seat[seat];
	assert(to->state == SEAT_TAKEN);
	if (s->retired) {
		to->state = SEAT_FREE;
		seat_close(to);
		return;
	}
	to->state = SEAT_DOUBTFUL;
	to->doubtful_ms = clock_ms();
	(void)signing_pong(to->worker_fd); /* what came before proves nothing */
	to->pinged = signing_ping(to->worker_fd);
}

size_t
seats_free(struct seats *s)
{
	size_t n = 0;

	for (size_t i = 1; i < s->n; i++) {
		seat_settle(&s->seat[i]);
		n += seat_is_free(&s->seat[i]);
	}
	return n;
}

bool
seats_spoiled(struct seats *s)
{
	uint64_t now = clock_ms();

	(void)seats_free(s); /* settles all */
	for (size_t i = 1; i < s->n; i++)
		if (s->seat[i].state == SEAT_DOUBTFUL &&
		    now - s->seat[i].doubtful_ms >= SEATS_SPOILED_MS)
			return true;
	return false;
}

int
seats_worker_fd(const struct seats *s, int seat)
{
	assert(seat >= 0 && (size_t)seat < s->n);
	return s->seat[seat].worker_fd;
}

size_t
seats_keyd_fds(const struct seats *s, int *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->seat[i].keyd_fd != -1)
			out[n++] = s->seat[i].keyd_fd;
	return n;
}

void
seats_retire(struct seats *s)
{
	s->retired = true;
	for (size_t i = 1; i < s->n; i++) {
		if (s->seat[i].state == SEAT_TAKEN)
			continue;
		s->seat[i].state = SEAT_FREE;
		seat_close(&s->seat[i]);
	}
}
