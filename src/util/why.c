/* SPDX-License-Identifier: ISC */
#include "util/why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/log.h"

void
why_clear(struct why *why)
{
	why->text[0] = '\0';
}

/* Replaces the text by the escaped form of raw, which may be cut already when
 * it fills its memory. */
static void
text_put(struct why *why, const char *raw)
{
	static const char cut[] = "...";
	struct buf out;

	buf_wrap(&out, why->text, sizeof(why->text) - sizeof(cut));
	if (log_escape_most(&out, slice_str(raw)))
		why->text[out.len] = '\0';
	else
		memcpy(why->text + out.len, cut, sizeof(cut));
}

bool
why_set(struct why *why, const char *format, ...)
{
	char raw[WHY_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	text_put(why, raw);
	return false;
}

bool
why_at(struct why *why, const char *format, ...)
{
	char place[WHY_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(place, sizeof(place), format, ap);
	va_end(ap);
	return why_set(why, "%s: %s", place, why->text);
}

bool
why_errno(struct why *why, const char *place)
{
	int error = errno;

	why_set(why, "%s: %s", place, strerror(error));
	errno = error;
	return false;
}

bool
why_memory(struct why *why)
{
	return why_set(why, "out of memory");
}
