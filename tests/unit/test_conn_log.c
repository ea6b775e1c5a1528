/* SPDX-License-Identifier: ISC */
#include "conn_help.h"

/* Whether text is the pattern, where a '#' stands for a number. */
static bool
is_like(struct slice text, const char *pattern)
{
	size_t i = 0;

	for (; *pattern != '\0'; pattern++) {
		size_t before = i;

		while (*pattern == '#' && i < text.len && text.ptr[i] >= '0' &&
		       text.ptr[i] <= '9')
			i++;
		if (*pattern == '#' && i > before)
			continue;
		if (i == text.len || text.ptr[i++] != (uint8_t)*pattern)
			return false;
	}
	return i == text.len;
}

/* All that is in the log: one line, behind its time. */
static void
check_log(const char *rule, const char *pattern)
{
	struct slice time, rest;
	struct buf log;

	stage_log(&log);
	if (!slice_cut(buf_view(&log), ' ', &time, &rest))
		rest = buf_view(&log);
	if (!is_like(rest, pattern))
		fail_msg(
		    "row \"%s\": the log has \"%.*s\"", rule, SLICE_ARGS(rest));
	buf_fini(&log);
	assert_int_equal(truncate(tree_path("access"), 0), 0);
}

#define H "gemini://localhost"
#define PAGE "20 text/gemini\r\n# page\n"

static const struct row {
	const char *rule;
	const char *request;
	const char *answer;
	const char *line; /* of the log, behind the time and the address */
} rows[] = {
	{ "a page", H "/\r\n", PAGE,
	    "localhost 20 23 # TLSv1.3 new complete /\n" },
	{ "no path", H "\r\n", PAGE,
	    "localhost 20 23 # TLSv1.3 new complete /\n" },
	{ "a query is not logged", H "/?secret\r\n", PAGE,
	    "localhost 20 23 # TLSv1.3 new complete /\n" },
	{ "a listing", H "/dir/\r\n",
	    "20 text/gemini\r\n# /dir/\n\n=> ../ ..\n=> a.txt a.txt (2 B)\n",
	    "localhost 20 56 # TLSv1.3 new complete /dir/\n" },
	{ "nothing there", H "/none\r\n", "51 Not found\r\n",
	    "localhost 51 14 # TLSv1.3 new complete /none\n" },
	{ "a path is logged as it came", H "/%6eone\r\n", "51 Not found\r\n",
	    "localhost 51 14 # TLSv1.3 new complete /%6eone\n" },
	{ "not our host: all but the query is logged",
	    "gemini://else.test/x?q\r\n", "53 hosts served here: localhost\r\n",
	    "- 53 # # TLSv1.3 new complete gemini://else.test/x\n" },
	{ "an empty line", "\r\n", NULL, "- 59 # # TLSv1.3 new complete -\n" },
	{ "what follows the line is nobody's", H "/\r\nGET / HTTP/1.0", PAGE,
	    "localhost 20 23 # TLSv1.3 new complete /\n" },
};

static void
check_row_of_answers(const struct row *row, bool in_pieces)
{
	struct slice request = slice_str(row->request);
	char line[256];
	struct meeting m;

	meet(&m, "192.0.2.7", 0);
	shake(&m);
	for (size_t i = 0; in_pieces && i < request.len; i++) {
		bool ended = memchr(request.ptr, '\n', i + 1) != NULL;

		visitor_say(&m.v, slice_of(request.ptr + i, 1));
		if (m.c.state == CONN_REQUEST)
			conn_step(&m.c, &stage.world);
		check_row((m.c.state != CONN_REQUEST) == ended, row->rule);
	}
	if (!in_pieces)
		visitor_say(&m.v, request);
	listen_to(&m);
	check_row(tls_conn_peer_closed(&m.v.tls), row->rule);
	if (row->answer != NULL)
		check_slice(buf_view(&m.v.got), slice_str(row->answer));
	part(&m);
	(void)snprintf(line, sizeof(line), "192.0.2.7 %s", row->line);
	check_log(row->rule, line);
}

static void
test_answers_and_their_lines_in_the_log(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		check_row_of_answers(&rows[i], false);
		check_row_of_answers(&rows[i], true);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		on_stage(test_answers_and_their_lines_in_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
