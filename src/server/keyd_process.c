/* SPDX-License-Identifier: ISC */
#include "server/keyd_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/shared.h"
#include "server/confinement.h"
#include "server/descriptors.h"
#include "server/notice.h"
#include "util/log.h"

/* The standard ones, the report, Landlock's. */
enum { KEYD_OTHER_DESCRIPTORS = 8 };

/* What signer_serve's callback needs, which has no argument. */
static const struct keyd_world *keyd;

/* Closes what is the parent's. */
static bool
keyd_close_foreign(const struct keyd_world *world)
{
	int *own = calloc(world->n_seats + 1, sizeof(*own));
	bool ok;

	if (own == NULL)
		return false;
	for (size_t i = 0; i < world->n_seats; i++)
		own[i] = world->seats[i];
	own[world->n_seats] = world->report;
	ok = descriptors_keep(own, world->n_seats + 1);
	free(own);
	return ok;
}

/* Few more than there are: one for Landlock. poll(2) refuses more descriptors than
 * the limit. A service manager's filter may forbid this: then ours must do. */
static void
keyd_limit(size_t n)
{
	const rlim_t most = n + KEYD_OTHER_DESCRIPTORS;
	const struct rlimit files = { most, most };

	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static bool
keyd_jail(void)
{
	keyd_limit(keyd->n_seats);
	if (!privs_drop(keyd->privs) || !privs_die_with(keyd->parent)) {
		log_error("cannot drop privileges: %s", strerror(errno));
		return false;
	}
	/* The report stays open, though nobody will read it: a pipe opens no way
	 * to a file. */
	return confinement_enter(SANDBOX_KEYD, keyd->sandbox, NULL, 0) &&
	       notice_send(keyd->report, KEYD_READY, 0, NULL);
}

static bool
keyd_read_keys(const struct keyd_world *world, struct signer *s)
{
	for (size_t i = 0; i < world->n; i++) {
		struct why why;

		if (!signer_add(s, &world->pairs[i], &why) &&
		    !notice_send(
			world->report, KEYD_FAULT, (uint32_t)i, why.text))
			return false;
	}
	return true;
}

void
keyd_run(const struct keyd_world *world)
{
	struct signer *s;
	struct why why;

	keyd = world;
	log_identify("carnation keyd");
	prctl(PR_SET_NAME, "carnation-keyd");
	privs_quiet_signals();
	privs_no_core();
	if (!privs_die_with(world->parent))
		_exit(EXIT_FAILURE);
	if (!keyd_close_foreign(world)) {
		log_error("cannot close the parent's descriptors: %s (needs "
			  "close_range or /proc)",
		    strerror(errno));
		_exit(EXIT_FAILURE);
	}
	shared_forget_all();
	s = signer_new(world->settings, &why);
	if (s == NULL) {
		log_error("%s", why.text);
		_exit(EXIT_FAILURE);
	}
	if (!keyd_read_keys(world, s))
		_exit(EXIT_FAILURE);
	if (world->n_seats > 0)
		signer_serve(s, world->seats, world->n_seats, keyd_jail);
	signer_free(&s);
	_exit(notice_send(world->report, KEYD_READY, 0, NULL) ? EXIT_SUCCESS
							      : EXIT_FAILURE);
}
