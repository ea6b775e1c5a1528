/* SPDX-License-Identifier: ISC */
#include "server/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
listeners_inherit(struct listeners *l)
{
	int fds[LISTEN_INHERIT_MAX];
	struct listen_address addresses[LISTEN_INHERIT_MAX];
	size_t n = listen_inherit(fds, addresses);

	memset(l, 0, sizeof(*l));
	for (size_t i = 0; i < n; i++) {
		l->item[i].fd = fds[i];
		l->item[i].asked = addresses[i];
		l->item[i].real = addresses[i];
	}
	l->n = n;
	l->inherited = n > 0;
}

static const struct listener *
listeners_find(const struct listeners *l, const struct listen_address *asked)
{
	for (size_t i = 0; i < l->n; i++)
		if (listen_equal(&l->item[i].asked, asked))
			return &l->item[i];
	return NULL;
}

/* Why an address could not be opened, and what to do about it. */
static void
report_open_failure(const struct listen_address *a, int error,
    enum report_level level, const struct conf_text *t, struct report *r)
{
	struct buf who;

	buf_init(&who, 256);
	if (error != EADDRINUSE)
		report_add(r, level, t->file, t->line, "%s: %s", a->text,
		    strerror(error));
	else if (listen_holder(a, &who))
		report_add(r, level, t->file, t->line,
		    "%s is in use by %s: stop it, or choose another port with "
		    "--listen :PORT",
		    a->text, buf_cstr(&who));
	else
		report_add(r, level, t->file, t->line,
		    "%s is in use by another program: stop it, or choose "
		    "another port with --listen :PORT",
		    a->text);
	buf_fini(&who);
}

/* A host without IPv6 can still serve over IPv4. */
static bool
family_is_missing(const struct listen_address *a, int error)
{
	return error == EAFNOSUPPORT ||
	       (error == EADDRNOTAVAIL && a->addr.ss_family == AF_INET6);
}

static const char *
listener_path(const struct listener *l)
{
	return l->real.addr.ss_family == AF_UNIX
		   ? l->real.text + strlen("unix:")
		   : NULL;
}

/* Notes which file was bound, so that no other is removed in its place. */
static void
listener_remember_file(struct listener *l)
{
	const char *path = listener_path(l);
	struct stat st;

	l->device = 0;
	l->inode = 0;
	if (path != NULL && lstat(path, &st) == 0) {
		l->device = st.st_dev;
		l->inode = st.st_ino;
	}
}

/* The socket must still be open: it holds the inode, whose number cannot be
 * reused meanwhile. */
static void
listener_remove_file(const struct listener *l)
{
	const char *path = listener_path(l);
	struct stat st;

	if (path != NULL && l->inode != 0 && lstat(path, &st) == 0 &&
	    st.st_dev == l->device && st.st_ino == l->inode)
		unlink(path);
}

static bool
listeners_have_address(
    const struct listeners *l, const struct listen_address *a)
{
	for (size_t i = 0; i < l->n; i++)
		if (listen_equal(&l->item[i].real, a))
			return true;
	return false;
}

/* Lets all of our sockets on a's port share it with another one of ours, or
 * ends that; returns how many they are. */
static size_t
listeners_share_port(
    const struct listeners *now, const struct listen_address *a, bool share)
{
	size_t n = 0;

	for (size_t i = 0; i < now->n; i++) {
		const struct listener *l = &now->item[i];

		if (l->real.addr.ss_family == a->addr.ss_family &&
		    a->addr.ss_family != AF_UNIX &&
		    listen_port(&l->real) == listen_port(a) &&
		    listen_share(l->fd, share) == 0)
			n++;
	}
	return n;
}

/* Opens l even where a socket in use conflicts with it: 127.0.0.1:1965 is
 * closed in favour of *:1965 only when the new workers are ready. Sockets share
 * their port only during that time, so that a second server still gets an error
 * that names this one. */
static int
listener_open_beside(struct listener *l, const struct listeners *now)
{
	int fd = listen_open(&l->real);
	int error = errno;

	if (fd != -1 || error != EADDRINUSE)
		return fd;
	/* The very same address, on a port that the system chose, stays
	 * taken. */
	if (!listeners_have_address(now, &l->real) &&
	    listeners_share_port(now, &l->real, true) > 0) {
		fd = listen_open_shared(&l->real);
		listeners_share_port(now, &l->real, false);
	}
	errno = error;
	return fd;
}

static bool
address_is_any(const struct listen_address *a)
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)&a->addr;
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)&a->addr;

	return a->addr.ss_family == AF_INET
		   ? sin->sin_addr.s_addr == htonl(INADDR_ANY)
		   : a->addr.ss_family == AF_INET6 &&
			 IN6_IS_ADDR_UNSPECIFIED(&sin6->sin6_addr);
}

/* Whether a and b are two addresses of one port, one of which is any address:
 * only one of them can be listened on. */
