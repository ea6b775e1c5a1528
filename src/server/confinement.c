/* SPDX-License-Identifier: ISC */
#include "server/confinement.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"

const struct sandbox_state *
confinement_offered(void)
{
	static struct sandbox_state state;
	static bool known;

	if (!known)
		known = sandbox_probe(&state);
	return &state;
}

static bool
sandbox_is_whole(const struct sandbox_state *state)
{
	return state->landlock > 0 && state->seccomp;
}

void
confinement_check(const struct conf *conf, struct report *r)
{
	const struct sandbox_state *offered;

	if (conf->sandbox != CONF_SANDBOX_REQUIRED)
		return;
	offered = confinement_offered();
	if (!sandbox_is_whole(offered))
		report_add(r, REPORT_ERROR, conf->file, 0,
		    "sandbox = \"required\", but the kernel or the container "
		    "offers no %s (sandbox = \"on\" serves without)",
		    offered->seccomp         ? "Landlock"
		    : offered->landlock == 0 ? "Landlock and no seccomp"
					     : "seccomp");
}

/* confinement_check found that the kernel offers both, but entering may still leave
 * one out. */
static bool
state_is_good(const struct conf *conf, const struct sandbox_state *state)
{
	if (sandbox_is_whole(state) || conf->sandbox != CONF_SANDBOX_REQUIRED)
		return true;
	log_error("sandbox = \"required\", but it is not in force");
	return false;
}

bool
confinement_enter(enum sandbox_role role, const struct site *site)
{
	const struct hosts *hosts = site->hosts;
	struct sandbox_path *paths;
	struct sandbox_state state;
	struct why why;
	size_t n = 0;
	bool ok;

	if (site->base->conf->sandbox == CONF_SANDBOX_OFF)
		return true;
	paths = calloc(2 * hosts->n + 1, sizeof(*paths));
	for (size_t i = 0; paths != NULL && i < hosts->n; i++) {
		paths[n++].fd = hosts->host[i].root;
		paths[n++].fd = hosts->host[i].store;
	}
	ok = paths != NULL ? sandbox_enter(role, paths, n, &state, &why)
			   : why_memory(&why);
	free(paths);
	if (!ok)
		log_error("%s", why.text);
	return ok && state_is_good(site->base->conf, &state);
}

bool
confinement_enter_parent(const struct conf *conf)
{
	static bool entered;
	struct sandbox_state state;
	struct why why;

	if (entered || conf->sandbox == CONF_SANDBOX_OFF)
		return true;
	entered = true;
	if (sandbox_enter(SANDBOX_PARENT, NULL, 0, &state, &why))
		return true;
	log_error("%s", why.text);
	return false;
}

void
confinement_put(const struct conf *conf, struct buf *out)
{
	const struct sandbox_state *offered = confinement_offered();

	if (conf->sandbox == CONF_SANDBOX_OFF) {
		buf_str(out, "files: all; system calls: all (off)");
		return;
	}
	if (offered->landlock > 0)
		buf_printf(out, "files: Landlock %d", offered->landlock);
	else
		buf_str(out, "files: all (no Landlock here)");
	buf_str(out, offered->seccomp
			 ? "; system calls: seccomp"
			 : "; system calls: all (no seccomp here)");
}
