/* SPDX-License-Identifier: ISC */
#include "support/script.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"

static bool
script_wait(struct tls_conn *c, int fd, enum io io)
{
	struct pollfd want = { .fd = fd,
		.events = io == IO_WANT_READ ? POLLIN : POLLOUT };

	return (io == IO_WANT_READ || io == IO_WANT_WRITE) &&
	       dial_wait(&want, 1, clock_ms() + 20000, NULL) &&
	       tls_conn_is_open(c);
}

static void
script_run(struct tls_conn *c, int fd, const struct script *s)
{
	char line[REQUEST_LINE_MAX];
	size_t len = 0, got;
	enum io io;

	do
		io = tls_conn_handshake(c);
	while (script_wait(c, fd, io));
	while (len < 2 || memcmp(line + len - 2, "\r\n", 2) != 0) {
		do
			io = tls_conn_read(
			    c, line + len, sizeof(line) - len, &got);
		while (script_wait(c, fd, io));
		if (io != IO_DONE)
			return;
		len += got;
	}
	for (unsigned i = 0; i < s->repeat; i++) {
		usleep(s->pause_ms * 1000);
		do
			io = tls_conn_write(c, s->bytes);
		while (script_wait(c, fd, io));
		if (io != IO_DONE)
			return;
		do /* each comes by itself */
			io = tls_conn_flush(c);
		while (script_wait(c, fd, io));
	}
	if (!s->bare && !s->reset)
		tls_conn_close_notify(c);
}

void
script_serve(int listener, const struct tls_server *tls, const struct script *s)
{
	const struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	struct pollfd want;
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
	script_run(&c, fd, s);
	if (s->reset) {
		usleep(100 * 1000); /* or the data would go with it */
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	} else {
		shutdown(fd, SHUT_WR);
		want = (struct pollfd){ .fd = fd, .events = POLLIN };
		dial_wait(&want, 1, clock_ms() + 5000, NULL);
	}
	close(fd);
	_exit(0);
}
