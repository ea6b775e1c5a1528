/* SPDX-License-Identifier: ISC */
#include "tls/signing.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "tls/provider_keyd.h"
#include "tls/signing_wire.h"
#include "util/clock.h"

static const char input[] = "what is signed";

/* Our end and that of the process with the keys. */
static int ours, theirs;

static int
set_up(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == -1)
		return -1;
	ours = pair[0];
	theirs = pair[1];
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	signing_attach(-1);
	close(ours);
	close(theirs);
	return 0;
}

/* A failing write is seen by the test that misses the answer. */
static void
answer(uint64_t sequence, uint32_t status, const char *signature)
{
	struct signing_answer a = { .sequence = sequence, .status = status };
	size_t len = strlen(signature);

	memcpy(a.signature, signature, len);
	(void)send(theirs, &a, SIGNING_ANSWER_HEAD + len, MSG_DONTWAIT);
}

/* The signature as text; "": none came. */
static const char *
sign(void)
{
	static uint8_t out[SIGNING_SIGNATURE_MAX + 1];
	size_t len = signing_sign(3, SIGNING_ECDSA, SIGNING_SHA256,
	    slice_str(input), out, SIGNING_SIGNATURE_MAX);

	out[len] = '\0';
	return (const char *)out;
}

static bool
something_came(void)
{
	struct pollfd fd = { .fd = theirs, .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

/* The sequence number of the last request; the others are dropped. */
static uint64_t
take_requests(void)
{
	struct signing_request r;

	assert_true(something_came());
	while (recv(theirs, &r, sizeof(r), MSG_DONTWAIT) > 0)
		continue;
	return r.sequence;
}

/* A seat whose next request has a number that is known: nothing here depends on
 * how fast another process replies, the answer is there before the request. */
static uint64_t
attach(void)
{
	signing_attach(ours);
	assert_string_equal(sign(), "");
	return take_requests() + 1;
}

static void
test_answered(void **state)
{
	uint64_t next = attach();
	struct signing_request r;

	(void)state;
	for (int i = 0; i < 2; i++) {
		answer(next, SIGNING_DONE, "signature");
		assert_string_equal(sign(), "signature");
		assert_int_equal(recv(theirs, &r, sizeof(r), MSG_DONTWAIT),
		    SIGNING_REQUEST_HEAD + sizeof(input) - 1);
		assert_memory_equal(r.input, input, sizeof(input) - 1);
		assert_true(r.sequence == next++ && r.op == SIGNING_SIGN &&
			    r.slot == 3 && r.scheme == SIGNING_ECDSA &&
			    r.digest == SIGNING_SHA256 && r.zero == 0);
	}
}

static void
test_other_answers_are_passed_over(void **state)
{
	uint64_t next = attach();

	(void)state;
	answer(next - 1, SIGNING_DONE, "of the one before");
	answer(next + 1, SIGNING_DONE, "of the one after");
	assert_int_equal(write(theirs, &next, 3), 3);
	answer(next, SIGNING_DONE, "signature");
	assert_string_equal(sign(), "signature");
}

/* A refusal is an answer: the process lives, and the next request is sent. */
static void
test_refusals(void **state)
{
	static const uint32_t statuses[] = { SIGNING_REFUSED, 0, 77 };
	uint64_t next = attach();

	(void)state;
	for (size_t i = 0; i < 3 * (SIGNING_FAILURES + 1); i++) {
		answer(next, statuses[i % 3], "signature");
		assert_string_equal(sign(), "");
		assert_true(take_requests() == next);
		next++;
	}
}

static void
test_room(void **state)
{
	static char much[SIGNING_SIGNATURE_MAX + 1];
	uint8_t out[SIGNING_SIGNATURE_MAX];
	uint64_t next = attach();

	(void)state;
	memset(much, 'x', SIGNING_SIGNATURE_MAX);
	memset(out, 0, sizeof(out));
	answer(next, SIGNING_DONE, much);
	assert_int_equal(signing_sign(3, SIGNING_ECDSA, SIGNING_SHA256,
			     slice_str(input), out, sizeof(out) - 1),
	    0);
	assert_int_equal(out[0], 0);
	answer(next + 1, SIGNING_DONE, much);
	assert_int_equal(signing_sign(3, SIGNING_ECDSA, SIGNING_SHA256,
			     slice_str(input), out, sizeof(out)),
	    sizeof(out));
	/* An input that does not fit is not sent at all. */
	take_requests();
	assert_int_equal(
	    signing_sign(3, SIGNING_ECDSA, SIGNING_SHA256,
		slice_of(out, SIGNING_INPUT_MAX + 1), out, sizeof(out)),
	    0);
	assert_false(something_came());
}

/* Nobody reads, but the end is open: the time-out, then the pause, in which
 * nothing is sent. One more failure after it is enough for the next. */
static void
test_time_out_and_pause(void **state)
{
	uint64_t begin = clock_ms(), last = begin;

	(void)state;
	signing_attach(ours);
	for (int i = 0; i < SIGNING_FAILURES; i++) {
		last = clock_ms();
		assert_string_equal(sign(), "");
		take_requests();
	}
	assert_true(clock_ms() - begin >=
		    (uint64_t)SIGNING_FAILURES * SIGNING_TIMEOUT_MS);
	for (int i = 0; i < 2; i++) {
		begin = last;
		while (!something_came()) {
			last = clock_ms();
			assert_string_equal(sign(), "");
			poll(NULL, 0, 1);
		}
		take_requests();
		assert_true(last - begin >= SIGNING_PAUSE_MS);
	}
}

/* After one success, it takes three failures again. */
static void
test_end_of_pause(void **state)
{
	enum { TRIES = 100, EACH_MS = 2 * SIGNING_PAUSE_MS / TRIES };
	struct signing_answer left;
	uint64_t next;
	int i;

	(void)state;
	signing_attach(ours);
	for (i = 0; i < SIGNING_FAILURES; i++)
		assert_string_equal(sign(), "");
	next = take_requests() + 1;
	for (i = 0; i < TRIES; i++)
		answer(next + (uint64_t)i, SIGNING_DONE, "signature");
	for (i = 0; i < TRIES && strcmp(sign(), "signature") != 0; i++)
		poll(NULL, 0, EACH_MS);
	assert_true(i < TRIES);
	/* What is left was for numbers not reached, and is of no use. */
	while (recv(ours, &left, sizeof(left), MSG_DONTWAIT) > 0)
		continue;
	for (i = 0; i < SIGNING_FAILURES; i++) {
		take_requests();
		assert_string_equal(sign(), "");
	}
}

/* An answer that comes too late does not become that of the next request. */
static void
test_late_answer(void **state)
{
	uint64_t next = attach();

	(void)state;
	answer(next - 1, SIGNING_DONE, "late");
	assert_string_equal(sign(), "");
	answer(next, SIGNING_DONE, "late");
	answer(next + 1, SIGNING_DONE, "signature");
	assert_string_equal(sign(), "signature");
}

/* What an earlier holder of the seat was sent is gone, and its numbers are not
 * used again. */
static void
test_attach(void **state)
{
	struct pollfd fd = { .fd = ours, .events = POLLIN };
	uint64_t first = attach(), second;

	(void)state;
	for (uint64_t i = 0; i < 20; i++)
		answer(first + i, SIGNING_DONE, "old");
	assert_int_equal(poll(&fd, 1, 0), 1);
	signing_attach(ours);
	assert_int_equal(poll(&fd, 1, 0), 0);
	second = attach();
	assert_true(second - first > 1000 && first - second > 1000);
}

static void
test_nobody(void **state)
{
	(void)state;
	signing_attach(-1);
	assert_string_equal(sign(), "");
	/* The other end closed: fails at once, and no SIGPIPE kills us. */
	signal(SIGPIPE, SIG_DFL);
	signing_attach(ours);
	close(theirs);
	assert_string_equal(sign(), "");
	assert_false(signing_ping(ours));
	assert_false(signing_pong(ours));
	theirs = dup(ours);
}

static void
test_pings(void **state)
{
	struct signing_request r;

	(void)state;
	assert_false(signing_pong(ours));
	assert_true(signing_ping(ours));
	assert_int_equal(read(theirs, &r, sizeof(r)), SIGNING_REQUEST_HEAD);
	assert_int_equal(r.op, SIGNING_PING);
	assert_false(signing_pong(ours));
	answer(r.sequence, SIGNING_REFUSED, "");
	answer(r.sequence + 1, SIGNING_DONE, "");
	answer(r.sequence, SIGNING_DONE, "x");
	assert_false(signing_pong(ours));
	answer(r.sequence, SIGNING_DONE, "");
	answer(r.sequence, SIGNING_REFUSED, "");
	assert_true(signing_pong(ours));
	assert_false(signing_pong(ours));
	/* Full: it does not wait. */
	while (signing_ping(ours))
		continue;
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_answered),
		test(test_other_answers_are_passed_over),
		test(test_refusals),
		test(test_room),
		test(test_time_out_and_pause),
		test(test_end_of_pause),
		test(test_late_answer),
		test(test_attach),
		test(test_nobody),
		test(test_pings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
