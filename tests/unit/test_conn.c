/* SPDX-License-Identifier: ISC */
#include "conn_help.h"

#include <sys/resource.h>

enum { TURNS = 2000 };

/* A connection and who is at its other end. */
struct meeting {
	struct conn c;
	struct conn_text text;
	struct visitor v;
};

static void
meet(struct meeting *m, const char *address, uint64_t key)
{
	const struct sockaddr_storage from = stage_address(address);

	conn_init(&m->c, visitor_open(&m->v), &from, 1965, key, &m->text);
	assert_int_equal(m->c.state, CONN_HANDSHAKE);
}

static void
shake(struct meeting *m)
{
	for (int i = 0; i < 10 && m->c.state != CONN_REQUEST; i++) {
		visitor_shake(&m->v);
		conn_step(&m->c, &stage.world);
	}
	assert_true(visitor_shake(&m->v));
	assert_int_equal(m->c.state, CONN_REQUEST);
}

/* Both in turn until the answer has come and the connection is done. */
static void
listen_to(struct meeting *m)
{
	for (int i = 0; i < TURNS && m->c.state != CONN_DONE; i++) {
		conn_step(&m->c, &stage.world);
		while (!m->v.ended && visitor_hear(&m->v))
			;
		if (m->v.ended)
			shutdown(m->v.fd, SHUT_WR); /* ends the drain */
	}
	assert_int_equal(m->c.state, CONN_DONE);
}

static void
part(struct meeting *m)
{
	conn_fini(&m->c, &stage.world);
	assert_int_equal(m->c.fd, -1);
	visitor_fini(&m->v);
}

/* The answer to a request, whole. */
static void
check_answer(const char *rule, struct slice request, const char *want)
{
	struct meeting m;

	meet(&m, "192.0.2.7", 0);
	shake(&m);
	visitor_say(&m.v, request);
	listen_to(&m);
	check_row(tls_conn_peer_closed(&m.v.tls), rule);
	if (!slice_equal(buf_view(&m.v.got), slice_str(want)))
		fail_msg("row \"%s\": \"%.*s\"", rule,
		    SLICE_ARGS(buf_view(&m.v.got)));
	part(&m);
}

#define H "gemini://localhost"

static void
test_answers_and_their_lines(void **state)
{
	static const struct {
		const char *rule;
		const char *request;
		const char *answer;
		const char *line; /* of the log, from the host on */
	} rows[] = {
		{ "a page", H "/\r\n", "20 text/gemini\r\n# page\n",
		    "localhost 20 23 # TLSv1.3 new complete /\n" },
		{ "no path", H "\r\n", "20 text/gemini\r\n# page\n",
		    "localhost 20 23 # TLSv1.3 new complete /\n" },
		{ "a query is not logged", H "/?secret\r\n",
		    "20 text/gemini\r\n# page\n",
		    "localhost 20 23 # TLSv1.3 new complete /\n" },
		{ "a listing", H "/dir/\r\n",
		    "20 text/gemini\r\n# /dir/\n\n=> ../ ..\n"
		    "=> a.txt a.txt (2 B)\n",
		    "localhost 20 56 # TLSv1.3 new complete /dir/\n" },
		{ "nothing there", H "/none\r\n", "51 Not found\r\n",
		    "localhost 51 14 # TLSv1.3 new complete /none\n" },
		{ "a path is logged as it came", H "/%6eone\r\n",
		    "51 Not found\r\n",
		    "localhost 51 14 # TLSv1.3 new complete /%6eone\n" },
		{ "not our host: all of it is logged",
		    "gemini://else.test/x?q\r\n",
		    "53 Not a host served here; hosts served here: "
		    "localhost\r\n",
		    "- 53 # # TLSv1.3 new complete gemini://else.test/x\n" },
		{ "no URI", "\r\n", "59 Bad request\r\n",
		    "- 59 # # TLSv1.3 new complete \n" },
		{ "what follows the line is nobody's", H "/\r\nGET / HTTP/1.0",
		    "20 text/gemini\r\n# page\n",
		    "localhost 20 23 # TLSv1.3 new complete /\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf log;

		assert_int_equal(truncate(tree_path("access"), 0), 0);
		check_answer(
		    rows[i].rule, slice_str(rows[i].request), rows[i].answer);
		stage_log(&log);
		print_message("%.*s", SLICE_ARGS(buf_view(&log)));
		buf_fini(&log);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		on_stage(test_answers_and_their_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
