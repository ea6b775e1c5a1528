/* SPDX-License-Identifier: ISC */
#include "client/dial.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "support/address.h"
#include "util/clock.h"

static enum io
dial_finish(struct dial *d, struct why *why)
{
	enum io io;

	while ((io = dial_step(d, why)) == IO_WANT_WRITE) {
		struct pollfd want = { .fd = d->fd, .events = POLLOUT };

		dial_wait(&want, 1, d->until_ms, NULL);
	}
	return io;
}

static bool
dial_to(struct dial_names *names, const char *host, unsigned port,
    uint64_t timeout_ms, struct why *why)
{
	enum io io = IO_FAILED;
	struct dial d;

	if (dial_open(&d, names, host, port, clock_ms() + timeout_ms, why))
		io = dial_finish(&d, why);
	dial_close(&d);
	return io == IO_DONE;
}

static void
test_failures(void **state)
{
	struct dial_names names = { 0 };
	struct why why;
	unsigned port;
	int fd;

	(void)state;
	close(loopback_listen(&port)); /* nothing listens there now */
	assert_false(dial_to(&names, "127.0.0.1", port, 5000, &why));
	assert_non_null(strstr(why.text, "Connection refused"));
	why_clear(&why);
	assert_false(dial_to(&names, "nothing.invalid", 1965, 5000, &why));
	assert_non_null(strstr(why.text, "nothing.invalid: "));
	why_clear(&why);
	fd = loopback_listen(&port);
	/* The time is over before it began. */
	assert_false(dial_to(&names, "127.0.0.1", port, 0, &why));
	assert_true(dial_to(&names, "127.0.0.1", port, 5000, &why));
	close(fd);
	dial_names_fini(&names);
}

/* A silent address fails by itself, in its time. */
static void
test_silence(void **state)
{
	const struct sockaddr_in a = { .sin_family = AF_INET };
	struct sockaddr_in full = a;
	socklen_t len = sizeof(full);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd[4];
	struct dial_names names = { 0 };
	struct why why;

	(void)state;
	full.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(
	    bind(listener, (struct sockaddr *)&full, sizeof(full)), 0);
	assert_int_equal(listen(listener, 0), 0);
	getsockname(listener, (struct sockaddr *)&full, &len);
	for (int i = 0; i < 4; i++) { /* its queue is full */
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fd[i], (struct sockaddr *)&full, len);
	}
	assert_false(
	    dial_to(&names, "127.0.0.1", ntohs(full.sin_port), 200, &why));
	assert_non_null(strstr(why.text, "timed out"));
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	close(listener);
	dial_names_fini(&names);
}

/* No descriptor: that is not the host's fault. */
static void
test_local_fault(void **state)
{
	struct rlimit before, none;
	struct dial_names names = { 0 };
	struct why why;
	unsigned port;
	struct dial d;
	int fd = loopback_listen(&port);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_true(
	    dial_open(&d, &names, "127.0.0.1", port, clock_ms() + 5000, &why));
	assert_int_equal(dial_step(&d, &why), IO_FAILED);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(d.local);
	dial_close(&d);
	close(fd);
	/* Nobody there: it is. */
	assert_true(
	    dial_open(&d, &names, "127.0.0.1", port, clock_ms() + 5000, &why));
	assert_int_equal(dial_finish(&d, &why), IO_FAILED);
	assert_false(d.local);
	dial_close(&d);
	dial_names_fini(&names);
}

/* Looked up once, for two at a time, and with no room left. */
static void
test_names(void **state)
{
	struct dial_names names = { 0 };
	char host[32];
	struct dial a, b, c;
	struct why why;
	unsigned port;
	int fd = loopback_listen(&port);

	(void)state;
	assert_true(
	    dial_open(&a, &names, "127.0.0.1", port, clock_ms() + 5000, &why));
	assert_true(
	    dial_open(&b, &names, "127.0.0.1", port, clock_ms() + 5000, &why));
	assert_ptr_equal(a.known, b.known);
	assert_true(
	    dial_open(&c, &names, "127.0.0.1", 1, clock_ms() + 5000, &why));
	assert_ptr_not_equal(a.known, c.known);
	dial_close(&a);
	dial_close(&b);
	dial_close(&c);
	for (int i = 0; i < 2 * DIAL_NAMES_MAX; i++) {
		snprintf(host, sizeof(host), "127.0.0.%d", i + 2);
		(void)dial_to(&names, host, port, 5000, &why);
		why_clear(&why);
	}
	assert_true(dial_to(&names, "127.0.0.1", port, 5000, &why));
	dial_names_fini(&names);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_local_fault),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
