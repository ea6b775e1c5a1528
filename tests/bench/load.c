/* SPDX-License-Identifier: ISC */
/* The other end of the bench: a closed-loop TLS client. So many connections
 * are in flight at any time, each asks once, and every answer is compared byte
 * for byte with what the server was given to serve. Prints one line of JSON.
 *
 *	load gemini|http full|resumed PORT PATH FILE COUNT SECONDS SLOTS
 *	load idle|silent PORT COUNT	(says "held", then waits for its stdin)
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
	HEADER_MAX = 4096,
	CHUNK = 65536,
	EVENTS = 64,
	PATIENCE_MS = 120000, /* of silence: a server under callgrind is slow */
};

struct slot {
	SSL *ssl;
	SSL_SESSION *session; /* the newest ticket, for the next connection */
	double since;
	size_t got; /* bytes of the body so far */
	unsigned header_len;
	int fd;
	uint32_t events;
	bool asked;
	bool in_body;
	bool wrong;
	char header[HEADER_MAX];
};

static struct {
	long count; /* requests to make */
	long begun;
	long done;
	long errors;
	long resumed;
	long cut; /* no close_notify */
	size_t bytes;
	double *ms; /* of each request */
} tally;

static SSL_CTX *ctx;
static struct sockaddr_in server;
static const char *expected;
static size_t expected_len;
static char request[2048];
static const char *header_end = "\r\n";
static const char *good = "20 ";
static bool resume;
static int loop;
static double deadline;

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
ticket_arrived(SSL *ssl, SSL_SESSION *session)
{
	struct slot *s = SSL_get_app_data(ssl);

	if (s == NULL || !resume)
		return 0;
	SSL_SESSION_free(s->session);
	s->session = session;
	return 1; /* ours now */
}

static void
context_make(void)
{
	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL || SSL_CTX_set1_groups_list(ctx, "X25519:P-256") != 1)
		errx(1, "TLS: %s", ERR_error_string(ERR_peek_error(), NULL));
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, CHUNK);
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, ticket_arrived);
}

/* A connected descriptor; TCP on loopback connects at once. */
static int
dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 ||
	    connect(fd, (struct sockaddr *)&server, sizeof(server)) == -1)
		err(1, "connect");
	return fd;
}

static SSL *
ssl_make(int fd, SSL_SESSION *session)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 ||
	    SSL_set_tlsext_host_name(ssl, "localhost") != 1 ||
	    (session != NULL && SSL_set_session(ssl, session) != 1))
		errx(1, "TLS: %s", ERR_error_string(ERR_peek_error(), NULL));
	SSL_set_connect_state(ssl);
	return ssl;
}

static void
slot_watch(struct slot *s, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	s->events = events;
	if (epoll_ctl(loop, op, s->fd, &ev) == -1)
		err(1, "epoll_ctl");
}

