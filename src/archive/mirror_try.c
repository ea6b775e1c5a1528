/* SPDX-License-Identifier: ISC */
/* Whether a release can be served: loaded as serve would load it, before the
 * switch. */
#include <inttypes.h>
#include <stdio.h>

#include "archive/links.h"
#include "archive/mirror_internal.h"
#include "capsule/host.h"

enum { ERROR_LINE_MAX = 1024, ERRORS_SHOWN_MAX = 3 };

/* A release and what its capsule.conf says. */
struct tried {
	struct conf *conf;
	struct hosts *hosts;
};

static void
tried_close(struct tried *t)
{
	hosts_free(&t->hosts);
	conf_free(&t->conf);
}

/* The release of m->found, as one that a server would serve. False: out of
 * memory, or it cannot be opened; r says so. */
static bool
tried_open(struct tried *t, const struct mirror *m, struct report *r)
{
	struct conf_capsule *c = NULL;
	struct why why;

	*t = (struct tried){ .conf = conf_new() };
	if (t->conf != NULL)
		c = conf_add_capsule(t->conf);
	if (c == NULL || !conf_set_text(t->conf, &c->host, "localhost") ||
	    !conf_set_text(t->conf, &c->root, m->options->store)) {
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		return false;
	}
	t->hosts = hosts_open_names(t->conf, r);
	if (t->hosts == NULL)
		return false;
	if (host_open(&t->hosts->host[0], m->found.m.serial + 1, &why))
		return true;
	report_add(r, REPORT_ERROR, m->options->store, 0, "%s", why.text);
	return false;
}

static void
say_errors(const struct mirror *m, const struct report *r)
{
	uint8_t memory[ERROR_LINE_MAX];
	struct buf line;

	for (size_t i = 0, shown = 0; i < r->n && shown < ERRORS_SHOWN_MAX;
	     i++) {
		buf_wrap(&line, memory, sizeof(memory) - 1);
		if (r->items[i].level != REPORT_ERROR ||
		    !report_format(&r->items[i], &line))
			continue;
		mirror_say(m, MIRROR_WARNING, "%s", buf_cstr(&line));
		shown++;
	}
}

/* The first path that other mirrors could not fetch; NULL: there is none. */
static const char *
find_hidden(
    const struct mirror *m, const struct host *h, char *object, size_t size)
{
	static const char *const paths[] = { MANIFEST_PATH, MANIFEST_ARCHIVE,
		"mirror/trace" };
	const struct manifest *l = &m->found.m;
	char hex[DIGEST_HEX_SIZE];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (links_policy(h, paths[i]) != STATUS_NONE)
			return paths[i];
	for (size_t i = 0; i < l->n; i++) {
		digest_hex(l->entry[i].digest, hex);
		(void)snprintf(object, size, "mirror/objects/%s", hex);
		if (links_policy(h, object) != STATUS_NONE)
			return object;
	}
	return NULL;
}

enum mirror_result
mirror_try(struct mirror *m)
{
	char object[sizeof("mirror/objects/") + DIGEST_HEX_SIZE];
	enum mirror_result result = MIRROR_UPDATED;
	const char *hidden = NULL;
	struct report r = { 0 };
	struct tried t;

	if (!tried_open(&t, m, &r) ||
	    !host_read_content(t.hosts, &t.hosts->host[0], &r)) {
		say_errors(m, &r);
		mirror_say(m, MIRROR_WARNING,
		    "release %" PRIu64 " is kept, but this version of "
		    "carnation cannot use it: it is tried again at the next "
		    "run",
		    m->found.m.serial);
		result = MIRROR_SAME;
	} else {
		hidden =
		    find_hidden(m, &t.hosts->host[0], object, sizeof(object));
	}
	if (hidden != NULL)
		result = mirror_fail(m, MIRROR_REFUSED,
		    "its capsule.conf hides or redirects %s, which mirrors "
		    "must be able to fetch",
		    hidden);
	tried_close(&t);
	report_fini(&r);
	return result;
}
