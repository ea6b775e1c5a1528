/* SPDX-License-Identifier: ISC */
/* A server that follows a script, in a process of its own, and somebody who
 * listens to a client's exchange with it. */
#ifndef TESTS_UNIT_FETCH_HELP_H
#define TESTS_UNIT_FETCH_HELP_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "client/exchange.h"
#include "tls_help.h"
#include "util/clock.h"

static const struct tls_settings help_settings = { .tickets = true };

/* What a server does, in a process of its own. */
struct script {
	const char *rule;
	struct slice bytes; /* sent once a whole line has come */
	unsigned repeat;    /* that often */
	unsigned pause_ms;  /* before each */
	bool deaf;          /* never even shakes hands */
	bool bare;          /* ends without close_notify */
	bool reset;         /* ends with a reset */
	unsigned timeout_s;
	enum fetch_result want;
	int status;
	const char *meta;
	size_t body;
	const char *why;
};

static inline bool
serve_all(struct tls_conn *c, int fd, enum io io)
{
	return (io == IO_WANT_READ || io == IO_WANT_WRITE) &&
	       dial_wait(fd, io == IO_WANT_READ ? POLLIN : POLLOUT,
		   clock_ms() + 20000) &&
	       tls_conn_is_open(c);
}

static inline void
serve_lines(struct tls_conn *c, int fd, const struct script *s)
{
	char line[REQUEST_LINE_MAX];
	size_t len = 0, got;
	enum io io;

	do
		io = tls_conn_handshake(c);
	while (serve_all(c, fd, io));
	while (len < 2 || memcmp(line + len - 2, "\r\n", 2) != 0) {
		do
			io = tls_conn_read(
			    c, line + len, sizeof(line) - len, &got);
		while (serve_all(c, fd, io));
		if (io != IO_DONE)
			return;
		len += got;
	}
	for (unsigned i = 0; i < s->repeat; i++) {
		usleep(s->pause_ms * 1000);
		do
			io = tls_conn_write(c, s->bytes);
		while (serve_all(c, fd, io));
		if (io != IO_DONE)
			return;
	}
	if (!s->bare && !s->reset)
		tls_conn_close_notify(c);
}

static inline void
serve(int listener, const struct tls_server *tls, const struct script *s)
{
	const struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	struct tls_conn c;
	char byte;
	int fd = accept(listener, NULL, NULL);

	alarm(30);
	signal(SIGPIPE, SIG_IGN);
	if (s->deaf) {
		while (read(fd, &byte, 1) == 1)
			continue;
		_exit(0);
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (!tls_conn_accept(&c, tls, NULL, fd))
		_exit(1);
	serve_lines(&c, fd, s);
	if (s->reset) {
		usleep(100 * 1000); /* or the data would go with it */
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	} else {
		shutdown(fd, SHUT_WR);
		dial_wait(fd, POLLIN, clock_ms() + 5000);
	}
	close(fd);
	_exit(0);
}

struct heard {
	bool trust;
	int status;
	char meta[1025];
	size_t body;
	size_t enough;
};

static inline bool
on_trust(void *arg, const struct target *t, const struct cert *c)
{
	struct heard *h = arg;

	assert_true(cert_names(c, "one.test"));
	assert_string_equal(t->host, "127.0.0.1");
	return h->trust;
}

static inline bool
on_header(void *arg, int status, struct slice meta)
{
	struct heard *h = arg;

	h->status = status;
	memcpy(h->meta, meta.ptr, meta.len);
	h->meta[meta.len] = '\0';
	return true;
}

static inline bool
on_body(void *arg, struct slice bytes)
{
	struct heard *h = arg;

	assert_true(bytes.len > 0);
	h->body += bytes.len;
	return h->enough == 0 || h->body < h->enough;
}

static inline int
listen_here(unsigned *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

#endif