static void
slot_begin(struct slot *s)
{
	s->since = seconds();
	s->got = 0;
	s->header_len = 0;
	s->asked = s->in_body = s->wrong = false;
	s->fd = dial();
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	s->ssl = ssl_make(s->fd, resume ? s->session : NULL);
	SSL_set_app_data(s->ssl, s);
	tally.begun++;
	slot_watch(s, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

/* The connection is over; clean: with a close_notify. */
static void
slot_end(struct slot *s, bool clean)
{
	tally.ms[tally.done++] = (seconds() - s->since) * 1e3;
	tally.bytes += s->got;
	if (s->wrong || !s->in_body || s->got != expected_len)
		tally.errors++;
	if (!clean)
		tally.cut++;
	if (SSL_session_reused(s->ssl))
		tally.resumed++;
	ERR_clear_error();
	if (clean)
		SSL_shutdown(s->ssl);
	SSL_free(s->ssl);
	s->ssl = NULL;
	close(s->fd);
	s->fd = -1;
}

static void
body_take(struct slot *s, const char *at, size_t n)
{
	if (n > expected_len - s->got) {
		s->wrong = true;
		n = expected_len - s->got;
	}
	if (memcmp(expected + s->got, at, n) != 0)
		s->wrong = true;
	s->got += n;
}

static void
bytes_take(struct slot *s, const char *at, size_t n)
{
	size_t before = s->header_len;
	size_t room = sizeof(s->header) - before;
	const char *end;
	size_t used;

	if (s->in_body) {
		body_take(s, at, n);
		return;
	}
	memcpy(s->header + before, at, n < room ? n : room);
	s->header_len += (unsigned)(n < room ? n : room);
	end = memmem(s->header, s->header_len, header_end, strlen(header_end));
	if (end == NULL) {
		s->wrong = s->wrong || n > room;
		return;
	}
	s->in_body = true;
	s->wrong = strncmp(s->header, good, strlen(good)) != 0;
	used = (size_t)(end - s->header) + strlen(header_end) - before;
	body_take(s, at + used, n - used);
}

/* Goes on until it must wait; false when the connection is over. */
static bool
slot_step(struct slot *s)
{
	static char chunk[CHUNK];

	for (;;) {
		uint32_t events;
		int rc;

		ERR_clear_error();
		rc = s->asked
			 ? SSL_read(s->ssl, chunk, sizeof(chunk))
			 : SSL_write(s->ssl, request, (int)strlen(request));
		if (rc > 0) {
			if (s->asked)
				bytes_take(s, chunk, (size_t)rc);
			s->asked = true;
			continue;
		}
		switch (SSL_get_error(s->ssl, rc)) {
		case SSL_ERROR_WANT_READ:
			events = EPOLLIN;
			break;
		case SSL_ERROR_WANT_WRITE:
			events = EPOLLOUT;
			break;
		case SSL_ERROR_ZERO_RETURN:
			slot_end(s, true);
			return false;
		default:
			slot_end(s, false);
			return false;
		}
		if (events != s->events)
			slot_watch(s, EPOLL_CTL_MOD, events);
		return true;
	}
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
report(double took)
{
	long n = tally.done;

	qsort(tally.ms, (size_t)n, sizeof(*tally.ms), by_value);
	printf("{\"requests\": %ld, \"errors\": %ld, \"resumed\": %ld, "
	       "\"no_close_notify\": %ld, \"bytes\": %zu, \"seconds\": %.6f, "
	       "\"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
	    n, tally.errors, tally.resumed, tally.cut, tally.bytes, took,
	    n > 0 ? tally.ms[n / 2] : 0, n > 0 ? tally.ms[n * 99 / 100] : 0);
}

static void
closed_loop(long slots, long count, long limit_s)
{
	struct slot *slot = calloc((size_t)slots, sizeof(*slot));
	double begin = seconds();
	int i;

	tally.count = count;
	tally.ms = calloc((size_t)count, sizeof(*tally.ms));
	if (slot == NULL || tally.ms == NULL)
		err(1, "memory");
	deadline = begin + (double)limit_s;
	for (i = 0; i < slots && tally.begun < count; i++)
		slot_begin(&slot[i]);
	while (tally.done < tally.begun) {
		struct epoll_event ev[EVENTS];
		int n = epoll_wait(loop, ev, EVENTS, PATIENCE_MS);

		if (n <= 0)
			errx(1, "no answer in %d ms", PATIENCE_MS);
		for (i = 0; i < n; i++) {
			struct slot *s = ev[i].data.ptr;

			if (!slot_step(s) && tally.begun < count &&
			    seconds() < deadline)
				slot_begin(s);
		}
	}
	report(seconds() - begin);
	for (i = 0; i < slots; i++)
		SSL_SESSION_free(slot[i].session);
	free(slot);
	free(tally.ms);
}

/* Holds n connections, after the handshake or before its first byte. */
static void
hold(long n, bool tls)
{
	char byte;

	for (long i = 0; i < n; i++) {
		int fd = dial();
		SSL *ssl = tls ? ssl_make(fd, NULL) : NULL;

		if (tls && SSL_do_handshake(ssl) != 1)
			errx(1, "handshake %ld failed", i);
	}
	/* Tickets stay unread in the kernel: the client has nothing to do. */
	puts("held");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static void
expect(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *at;

	if (fd == -1 || fstat(fd, &st) == -1)
		err(1, "%s", file);
	expected_len = (size_t)st.st_size;
	at = mmap(
	    NULL, expected_len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (at == MAP_FAILED)
		err(1, "%s", file);
	expected = at;
	close(fd);
}

static void
request_make(bool http, const char *port, const char *path)
{
	if (http) {
		header_end = "\r\n\r\n";
		good = "HTTP/1.1 200 ";
		snprintf(request, sizeof(request),
		    "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
		return;
	}
	snprintf(request, sizeof(request), "gemini://localhost:%s%s\r\n", port,
	    path);
}

static long
number(const char *text)
{
	return strtol(text, NULL, 10);
}

int
main(int argc, char **argv)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	bool holds = argc == 4;

	if (argc != 4 && argc != 9)
		errx(2, "see the head of tests/bench/load.c");
	sigaction(SIGPIPE, &ignore, NULL);
	server.sin_family = AF_INET;
	server.sin_port = htons((uint16_t)number(argv[holds ? 2 : 3]));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	context_make();
	loop = epoll_create1(EPOLL_CLOEXEC);
	if (holds) {
		hold(number(argv[3]), strcmp(argv[1], "idle") == 0);
		return 0;
	}
	resume = strcmp(argv[2], "resumed") == 0;
	request_make(strcmp(argv[1], "http") == 0, argv[3], argv[4]);
	expect(argv[5]);
	closed_loop(number(argv[8]), number(argv[6]), number(argv[7]));
	return tally.errors + tally.cut > 0;
}
