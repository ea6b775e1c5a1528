/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "archive/survey.h"

enum { NOW = 1800000000, HOUR = 3600, DAY = 86400 };

static struct survey survey;
static struct look *const looks = survey.look;
static struct buf page;

#define SET(field, text) (void)snprintf(field, sizeof(field), "%s", text)

/* A mirror at the highest serial with which all is well. */
static void
make_look(struct look *l, const char *base)
{
	*l = (struct look){
		.answer = { { .came = CAME_GOOD }, { .came = CAME_GOOD },
		    { .came = CAME_GOOD } },
		.serial = 43,
		.created = NOW - DAY,
		.digest = { 0xab },
		.has_cert = true,
		.cert_names_it = true,
		.cert_end = NOW + (int64_t)10000 * DAY,
		.cert_digest = { 0xcd, 0xef },
		.trace = { .serial = 43, .checked = NOW - 2 * HOUR },
	};
	SET(l->base, base);
	SET(l->trace.origin, "gemini://o.org/");
	SET(l->sample, "a/page.gmi");
}

static int
set_up(void **state)
{
	(void)state;
	survey = (struct survey){
		.n = 3,
		.known = { .serial = 43,
		    .created = NOW - DAY,
		    .manifest = { 0xab } },
	};
	SET(survey.known.origin, "gemini://o.org/");
	make_look(&looks[0], "gemini://o.org/");
	make_look(&looks[1], "gemini://one.org/");
	make_look(&looks[2], "gemini://two.org/");
	looks[0].is_origin = true;
	looks[0].answer[LOOK_TRACE].came = CAME_ABSENT;
	SET(looks[1].label, "One, Nowhere, somebody, 2026");
	buf_init(&page, SURVEY_PAGE_MAX);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	buf_fini(&page);
	return 0;
}

static const char *
write_page(bool well)
{
	buf_reset(&page);
	assert_int_equal(survey_page(&survey, NOW, &page), well);
	return buf_cstr(&page);
}

static void
test_survey_without_problems(void **state)
{
	const char *text = write_page(true);

	(void)state;
	assert_true(slice_starts(
	    buf_view(&page), SLICE("# Mirrors of gemini://o.org/\n\nAs seen "
				   "2027-01-15T08:00:00Z by carnation ")));
	assert_non_null(strstr(text,
	    "Places asked: 3; well: 3; with warnings: 0; with alarms: 0. The "
	    "highest serial is 43, of 2027-01-14T08:00:00Z.\n"));
	assert_non_null(
	    strstr(text, "\n\n## The origin\n\n=> gemini://o.org/\n"));
	assert_non_null(strstr(text,
	    "\n\n## One, Nowhere, somebody, 2026\n\n"
	    "=> gemini://one.org/\n"
	    "* serial 43 of 2027-01-14T08:00:00Z, the highest\n"
	    "* manifest, signed: SHA-256 ab0000000000000000000000000000000000"
	    "0000000000000000000000000000\n"
	    "* last looked 2027-01-15T06:00:00Z, 2 hours ago\n"
	    "* certificate, good until 2054-06-02T08:00:00Z: SHA-256 "
	    "CD:EF:00:"));
	assert_non_null(strstr(text, "\n* sample, as signed: a/page.gmi\n"));
	assert_non_null(strstr(text, "\n## gemini://two.org/\n"));
	assert_null(strstr(text, "Warning"));
	assert_null(strstr(text, "ALARM"));
}

/* ---------------------------------------------------------- one is not well */

static void
unreached(struct look *l)
{
	*l = (struct look){ .answer = { { .came = CAME_FAILED } } };
	why_set(&l->answer[LOOK_MANIFEST].why, "Connection refused");
	SET(l->base, "gemini://one.org/");
}

static void
unheard(struct look *l)
{
	unreached(l);
	l->has_cert = l->cert_names_it = true;
	l->cert_end = NOW + (int64_t)10000 * DAY;
	l->answer[LOOK_MANIFEST].came = CAME_FAILED;
	why_set(&l->answer[LOOK_MANIFEST].why, "%s", "answers 51 Not found");
}