static bool
addresses_overlap(
    const struct listen_address *a, const struct listen_address *b)
{
	return a->addr.ss_family == b->addr.ss_family && listen_port(a) != 0 &&
	       listen_port(a) == listen_port(b) &&
	       address_is_any(a) != address_is_any(b);
}

/* An error where a and an address before it are one port's "any" and another: a
 * start could not open both, so a reload does not either. */
static bool
address_is_covered(const struct listeners *before,
    const struct listen_address *a, const struct conf_text *t, struct report *r)
{
	for (size_t i = 0; i < before->n; i++) {
		const struct listen_address *b = &before->item[i].real;

		if (!addresses_overlap(a, b))
			continue;
		report_add(r, REPORT_ERROR, t->file, t->line,
		    "cannot listen on both %s and %s: remove one", b->text,
		    a->text);
		return true;
	}
	return false;
}

static void
listeners_add(struct listeners *next, const struct listeners *now,
    const struct listen_address *asked, const struct conf_text *t,
    struct report *r)
{
	const struct listener *old = listeners_find(now, asked);
	struct listener *l = &next->item[next->n];

	if (listeners_find(next, asked) != NULL && listen_port(asked) != 0)
		return;
	if (address_is_covered(next, asked, t, r))
		return;
	if (next->n == LISTENERS_MAX) {
		report_add(r, REPORT_ERROR, t->file, t->line,
		    "more than %d addresses to listen on", LISTENERS_MAX);
		return;
	}
	if (old != NULL && listeners_find(next, asked) == NULL) {
		next->item[next->n++] = *old;
		return;
	}
	l->asked = l->real = *asked;
	l->fd = listener_open_beside(l, now);
	if (l->fd != -1) {
		listener_remember_file(l);
		next->n++;
	} else {
		report_open_failure(asked, errno,
		    family_is_missing(asked, errno) ? REPORT_WARNING
						    : REPORT_ERROR,
		    t, r);
	}
}

static void
conf_each_address(const struct conf *conf, struct report *r,
    void (*use)(void *arg, const struct listen_address *a,
	const struct conf_text *t, struct report *r),
    void *arg)
{
	struct why why;

	for (size_t i = 0; i < conf->listen.n; i++) {
		const struct conf_text *t = &conf->listen.item[i];
		struct listen_address a[2];
		size_t n = 0;

		if (!listen_parse(t->text, a, &n, &why))
			report_add(r, REPORT_ERROR, t->file, t->line,
			    "listen: %s", why.text);
		for (size_t k = 0; k < n; k++)
			use(arg, &a[k], t, r);
	}
}

struct opening {
	struct listeners *next;
	const struct listeners *now;
};

static void
on_address_open(void *arg, const struct listen_address *a,
    const struct conf_text *t, struct report *r)
{
	struct opening *o = arg;

	listeners_add(o->next, o->now, a, t, r);
}

bool
listeners_open(struct listeners *next, const struct listeners *now,
    const struct conf *conf, struct report *r)
{
	size_t errors = r->errors;
	struct opening opening = { next, now };

	if (now->inherited) {
		*next = *now;
		return true;
	}
	memset(next, 0, sizeof(*next));
	conf_each_address(conf, r, on_address_open, &opening);
	if (next->n == 0 && r->errors == errors)
		report_add(r, REPORT_ERROR, NULL, 0, "no address to listen on");
	if (r->errors == errors)
		return true;
	listeners_close(next, now);
	return false;
}

bool
listeners_have(const struct listeners *l, int fd)
{
	for (size_t i = 0; l != NULL && i < l->n; i++)
		if (l->item[i].fd == fd)
			return true;
	return false;
}

bool
listeners_close(struct listeners *l, const struct listeners *keep)
{
	bool any = false;

	for (size_t i = 0; i < l->n; i++) {
		if (listeners_have(keep, l->item[i].fd))
			continue;
		listener_remove_file(&l->item[i]);
		close(l->item[i].fd);
		any = true;
	}
	l->n = 0;
	return any;
}

static void
on_address_check(void *arg, const struct listen_address *a,
    const struct conf_text *t, struct report *r)
{
	struct listeners *seen = arg;
	struct listen_address real = *a;
	int fd, error;

	if (seen->n < LISTENERS_MAX && !address_is_covered(seen, a, t, r))
		seen->item[seen->n++].real = *a;
	if (a->addr.ss_family == AF_UNIX)
		return; /* trying would remove a running server's socket */
	fd = listen_open(&real);
	error = errno;
	if (fd != -1)
		close(fd);
	/* This server's own is kept by a reload, or moved. */
	else if (error != EADDRINUSE || !listen_is_ours(a))
		report_open_failure(a, error, REPORT_WARNING, t, r);
}

void
listeners_check(const struct conf *conf, struct report *r)
{
	struct listeners seen = { 0 };

	conf_each_address(conf, r, on_address_check, &seen);
}
