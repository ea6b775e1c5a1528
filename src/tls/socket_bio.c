/* SPDX-License-Identifier: ISC */
#include "tls/socket_bio.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct socket_bio {
	BIO *bio;
	int fd;
	int broken;      /* errno of the call that failed, or 0 */
	bool ended;      /* the peer's FIN has come */
	bool drained;    /* the last read emptied the socket */
	bool full;       /* the last send filled it */
	bool unanswered; /* something has come since the last send */
	uint64_t limit;  /* see socket_bio_limit */
	uint64_t received;
	uint8_t *kept; /* what the socket did not take; else NULL */
	size_t kept_at, kept_len;
};

/* Of the connection that is being stepped: no other can have anything in it,
 * because whatever a step leaves behind is sent, or moved to kept. */
static struct {
	struct socket_bio *owner; /* NULL: empty */
	size_t len;
	uint8_t bytes[SOCKET_BIO_GATHER_MAX];
} gathered;

/* BIOs for the next connections, last in, first out: making one costs OpenSSL
 * a lock and four pieces of memory. */
static struct {
	size_t n;
	struct socket_bio *item[SOCKET_BIO_SPARES];
} spares;

static size_t
size_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static struct slice
bio_held(const struct socket_bio *b)
{
	if (b->kept != NULL)
		return slice_of(b->kept + b->kept_at, b->kept_len - b->kept_at);
	if (gathered.owner == b)
		return slice_of(gathered.bytes, gathered.len);
	return slice_of(NULL, 0);
}

static void
bio_drop(struct socket_bio *b)
{
	if (gathered.owner == b)
		gathered.owner = NULL;
	free(b->kept);
	b->kept = NULL;
}

/* n bytes of what is held have been sent; what remains leaves the memory that
 * all share. False when out of memory. */
static bool
bio_keep(struct socket_bio *b, size_t n)
{
	struct slice rest = slice_skip(bio_held(b), n);
	uint8_t *own;

	if (rest.len == 0) {
		bio_drop(b);
		return true;
	}
	if (b->kept != NULL) {
		b->kept_at += n;
		return true;
	}
	own = malloc(rest.len);
	if (own == NULL)
		return false;
	memcpy(own, rest.ptr, rest.len);
	bio_drop(b);
	b->kept = own;
	b->kept_at = 0;
	b->kept_len = rest.len;
	return true;
}

static bool
bio_break(struct socket_bio *b, int error)
{
	bio_drop(b);
	b->broken = error;
	errno = error;
	return false;
}

/* Sends what is held, then bytes, as much of both as the socket takes: *done of
 * bytes. False and errno when nothing can be sent any more. */
static bool
bio_send(struct socket_bio *b, struct slice bytes, int flags, size_t *done)
{
	struct slice held = bio_held(b);
	struct iovec iov[2] = {
		{ .iov_base = (void *)(uintptr_t)held.ptr,
		    .iov_len = held.len },
		{ .iov_base = (void *)(uintptr_t)bytes.ptr,
		    .iov_len = bytes.len },
	};
	const struct msghdr message = {
		.msg_iov = held.len > 0 ? iov : iov + 1,
		.msg_iovlen = held.len > 0 && bytes.len > 0 ? 2 : 1,
	};
	size_t sent, of_held;
	ssize_t n;

	*done = 0;
	if (b->broken != 0)
		return bio_break(b, b->broken);
	n = b->full ? 0 : sendmsg(b->fd, &message, MSG_NOSIGNAL | flags);
	if (n == -1 && errno != EAGAIN && errno != EINTR)
		return bio_break(b, errno);
	sent = n > 0 ? (size_t)n : 0;
	b->full = sent < held.len + bytes.len;
	b->unanswered = b->unanswered && sent == 0;
	of_held = size_least(sent, held.len);
	if (!bio_keep(b, of_held))
		return bio_break(b, ENOMEM);
	*done = sent - of_held;
	return true;
}

/* Adds bytes to what is held; false when they are to be sent. */
static bool
bio_gather(struct socket_bio *b, struct slice bytes)
{
	size_t len = gathered.owner == b ? gathered.len : 0;

	if ((gathered.owner != NULL && gathered.owner != b) ||
	    b->kept != NULL || b->full || b->broken != 0 ||
	    bytes.len > SOCKET_BIO_WRITE_MAX ||
	    bytes.len > sizeof(gathered.bytes) - len)
		return false;
	memcpy(gathered.bytes + len, bytes.ptr, bytes.len);
	gathered.owner = b;
	gathered.len = len + bytes.len;
	return true;
}

static int
bio_write(BIO *bio, const char *data, size_t len, size_t *done)
{
	struct socket_bio *b = BIO_get_data(bio);
	struct slice bytes = slice_of(data, len);

	BIO_clear_retry_flags(bio);
	if (bio_gather(b, bytes)) {
		*done = len;
		return 1;
	}
	if (!bio_send(b, bytes, 0, done))
		return -1;
	if (*done > 0)
		return 1;
	BIO_set_retry_write(bio);
	return -1;
}