static void
unheard_in_odd_words(struct look *l)
{
	unheard(l);
	why_set(&l->answer[LOOK_MANIFEST].why, "%s", "answers 51 a\\x1bb\a");
}

static void
unsigned_one(struct look *l)
{
	unheard(l);
	l->answer[LOOK_MANIFEST].came = CAME_WRONG;
	why_set(&l->answer[LOOK_MANIFEST].why, "%s", "the signature is wrong");
}

static void
equivocal(struct look *l)
{
	l->digest[31] = 1;
}

static void
behind(struct look *l)
{
	l->serial = l->trace.serial = 41;
	l->created = NOW - 30 * DAY;
}

static void
behind_for_two_days(struct look *l)
{
	behind(l);
	survey.known.created = looks[0].created = looks[2].created =
	    NOW - 2 * DAY;
}

static void
behind_for_nearly_two_days(struct look *l)
{
	behind_for_two_days(l);
	survey.known.created = looks[0].created = ++looks[2].created;
}

static void
behind_for_two_weeks(struct look *l)
{
	behind(l);
	survey.known.created = looks[0].created = looks[2].created =
	    NOW - 14 * DAY;
}

/* Another mirror has the serial between: it is older. */
static void
behind_since_the_one_between(struct look *l)
{
	behind(l);
	looks[2].serial = looks[2].trace.serial = 42;
	looks[2].created = NOW - 20 * DAY;
	looks[0].serial = 43;
}

static void
ahead(struct look *l)
{
	l->serial = l->trace.serial = 44;
	l->created = NOW - HOUR;
}

static void
checked_long_ago(struct look *l)
{
	l->trace.checked = NOW - 2 * DAY;
}

static void
checked_not_so_long_ago(struct look *l)
{
	l->trace.checked = NOW - 2 * DAY + 1;
}

static void
checked_two_weeks_ago(struct look *l)
{
	l->trace.checked = NOW - 14 * DAY;
}

static void
checked_tomorrow(struct look *l)
{
	l->trace.checked = NOW + DAY + 1;
}

static void
checked_by_a_fast_clock(struct look *l)
{
	l->trace.checked = NOW + DAY;
}

static void
never_checked(struct look *l)
{
	l->trace.checked = 0;
}

static void
no_trace(struct look *l)
{
	l->answer[LOOK_TRACE].came = CAME_ABSENT;
	why_set(&l->answer[LOOK_TRACE].why, "answers 51 Not found");
}

static void
odd_trace(struct look *l)
{
	l->answer[LOOK_TRACE].came = CAME_WRONG;
}

static void
late_trace(struct look *l)
{
	l->answer[LOOK_TRACE].came = CAME_FAILED;
	why_set(&l->answer[LOOK_TRACE].why, "%s", "too slow");
}

static void
trace_of_another(struct look *l)
{
	SET(l->trace.origin, "gemini://other.org/");
}

static void
trace_of_another_serial(struct look *l)
{
	l->trace.serial = 7;
}

static void
certificate_ends(struct look *l)
{
	l->cert_end = NOW + 29 * DAY;
}

static void
certificate_ends_later(struct look *l)
{
	l->cert_end = NOW + 30 * DAY;
}

static void
certificate_ended(struct look *l)
{
	l->cert_end = NOW - 1;
}

static void
certificate_of_another(struct look *l)
{
	l->cert_names_it = false;
}

static void
sample_wrong(struct look *l)
{
	l->answer[LOOK_SAMPLE].came = CAME_WRONG;
}

static void
sample_absent(struct look *l)
{
	l->answer[LOOK_SAMPLE].came = CAME_ABSENT;
}

static void
sample_failed(struct look *l)
{
	l->answer[LOOK_SAMPLE].came = CAME_FAILED;
	why_set(&l->answer[LOOK_SAMPLE].why, "%s", "answers 40 Later");
}

