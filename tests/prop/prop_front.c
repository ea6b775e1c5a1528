/* SPDX-License-Identifier: ISC */
/* Serving, check and lint agree whether a capsule lacks an index page. */
#include "support/linter.h"

#include "capsule/lint_internal.h"
#include "server/site.h"
#include "support/random.h"

enum { ROUNDS = 200 };

static const char *const names[] = { "index.gmi", "index.gemini", "start.gmi",
	"d", "d/index.gmi", "d/start.gmi", "a.txt" };

#define REDIRECT(from, to) "{ from = \"" from "\"; to = \"" to "\"; }"
#define REDIRECTS(list) "redirects = ( " list " );\n"

static const char *const settings[] = {
	"index = [ \"start.gmi\", \"a.txt\" ];\n",
	"index = [];\n",
	"paths = ( { glob = \"/\"; listing = true; } );\n",
	"paths = ( { glob = \"/d/*\"; listing = true; } );\n",
	"gone = [ \"/\" ];\n",
	"gone = [ \"/index.gmi\", \"/start.gmi\" ];\n",
	REDIRECTS(REDIRECT("/", "/start.gmi")),
	REDIRECTS(REDIRECT("/", "/d?q")),
	REDIRECTS(REDIRECT("/", "/d/")),
	REDIRECTS(
	    REDIRECT("/", "/x") "," REDIRECT("/x", "gemini://e.example/")),
	REDIRECTS(REDIRECT("/index.gmi", "/")),
};

/* A file, a directory, a link that leads somewhere or not, or nothing. */
static void
make_entry(const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "root/%s", name);
	if (strchr(name, '/') != NULL && !tree_exists("root/d/."))
		return;
	switch (random_below(8)) {
	case 0:
		tree_make_dir(path);
		break;
	case 1:
		tree_symlink(RANDOM_OF(names), path);
		break;
	case 2:
	case 3:
		if (strcmp(name, "d") == 0)
			tree_make_dir(path);
		else
			tree_write(path, "# x\n");
		break;
	default:
		break;
	}
}

/* Each setting once at most: two of a kind are an error. */
static void
make_settings(void)
{
	char text[2048] = "";
	bool used[256] = { false };
	struct buf out;

	buf_wrap(&out, text, sizeof(text) - 1);
	for (size_t n = random_below(4); n > 0; n--) {
		const char *one = RANDOM_OF(settings);

		if (used[(uint8_t)one[0]])
			continue;
		used[(uint8_t)one[0]] = true;
		assert_true(buf_str(&out, one));
	}
	tree_write("root/capsule.conf", buf_cstr(&out));
}

/* By the code that answers requests. */
static bool
serving_lacks_front(void)
{
	const struct lint_target *t = lint_ask_path(lint, SLICE(""));

	assert_non_null(t);
	t = lint_follow(lint, t);
	return t != NULL && t->host != NULL && t->status != STATUS_SUCCESS;
}

static bool
check_lacks_front(void)
{
	const struct site site = { .hosts = capsule.hosts };
	struct report r = { 0 };
	bool found;

	site_warn_index(&site, 0, &r);
	found = r.n > 0;
	report_fini(&r);
	return found;
}

static void
prop_all_agree(void **state)
{
	size_t lacking = 0;

	for (int i = 0; i < ROUNDS; i++) {
		bool want;

		assert_int_equal(capsule_set_up(state), 0);
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			make_entry(names[k]);
		make_settings();
		capsule_open_one("");
		linter_run();
		want = serving_lacks_front();
		lacking += want;
		assert_int_equal(linter_count("C012"), want);
		assert_int_equal(check_lacks_front(), want);
		assert_int_equal(linter_tear_down(state), 0);
	}
	assert_in_range(lacking, ROUNDS / 10, ROUNDS - ROUNDS / 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(prop_all_agree) };

	random_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
