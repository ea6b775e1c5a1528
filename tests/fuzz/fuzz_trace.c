/* SPDX-License-Identifier: ISC */
/* Any bytes as another mirror's trace and as a store's state: no crash, nothing
 * in them that could harm a terminal, and what was taken is written and read
 * the same. */
#include <assert.h>
#include <string.h>

#include "archive/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const char *text, size_t size)
{
	assert(memchr(text, '\0', size) != NULL);
	assert(record_text_ok(slice_str(text)));
}

static void
try_trace(struct slice bytes)
{
	struct trace t;

	if (!trace_parse(bytes, &t)) {
		assert(t.serial == 0 && t.origin[0] == '\0');
		return;
	}
	assert(t.serial != 0);
	check_text(t.host, sizeof(t.host));
	check_text(t.origin, sizeof(t.origin));
	check_text(t.upstream, sizeof(t.upstream));
	check_text(t.software, sizeof(t.software));
	check_text(t.contact, sizeof(t.contact));
}

/* A state's own trace is one, once it has what a trace needs. */
static void
try_own_trace(const struct state *st)
{
	struct manifest m = { .serial = st->serial };
	struct trace t;
	struct buf out;

	buf_init(&out, TRACE_MAX);
	assert(trace_format(st, &m, st->checked, &out));
	assert(trace_parse(buf_view(&out), &t) ==
	       (st->serial != 0 && st->origin[0] != '\0'));
	assert(t.serial == 0 || strcmp(t.contact, st->contact) == 0);
	buf_fini(&out);
}

static void
try_state(struct slice bytes)
{
	struct buf first, second;
	struct why why = { "" };
	struct state st;

	buf_init(&first, STATE_MAX);
	buf_init(&second, STATE_MAX);
	if (state_parse(bytes, &st, &why)) {
		check_text(st.contact, sizeof(st.contact));
		check_text(st.proxy, sizeof(st.proxy));
		check_text(st.url, sizeof(st.url));
		for (size_t i = 0; i < st.n_also; i++)
			check_text(st.also[i], sizeof(st.also[i]));
		assert(st.ring.n <= KEYRING_MAX);
		try_own_trace(&st);
		assert(state_format(&st, &first));
		assert(state_parse(buf_view(&first), &st, &why));
		assert(state_format(&st, &second));
		assert(slice_equal(buf_view(&first), buf_view(&second)));
	} else {
		assert(why.text[0] != '\0');
	}
	buf_fini(&second);
	buf_fini(&first);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_trace(slice_of(data, size));
	try_state(slice_of(data, size));
	return 0;
}