static void
no_sample(struct look *l)
{
	l->answer[LOOK_SAMPLE].came = CAME_UNASKED;
}

static void
speaks(struct look *l)
{
	SET(l->trace.software, "carnation 9");
	SET(l->trace.contact, "mailto:a@b.org");
	SET(l->trace.upstream, "gemini://o.org/");
}

static const struct {
	const char *what;
	void (*change)(struct look *l);
	enum look_level level;
	const char *line;
} rows[] = {
	{ "unreached", unreached, LOOK_WARNING,
	    "* Warning: not reached: Connection refused" },
	{ "what is escaped already", unheard_in_odd_words, LOOK_WARNING,
	    "* Warning: no manifest: answers 51 a\\x1bb\\x07" },
	{ "no manifest", unheard, LOOK_WARNING,
	    "* Warning: no manifest: answers 51 Not found" },
	{ "not signed", unsigned_one, LOOK_ALARM,
	    "* ALARM: the manifest is not to be trusted: the signature is "
	    "wrong" },
	{ "equivocation", equivocal, LOOK_ALARM,
	    "* ALARM: equivocation: signed, and yet another manifest of this "
	    "serial than ours" },
	{ "equivocation among them", equivocal, LOOK_ALARM,
	    "* ALARM: equivocation: signed, and yet another manifest of this "
	    "serial than that of gemini://two.org/" },
	{ "behind", behind, LOOK_WELL,
	    "* serial 41 of 2026-12-16T08:00:00Z, 2 behind the highest, for 24 "
	    "hours" },
	{ "behind for two days", behind_for_two_days, LOOK_WARNING,
	    "* Warning: serial 41 of 2026-12-16T08:00:00Z, 2 behind the "
	    "highest, for 2 days" },
	{ "behind for nearly two days", behind_for_nearly_two_days, LOOK_WELL,
	    "* serial 41 of 2026-12-16T08:00:00Z, 2 behind the highest, for 47 "
	    "hours" },
	{ "behind for two weeks", behind_for_two_weeks, LOOK_ALARM,
	    "* ALARM: serial 41 of 2026-12-16T08:00:00Z, 2 behind the highest, "
	    "for 14 days" },
	{ "behind since the one between", behind_since_the_one_between,
	    LOOK_ALARM,
	    "* ALARM: serial 41 of 2026-12-16T08:00:00Z, 2 behind the highest, "
	    "for 20 days" },
	{ "ahead of us", ahead, LOOK_WELL,
	    "* serial 44 of 2027-01-15T07:00:00Z, the highest" },
	{ "checked long ago", checked_long_ago, LOOK_WARNING,
	    "* Warning: last looked 2027-01-13T08:00:00Z, 2 days ago" },
	{ "not so long ago", checked_not_so_long_ago, LOOK_WELL,
	    "* last looked 2027-01-13T08:00:01Z, 47 hours ago" },
	{ "checked two weeks ago", checked_two_weeks_ago, LOOK_ALARM,
	    "* ALARM: last looked 2027-01-01T08:00:00Z, 14 days ago" },
	{ "checked tomorrow", checked_tomorrow, LOOK_WARNING,
	    "* Warning: last looked 2027-01-16T08:00:01Z (in the "
	    "future)" },
	{ "a fast clock", checked_by_a_fast_clock, LOOK_WELL,
	    "* last looked 2027-01-16T08:00:00Z, 0 seconds ago" },
	{ "never checked", never_checked, LOOK_WARNING,
	    "* Warning: its trace does not say when it last looked" },
	{ "no trace", no_trace, LOOK_WARNING,
	    "* Warning: no trace: when it last looked is not known: answers "
	    "51 Not found" },
	{ "an odd trace", odd_trace, LOOK_WARNING,
	    "* Warning: its trace cannot be read" },
	{ "a late trace", late_trace, LOOK_WARNING,
	    "* Warning: no trace: too slow" },
	{ "another's trace", trace_of_another, LOOK_WARNING,
	    "* Warning: its trace is that of a mirror of gemini://other.org/" },
	{ "another serial's trace", trace_of_another_serial, LOOK_WELL,
	    "* its trace names serial 7" },
	{ "a certificate that ends", certificate_ends, LOOK_WARNING,
	    "* Warning: certificate, good until 2027-02-13T08:00:00Z: SHA-256 "
	    "CD:EF" },
	{ "a certificate that ends later", certificate_ends_later, LOOK_WELL,
	    "* certificate, good until 2027-02-14T08:00:00Z" },
	{ "a certificate that ended", certificate_ended, LOOK_WARNING,
	    "* Warning: certificate, out of date since 2027-01-15T07:59:59Z" },
	{ "another's certificate", certificate_of_another, LOOK_WARNING,
	    "* Warning: its certificate names another host" },
	{ "a wrong sample", sample_wrong, LOOK_ALARM,
	    "* ALARM: sample, NOT what was signed: a/page.gmi" },
	{ "no such sample", sample_absent, LOOK_WARNING,
	    "* Warning: sample, not there: a/page.gmi" },
	{ "a sample that did not come", sample_failed, LOOK_WARNING,
	    "* Warning: sample, not got: a/page.gmi: answers 40 Later" },
	{ "nothing to ask for", no_sample, LOOK_WELL, "* serial 43" },
	{ "what it states about itself", speaks, LOOK_WELL,
	    "* from: gemini://o.org/\n* software: carnation 9\n* contact: "
	    "mailto:a@b.org\n" },
};

