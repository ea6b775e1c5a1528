/* SPDX-License-Identifier: ISC */
/* Any bytes as the page that a feed and a text copy are made of: the feed is
 * well-formed and has every entry, the copy holds nothing that could harm a
 * terminal. The same bytes as somebody else's feed: reading them ends. */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capsule/atom.h"
#include "capsule/copy.h"
#include "capsule/feed.h"

#define PAGE "d/u.gmi"

static char root[] = "/tmp/carnation-fuzz-XXXXXX";
static struct hosts *hosts;
static struct inventory pages;
static int page = -1;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
remove_root(void)
{
	unlinkat(hosts->host[0].root, PAGE, 0);
	unlinkat(hosts->host[0].root, "d", AT_REMOVEDIR);
	rmdir(root);
}

static void
make_capsule(void)
{
	struct conf *conf = conf_new();
	struct conf_capsule *c = conf_add_capsule(conf);
	struct report r = { 0 };

	assert(mkdtemp(root) != NULL);
	conf_set_text(conf, &c->host, "localhost");
	conf_set_text(conf, &c->root, root);
	conf_set_text(conf, &c->content.feed, PAGE);
	conf_set_text(conf, &c->content.title, "T");
	hosts = hosts_open(conf, &r);
	assert(hosts != NULL);
	atexit(remove_root);
	assert(mkdirat(hosts->host[0].root, "d", 0755) == 0);
	page = openat(hosts->host[0].root, PAGE, O_RDWR | O_CREAT, 0644);
	assert(page != -1);
	assert(inventory_read(&hosts->host[0], &pages) && pages.n == 1);
}

static void
check_feed(struct slice bytes)
{
	struct feed_options options = { .author = SLICE("") };
	struct report r = { 0 };
	struct feed_entries entries;
	struct atom atom;
	struct buf out;

	buf_init(&out, FEED_MAX);
	if (feed_atom(&hosts->host[0], &pages, &options, &out, &r)) {
		assert(r.errors == 0 && slice_utf8(bytes));
		assert(atom_read(buf_view(&out), &atom));
		assert(atom.fault == NULL && atom.is_feed);
		assert(atom.feed.has_id && atom.feed.has_title &&
		       atom.feed.dated && atom.self != NULL);
		assert(feed_entries_read(PAGE, bytes, NULL, NULL, &entries) ==
		       FEED_READ);
		assert(atom.n == entries.n && atom.n > 0);
		for (size_t i = 0; i < atom.n; i++)
			assert(atom.entry[i].has_id && atom.entry[i].dated &&
			       atom.entry[i].link != NULL);
		feed_entries_fini(&entries);
		atom_fini(&atom);
	} else {
		assert(r.errors > 0);
	}
	report_fini(&r);
	buf_fini(&out);
}

static void
check_copy(struct slice bytes)
{
	struct report r = { 0 };
	struct slice text;
	struct buf out;

	buf_init(&out, COPY_MAX);
	if (copy_text(&hosts->host[0], &pages, NULL, &out, &r)) {
		text = buf_view(&out);
		assert(slice_utf8(text) && slice_ends(text, SLICE("\n")));
		for (size_t i = 0; i < text.len; i++)
			assert(text.ptr[i] >= ' ' || text.ptr[i] == '\n' ||
			       text.ptr[i] == '\t');
	} else {
		assert(!slice_utf8(bytes));
	}
	report_fini(&r);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice_of(data, size);
	struct atom atom;

	if (hosts == NULL)
		make_capsule();
	assert(ftruncate(page, 0) == 0);
	assert(pwrite(page, data, size, 0) == (ssize_t)size);
	check_feed(bytes);
	check_copy(bytes);
	assert(atom_read(bytes, &atom));
	atom_fini(&atom);
	return 0;
}
