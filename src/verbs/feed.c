/* SPDX-License-Identifier: ISC */
#include "capsule/feed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "capsule/copy.h"
#include "os/file.h"
#include "util/log.h"
#include "verbs/args.h"
#include "verbs/capsule_dir.h"
#include "verbs/verbs.h"

enum { OPTION_ORIGIN = ARGS_LONG, OPTION_AUTHOR };
enum { FEED_PATH_MAX = 8192, FEED_MODE = 0644 };

const char feed_usage[] =
    "usage: carnation feed [--origin URL] [--author NAME] DIR\n"
    "\n"
    "Writes two files into a capsule, made from its pages: atom.xml, the Atom "
    "feed of\n"
    "the page that capsule.conf calls its feed, and the one-file text copy of "
    "all pages\n"
    "(capsule.txt, or what capsule.conf calls its copy). A file that is up to "
    "date is\n"
    "not touched. Without a feed in capsule.conf only the copy is written.\n"
    "\n"
    "  --origin URL   where the capsule is published, as gemini://example.org: "
    "links and\n"
    "                 identifiers of the feed are then absolute\n"
    "  --author NAME  who wrote the pages, as the feed says it; otherwise the "
    "capsule's\n"
    "                 title\n";

struct job {
	const char *dir;
	struct feed_origin origin;
	const struct feed_origin *given; /* NULL: none */
	struct slice author;             /* empty: the capsule's title */
	struct capsule_dir capsule;
	struct inventory pages;
	struct buf atom;
	struct buf copy;
	struct report report;
};

/* False, and a message, when the words are no job. */
static bool
parse(struct job *j, int argc, char **argv)
{
	static const struct args_option known[] = {
		{ "--origin", OPTION_ORIGIN, true },
		{ "--author", OPTION_AUTHOR, true },
		{ NULL, 0, false },
	};
	struct args a = {
		.verb = "feed", .options = known, .argc = argc, .argv = argv
	};
	const char *why;
	int letter;

	while ((letter = args_next(&a)) != ARGS_END) {
		if (letter == ARGS_BAD)
			return false;
		if (letter == ARGS_WORD && j->dir == NULL) {
			j->dir = a.value;
		} else if (letter == ARGS_WORD) {
			fprintf(stderr,
			    "carnation feed: one directory, not also \"%s\"\n",
			    a.value);
			return false;
		} else if (letter == OPTION_AUTHOR) {
			if (!args_name(&a, "--author", &j->author))
				return false;
		} else if (feed_origin(slice_str(a.value), &j->origin, &why)) {
			j->given = &j->origin;
		} else {
			fprintf(stderr, "carnation feed: --origin \"%s\": %s\n",
			    a.value, why);
			return false;
		}
	}
	if (j->dir == NULL)
		fprintf(stderr, "carnation feed: name a directory\n");
	return j->dir != NULL;
}

/* Both texts, before any file is touched. */
static bool
make(struct job *j)
{
	const struct host *h;
	bool ok;

	if (!capsule_dir_open(&j->capsule, j->dir, &j->report))
		return false;
	h = capsule_dir_host(&j->capsule);
	if (h->store != -1) {
		report_add(&j->report, REPORT_ERROR, j->dir, 0,
		    "is a store: the feed is made from the pages when they are "
		    "published into it");
		return false;
	}
	if (!inventory_read(h, &j->pages)) {
		report_add(&j->report, REPORT_ERROR, j->dir, 0,
		    "cannot be read: %s", strerror(errno));
		return false;
	}
	ok = h->content.feed.text == NULL ||
	     feed_atom(j->author, h, &j->pages, j->given, &j->atom, &j->report);
	return copy_text(h, &j->pages, j->given, &j->copy, &j->report) && ok;
}

static bool
is_up_to_date(const struct host *h, const char *name, struct slice bytes)
{
	struct buf old;
	bool same;

	buf_init(&old, bytes.len);
	same =
	    inventory_load(h, name, &old) && slice_equal(buf_view(&old), bytes);
	buf_fini(&old);
	return same;
}

/* Into a pipe or a device one can write as well, but not into what visitors
 * are to get; a pipe would even hold us up. */
static bool
is_special(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && !S_ISREG(st.st_mode) &&
	       !S_ISLNK(st.st_mode);
}

static bool
write_one(const struct host *h, const char *name, struct slice bytes)
{
	uint8_t memory[FEED_PATH_MAX];
	struct buf path;
	bool ok = true;

	buf_wrap(&path, memory, sizeof(memory) - 1);
	if (!buf_printf(&path, "%s/%s", h->conf->root.text, name)) {
		log_error("%s: the path is too long", name);
		return false;
	}
	if (is_special(buf_cstr(&path))) {
		log_error("%s: is not a regular file", buf_cstr(&path));
		ok = false;
	} else if (is_up_to_date(h, name, bytes)) {
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
write_all(struct job *j)
{
	const struct host *h = capsule_dir_host(&j->capsule);

	if (h->content.feed.text == NULL)
		log_info("%s/capsule.conf names no feed: no " FEED_FILE
			 " is written",
		    h->conf->root.text);
	else if (!write_one(h, FEED_FILE, buf_view(&j->atom)))
		return false;
	return write_one(h, copy_file(h), buf_view(&j->copy));
}

int
verb_feed(int argc, char **argv)
{
	struct job j = { 0 };
	bool ok;

	if (!parse(&j, argc, argv))
		return verb_misused("feed");
	buf_init(&j.atom, FEED_MAX);
	buf_init(&j.copy, COPY_MAX);
	ok = make(&j);
	report_log(&j.report);
	ok = ok && write_all(&j);
	report_fini(&j.report);
	buf_fini(&j.copy);
	buf_fini(&j.atom);
	inventory_fini(&j.pages);
	capsule_dir_close(&j.capsule);
	return ok ? EXIT_GOOD : EXIT_FAILED;
}