static void
test_survey_with_a_problem(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char count[64];
		const char *text;

		set_up(NULL);
		rows[i].change(&looks[1]);
		survey.n = 3;
		text = write_page(
		    rows[i].level == LOOK_WELL && looks[2].level == LOOK_WELL);
		check_row(looks[1].level == rows[i].level, rows[i].what);
		check_row(strstr(text, rows[i].line) != NULL, rows[i].what);
		snprintf(count, sizeof(count), "with alarms: %d",
		    (looks[0].level == LOOK_ALARM) +
			(looks[1].level == LOOK_ALARM) +
			(looks[2].level == LOOK_ALARM));
		check_row(strstr(text, count) != NULL, rows[i].what);
		tear_down(NULL);
	}
}

/* Of an origin that is quiet nothing is asked that only mirrors have. */
static void
test_origin_needs_no_trace(void **state)
{
	(void)state;
	looks[0].answer[LOOK_TRACE].came = CAME_GOOD;
	looks[0].trace.checked = 0;
	write_page(true);
	looks[0].trace.checked = NOW - 100 * DAY;
	write_page(true);
}

/* An unsigned manifest does not raise the highest serial. */
static void
test_unsigned_manifests_set_no_serial(void **state)
{
	(void)state;
	looks[1].answer[LOOK_MANIFEST].came = CAME_WRONG;
	looks[1].serial = 1000;
	looks[1].digest[0] = 1;
	assert_non_null(strstr(write_page(false), "highest serial is 43,"));
	assert_int_equal(looks[0].level, LOOK_WELL);
	assert_int_equal(looks[2].level, LOOK_WELL);
}

static void
test_nothing_answers(void **state)
{
	(void)state;
	survey.known.serial = 0;
	for (size_t i = 0; i < 3; i++)
		unreached(&looks[i]);
	assert_null(strstr(write_page(false), "highest serial"));
}

static bool
is_ours(struct slice line)
{
	static const char *const begins[] = { "# Mirrors of ", "As seen ",
		"## ", "=> gemini://", "* " };

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (slice_starts(line, slice_str(begins[i])))
			return true;
	return line.len == 0;
}

