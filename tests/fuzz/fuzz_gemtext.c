/* SPDX-License-Identifier: ISC */
/* Any bytes as a page under the linter: it ends, every finding is about a line
 * that is there, and can be shown. The capsule around the page is empty but for
 * what its settings redirect. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capsule/lint_internal.h"
#include "util/log.h"

static char root[] = "/tmp/carnation-fuzz-XXXXXX";
static struct hosts *hosts;
static struct mime *mime;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
remove_root(void)
{
	rmdir(root);
}

static void
make_capsule(void)
{
	struct conf *conf = conf_new();
	struct conf_capsule *c = conf_add_capsule(conf);
	struct report r = { 0 };

	assert(mkdtemp(root) != NULL);
	atexit(remove_root);
	conf_set_text(conf, &c->host, "localhost");
	conf_set_text(conf, &c->root, root);
	assert(conf_read_content(conf, &c->content,
	    SLICE("redirects = ({ from = \"/old/*\"; to = \"/new/\"; });\n"
		  "gone = [\"/gone\"];\nlisting = true;\n"),
	    "capsule.conf", REPORT_ERROR, &r));
	hosts = hosts_open(conf, &r);
	mime = mime_new(conf, &r);
	assert(hosts != NULL && mime != NULL);
	report_fini(&r);
}

static unsigned
lines_in(struct slice bytes)
{
	struct slice line;
	unsigned n = 0;

	while (slice_line(&bytes, &line))
		n++;
	return n;
}

static void
check_shown(bool (*escape)(struct buf *out, struct slice s), const char *text)
{
	struct buf out;

	/* A byte becomes six at most, "\u00HH". */
	buf_init(&out, (size_t)6 * LINT_TEXT_MAX);
	assert(escape(&out, slice_str(text)));
	assert(slice_utf8(buf_view(&out)));
	for (size_t i = 0; i < out.len; i++)
		assert(out.ptr[i] >= 0x20 && out.ptr[i] != 0x7f);
	buf_fini(&out);
}

static void
check_findings(const struct lint *l, struct slice bytes)
{
	const struct lint_finding *f;
	unsigned lines = lines_in(bytes);
	size_t n, sum = 0;

	f = lint_findings(l, &n);
	for (size_t i = 0; i < n; i++) {
		assert(f[i].line <= lines);
		assert(strcmp(f[i].file, "d/page.gmi") == 0);
		assert(f[i].level != LINT_OFF);
		check_shown(log_escape, f[i].text);
		check_shown(log_escape_json, f[i].text);
	}
	for (int level = LINT_INFO; level <= LINT_ERROR; level++)
		sum += lint_count(l, (enum lint_level)level);
	assert(sum == n);
	/* A page that is not UTF-8, or has controls, is never without error. */
	if (!slice_utf8(bytes) || slice_find(bytes, 1, NULL))
		assert(lint_count(l, LINT_ERROR) > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice_of(data, size);
	struct lint *l = lint_new(0);

	if (hosts == NULL)
		make_capsule();
	assert(l != NULL);
	l->hosts = hosts;
	l->host = &hosts->host[0];
	l->mime = mime;
	lint_page(l, "d/page.gmi", bytes);
	check_findings(l, bytes);
	lint_free(&l);
	return 0;
}