/* A read that brings less than there is room for has emptied the socket. What
 * comes later makes it readable again: the caller waits for that. */
static int
bio_read(BIO *bio, char *data, size_t len, size_t *done)
{
	struct socket_bio *b = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	*done = 0;
	if (b->received > b->limit)
		return 0; /* without a retry flag: a failure */
	if (!b->drained) {
		n = recv(b->fd, data, len, 0);
		if (n > 0) {
			*done = (size_t)n;
			b->received += (uint64_t)n;
			b->drained = (size_t)n < len;
			b->unanswered = true;
			return 1;
		}
		if (n == 0) {
			b->ended = true;
			return 0;
		}
		if (errno != EAGAIN && errno != EINTR) {
			bio_break(b, errno);
			return -1;
		}
		b->drained = true;
	}
	BIO_set_retry_read(bio);
	return -1;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	const struct socket_bio *b = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH: /* socket_bio_flush knows better when */
	case BIO_CTRL_DUP:
		return 1;
	case BIO_CTRL_EOF:
		return b->ended;
	case BIO_CTRL_WPENDING:
		return (long)socket_bio_held(b);
	default:
		return 0;
	}
}

static const BIO_METHOD *
bio_method(void)
{
	static BIO_METHOD *method;
	BIO_METHOD *m;

	if (method != NULL)
		return method;
	m = BIO_meth_new(
	    BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR,
	    "carnation socket");
	if (m != NULL && BIO_meth_set_write_ex(m, bio_write) == 1 &&
	    BIO_meth_set_read_ex(m, bio_read) == 1 &&
	    BIO_meth_set_ctrl(m, bio_ctrl) == 1)
		return method = m;
	BIO_meth_free(m);
	return NULL;
}

static struct socket_bio *
bio_new(void)
{
	struct socket_bio *b;
	const BIO_METHOD *method = bio_method();

	if (spares.n > 0)
		return spares.item[--spares.n];
	b = calloc(1, sizeof(*b));
	if (b != NULL && method != NULL)
		b->bio = BIO_new(method);
	if (b != NULL && b->bio != NULL)
		return b;
	free(b);
	return NULL;
}

struct socket_bio *
socket_bio_open(SSL *ssl, int fd)
{
	struct socket_bio *b = bio_new();

	if (b == NULL)
		return NULL;
	*b =
	    (struct socket_bio){ .bio = b->bio, .fd = fd, .limit = UINT64_MAX };
	BIO_set_data(b->bio, b);
	BIO_clear_retry_flags(b->bio);
	BIO_set_init(b->bio, 1);
	BIO_up_ref(b->bio); /* for ssl, besides ours */
	SSL_set_bio(ssl, b->bio, b->bio);
	return b;
}

void
socket_bio_close(struct socket_bio **p)
{
	struct socket_bio *b = *p;

	*p = NULL;
	if (b == NULL)
		return;
	bio_drop(b);
	if (spares.n < SOCKET_BIO_SPARES) {
		spares.item[spares.n++] = b;
		return;
	}
	BIO_free(b->bio);
	free(b);
}

/* Ends a delayed acknowledgement: of a client that sends in two writes what we
 * wait for (GnuTLS its last flight), Nagle's algorithm holds the second write
 * until we have acknowledged the first, else for 40 ms (tcp(7)). Fails on a unix
 * socket. */
static void
bio_acknowledge(struct socket_bio *b)
{
	const int on = 1;

	setsockopt(b->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
	b->unanswered = false;
}

enum io
socket_bio_flush(struct socket_bio *b, bool last)
{
	size_t done;
	bool ok = true;

	if (socket_bio_held(b) > 0)
		ok = bio_send(b, slice_of(NULL, 0), last ? MSG_MORE : 0, &done);
	if (ok && last && socket_bio_held(b) == 0)
		return IO_DONE;
	socket_bio_retry(b);
	if (!ok)
		return IO_FAILED;
	if (socket_bio_held(b) > 0)
		return IO_WANT_WRITE;
	if (b->unanswered)
		bio_acknowledge(b);
	return IO_DONE;
}

size_t
socket_bio_held(const struct socket_bio *b)
{
	return bio_held(b).len;
}

void
socket_bio_retry(struct socket_bio *b)
{
	b->drained = false;
	b->full = false;
}

bool
socket_bio_is_drained(const struct socket_bio *b)
{
	return b->drained;
}

uint64_t
socket_bio_received(const struct socket_bio *b)
{
	return b->received;
}

void
socket_bio_limit(struct socket_bio *b, uint64_t received)
{
	b->limit = received;
}
