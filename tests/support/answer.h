/* SPDX-License-Identifier: ISC */
/* Two capsules with one of everything, and requests to them. */
#ifndef TESTS_SUPPORT_ANSWER_H
#define TESTS_SUPPORT_ANSWER_H

#include "capsule/answer.h"
#include "support/capsule.h"

/* What a connection knows: the host that its TLS name selected, or none; the
 * port is 1965, or any for a socket without one. */
enum { NO_SNI = -1, ONE = 0, TWO = 1, FREE_PORT = 10 };

#define H "gemini://one.example"

struct answer_fixture {
	struct mime *mime;
	struct listings *listings;
};
extern struct answer_fixture answers;

int answer_set_up(void **state);
int answer_tear_down(void **state);
#define answer_test(test)                                                      \
	cmocka_unit_test_setup_teardown(test, answer_set_up, answer_tear_down)

/* Answers a request line; answer_close ends what it fills. */
enum status answer_line(struct answer *a, int sni, struct slice line);
void answer_close(struct answer *a);

#endif
