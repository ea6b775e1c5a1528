/* SPDX-License-Identifier: ISC */
#include "verbs/fetch_broker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "os/privs.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/log.h"
#include "verbs/verb_sandbox.h"
#include "verbs/verbs.h"

enum { OUTPUT_MODE = 0666, KNOWN_HOSTS_DIR_MODE = 0700 };

enum what { BROKER_JUDGE, BROKER_OPEN, BROKER_END_WHOLE, BROKER_END_PART };

/* A message each, in the memory of one machine: nothing is packed. */
struct question {
	uint32_t what;
	char place[TOFU_PLACE_SIZE];
	struct tofu_shown shown;
};

struct answer {
	int32_t error;  /* 0, or errno */
	uint32_t trust; /* enum tofu */
	uint32_t len;   /* bytes of text */
	uint8_t text[FETCH_NOTES_MAX];
};

/* ------------------------------------------------------------- the broker */

struct broker {
	int fd;
	const char *known_hosts, *output;
	char *temporary; /* "FILE.part.XXXXXX"; NULL: none is there */
};

/* As open(2) would have made it. */
static bool
file_set_mode(int fd)
{
	mode_t mask = umask(0);

	(void)umask(mask);
	return fchmod(fd, OUTPUT_MODE & ~mask) == 0;
}

/* A name of our own: two runs do not share it, and nobody can have put a link
 * there. */
static int
temporary_open(struct broker *k)
{
	int fd;

	if (asprintf(&k->temporary, "%s.part.XXXXXX", k->output) == -1) {
		k->temporary = NULL;
		return -1;
	}
	fd = mkostemp(k->temporary, O_CLOEXEC);
	if (fd != -1 && file_set_mode(fd))
		return fd;
	if (fd != -1) {
		(void)close(fd);
		(void)unlink(k->temporary);
	}
	free(k->temporary);
	k->temporary = NULL;
	return -1;
}

/* A device or a pipe is written to, never renamed over. */
static int
output_open(struct broker *k)
{
	struct stat st;

	if (k->output == NULL || k->temporary != NULL) {
		errno = EINVAL;
		return -1;
	}
	if (stat(k->output, &st) == 0 && !S_ISREG(st.st_mode))
		return open(k->output, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return temporary_open(k);
}

/* Under FILE.part, whatever lies there; a link there is replaced, not followed. */
static void
part_keep(const struct broker *k, struct buf *kept)
{
	char *part;

	if (asprintf(&part, "%s.part", k->output) == -1)
		part = NULL;
	buf_str(kept, part != NULL && rename(k->temporary, part) == 0
			  ? part
			  : k->temporary);
	free(part);
}

static int
output_end(struct broker *k, bool whole, struct buf *kept)
{
	int error = 0;

	if (k->temporary == NULL)
		return 0;
	if (whole && rename(k->temporary, k->output) == -1)
		error = errno;
	if (!whole || error != 0)
		part_keep(k, kept);
	free(k->temporary);
	k->temporary = NULL;
	return error;
}

static bool
answer_send(int to, const struct answer *a, int fd)
{
	struct iovec part = { (void *)a,
		offsetof(struct answer, text) + a->len };
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd != -1) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		control.header = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	return sendmsg(to, &m, MSG_NOSIGNAL) != -1;
}

static bool
request_answer(struct broker *k, const struct question *q)
{
	static struct answer a;
	struct buf text;
	int fd = -1;
	bool sent;

	buf_wrap(&text, a.text, sizeof(a.text));
	a.error = 0;
	a.trust = TOFU_REFUSED;
	switch ((enum what)q->what) {
	case BROKER_JUDGE:
		a.trust = tofu_judge(
		    k->known_hosts, q->place, &q->shown, clock_wall(), &text);
		break;
	case BROKER_OPEN:
		fd = output_open(k);
		a.error = fd == -1 ? errno : 0;
		break;
	case BROKER_END_WHOLE:
	case BROKER_END_PART:
		a.error = output_end(k, q->what == BROKER_END_WHOLE, &text);
		break;
	}
	a.len = (uint32_t)text.len;
	sent = answer_send(k->fd, &a, fd);
	fd_close(fd);
	return sent;
}

/* The directory of known hosts is made when it is missing, as it would be for the first
 * host: then nothing around it has to be writable. */
static void
known_hosts_add(struct verb_sandbox *s, const char *file)
{
	const char *slash = file == NULL ? NULL : strrchr(file, '/');
	char *dir;

	if (slash != NULL && slash != file) {
		dir = strndup(file, (size_t)(slash - file));
		if (dir != NULL)
			(void)file_make_dirs(dir, KNOWN_HOSTS_DIR_MODE);
		free(dir);
	}
	verb_sandbox_output(s, file, true);
}

