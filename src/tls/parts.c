/* SPDX-License-Identifier: ISC */
#include "tls/parts.h"

#include <stdlib.h>

#include "tls/library.h"
#include "tls/self_test.h"

static const char *const names[TLS_PARTS] = {
	[TLS_PART_SESSIONS] = "sessions",
	[TLS_PART_KEY_SCHEDULE] = "key-schedule",
	[TLS_PART_SENDING] = "sending",
	[TLS_PART_MEMORY] = "memory",
	[TLS_PART_CONTEXT] = "context",
	[TLS_PART_KEY_PAIR] = "key-pair",
};

static struct {
	bool read;
	bool off[TLS_PARTS];
	const char *reason[TLS_PARTS]; /* NULL: off by the environment */
} parts;

/* TLS_PARTS when there is none of that name. */
static enum tls_part
part_find(struct slice name)
{
	enum tls_part part = 0;

	while (part < TLS_PARTS && !slice_equal(name, slice_str(names[part])))
		part++;
	return part;
}

/* Turns off what the environment names. False when a name is unknown; the first
 * of those is then *unknown. */
static bool
parts_read(struct slice *unknown)
{
	const char *text = getenv(TLS_PARTS_VARIABLE);
	struct slice rest = slice_str(text != NULL ? text : ""), name;
	bool known = true;

	while (rest.len > 0) {
		enum tls_part part;

		slice_cut(rest, ',', &name, &rest);
		part = part_find(name);
		if (part < TLS_PARTS)
			parts.off[part] = true;
		else if (known)
			*unknown = name;
		known = known && part < TLS_PARTS;
	}
	parts.read = true;
	return known;
}

bool
tls_part_on(enum tls_part part)
{
	struct slice unknown;

	if (!parts.read)
		parts_read(&unknown);
	return !parts.off[part];
}

void
tls_part_fail(enum tls_part part, const char *reason)
{
	if (!tls_part_on(part))
		return;
	parts.off[part] = true;
	parts.reason[part] = reason;
}

bool
tls_parts_check(struct why *why)
{
	struct slice unknown;

	return parts_read(&unknown) ||
	       why_set(why,
		   "%s: unknown part: \"%.*s\" (sessions, key-schedule, "
		   "sending, memory, context or key-pair)",
		   TLS_PARTS_VARIABLE, SLICE_ARGS(unknown));
}

void
tls_parts_test(void)
{
	tls_library_start(); /* tests what it is made of */
	if (tls_part_on(TLS_PART_SESSIONS) && !self_test_sessions())
		tls_part_fail(TLS_PART_SESSIONS, "self-test failed");
}

bool
tls_parts_all(void)
{
	for (enum tls_part part = 0; part < TLS_PARTS; part++)
		if (!tls_part_on(part))
			return false;
	return true;
}

bool
tls_parts_put(struct buf *out)
{
	const char *before = "without ";

	if (tls_parts_all())
		return buf_str(out, "all");
	for (enum tls_part part = 0; part < TLS_PARTS; part++) {
		if (tls_part_on(part))
			continue;
		buf_printf(out, "%s%s", before, names[part]);
		if (parts.reason[part] != NULL)
			buf_printf(out, " (%s)", parts.reason[part]);
		before = ", ";
	}
	return !out->failed;
}
