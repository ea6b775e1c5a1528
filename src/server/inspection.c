/* SPDX-License-Identifier: ISC */
#include "server/inspection.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/shared.h"
#include "server/descriptors.h"
#include "util/clock.h"
#include "util/log.h"

/* What the children write, each its own part. The parent does not trust it:
 * every value is bounded where it is read. */
struct shared_finding {
	_Atomic uint32_t content; /* enum site_content */
	_Atomic uint32_t surveyed;
	uint32_t there;
	uint32_t len;
	struct host_survey survey;
	uint8_t bytes[HOST_CONF_MAX];
};

typedef void examine(const struct site *site, struct shared_finding *out);

struct child {
	struct inspection *owner;
	pid_t pid; /* 0: not running */
	ev_child watcher;
};

struct inspection {
	const struct site *site;
	struct shared_finding *shared;
	struct site_finding *findings;
	size_t n;
	struct child children[2];
	ev_timer limit;
	inspection_done *done;
	void *arg;
};

/* Without privileges, as in the workers. */
static void
examine_content(const struct site *site, struct shared_finding *out)
{
	for (size_t i = 0; i < site->hosts->n; i++) {
		struct shared_finding *f = &out[i];
		struct report r = { 0 };
		struct buf bytes;
		enum site_content found;
		bool there;

		if (!site_is_fresh(site, i))
			continue;
		atomic_store(&f->content, SITE_CONTENT_BEGUN);
		buf_init(&bytes, HOST_CONF_MAX);
		found = site_examine(site, i, &bytes, &there, &r);
		report_log(&r);
		report_fini(&r);
		f->there = there;
		f->len = (uint32_t)bytes.len;
		if (bytes.len > 0)
			memcpy(f->bytes, bytes.ptr, bytes.len);
		buf_fini(&bytes);
		atomic_store(&f->content, found);
	}
}

static void
examine_roots(const struct site *site, struct shared_finding *out)
{
	uint64_t until = clock_ms() + HOST_SURVEY_MS;

	for (size_t i = 0; i < site->hosts->n; i++) {
		if (!site_is_fresh(site, i))
			continue;
		site_survey(site, i, until, &out[i].survey);
		atomic_store(&out[i].surveyed, 1);
	}
}

static void
give_up_foreign(const struct site *site)
{
	int *own = calloc(2 * site->hosts->n + 1, sizeof(*own));

	if (own == NULL)
		exit(EXIT_FAILURE);
	for (size_t i = 0; i < site->hosts->n; i++) {
		own[2 * i] = site->hosts->host[i].root;
		own[2 * i + 1] = site->hosts->host[i].store;
	}
	descriptors_keep(own, 2 * site->hosts->n);
	free(own);
}

/* In the child. privs: NULL keeps those of the parent. */
_Noreturn static void
child_run(const struct inspection *i, const struct privs *privs, pid_t parent,
    examine *look)
{
	privs_quiet_signals();
	give_up_foreign(i->site);
	if (privs != NULL && !privs_drop(privs)) {
		log_error("cannot drop privileges: %s", strerror(errno));
		_exit(EXIT_FAILURE);
	}
	if (!privs_die_with(parent))
		_exit(EXIT_FAILURE);
	look(i->site, i->shared);
	_exit(EXIT_SUCCESS);
}

static void on_child(struct ev_loop *loop, ev_child *w, int events);

static bool
child_start(struct inspection *i, struct child *c, const struct privs *privs,
    examine *look)
{
	pid_t parent = getpid();
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	c->pid = fork();
	if (c->pid == 0)
		child_run(i, privs, parent, look);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (c->pid == -1) {
		c->pid = 0;
		return false;
	}
	ev_child_init(&c->watcher, on_child, c->pid, 0);
	c->watcher.data = c;
	ev_child_start(EV_DEFAULT, &c->watcher);
	return true;
}

/* Copies what is valid in the children's memory. */
static void
collect(struct inspection *i)
{
	for (size_t k = 0; k < i->n; k++) {
		struct shared_finding *from = &i->shared[k];
		struct site_finding *to = &i->findings[k];
		uint32_t len = from->len;

		to->content = (enum site_content)atomic_load(&from->content);
		to->surveyed = atomic_load(&from->surveyed) == 1;
		to->survey = from->survey;
		to->survey.secret[sizeof(to->survey.secret) - 1] = '\0';
		to->bytes = from->there ? from->bytes : NULL;
		to->len = len < HOST_CONF_MAX ? len : HOST_CONF_MAX;
	}
}

static void
on_child(struct ev_loop *loop, ev_child *w, int events)
{
	struct child *c = w->data;
	struct inspection *i = c->owner;

	(void)events;
	ev_child_stop(loop, w);
	c->pid = 0;
	if (WIFSIGNALED(w->rstatus))
		log_error("the process that inspects capsules was killed by "
			  "signal %d (%s)",
		    WTERMSIG(w->rstatus), strsignal(WTERMSIG(w->rstatus)));
	if (i->children[0].pid != 0 || i->children[1].pid != 0)
		return;
	ev_timer_stop(loop, &i->limit);
	collect(i);
	i->done(i->arg, i->findings);
}

static void
kill_children(struct inspection *i)
{
	for (size_t k = 0; k < 2; k++)
		if (i->children[k].pid > 0)
			kill(i->children[k].pid, SIGKILL);
}

static void
on_limit(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	kill_children(w->data);
}

struct inspection *
inspection_start(const struct site *site, inspection_done *done, void *arg)
{
	struct inspection *i = calloc(1, sizeof(*i));

	if (i == NULL)
		return NULL;
	i->site = site;
	i->n = site->hosts->n;
	i->done = done;
	i->arg = arg;
	i->shared = shared_new(i->n * sizeof(*i->shared));
	i->findings = calloc(i->n, sizeof(*i->findings));
	for (size_t k = 0; k < 2; k++)
		i->children[k].owner = i;
	ev_timer_init(&i->limit, on_limit, INSPECTION_MS / 1000., 0);
	i->limit.data = i;
	if (i->shared == NULL || i->findings == NULL ||
	    !child_start(
		i, &i->children[0], &site->base->privs, examine_content) ||
	    !child_start(i, &i->children[1], NULL, examine_roots)) {
		inspection_free(&i);
		return NULL;
	}
	ev_now_update(EV_DEFAULT);
	ev_timer_start(EV_DEFAULT, &i->limit);
	return i;
}

void
inspection_free(struct inspection **ip)
{
	struct inspection *i = *ip;

	if (i == NULL)
		return;
	kill_children(i);
	for (size_t k = 0; k < 2; k++) {
		if (i->children[k].pid == 0)
			continue;
		ev_child_stop(EV_DEFAULT, &i->children[k].watcher);
		while (waitpid(i->children[k].pid, NULL, 0) == -1 &&
		       errno == EINTR)
			;
	}
	ev_timer_stop(EV_DEFAULT, &i->limit);
	if (i->shared != NULL)
		shared_free(i->shared, i->n * sizeof(*i->shared), NULL);
	free(i->findings);
	free(i);
	*ip = NULL;
}
