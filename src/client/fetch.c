/* SPDX-License-Identifier: ISC */
#include "client/fetch.h"

enum fetch_result
fetch(const struct target *t, const struct tls_client *tls, unsigned timeout_s,
    const struct fetch_visitor *v, struct why *why)
{
	const struct exchange_limits limits = {
		.silence_ms = (uint64_t)timeout_s * 1000
	};
	struct exchange *x = exchange_new(t, tls, &limits, v, why);
	enum fetch_result result;
	struct pollfd p;
	uint64_t deadline_ms;

	if (x == NULL)
		return FETCH_FAILED;
	while ((result = exchange_step(x, why)) == FETCH_GOING) {
		exchange_wants(x, &p, &deadline_ms);
		(void)dial_wait(p.fd, p.events, deadline_ms);
	}
	exchange_free(&x);
	return result;
}
