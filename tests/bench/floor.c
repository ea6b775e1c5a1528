/* SPDX-License-Identifier: ISC */
/* The floor: the smallest correct Gemini responder on OpenSSL that we could
 * write, with every setting that measurement found to pay. It is the yardstick
 * of run.py and nothing else: one process, one certificate, one directory,
 * no log. It still owes its visitors what any server owes them: whole answers
 * or none, a close_notify, deadlines, and no crash.
 *
 *	floor PORT CERT KEY DIRECTORY
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
	LINE_MAX_BYTES = 1026, /* 1,024 bytes of URI and CRLF */
	RECORD = 16384,        /* one whole TLS record */
	TURN_RECORDS = 64,     /* then the other connections have their turn */
	TURN_EVENTS = 64,
	GATHERED = 8192, /* a page and the close_notify, for one write */
	FDS = 65536,
	PATIENCE_S = 10, /* for a handshake and a request */
	STALL_S = 30,    /* for a write without progress */
	DRAIN_S = 2,     /* for the peer's end after ours */
	DRAIN_MAX = 1 << 20,
};

enum state { HANDSHAKE, REQUEST, SEND, SHUTDOWN, DRAIN };
enum io { IO_DONE, IO_READ, IO_WRITE, IO_DEAD };

struct conn {
	SSL *ssl; /* NULL until the first byte has come */
	time_t deadline;
	off_t at; /* in the file */
	off_t size;
	size_t pending; /* bytes of a write that must be repeated */
	size_t drained;
	int fd;
	int file; /* -1: none */
	enum state state;
	bool bye_said; /* the close_notify, though it may wait to be sent */
	uint32_t events;
	unsigned line_len;
	char line[LINE_MAX_BYTES];
};

static struct conn *conns[FDS]; /* by descriptor, for the deadlines */
static char record[RECORD];     /* between turns nothing lives in it */
static SSL_CTX *ctx;
static time_t now;
static int root, loop, listener, fd_top;
static bool paused; /* out of descriptors: not accepting */

static void
watch(int op, int fd, uint32_t events, void *data)
{
	struct epoll_event ev = { .events = events, .data.ptr = data };

	if (epoll_ctl(loop, op, fd, &ev) == -1)
		err(1, "epoll_ctl");
}

static void
conn_free(struct conn *c)
{
	conns[c->fd] = NULL;
	SSL_free(c->ssl);
	if (c->file != -1)
		close(c->file);
	close(c->fd); /* leaves the epoll set with it */
	free(c);
	if (paused) {
		paused = false;
		watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
	}
}

static enum io
answer_of(const struct conn *c, int rc)
{
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return IO_READ;
	case SSL_ERROR_WANT_WRITE:
		return IO_WRITE;
	default:
		return IO_DEAD;
	}
}

static enum io
handshake(struct conn *c)
{
	int rc;

	if (c->ssl == NULL) {
		c->ssl = SSL_new(ctx);
		if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
			return IO_DEAD;
	}
	ERR_clear_error();
	rc = SSL_accept(c->ssl);
	if (rc != 1)
		return answer_of(c, rc);
	c->state = REQUEST;
	return IO_DONE;
}

