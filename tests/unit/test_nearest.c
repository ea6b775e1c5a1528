/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>

#include "conf/options.h"

static const char long_word[] =
    "limits_limits_limits_limits_limits_limits_limits_limits_limits_l";

static void
check_nearest(const char *word, const char *got, const char *want)
{
	if ((got == NULL) != (want == NULL) ||
	    (got != NULL && strcmp(got, want) != 0))
		fail_msg("\"%s\": got %s, want %s", word,
		    got == NULL ? "nothing" : got,
		    want == NULL ? "nothing" : want);
}

static void
test_word(void **state)
{
	static const char *const words[] = { "serve", "check", "cert", "fetch",
		"help", "ab", long_word, NULL };
	static const char *const none[] = { NULL };
	static const struct {
		const char *word;
		const char *nearest;
	} rows[] = {
		{ "serve", "serve" },
		{ "sevre", "serve" }, /* two letters changed places */
		{ "srve", "serve" }, { "sserve", "serve" },
		{ "swrve", "serve" }, { "evres", NULL }, { "chekc", "check" },
		{ "fetcj", "fetch" }, { "cret", "cert" }, { "hlp", "help" },
		{ "hp", NULL }, { "a", NULL }, /* half of it is not a third */
		{ "ba", NULL }, { "", NULL }, { "frobnicate", NULL },
		{ "HELP", NULL },
		{ long_word, NULL }, /* longer than any name */
	};

	(void)state;
	assert_true(strlen(long_word) >= OPTION_NAME_MAX);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_nearest(rows[i].word, word_nearest(rows[i].word, words),
		    rows[i].nearest);
	check_nearest("serve", word_nearest("serve", none), NULL);
}

/* Of two as near, the one that comes first. */
static void
test_word_of_two(void **state)
{
	static const char *const words[] = { "bare", "bard", "barn", NULL };

	(void)state;
	check_nearest("bart", word_nearest("bart", words), "bare");
	check_nearest("barn", word_nearest("barn", words), "barn");
}

static void
test_option(void **state)
{
	static const struct {
		const char *name;
		unsigned place;
		const char *nearest;
	} rows[] = {
		{ "listen", OPTION_OPERATOR, "listen" },
		{ "lsten", OPTION_OPERATOR, "listen" },
		{ "worker", OPTION_OPERATOR, "workers" },
		{ "limits.rat", OPTION_OPERATOR, "limits.rate" },
		{ "limits.hand_shake", OPTION_OPERATOR, "limits.handshake" },
		{ "limits.workers", OPTION_OPERATOR, NULL },
		{ "rate", OPTION_OPERATOR, NULL },
		{ "tls.minimun", OPTION_OPERATOR, "tls.minimum" },
		{ "capsules.hots", OPTION_OPERATOR, "capsules.host" },
		/* The operator may write a capsule's own settings there. */
		{ "capsules.listng", OPTION_OPERATOR, "listing" },
		{ "listng", OPTION_CAPSULE, "listing" },
		{ "lisen", OPTION_CAPSULE, NULL },
		{ "listng", OPTION_OPERATOR, "listen" },
		{ "redirects.form", OPTION_CAPSULE, "redirects.from" },
		{ "paths.globe", OPTION_CAPSULE, "paths.glob" },
		{ "none.listen", OPTION_OPERATOR, NULL },
		{ "", OPTION_OPERATOR, NULL },
	};
	char deep[2 * sizeof(long_word)];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_nearest(rows[i].name,
		    option_nearest(rows[i].name, rows[i].place),
		    rows[i].nearest);
	memcpy(deep, long_word, sizeof(long_word));
	memcpy(deep + sizeof(long_word) - 1, ".rate", sizeof(".rate"));
	check_nearest(deep, option_nearest(deep, OPTION_OPERATOR), NULL);
	check_nearest(
	    long_word, option_nearest(long_word, OPTION_OPERATOR), NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_word),
		cmocka_unit_test(test_word_of_two),
		cmocka_unit_test(test_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
