/* SPDX-License-Identifier: ISC */
#include "tls/signing.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "util/clock.h"

enum {
	DRAIN_MAX = 1024, /* packets; more than a socket's buffer holds */
	MS_PER_S = 1000,
	US_PER_MS = 1000,
};

/* This process's seat. There is one in a process, as there is one thread. */
static struct {
	int fd;
	uint64_t sequence;  /* of the last request */
	unsigned failures;  /* in a row */
	uint64_t resume_ms; /* after a failure too many: not before */
} seat = { .fd = -1 };

static ssize_t
packet_read(int fd, struct signing_answer *answer, int flags)
{
	ssize_t n;

	do
		n = recv(fd, answer, sizeof(*answer), flags);
	while (n == -1 && errno == EINTR && (flags & MSG_DONTWAIT) != 0);
	return n;
}

/* A number that no earlier holder of the seat has used, and that nobody can
 * have prepared an answer for. */
static uint64_t
sequence_begin(void)
{
	uint64_t sequence;

	if (getrandom(&sequence, sizeof(sequence), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(sequence))
		sequence = clock_us();
	return sequence;
}

void
signing_attach(int fd)
{
	const struct timeval timeout = {
		.tv_sec = SIGNING_TIMEOUT_MS / MS_PER_S,
		.tv_usec = SIGNING_TIMEOUT_MS % MS_PER_S * US_PER_MS,
	};
	struct signing_answer answer;

	memset(&seat, 0, sizeof(seat));
	seat.fd = fd;
	if (fd == -1)
		return;
	seat.sequence = sequence_begin();
	for (int i = 0; i < DRAIN_MAX; i++)
		if (packet_read(fd, &answer, MSG_DONTWAIT) <= 0)
			break;
	/* Spares a poll(2) for each signature. */
	(void)setsockopt(
	    fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

/* Waits for the answer until deadline, in ms. Those to earlier requests, which
 * came too late, are passed over. -1: none came. */
static ssize_t
answer_wait(struct signing_answer *answer, uint64_t deadline)
{
	struct pollfd wait = { .fd = seat.fd, .events = POLLIN };
	ssize_t n = packet_read(seat.fd, answer, 0);
	uint64_t now;

	for (;;) {
		if (n >= SIGNING_ANSWER_HEAD &&
		    answer->sequence == seat.sequence)
			return n;
		if (n == 0 || (n == -1 && errno != EINTR && errno != EAGAIN))
			return -1;
		now = clock_ms();
		if (now >= deadline)
			return -1;
		(void)poll(&wait, 1, (int)(deadline - now));
		n = packet_read(seat.fd, answer, MSG_DONTWAIT);
	}
}

static ssize_t
request_send(int fd, const struct signing_request *request, size_t input_len)
{
	return send(fd, request, SIGNING_REQUEST_HEAD + input_len,
	    MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The answer's length, -1: none came. */
static ssize_t
signing_ask(const struct signing_request *request, size_t input_len,
    struct signing_answer *answer)
{
	uint64_t now = clock_ms();
	ssize_t n = -1;

	if (now < seat.resume_ms)
		return -1;
	if (request_send(seat.fd, request, input_len) > 0)
		n = answer_wait(answer, now + SIGNING_TIMEOUT_MS);
	if (n != -1) {
		seat.failures = 0;
		return n;
	}
	if (seat.failures < SIGNING_FAILURES)
		seat.failures++;
	if (seat.failures == SIGNING_FAILURES)
		seat.resume_ms = clock_ms() + SIGNING_PAUSE_MS;
	return -1;
}

size_t
signing_sign(unsigned slot, enum signing_scheme scheme,
    enum signing_digest digest, struct slice input, uint8_t *out, size_t room)
{
	struct signing_request request = {
		.sequence = ++seat.sequence,
		.slot = slot,
		.op = SIGNING_SIGN,
		.scheme = (uint8_t)scheme,
		.digest = (uint8_t)digest,
	};
	struct signing_answer answer;
	size_t len;
	ssize_t n;

	if (seat.fd == -1 || input.len > sizeof(request.input))
		return 0;
	memcpy(request.input, input.ptr, input.len);
	n = signing_ask(&request, input.len, &answer);
	if (n == -1 || answer.status != SIGNING_DONE)
		return 0;
	len = (size_t)n - SIGNING_ANSWER_HEAD;
	if (len > room)
		return 0;
	memcpy(out, answer.signature, len);
	return len;
}

bool
signing_ping(int fd)
{
	const struct signing_request request = { .op = SIGNING_PING };

	return request_send(fd, &request, 0) > 0;
}

bool
signing_pong(int fd)
{
	struct signing_answer answer;
	bool pong = false;
	ssize_t n;

	for (int i = 0; i < DRAIN_MAX; i++) {
		n = packet_read(fd, &answer, MSG_DONTWAIT);
		if (n <= 0)
			break;
		if (n == SIGNING_ANSWER_HEAD && answer.sequence == 0 &&
		    answer.status == SIGNING_DONE && answer.zero == 0)
			pong = true;
	}
	return pong;
}
