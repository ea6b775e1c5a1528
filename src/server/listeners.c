/* SPDX-License-Identifier: ISC */
#include "server/listeners.h"

#include <errno.h>
#include <string.h>
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
find(const struct listeners *l, const struct listen_address *asked)
{
	for (size_t i = 0; i < l->n; i++)
		if (listen_equal(&l->item[i].asked, asked))
			return &l->item[i];
	return NULL;
}

/* Why an address could not be opened, and what to do about it. */
static void
explain(const struct listen_address *a, int error, enum report_level level,
    const struct conf_text *t, struct report *r)
{
	struct buf who;

	buf_init(&who, 256);
	if (error != EADDRINUSE)
		report_add(r, level, t->file, t->line, "%s: %s", a->text,
		    strerror(error));
	else if (listen_holder(a, &who))
		report_add(r, level, t->file, t->line,
		    "%s is taken by %s: stop it, or choose another port with "
		    "--listen :PORT",
		    a->text, buf_cstr(&who));
	else
		report_add(r, level, t->file, t->line,
		    "%s is taken by another program: stop it, or choose "
		    "another port with --listen :PORT",
		    a->text);
	buf_fini(&who);
}

/* A host without IPv6 is no reason not to serve. */
static bool
family_missing(const struct listen_address *a, int error)
{
	return error == EAFNOSUPPORT ||
	       (error == EADDRNOTAVAIL && a->addr.ss_family == AF_INET6);
}

static void
open_one(struct listeners *next, const struct listeners *now,
    const struct listen_address *asked, const struct conf_text *t,
    struct report *r)
{
	const struct listener *old = find(now, asked);
	struct listener *l = &next->item[next->n];

	if (find(next, asked) != NULL && listen_port(asked) != 0)
		return;
	if (next->n == LISTENERS_MAX) {
		report_add(r, REPORT_ERROR, t->file, t->line,
		    "more than %d addresses to listen on", LISTENERS_MAX);
		return;
	}
	if (old != NULL && find(next, asked) == NULL) {
		next->item[next->n++] = *old;
		return;
	}
	l->asked = l->real = *asked;
	l->fd = listen_open(&l->real);
	if (l->fd != -1)
		next->n++;
	else
		explain(asked, errno,
		    family_missing(asked, errno) ? REPORT_WARNING
						 : REPORT_ERROR,
		    t, r);
}

static void
each_address(const struct conf *conf, struct report *r,
    void (*use)(void *arg, const struct listen_address *a,
	const struct conf_text *t, struct report *r),
    void *arg)
{
	struct buf why;

	buf_init(&why, 512);
	for (size_t i = 0; i < conf->listen.n; i++) {
		const struct conf_text *t = &conf->listen.item[i];
		struct listen_address a[2];
		size_t n = 0;

		buf_reset(&why);
		if (!listen_parse(t->text, a, &n, &why))
			report_add(r, REPORT_ERROR, t->file, t->line,
			    "listen: %s", buf_cstr(&why));
		for (size_t k = 0; k < n; k++)
			use(arg, &a[k], t, r);
	}
	buf_fini(&why);
}

struct change {
	struct listeners *next;
	const struct listeners *now;
};

static void
use_address(void *arg, const struct listen_address *a,
    const struct conf_text *t, struct report *r)
{
	struct change *c = arg;

	open_one(c->next, c->now, a, t, r);
}

bool
listeners_open(struct listeners *next, const struct listeners *now,
    const struct conf *conf, struct report *r)
{
	size_t errors = r->errors;
	struct change change = { next, now };

	if (now->inherited) {
		*next = *now;
		return true;
	}
	memset(next, 0, sizeof(*next));
	each_address(conf, r, use_address, &change);
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

void
listeners_close(struct listeners *l, const struct listeners *keep)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct listen_address *a = &l->item[i].real;

		if (listeners_have(keep, l->item[i].fd))
			continue;
		close(l->item[i].fd);
		if (a->addr.ss_family == AF_UNIX && !l->inherited)
			unlink(a->text + strlen("unix:"));
	}
	l->n = 0;
}

static void
try_address(void *arg, const struct listen_address *a,
    const struct conf_text *t, struct report *r)
{
	struct listen_address real = *a;
	int fd;

	(void)arg;
	if (a->addr.ss_family == AF_UNIX)
		return; /* trying would take a running server's socket away */
	fd = listen_open(&real);
	if (fd == -1)
		explain(a, errno, REPORT_WARNING, t, r);
	else
		close(fd);
}

void
listeners_check(const struct conf *conf, struct report *r)
{
	each_address(conf, r, try_address, NULL);
}
