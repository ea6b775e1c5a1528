/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "archive/manifest.h"

enum { FILES_MAX = 8 };

/* A manifest of "path:byte path:byte": the byte fills the digest. */
struct listed {
	struct manifest m;
	struct manifest_entry entry[FILES_MAX];
	char text[256];
};

static const struct manifest *
list(struct listed *l, const char *files)
{
	char *at = l->text;

	*l = (struct listed){ .m.entry = l->entry };
	(void)snprintf(l->text, sizeof(l->text), "%s", files);
	while (*at != '\0') {
		struct manifest_entry *e = &l->entry[l->m.n++];

		e->path = at;
		at = strchr(at, ':');
		*at = '\0';
		memset(e->digest, at[1], DIGEST_SIZE);
		at += at[2] == ' ' ? 3 : 2;
	}
	return &l->m;
}

static void
told(void *arg, enum change change, const char *path)
{
	struct buf *out = arg;

	(void)buf_printf(out, "%s %s\n", change_text(change), path);
}

static void
test_what_is_told(void **state)
{
	static const struct {
		const char *rule, *before, *after, *told;
		struct changes c;
	} rows[] = {
		{ "nothing at all", "", "", "", { 0 } },
		{ "the same", "a:1 b:2", "a:1 b:2", "", { .kept = 2 } },
		{ "all is new", "", "a:1 b:2", "added a\nadded b\n",
		    { .added = 2 } },
		{ "all is gone", "a:1 b:2", "", "gone a\ngone b\n",
		    { .gone = 2 } },
		{ "other bytes", "a:1 b:2", "a:1 b:3", "changed b\n",
		    { .changed = 1, .kept = 1 } },
		{ "one in front", "b:2", "a:1 b:2", "added a\n",
		    { .added = 1, .kept = 1 } },
		{ "one behind is gone", "a:1 b:2", "a:1", "gone b\n",
		    { .gone = 1, .kept = 1 } },
		{ "another name is one gone, one added", "a:1", "b:1",
		    "gone a\nadded b\n", { .added = 1, .gone = 1 } },
		{ "byte order: '.' is before '/'", "a.gmi:1 a/b:2 c:3",
		    "a.gmi:1 a/a:9 a/b:4", "added a/a\nchanged a/b\ngone c\n",
		    { .added = 1, .changed = 1, .gone = 1, .kept = 1 } },
		{ "bytes are not signed", "z:1 \xc3\xa9:2", "z:1 \xc3\xa9:2",
		    "", { .kept = 2 } },
	};
	struct listed before, after;
	struct changes c;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].rule);
		buf_init(&out, 4096);
		c = changes_between(list(&before, rows[i].before),
		    list(&after, rows[i].after), told, &out);
		assert_string_equal(buf_cstr(&out), rows[i].told);
		assert_memory_equal(&c, &rows[i].c, sizeof(c));
		assert_int_equal(changes_none(&c), rows[i].told[0] == '\0');
		buf_fini(&out);
	}
}

static void
test_a_first_serial_and_nobody_to_tell(void **state)
{
	struct listed after;
	struct changes c;

	(void)state;
	c = changes_between(NULL, list(&after, "a:1 b:2"), NULL, NULL);
	assert_int_equal(c.added, 2);
	assert_int_equal(c.kept + c.changed + c.gone, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_told),
		cmocka_unit_test(test_a_first_serial_and_nobody_to_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
