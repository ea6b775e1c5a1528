/* SPDX-License-Identifier: ISC */
#include "capsule/feed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capsule/copy.h"
#include "os/file.h"
#include "util/log.h"
#include "verbs/verbs.h"

enum { FEED_PATH_MAX = 8192, FEED_MODE = 0644 };

struct feed_job {
	const char *dir;
	const char *origin_text; /* NULL: none */
	const char *author;      /* NULL: the capsule's title */
	struct feed_origin origin;
	struct conf *conf;
	struct hosts *hosts;
	const struct host *host;
	struct inventory pages;
	struct buf atom;
	struct buf copy;
	struct report report;
};

/* "capsule/" is "capsule": names of files are put behind a slash. */
static char *
without_slashes(const char *dir)
{
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	return strndup(dir, len);
}

static bool
capsule_configure(struct conf *conf, const char *dir)
{
	struct conf_capsule *c = conf_add_capsule(conf);
	char *root = c != NULL ? without_slashes(dir) : NULL;
	bool ok = root != NULL && conf_set_text(conf, &c->root, root) &&
		  conf_set_text(conf, &c->host, "localhost");

	free(root);
	return ok;
}

/* Reads the capsule as serve would. */
static bool
capsule_open(struct feed_job *j)
{
	j->conf = conf_new();
	if (j->conf == NULL || !capsule_configure(j->conf, j->dir)) {
		report_add(&j->report, REPORT_ERROR, NULL, 0, "out of memory");
		return false;
	}
	j->hosts = hosts_open(j->conf, &j->report);
	if (j->hosts == NULL || !hosts_read_content(j->hosts, &j->report))
		return false;
	j->host = &j->hosts->host[0];
	return true;
}

/* Both texts, before any file is touched. */
static bool
texts_make(struct feed_job *j)
{
	const struct feed_origin *origin =
	    j->origin_text != NULL ? &j->origin : NULL;
	struct slice author = slice_str(j->author != NULL ? j->author : "");
	const struct host *h;
	bool ok;

	if (!capsule_open(j))
		return false;
	h = j->host;
	if (h->store != -1) {
		report_add(&j->report, REPORT_ERROR, j->dir, 0,
		    "is a store; publish makes the feed of its releases");
		return false;
	}
	if (!inventory_read(h, &j->pages)) {
		report_add(&j->report, REPORT_ERROR, j->dir, 0,
		    "cannot be read: %s", strerror(errno));
		return false;
	}
	ok = h->content.feed.text == NULL ||
	     feed_atom(author, h, &j->pages, origin, &j->atom, &j->report);
	return copy_text(h, &j->pages, origin, &j->copy, &j->report) && ok;
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
	const struct host *h = j->host;

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
	struct why why;
	bool ok;

	if (j->origin_text != NULL)
		feed_origin(slice_str(j->origin_text), &j->origin, &why);
	buf_init(&j->atom, FEED_MAX);
	buf_init(&j->copy, COPY_MAX);
	ok = texts_make(j);
	report_log(&j->report);
	ok = ok && files_put(j);
	report_fini(&j->report);
	buf_fini(&j->copy);
	buf_fini(&j->atom);
	inventory_fini(&j->pages);
	hosts_free(&j->hosts);
	conf_free(&j->conf);
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
		{ "--origin", 0, "URL",
		    "where the capsule is published, as gemini://example.org: "
		    "links and identifiers of the feed are then absolute",
		    ARG_TEXT(struct feed_job, origin_text),
		    .check = arg_check_origin },
		{ "--author", 0, "NAME",
		    "the author in the feed (default: the capsule's title)",
		    ARG_TEXT(struct feed_job, author) },
		{ "DIR", 0, NULL, NULL, ARG_TEXT(struct feed_job, dir) },
		{ .name = NULL },
	},
	.job_size = sizeof(struct feed_job),
	.run = feed_run,
};
/* clang-format on */
