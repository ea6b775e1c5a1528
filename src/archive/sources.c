/* SPDX-License-Identifier: ISC */
#include "archive/sources.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/target.h"
#include "os/file.h"
#include "proto/gemtext.h"
#include "util/clock.h"
#include "util/fd.h"

void
sources_add(struct sources *s, const char *base)
{
	struct source *new = &s->at[s->n];

	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->at[i].base, base) == 0)
			return;
	if (s->n == SOURCES_MAX || strlen(base) >= sizeof(new->base))
		return;
	*new = (struct source){ 0 };
	memcpy(new->base, base, strlen(base) + 1);
	s->n++;
}

static bool
leads_to(const char *base, const char *host)
{
	struct target t;
	struct why why;

	return target_parse(slice_str(base), &t, &why) == TARGET_OK &&
	       strcmp(t.host, host) == 0;
}

void
sources_add_links(struct sources *s, struct slice page, const char *own)
{
	struct gemtext g = { .rest = page };
	char base[MANIFEST_ORIGIN_MAX];
	struct gemtext_line line;

	while (gemtext_next(&g, &line))
		if (line.kind == GEMTEXT_LINK &&
		    manifest_origin(line.url, base) && !leads_to(base, own))
			sources_add(s, base);
}

void
sources_know_origin(struct sources *s, const char *origin)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->at[i].base, origin) == 0)
			s->at[i].by_path = true;
}

void
sources_revive(struct sources *s)
{
	for (size_t i = 0; i < s->n; i++) {
		s->at[i].out = s->at[i].distrusted;
		s->at[i].strikes = 0;
		s->at[i].absent = 0;
	}
}

bool
sources_list(const struct store *store, struct buf *page, struct why *why)
{
	int fd, release = store_release_fd(store, store_current(store));
	struct stat st;
	bool ok = true;

	if (release == -1)
		return why_set(why, "%s",
		    file_is_absent(errno)
			? "nothing is published or mirrored here yet"
			: strerror(errno));
	if (file_open_beneath(release, SOURCES_LIST, &fd, &st) == FILE_OPENED) {
		ok = fd_read_all(fd, page);
		if (!ok)
			why_errno(why, SOURCES_LIST);
		(void)close(fd);
	}
	(void)close(release);
	return ok;
}

void
sources_add_known(
    struct sources *s, const struct store *store, const struct state *st)
{
	struct buf page;
	struct why why;

	if (st->origin[0] != '\0') {
		sources_add(s, st->origin);
		sources_know_origin(s, st->origin);
	}
	buf_init(&page, SOURCES_LIST_MAX);
	if (sources_list(store, &page, &why))
		sources_add_links(s, buf_view(&page), st->host);
	buf_fini(&page);
}

void
source_blame(struct source *s, const char *said)
{
	why_set(&s->said, "%s", said);
	if (++s->strikes >= SOURCE_STRIKES)
		s->out = true;
}

void
source_strike(struct source *s, const char *said, uint64_t took_ms)
{
	source_blame(s, said);
	if (took_ms >= SOURCE_SLOW_MS)
		s->out = true;
	s->paused_ms = clock_ms() + s->strikes * (uint64_t)SOURCE_PAUSE_MS;
}

bool
source_pause(struct source *s, uint64_t ms, uint64_t timeout_ms)
{
	uint64_t now = clock_ms();
	uint64_t since = s->paused_ms > now ? s->paused_ms : now;
	uint64_t more = now + ms > since ? now + ms - since : 0;

	if (s->waited_ms + more > timeout_ms)
		return false;
	s->waited_ms += more;
	s->paused_ms = since + more;
	return true;
}

void
source_praise(struct source *s)
{
	s->strikes = 0;
	s->absent = 0;
	s->waited_ms -=
	    s->waited_ms < SOURCE_EACH_MS ? s->waited_ms : SOURCE_EACH_MS;
}

static uint64_t
lateness(uint64_t got, uint64_t took_ms)
{
	uint64_t fair = SOURCE_EACH_MS + got / SOURCE_RATE * 1000;

	return took_ms > fair ? took_ms - fair : 0;
}

bool
source_is_late(const struct source *s, uint64_t got, uint64_t took_ms)
{
	return !s->slow && s->late_ms + lateness(got, took_ms) > SOURCE_LATE_MS;
}

void
source_delay(struct source *s, uint64_t got, uint64_t took_ms)
{
	s->slow = s->slow || source_is_late(s, got, took_ms);
	s->late_ms += lateness(got, took_ms);
}

bool
sources_has_quicker(const struct sources *all, const struct source *s)
{
	for (size_t i = 0; i < all->n; i++)
		if (&all->at[i] != s && !all->at[i].out && !all->at[i].slow)
			return true;
	return false;
}

void
source_miss(struct source *s)
{
	if (++s->absent >= SOURCE_ABSENT_MAX)
		s->out = true;
}