/* The process that asks decides what a signal ends. */
static void
signals_ignore(void)
{
	const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)signal(numbers[i], SIG_IGN);
}

static _Noreturn void
broker_run(struct broker *k, pid_t parent)
{
	struct verb_sandbox s = { 0 };
	struct question q;

	signals_ignore();
	known_hosts_add(&s, k->known_hosts);
	verb_sandbox_output(&s, k->output, false);
	if (!privs_die_with(parent) || !verb_sandbox_enter(&s, SANDBOX_AUTHOR))
		_exit(EXIT_FAILURE);
	while (recv(k->fd, &q, sizeof(q), 0) == (ssize_t)sizeof(q) &&
	       request_answer(k, &q))
		continue;
	_exit(EXIT_SUCCESS);
}

bool
fetch_broker_start(
    struct fetch_broker *k, const char *known_hosts, const char *output)
{
	struct broker self = { .known_hosts = known_hosts, .output = output };
	pid_t pid = -1, parent = getpid();
	int ends[2] = { -1, -1 };

	k->fd = -1;
	if (verb_flush() &&
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0)
		pid = fork();
	if (pid == 0) {
		self.fd = ends[1];
		(void)close(ends[0]);
		broker_run(&self, parent);
	}
	if (pid == -1)
		log_error("cannot fork: %s", strerror(errno));
	fd_close(ends[1]);
	if (pid == -1)
		fd_close(ends[0]);
	else
		k->fd = ends[0];
	return pid != -1;
}

void
fetch_broker_free(struct fetch_broker *k)
{
	fd_close(k->fd);
	k->fd = -1;
}

/* ------------------------------------------------------------------ asking */

/* The descriptor that came with the answer, or -1. */
static int
message_descriptor(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd = -1;

	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* The answer, valid until the next question; NULL and errno. fd: NULL when no
 * descriptor is expected; a signal then does not interrupt. */
static const struct answer *
broker_ask(const struct fetch_broker *k, const struct question *q, int *fd)
{
	static struct answer a; /* too large for a stack */
	struct iovec part = { &a, sizeof(a) };
	union {
		struct cmsghdr header;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = fd != NULL ? &control : NULL,
		.msg_controllen = fd != NULL ? sizeof(control) : 0 };
	const size_t least = offsetof(struct answer, text);
	ssize_t n;

	if (send(k->fd, q, sizeof(*q), MSG_NOSIGNAL) == -1)
		return NULL;
	do {
		n = recvmsg(k->fd, &m, MSG_CMSG_CLOEXEC);
	} while (n == -1 && errno == EINTR && fd == NULL);
	if (n == -1)
		return NULL;
	if (fd != NULL)
		*fd = message_descriptor(&m);
	if ((size_t)n >= least && a.len == (size_t)n - least &&
	    a.len <= sizeof(a.text))
		return &a;
	errno = EPIPE;
	return NULL;
}

enum tofu
fetch_broker_judge(const struct fetch_broker *k,
    const char place[TOFU_PLACE_SIZE], const struct tofu_shown *shown,
    struct buf *said)
{
	struct question q = { .what = BROKER_JUDGE, .shown = *shown };
	const struct answer *a;

	memcpy(q.place, place, TOFU_PLACE_SIZE);
	a = broker_ask(k, &q, NULL);
	if (a == NULL) {
		buf_printf(said, "known hosts: %s", strerror(errno));
		return TOFU_REFUSED;
	}
	buf_put(said, slice_of(a->text, a->len));
	return a->trust == TOFU_ACCEPTED || a->trust == TOFU_NEW
		   ? (enum tofu)a->trust
		   : TOFU_REFUSED;
}

int
fetch_broker_open(const struct fetch_broker *k)
{
	const struct question q = { .what = BROKER_OPEN };
	int fd = -1;
	const struct answer *a = broker_ask(k, &q, &fd);

	if (a != NULL && fd == -1)
		errno = a->error != 0 ? a->error : EMFILE;
	return a != NULL ? fd : -1;
}

bool
fetch_broker_end(const struct fetch_broker *k, bool whole, struct buf *kept)
{
	const struct question q = { .what = whole ? BROKER_END_WHOLE
						  : BROKER_END_PART };
	const struct answer *a = broker_ask(k, &q, NULL);

	if (a == NULL)
		return false;
	buf_put(kept, slice_of(a->text, a->len));
	errno = a->error;
	return a->error == 0;
}
