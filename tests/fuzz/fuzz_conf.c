/* SPDX-License-Identifier: ISC */
/* Any bytes as a capsule.conf and as an operator's file: no crash, no leak, and
 * what was taken reads the same after a dump. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capsule/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DUMP_MAX = 16 << 20 };

static void
try_content(struct slice bytes)
{
	struct conf *c = conf_new();
	struct report r = { 0 };
	struct conf_capsule *capsule;

	assert(c != NULL);
	capsule = conf_add_capsule(c);
	assert(capsule != NULL);
	if (!conf_read_content(c, &capsule->content, bytes, "capsule.conf",
		REPORT_WARNING, &r))
		assert(r.errors > 0);
	conf_check(c, &r);
	policy_check(c, &r);
	report_fini(&r);
	conf_free(&c);
}

/* What a linter makes of it: no group without what the code relies on. */
static void
try_salvage(struct slice bytes)
{
	struct conf *c = conf_new();
	struct conf_content content = { 0 };
	struct report r = { 0 };

	assert(c != NULL);
	if (!conf_read_content(
		c, &content, bytes, "capsule.conf", REPORT_ERROR, &r))
		assert(r.errors > 0);
	for (size_t i = 0; i < content.n_redirects; i++)
		assert(content.redirects[i].from.text != NULL &&
		       content.redirects[i].to.text != NULL);
	for (size_t i = 0; i < content.n_paths; i++)
		assert(content.paths[i].glob.text != NULL);
	report_fini(&r);
	conf_free(&c);
}

/* Reads bytes as a file; true when they were a configuration, dumped to out. */
static bool
try_file(struct slice bytes, struct buf *out)
{
	struct conf *c = conf_new();
	struct report r = { 0 };
	int fd = memfd_create("conf", MFD_CLOEXEC);
	char path[64];
	bool good;

	assert(c != NULL && fd != -1);
	assert(write(fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	good = conf_read(c, path, &r);
	assert(good == (r.errors == 0));
	(void)conf_check(c, &r);
	if (good)
		good = conf_dump(c, out);
	close(fd);
	report_fini(&r);
	conf_free(&c);
	return good;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf first, second;

	buf_init(&first, DUMP_MAX);
	buf_init(&second, DUMP_MAX);
	try_content(slice_of(data, size));
	try_salvage(slice_of(data, size));
	if (try_file(slice_of(data, size), &first)) {
		assert(try_file(buf_view(&first), &second));
		assert(slice_equal(buf_view(&first), buf_view(&second)));
	}
	buf_fini(&second);
	buf_fini(&first);
	return 0;
}