/* Whatever strangers say, as many lines come of it as without. */
static void
test_no_line_can_be_forged(void **state)
{
	const char *const evil = "x\n=> gemini://evil/ y\r\n# "
				 "z\r```\n\033[2J\xe2\x80\xa8\xe2\x80\xae"
				 "\xff\xc2\x85";
	struct slice rest, line;
	unsigned links = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct look *l = &looks[i];

		SET(l->label, evil);
		why_set(&l->answer[LOOK_MANIFEST].why, "%s", evil);
		why_set(&l->answer[LOOK_TRACE].why, "%s", evil);
		why_set(&l->answer[LOOK_SAMPLE].why, "%s", evil);
		SET(l->sample, evil);
		SET(l->trace.software, evil);
		SET(l->trace.contact, evil);
		SET(l->trace.upstream, evil);
		SET(l->trace.origin, evil);
		SET(l->trace.host, evil);
	}
	looks[0].answer[LOOK_MANIFEST].came = CAME_WRONG;
	looks[1].answer[LOOK_SAMPLE].came = CAME_FAILED;
	looks[2].answer[LOOK_TRACE].came = CAME_FAILED;
	write_page(false);
	for (rest = buf_view(&page); slice_line(&rest, &line);) {
		assert_true(is_ours(line));
		links += slice_starts(line, SLICE("=>"));
		assert_true(slice_utf8(line));
		for (size_t i = 0; i < line.len; i++)
			assert_true(line.ptr[i] >= 0x20 && line.ptr[i] != 0x7f);
	}
	assert_int_equal(links, 3);
	assert_null(memmem(page.ptr, page.len, "\xe2\x80", 2));
}

/* ------------------------------------------------------------- who is asked */

static void
test_links_of_the_page(void **state)
{
	char text[SURVEY_LABEL_MAX * 2];

	(void)state;
	survey.n = 0;
	survey_add(&survey, "gemini://o.org/", SLICE(""));
	survey_add_links(&survey, SLICE("# Mirrors\n"
					"=> gemini://one.org/ One, Nowhere\n"
					"=> gemini://TWO.org:1965 Two\n"
					"=> gemini://one.org/ One again\n"
					"=> gemini://o.org/ The origin\n"
					"=> https://three.org/ Not Gemini\n"
					"=> gemini://four.org/page.gmi A page\n"
					"=> about.gmi About\n"
					"gemini://five.org/\n"
					"```\n=> gemini://six.org/\n```\n"
					"=> gemini://seven.org:1966/\n"));
	assert_int_equal(survey.n, 4);
	assert_true(looks[0].is_origin);
	assert_string_equal(looks[1].base, "gemini://one.org/");
	assert_string_equal(looks[1].label, "One, Nowhere");
	assert_string_equal(looks[2].base, "gemini://two.org/");
	assert_string_equal(looks[3].base, "gemini://seven.org:1966/");
	assert_string_equal(looks[3].label, "");
	assert_false(looks[3].is_origin);
	/* A label is cut between characters. */
	memset(text, 'a', sizeof(text));
	memcpy(text + SURVEY_LABEL_MAX - 2, "\xc3\xa9", 2);
	survey_add(&survey, "gemini://h/", slice_of(text, sizeof(text)));
	assert_int_equal(strlen(looks[4].label), SURVEY_LABEL_MAX - 2);
}

static void
test_room_is_limited(void **state)
{
	char base[64];

	(void)state;
	survey.n = 0;
	for (int i = 0; i < SURVEY_MAX + 7; i++) {
		snprintf(base, sizeof(base), "gemini://h%d/", i);
		survey_add(&survey, base, SLICE(""));
	}
	assert_int_equal(survey.n, SURVEY_MAX);
	assert_non_null(strstr(write_page(false), "Skipped: 7 (limit 65).\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_survey_without_problems, set_up, tear_down),
		cmocka_unit_test(test_survey_with_a_problem),
		cmocka_unit_test_setup_teardown(
		    test_origin_needs_no_trace, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_unsigned_manifests_set_no_serial, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_nothing_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_no_line_can_be_forged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_links_of_the_page, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_room_is_limited, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
