/* SPDX-License-Identifier: ISC */
#include "tls/signer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tls/internal.h"
#include "tls/signer_key.h"

struct signer {
	struct tls_server *trial; /* for its checks; gone before serving */
	struct signer_key **key;  /* by slot; NULL: cannot be used */
	size_t n;
	bool tls13_only; /* nothing of TLS 1.2 is signed */
};

struct signer *
signer_new(const struct tls_settings *settings, struct why *why)
{
	struct signer *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		why_memory(why);
		return NULL;
	}
	s->trial = tls_server_new(settings, NULL, NULL, why);
	s->tls13_only = settings->tls13_only;
	if (s->trial == NULL)
		signer_free(&s);
	return s;
}

/* The key of pair, all checked; NULL and why. */
static struct signer_key *
pair_load(
    struct tls_server *trial, const struct signer_pair *pair, struct why *why)
{
	struct sign_key *key = sign_key_load(pair->key_path, why);
	struct signer_key *made = NULL;

	if (key == NULL)
		return NULL;
	if (tls_pair_matches(pair->cert, key, pair->name, pair->crt_path,
		pair->key_path, why) &&
	    tls_server_try(trial, pair->name, pair->cert, key, why))
		made = signer_key_new(key, pair->cert, pair->name, why);
	sign_key_free(&key);
	return made;
}

bool
signer_add(struct signer *s, const struct signer_pair *pair, struct why *why)
{
	struct signer_key **more =
	    realloc(s->key, (s->n + 1) * sizeof(struct signer_key *));

	if (more == NULL)
		return why_memory(why);
	s->key = more;
	s->key[s->n] = pair_load(s->trial, pair, why);
	return s->key[s->n++] != NULL;
}

void
signer_free(struct signer **s)
{
	if (*s == NULL)
		return;
	for (size_t i = 0; i < (*s)->n; i++)
		signer_key_free(&(*s)->key[i]);
	free((*s)->key);
	tls_server_free(&(*s)->trial);
	free(*s);
	*s = NULL;
}

/* ---- serving */

/* Answers packet in *answer; the length of the answer. */
static size_t
packet_answer(
    const struct signer *s, struct slice packet, struct signing_answer *answer)
{
	struct signer_request r;
	bool valid = signer_request_parse(packet, &r);
	size_t len = 0;

	answer->sequence = r.sequence;
	answer->status = SIGNING_REFUSED;
	answer->zero = 0;
	if (valid && r.op == SIGNING_PING)
		answer->status = SIGNING_DONE;
	if (valid && r.op == SIGNING_SIGN && r.slot < s->n &&
	    s->key[r.slot] != NULL &&
	    !(s->tls13_only && r.kind == SIGNER_INPUT_TLS12))
		len = signer_key_sign(s->key[r.slot], &r, answer->signature);
	if (len > 0)
		answer->status = SIGNING_DONE;
	return SIGNING_ANSWER_HEAD + len;
}

/* Answers one request. A worker that does not take its answers loses them; none
 * makes us wait. False once the other end is closed. */
static bool
seat_serve(const struct signer *s, int fd)
{
	/* One byte more than may come: a longer packet is seen as such. */
	uint8_t packet[sizeof(struct signing_request) + 1];
	struct signing_answer answer;
	ssize_t n = read(fd, packet, sizeof(packet));
	size_t len;

	if (n == -1)
		return errno == EAGAIN || errno == EINTR;
	/* 0 is the end, or an empty packet: then writing works. */
	len = packet_answer(s, slice_of(packet, (size_t)n), &answer);
	return write(fd, &answer, len) != -1 || errno == EAGAIN ||
	       errno == EINTR;
}

static void
seats_serve(const struct signer *s, struct pollfd *seats, size_t n)
{
	size_t open = n;

	while (open > 0) {
		if (poll(seats, n, -1) == -1) {
			if (errno == EINTR)
				continue;
			_exit(EXIT_FAILURE);
		}
		for (size_t i = 0; i < n; i++)
			if (seats[i].revents != 0 &&
			    !seat_serve(s, seats[i].fd)) {
				seats[i].fd = -1; /* poll(2) ignores it */
				open--;
			}
	}
}

static bool
seat_prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags != -1 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

void
signer_serve(struct signer *s, const int *seats, size_t n, bool (*jail)(void))
{
	struct pollfd *polled = calloc(n, sizeof(*polled));
	bool ready = polled != NULL;

	assert(n > 0);
	tls_server_free(&s->trial);
	for (size_t i = 0; ready && i < n; i++) {
		polled[i].fd = seats[i];
		polled[i].events = POLLIN;
		ready = seat_prepare(seats[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	if (!ready || !jail())
		_exit(EXIT_FAILURE);
	seats_serve(s, polled, n);
	_exit(EXIT_SUCCESS);
}
