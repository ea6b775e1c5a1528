/* SPDX-License-Identifier: ISC */
/* Which source a mirror goes by: what each has said, and what that comes to. */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "archive/mirror_internal.h"

#define ORIGIN "gemini://origin.example/"

/* One source's word: o the origin's, m another mirror's. */
struct word {
	bool is_origin;
	enum found_result found;
};

#define O(v)                                                                   \
	{                                                                      \
		true, FOUND_##v                                                \
	}
#define M(v)                                                                   \
	{                                                                      \
		false, FOUND_##v                                               \
	}

/* A run, source by source, as long as another is wanted. */
static const struct row {
	const char *rule;
	bool first;
	struct word words[3];
	size_t n;
	size_t asked; /* how many of them are */
	enum mirror_answer end;
	bool heard;
} rows[] = {
	{ "nobody answers", false, { { 0 } }, 0, 0, ANSWER_NONE, false },
	{ "nothing new at the origin", false, { O(SAME), M(NEWER) }, 2, 1,
	    ANSWER_SAME, true },
	{ "news anywhere are enough, but their files must come", false,
	    { M(NEWER), O(NEWER) }, 2, 1, ANSWER_NEWER, false },
	{ "the origin is asked though a mirror has nothing new", false,
	    { M(SAME), O(NEWER) }, 2, 2, ANSWER_NEWER, true },
	{ "others are asked while the author is not heard", false,
	    { M(SAME), O(FORGED), M(NEWER) }, 3, 3, ANSWER_NEWER, false },
	{ "a mirror that has what we have proves nothing", false,
	    { M(SAME), M(SAME) }, 2, 2, ANSWER_SAME, false },
	{ "a mirror that lags is no trouble", false, { M(BEHIND) }, 1, 1,
	    ANSWER_BEHIND, false },
	{ "an origin that lags is", false, { O(BEHIND) }, 1, 1, ANSWER_REFUSED,
	    false },
	{ "but not when the store has that release", false, { O(KEPT) }, 1, 1,
	    ANSWER_BEHIND, false },
	{ "nor when somebody else forges one", false, { O(KEPT), M(FORGED) }, 2,
	    2, ANSWER_BEHIND, false },
	{ "a rollback, and nothing new elsewhere", false,
	    { O(BEHIND), M(SAME) }, 2, 2, ANSWER_SAME, false },
	{ "a rollback, and news elsewhere", false, { O(BEHIND), M(NEWER) }, 2,
	    2, ANSWER_NEWER, false },
	{ "a rollback, and mirrors that lag", false, { O(BEHIND), M(BEHIND) },
	    2, 2, ANSWER_REFUSED, false },
	{ "a forgery, and nothing new at the origin", false,
	    { M(FORGED), O(SAME), M(NEWER) }, 3, 2, ANSWER_SAME, true },
	{ "equivocation, and nothing else", false, { O(EQUIVOCATION) }, 1, 1,
	    ANSWER_REFUSED, false },
	{ "equivocation at a mirror, and news", false,
	    { M(EQUIVOCATION), O(NEWER) }, 2, 2, ANSWER_NEWER, true },
	{ "another origin", false, { M(OTHER_ORIGIN) }, 1, 1, ANSWER_REFUSED,
	    false },
	{ "too far ahead", false, { O(FAR_AHEAD), M(SAME) }, 2, 2, ANSWER_SAME,
	    false },
	{ "a first run asks all", true, { O(NEWER), M(NEWER), M(FORGED) }, 3, 3,
	    ANSWER_NEWER, true },
	{ "a first run and a forger", true, { M(UNSOUND) }, 1, 1,
	    ANSWER_REFUSED, false },
};

static void
row_check(const struct row *r)
{
	struct mirror_tally t = { .all = r->first };
	size_t asked = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct word *w = &r->words[i];

		if (!mirror_tally_wants(&t, w->is_origin))
			continue;
		asked++;
		mirror_tally_add(
		    &t, mirror_judge(w->found, w->is_origin), w->is_origin);
	}
	assert_int_equal(asked, r->asked);
	assert_int_equal(mirror_tally_end(&t), r->end);
	assert_int_equal(t.heard, r->heard);
}

static void
test_sources(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].rule);
		row_check(&rows[i]);
	}
}

static void
test_whose_copy_counts(void **state)
{
	static const struct {
		const char *upstream, *own;
		bool counts;
	} trace[] = {
		{ ORIGIN, "", true },
		{ ORIGIN, "me.example", true },
		{ "gemini://other.example/", "me.example", true },
		{ "gemini://me.example/", "me.example", false },
		{ "gemini://me.example:1966/", "me.example", false },
		/* it may be us */
		{ "gemini://other.example/", "", false },
		{ "", "", false },
		{ "", "me.example", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(trace) / sizeof(trace[0]); i++) {
		struct trace t = { 0 };

		(void)snprintf(
		    t.upstream, sizeof(t.upstream), "%s", trace[i].upstream);
		assert_int_equal(mirror_trace_counts(&t, ORIGIN, trace[i].own),
		    trace[i].counts);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_whose_copy_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
