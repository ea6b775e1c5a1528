/* SPDX-License-Identifier: ISC */
/* W: .well-known/security.txt (spec.md 4.6, RFC 9116). */
#include "capsule/lint_internal.h"
#include "proto/moment.h"

#define FILE_NAME ".well-known/security.txt"

enum { SECURITY_MAX = 64 * 1024 };

/* What was found of the fields that must be there; lines from 1, 0: none. */
struct security {
	unsigned contact;
	unsigned expires;
	struct slice when;
};

static void
read_fields(struct slice rest, struct security *s)
{
	struct slice line, field, value;
	unsigned number = 0;

	while (slice_line(&rest, &line)) {
		number++;
		if (!slice_cut(line, ':', &field, &value))
			continue;
		value = slice_trim(value);
		if (slice_equal_nocase(field, SLICE("contact")) &&
		    value.len > 0) {
			s->contact = number;
		} else if (slice_equal_nocase(field, SLICE("expires")) &&
			   s->expires == 0) {
			s->expires = number;
			s->when = value;
		}
	}
}

static void
check_expires(struct lint *l, const struct security *s)
{
	int64_t moment;

	if (s->expires == 0)
		lint_add(l, "W002", FILE_NAME, 0,
		    "no Expires: nobody can tell whether it still holds");
	else if (!moment_parse(s->when, &moment))
		lint_add(l, "W002", FILE_NAME, s->expires,
		    "Expires is no moment such as 2026-11-22T12:00:00Z");
	else if (moment < l->now)
		lint_add(l, "W002", FILE_NAME, s->expires, "expired at %.*s",
		    SLICE_ARGS(s->when));
}

void
lint_well_known(struct lint *l)
{
	struct security s = { 0 };
	struct buf bytes;

	if (inventory_find(&l->inventory, FILE_NAME) == NULL)
		return;
	lint_plain(l, "W001", FILE_NAME);
	buf_init(&bytes, SECURITY_MAX);
	if (inventory_load(l->host, FILE_NAME, &bytes)) {
		read_fields(buf_view(&bytes), &s);
		if (s.contact == 0)
			lint_add(l, "W002", FILE_NAME, 0, "no Contact");
		check_expires(l, &s);
	} else {
		lint_add(l, "W002", FILE_NAME, 0,
		    "cannot be read, or is larger than %d KiB",
		    SECURITY_MAX / 1024);
	}
	buf_fini(&bytes);
}
