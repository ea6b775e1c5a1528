/* SPDX-License-Identifier: ISC */
#include "util/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"

enum { LOG_WAIT_MS = 50 }; /* for a slow reader of stderr */

/* What a line begins with: a message, and a warning or an error. */
static char log_prefix[64] = "carnation: ";
static char log_problem_prefix[64] = "carnation: ";

static bool log_status_shown;

/* Runes that make a line look like something it is not: controls move the
 * cursor, separators break lines for some readers, bidirectional controls
 * turn text around. */
static bool
rune_deceives(uint32_t rune)
{
	return rune < 0x20 || (rune >= 0x7f && rune <= 0x9f) ||
	       rune == 0x061c || rune == 0x200e || rune == 0x200f ||
	       (rune >= 0x2028 && rune <= 0x202e) ||
	       (rune >= 0x2066 && rune <= 0x2069);
}

/* Appends "\xHH" for each byte of s, all or nothing. */
static bool
put_hex(struct buf *out, const char *mark, struct slice s)
{
	size_t start = out->len;

	for (size_t i = 0; i < s.len; i++) {
		if (!buf_printf(out, "%s%02x", mark, (unsigned)s.ptr[i])) {
			buf_truncate(out, start);
			return false;
		}
	}
	return true;
}

/* Takes as much of s as fits. */
static bool
log_escape_some(struct buf *out, struct slice s, bool backslash)
{
	uint32_t rune;

	while (s.len > 0) {
		size_t n = slice_rune(s, &rune);
		bool plain = n > 0 && !rune_deceives(rune) &&
			     (rune != '\\' || !backslash);
		struct slice unit = slice_head(s, n > 0 ? n : 1);

		if (!(plain ? buf_put(out, unit) : put_hex(out, "\\x", unit)))
			return false;
		s = slice_skip(s, unit.len);
	}
	return true;
}

bool
log_escape(struct buf *out, struct slice s)
{
	size_t start = out->len;

	if (log_escape_some(out, s, true))
		return true;
	buf_truncate(out, start);
	return false;
}

bool
log_escape_most(struct buf *out, struct slice s)
{
	return log_escape_some(out, s, false);
}

static bool
json_rune_put(struct buf *out, uint32_t rune, struct slice unit)
{
	if (rune == '"' || rune == '\\')
		return buf_byte(out, '\\') && buf_put(out, unit);
	if (rune_deceives(rune))
		return buf_printf(out, "\\u%04x", (unsigned)rune);
	return buf_put(out, unit);
}

bool
log_escape_json(struct buf *out, struct slice s)
{
	size_t start = out->len;
	uint32_t rune;

	while (s.len > 0) {
		size_t n = slice_rune(s, &rune);
		struct slice unit = slice_head(s, n > 0 ? n : 1);

		/* JSON has no bytes: a stray one is shown as the text form
		 * would show it, never as a lone surrogate, on which strict
		 * readers drop the whole line. */
		if (!(n > 0 ? json_rune_put(out, rune, unit)
			    : put_hex(out, "\\\\x", unit))) {
			buf_truncate(out, start);
			return false;
		}
		s = slice_skip(s, unit.len);
	}
	return true;
}

__attribute__((format(printf, 2, 0))) static void
log_line(const char *level, const char *format, va_list ap)
{
	uint8_t line[LOG_LINE_MAX];
	char message[LOG_LINE_MAX];
	int saved = errno;
	struct buf out;
	ssize_t written = 0;
	int ready;
	struct pollfd reader = { .fd = STDERR_FILENO, .events = POLLOUT };

	buf_wrap(&out, line, sizeof(line) - 1); /* the LF always fits */
	buf_str(&out, level[0] == '\0' ? log_prefix : log_problem_prefix);
	buf_str(&out, level);
	if (vsnprintf(message, sizeof(message), format, ap) >= 0)
		log_escape_most(&out, slice_str(message));
	line[out.len] = '\n';
	/* A reader that has stopped reading must not stop us: the line is lost
	 * then, and there is no other place to report it. */
	while ((ready = poll(&reader, 1, LOG_WAIT_MS)) == -1 && errno == EINTR)
		;
	if (ready == 1)
		log_status("");
	while (ready == 1 &&
	       (written = write(STDERR_FILENO, line, out.len + 1)) == -1 &&
	       errno == EINTR)
		;
	(void)written;
	errno = saved;
}

void
log_info(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_line("", format, ap);
	va_end(ap);
}

void
log_warn(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_line("warning: ", format, ap);
	va_end(ap);
}

void
log_error(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_line("error: ", format, ap);
	va_end(ap);
}

void
log_status(const char *text)
{
	if (text[0] != '\0' || log_status_shown)
		fprintf(stderr, "\r%s\x1b[K", text);
	log_status_shown = text[0] != '\0';
}

void
log_verb(const char *verb)
{
	snprintf(log_problem_prefix, sizeof(log_problem_prefix),
	    "carnation %.40s: ", verb);
}

void
log_identify(const char *who)
{
	snprintf(log_prefix, sizeof(log_prefix), "%.40s[%ld]: ", who,
	    (long)getpid());
	memcpy(log_problem_prefix, log_prefix, sizeof(log_prefix));
}

bool
log_due(uint64_t *last_ms, uint64_t period_ms)
{
	uint64_t now = clock_ms();

	if (*last_ms != 0 && now - *last_ms < period_ms)
		return false;
	*last_ms = now;
	return true;
}

static void
screen_drop(struct screen *s, size_t n)
{
	s->n -= n;
	memmove(s->kept, s->kept + n, s->n);
}

static bool
screen_is_control(uint32_t rune)
{
	return rune < 0x20 || (rune >= 0x7f && rune <= 0x9f);
}

/* How many bytes a sequence that begins with lead has; 1 when none does. */
static size_t
utf8_length(uint8_t lead)
{
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	return lead >= 0xf0 && lead <= 0xf4 ? 4 : 1;
}

/* Whether what is kept may still become something else. */
static bool
screen_is_open(const struct screen *s)
{
	if (s->kept[0] == '\r')
		return s->n == 1;
	for (size_t i = 1; i < s->n; i++)
		if ((s->kept[i] & 0xc0) != 0x80)
			return false;
	return s->n < utf8_length(s->kept[0]);
}

/* Shows what is at the front of a non-empty kept. */
static bool
screen_show(struct screen *s, struct buf *out)
{
	struct slice kept = slice_of(s->kept, s->n);
	uint32_t rune;
	size_t n = slice_rune(kept, &rune);
	bool done = true;

	if (slice_starts(kept, SLICE("\r\n")))
		n = 2;
	else if (n > 0 && screen_is_control(rune) && rune != '\n' &&
		 rune != '\t')
		n = 0;
	if (n > 0) {
		done = buf_put(out, slice_head(kept, n));
	} else {
		n = 1;
		done = buf_printf(out, "\\x%02x", (unsigned)s->kept[0]);
	}
	screen_drop(s, n);
	return done;
}

bool
screen_put(struct screen *s, struct slice bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.len; i++) {
		s->kept[s->n++] = bytes.ptr[i];
		while (s->n > 0 && !screen_is_open(s))
			if (!screen_show(s, out))
				return false;
	}
	return true;
}

bool
screen_end(struct screen *s, struct buf *out)
{
	while (s->n > 0)
		if (!screen_show(s, out))
			return false;
	return true;
}
