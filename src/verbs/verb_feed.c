/* SPDX-License-Identifier: ISC */
#include "capsule/feed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "capsule/copy.h"
#include "os/file.h"
#include "os/listen.h"
#include "util/log.h"
#include "verbs/verb_sandbox.h"
#include "verbs/verbs.h"

enum { FEED_PATH_MAX = 8192, FEED_MODE = 0644 };

struct feed_job {
	const char *file; /* NULL: none */
	const char *dir;
	const char *origin_text; /* NULL: none */
	const char *author;      /* NULL: the capsule's title */
	struct feed_origin origin;
	struct verb_capsule capsule;
	struct inventory pages;
	struct buf atom;
	struct buf copy;
	struct report report;
};

/* The origin as the server's configuration has it: the capsule's own option, or
 * its host, unless that is an address. */
static bool
origin_configured(struct feed_job *j, const struct host *h)
{
	unsigned port = hosts_port(j->capsule.conf, LISTEN_PORT_DEFAULT);

	if (h->conf->content.origin.text != NULL ||
	    hostname_canonical(slice_str(h->names[0]), j->origin.host) !=
		HOSTNAME_NAME)
		return false;
	j->origin.port = port == LISTEN_PORT_DEFAULT ? -1 : (int)port;
	return true;
}

/* Finds where the capsule is published; *origin is NULL when nothing says.
 * False and a problem. */
static bool
origin_find(struct feed_job *j, const struct feed_origin **origin)
{
	const struct host *h = j->capsule.host;
	const struct conf_text *text = &h->content.origin;
	struct why why;

	*origin = &j->origin;
	if (j->origin_text != NULL)
		return feed_origin(slice_str(j->origin_text), &j->origin, &why);
	if (j->file != NULL && origin_configured(j, h))
		return true;
	if (text->text != NULL) {
		if (feed_origin(slice_str(text->text), &j->origin, &why))
			return true;
		report_add(&j->report, REPORT_ERROR, text->file, text->line,
		    "origin: %s", why.text);
		return false;
	}
	*origin = NULL;
	if (h->content.feed.text != NULL)
		report_add(&j->report, REPORT_WARNING, NULL, 0,
		    "missing origin: links in " FEED_FILE " are relative (set "
		    "origin in capsule.conf, or use --origin or --config)");
	return true;
}

/* The configuration has been read, and its roots are open. */
static bool
sandbox_begin(const struct verb_capsule *c)
{
	struct verb_sandbox s = { 0 };

	verb_sandbox_write(&s, c->host->conf->root.text);
	return verb_sandbox_enter(&s, SANDBOX_AUTHOR);
}

/* Both texts, before any file is touched. */
static bool
texts_make(struct feed_job *j)
{
	struct feed_options o = {
		.author = slice_str(j->author != NULL ? j->author : ""),
	};
	const struct host *h;
	bool ok;

	if (!verb_capsule_open(&j->capsule, j->file, j->dir, &j->report) ||
	    !sandbox_begin(&j->capsule) ||
	    !host_read_content(j->capsule.hosts, j->capsule.host, &j->report))
		return false;
	h = j->capsule.host;
	if (h->store != -1) {
		report_add(&j->report, REPORT_ERROR, j->dir, 0,
		    "is a store; publish makes the feed of its releases");
		return false;
	}
	if (!origin_find(j, &o.origin))
		return false;
	if (!inventory_read(h, &j->pages)) {
		report_add(&j->report, REPORT_ERROR, j->dir, 0,
		    "cannot be read: %s", strerror(errno));
		return false;
	}
	ok = h->content.feed.text == NULL ||
	     feed_atom(h, &j->pages, &o, &j->atom, &j->report);
	return copy_text(h, &j->pages, o.origin, &j->copy, &j->report) && ok;
}

static bool
file_is_current(const struct host *h, const char *name, struct slice bytes)
{
	struct buf old;
	bool same;

	buf_init(&old, bytes.len);
	same =
	    inventory_load(h, name, &old) && slice_equal(buf_view(&old), bytes);
	buf_fini(&old);
	return same;
}

/* A pipe or a device would take the text, but serve would never send it; a pipe
 * may even block us. */
static bool
file_is_special(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && !S_ISREG(st.st_mode) &&
	       !S_ISLNK(st.st_mode);
}

static bool
file_put(const struct host *h, const char *name, struct slice bytes)
{
	uint8_t memory[FEED_PATH_MAX];
	struct buf path;
	bool ok = true;

	buf_wrap(&path, memory, sizeof(memory) - 1);
	if (!buf_printf(&path, "%s/%s", h->conf->root.text, name)) {
		log_error("%s: the path is too long", name);
		return false;
	}
	if (file_is_special(buf_cstr(&path))) {
		log_error("%s: not a regular file", buf_cstr(&path));
		ok = false;
	} else if (file_is_current(h, name, bytes)) {
		log_info("%s: up to date", buf_cstr(&path));
	} else if (file_replace(buf_cstr(&path), bytes, FEED_MODE)) {
		log_info("%s: written", buf_cstr(&path));
	} else {
		log_error("%s: %s", buf_cstr(&path), strerror(errno));
		ok = false;
	}
	return ok;
}

static bool
files_put(struct feed_job *j)
{
	const struct host *h = j->capsule.host;

	if (h->content.feed.text == NULL)
		log_info("%s/capsule.conf: no feed is set; " FEED_FILE
			 " not written",
		    h->conf->root.text);
	else if (!file_put(h, FEED_FILE, buf_view(&j->atom)))
		return false;
	return file_put(h, copy_file(h), buf_view(&j->copy));
}

static enum result
feed_run(void *job)
{
	struct feed_job *j = job;
	bool ok;

	buf_init(&j->atom, FEED_MAX);
	buf_init(&j->copy, COPY_MAX);
	ok = texts_make(j);
	report_log(&j->report);
	ok = ok && files_put(j);
	report_fini(&j->report);
	buf_fini(&j->copy);
	buf_fini(&j->atom);
	inventory_fini(&j->pages);
	verb_capsule_close(&j->capsule);
	return ok ? RESULT_GOOD : RESULT_FAILED;
}

/* clang-format off */
const struct verb verb_feed = {
	.name = "feed",
	.summary = "write atom.xml and the one-file text copy",
	.about =
	    "Writes two files into a capsule, made from its pages: atom.xml, "
	    "the Atom feed of the page that capsule.conf sets as its feed, and "
	    "the one-file text copy of all pages (capsule.txt, or what "
	    "capsule.conf sets as its copy). A file that is up to date is not "
	    "touched. Without a feed in capsule.conf only the copy is "
	    "written.\n",
	.args = (const struct arg[]){
		{ "--config", 'c', "FILE",
		    "the server's configuration, for the capsule's host; DIR "
		    "is the root of one of its capsules, or stands for the "
		    "only one", ARG_TEXT(struct feed_job, file) },
		{ "--origin", 0, "URL",
		    "where the capsule is published, as gemini://example.org "
		    "(default: from --config, or origin in capsule.conf)",
		    ARG_TEXT(struct feed_job, origin_text),
		    .check = arg_check_origin },
		{ "--author", 0, "NAME",
		    "the author in the feed (default: the capsule's title)",
		    ARG_TEXT(struct feed_job, author),
		    .check = arg_check_filled },
		{ "DIR", 0, NULL, NULL, ARG_TEXT(struct feed_job, dir) },
		{ .name = NULL },
	},
	.job_size = sizeof(struct feed_job),
	.run = feed_run,
};
/* clang-format on */
