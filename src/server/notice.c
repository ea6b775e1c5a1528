/* SPDX-License-Identifier: ISC */
#include "server/notice.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/fd.h"

/* Before the text, which has no NUL. */
struct head {
	uint32_t kind;
	uint32_t number;
	uint32_t len;
};

enum { WAIT_MAX_MS = 1000 }; /* of one poll(2) */

bool
notice_send(int fd, uint32_t kind, uint32_t number, const char *text)
{
	size_t len = text == NULL ? 0 : strnlen(text, WHY_MAX - 1);
	const struct head head = {
		.kind = kind,
		.number = number,
		.len = (uint32_t)len,
	};
	uint8_t memory[sizeof(head) + WHY_MAX];

	memcpy(memory, &head, sizeof(head));
	if (len > 0)
		memcpy(memory + sizeof(head), text, len);
	return fd_write_all(fd, slice_of(memory, sizeof(head) + len));
}

bool
notices_open(struct notices *in, int *child)
{
	int ends[2];

	in->fd = *child = -1;
	in->n = 0;
	if (pipe2(ends, O_CLOEXEC) == -1)
		return false;
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == -1) {
		fd_close(ends[0]);
		fd_close(ends[1]);
		return false;
	}
	in->fd = ends[0];
	*child = ends[1];
	return true;
}

/* NOTICES_WAIT: not all of it is there. */
static enum notices_next
notice_take(struct notices *in, struct notice *out)
{
	struct head head;
	size_t size;

	if (in->n < sizeof(head))
		return NOTICES_WAIT;
	memcpy(&head, in->bytes, sizeof(head));
	if (head.len >= sizeof(out->text))
		return NOTICES_END;
	size = sizeof(head) + head.len;
	if (in->n < size)
		return NOTICES_WAIT;
	out->kind = head.kind;
	out->number = head.number;
	memcpy(out->text, in->bytes + sizeof(head), head.len);
	out->text[head.len] = '\0';
	in->n -= size;
	memmove(in->bytes, in->bytes + size, in->n);
	return NOTICES_ONE;
}

_Static_assert(
    sizeof(((struct notices *)NULL)->bytes) >= sizeof(struct head) + WHY_MAX,
    "there is room for the rest of any notice");

enum notices_next
notices_next(struct notices *in, struct notice *out)
{
	enum notices_next next = notice_take(in, out);
	ssize_t n;

	while (next == NOTICES_WAIT) {
		n = fd_read(
		    in->fd, in->bytes + in->n, sizeof(in->bytes) - in->n);
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return NOTICES_WAIT;
		if (n <= 0)
			return NOTICES_END;
		in->n += (size_t)n;
		next = notice_take(in, out);
	}
	return next;
}

enum notices_next
notices_wait(struct notices *in, uint64_t end_ms, struct notice *out)
{
	struct pollfd p = { .fd = in->fd, .events = POLLIN };
	enum notices_next next;
	uint64_t now, left = WAIT_MAX_MS;

	while ((next = notices_next(in, out)) == NOTICES_WAIT) {
		now = clock_ms();
		if (end_ms != 0 && now >= end_ms)
			return NOTICES_WAIT;
		if (end_ms != 0 && end_ms - now < WAIT_MAX_MS)
			left = end_ms - now;
		(void)poll(&p, 1, (int)left);
	}
	return next;
}

void
notices_close(struct notices *in)
{
	fd_close(in->fd);
	in->fd = -1;
	in->n = 0;
}
