/* SPDX-License-Identifier: ISC */
#include "server/heartbeat.h"

#include <assert.h>
#include <stdatomic.h>

#include "os/shared.h"
#include "server/limiter.h"

struct heartbeats {
	_Atomic uint32_t beats[LIMITER_ROWS];
};

struct heartbeats *
heartbeats_new(void)
{
	return shared_new(sizeof(struct heartbeats));
}

void
heartbeats_free(struct heartbeats **h)
{
	shared_free(*h, sizeof(**h), NULL);
	*h = NULL;
}

void
heartbeat(struct heartbeats *h, int row)
{
	assert(row >= 0 && row < LIMITER_ROWS);
	atomic_fetch_add(&h->beats[row], 1);
}

bool
pulse_lost(struct pulse *p, const struct heartbeats *h, int row)
{
	uint32_t now;

	assert(row >= 0 && row < LIMITER_ROWS);
	now = atomic_load(&h->beats[row]);
	p->missed = now == p->seen ? p->missed + 1 : 0;
	p->seen = now;
	return p->missed >= HEARTBEAT_MISSED_MAX;
}