/* The path in a line of n bytes (0: too long), fit for openat; NULL: 59. */
static const char *
path_of(char *line, size_t n)
{
	static const char scheme[] = "gemini://";
	char *path;

	line[n] = '\0'; /* over the CR */
	if (strlen(line) != n || strpbrk(line, "?#%\\") != NULL ||
	    strncmp(line, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	path = strchr(line + sizeof(scheme) - 1, '/');
	if (path == NULL || path[1] == '\0')
		return "index.gmi";
	if (*++path == '/' || strstr(path, "..") != NULL)
		return NULL;
	return path;
}

/* Opens what the line asks for; record holds the header, its size returned. */
static size_t
answer_open(struct conn *c, size_t n)
{
	const char *path = path_of(c->line, n);
	const char *header = "20 application/octet-stream\r\n";
	const char *dot = path == NULL ? NULL : strrchr(path, '.');
	struct stat st;

	if (dot != NULL && strcmp(dot, ".gmi") == 0)
		header = "20 text/gemini\r\n";
	if (path != NULL)
		c->file = openat(root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (path == NULL)
		header = "59 Bad request\r\n";
	else if (c->file == -1 || fstat(c->file, &st) == -1 ||
		 !S_ISREG(st.st_mode))
		header = "51 Not found\r\n";
	else
		c->size = st.st_size;
	return (size_t)snprintf(record, sizeof(record), "%s", header);
}

/* Writes one record: header, of which have bytes lie in it already, and body. */
static enum io
record_send(struct conn *c, size_t have)
{
	size_t room = sizeof(record) - have;
	ssize_t got = 0;
	int rc;

	if (c->pending == 0) {
		if (c->size - c->at < (off_t)room)
			room = (size_t)(c->size - c->at);
		if (room > 0)
			got = pread(c->file, record + have, room, c->at);
		if (got < 0 || (size_t)got != room)
			return IO_DEAD; /* cut: no close_notify */
		c->at += got;
		c->pending = have + room;
	}
	/* A repeated write is already a sealed record inside OpenSSL, which
	 * asks only for the same length again. */
	ERR_clear_error();
	rc = SSL_write(c->ssl, record, (int)c->pending);
	if (rc <= 0)
		return answer_of(c, rc);
	c->pending = 0;
	c->deadline = now + STALL_S;
	return IO_DONE;
}

/* From here on what is written waits for the close_notify; what is larger than
 * the buffer goes through at once. Not before, as an idle connection would have
 * the buffer for nothing. */
static bool
gather(struct conn *c)
{
	BIO *buffer = BIO_new(BIO_f_buffer());
	BIO *out = SSL_get_wbio(c->ssl);

	if (buffer == NULL ||
	    BIO_set_write_buffer_size(buffer, GATHERED) != 1 ||
	    BIO_up_ref(out) != 1) {
		BIO_free(buffer);
		return false;
	}
	SSL_set0_wbio(c->ssl, BIO_push(buffer, out));
	return true;
}

static enum io
request(struct conn *c)
{
	const char *end;
	int rc;

	ERR_clear_error();
	rc = SSL_read(c->ssl, c->line + c->line_len,
	    (int)(sizeof(c->line) - c->line_len));
	if (rc <= 0)
		return answer_of(c, rc);
	c->line_len += (unsigned)rc;
	end = memmem(c->line, c->line_len, "\r\n", 2);
	if (end == NULL && c->line_len < sizeof(c->line))
		return IO_DONE;
	if (!gather(c))
		return IO_DEAD;
	c->state = SEND;
	c->deadline = now + STALL_S;
	return record_send(
	    c, answer_open(c, end == NULL ? 0 : (size_t)(end - c->line)));
}

static enum io
body(struct conn *c)
{
	enum io io = IO_DONE;

	for (int turn = 0; turn < TURN_RECORDS && io == IO_DONE; turn++) {
		if (c->pending == 0 && c->at == c->size) {
			c->state = SHUTDOWN;
			return IO_DONE;
		}
		io = record_send(c, 0);
	}
	return io == IO_DONE ? IO_WRITE : io;
}

/* Our close_notify, then our FIN; what the peer still says is thrown away, as
 * closing over unread bytes would reset the connection under the answer. */
static enum io
farewell(struct conn *c)
{
	BIO *out = SSL_get_wbio(c->ssl);

	ERR_clear_error();
	if (!c->bye_said) {
		int rc = SSL_shutdown(c->ssl);

		if (rc < 0)
			return answer_of(c, rc);
		c->bye_said = true;
	}
	if (BIO_flush(out) != 1)
		return BIO_should_retry(out) ? IO_WRITE : IO_DEAD;
	SSL_free(c->ssl);
	c->ssl = NULL;
	shutdown(c->fd, SHUT_WR);
	c->deadline = now + DRAIN_S;
	c->state = DRAIN;
	return IO_DONE;
}

static enum io
drain(struct conn *c)
{
	ssize_t n = recv(c->fd, record, sizeof(record), 0);

	if (n == -1 && errno == EAGAIN)
		return IO_READ;
	if (n <= 0)
		return IO_DEAD;
	c->drained += (size_t)n;
	return c->drained > DRAIN_MAX ? IO_DEAD : IO_DONE;
}

static void
conn_step(struct conn *c)
{
	static enum io (*const steps[])(
	    struct conn *) = { handshake, request, body, farewell, drain };
	uint32_t events;
	enum io io;

	do
		io = steps[c->state](c);
	while (io == IO_DONE);
	if (io == IO_DEAD) {
		conn_free(c);
		return;
	}
	events = io == IO_READ ? EPOLLIN : EPOLLOUT;
	if (events != c->events) {
		watch(EPOLL_CTL_MOD, c->fd, events, c);
		c->events = events;
	}
}

static void
accept_some(void)
{
	for (int turn = 0; turn < TURN_EVENTS; turn++) {
		struct conn *c;
		int fd =
		    accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd == -1) {
			paused = errno == EMFILE || errno == ENFILE;
			if (paused)
				watch(EPOLL_CTL_DEL, listener, 0, NULL);
			return;
		}
		c = fd < FDS ? calloc(1, sizeof(*c)) : NULL;
		if (c == NULL) {
			close(fd);
			return;
		}
		c->fd = fd;
		c->file = -1;
		c->events = EPOLLIN;
		c->deadline = now + PATIENCE_S;
		conns[fd] = c;
		fd_top = fd > fd_top ? fd : fd_top;
		watch(EPOLL_CTL_ADD, fd, EPOLLIN, c);
	}
}

static void
deadlines(void)
{
	for (int fd = 0; fd <= fd_top; fd++) {
		struct conn *c = conns[fd];

		if (c == NULL || now < c->deadline)
			continue;
		if (c->state == REQUEST) /* a farewell, and no header */
			SSL_shutdown(c->ssl);
		conn_free(c);
	}
}

static void
context_make(const char *cert, const char *key)
{
	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx,
		"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
		"TLS_CHACHA20_POLY1305_SHA256") != 1 ||
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256") != 1 ||
	    SSL_CTX_set_session_id_context(ctx, (const void *)"floor", 5) !=
		1 ||
	    SSL_CTX_set_num_tickets(ctx, 1) != 1)
		errx(1, "TLS: %s", ERR_error_string(ERR_peek_error(), NULL));
	SSL_CTX_set_options(
	    ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
		     SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ctx, 1);
}

static void
listener_open(const char *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int on = 1;

	sin.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener =
	    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (listener == -1 ||
	    bind(listener, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    listen(listener, SOMAXCONN) == -1)
		err(1, "port %s", port);
}

int
main(int argc, char **argv)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	time_t swept = 0;

	if (argc != 5)
		errx(2, "usage: floor PORT CERT KEY DIRECTORY");
	sigaction(SIGPIPE, &ignore, NULL);
	context_make(argv[2], argv[3]);
	root = open(argv[4], O_PATH | O_DIRECTORY | O_CLOEXEC);
	loop = epoll_create1(EPOLL_CLOEXEC);
	if (root == -1 || loop == -1)
		err(1, "%s", argv[4]);
	listener_open(argv[1]);
	watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
	for (;;) {
		struct epoll_event ev[TURN_EVENTS];
		struct timespec ts;
		int n = epoll_wait(loop, ev, TURN_EVENTS, 1000);

		clock_gettime(CLOCK_MONOTONIC, &ts);
		now = ts.tv_sec;
		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr == NULL)
				accept_some();
			else
				conn_step(ev[i].data.ptr);
		}
		if (now != swept) {
			swept = now;
			deadlines();
		}
	}
}
