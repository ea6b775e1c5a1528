/* SPDX-License-Identifier: ISC */
#include "server/confinement.h"

#include <stdlib.h>

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

void
confinement_check(const struct conf *conf, struct report *r)
{
	const char *missing;

	if (conf->sandbox != CONF_SANDBOX_REQUIRED)
		return;
	missing = sandbox_missing(confinement_offered());
	if (missing != NULL)
		report_add(r, REPORT_ERROR, conf->file, 0,
		    "sandbox = \"required\", but the kernel or the container "
		    "offers no %s (sandbox = \"on\" serves without)",
		    missing);
}

bool
confinement_enter(enum sandbox_role role, enum conf_sandbox wanted,
    const struct sandbox_path *paths, size_t n)
{
	struct sandbox_state state;
	struct why why;

	if (wanted == CONF_SANDBOX_OFF)
		return true;
	if (!sandbox_enter(role, paths, n, &state, &why)) {
		log_error("%s", why.text);
		return false;
	}
	/* confinement_check found that the kernel offers both, but entering may
	 * still leave one out. */
	if (wanted != CONF_SANDBOX_REQUIRED || sandbox_missing(&state) == NULL)
		return true;
	log_error("sandbox = \"required\", but it is not in force");
	return false;
}

bool
confinement_enter_roots(enum sandbox_role role, const struct conf *conf,
    const struct hosts *hosts, const int *shared, size_t n_shared)
{
	struct sandbox_path *paths =
	    calloc(2 * hosts->n + n_shared + 1, sizeof(*paths));
	size_t n = 0;
	bool ok;

	if (paths == NULL) {
		log_error("out of memory");
		return false;
	}
	for (size_t i = 0; i < hosts->n; i++) {
		paths[n++].fd = hosts->host[i].root;
		paths[n++].fd = hosts->host[i].store;
	}
	for (size_t i = 0; i < n_shared; i++)
		paths[n++] =
		    (struct sandbox_path){ .fd = shared[i], .shared = true };
	ok =
	    confinement_enter(role, (enum conf_sandbox)conf->sandbox, paths, n);
	free(paths);
	return ok;
}

bool
confinement_enter_parent(const struct conf *conf)
{
	static bool entered;

	if (entered || conf->sandbox == CONF_SANDBOX_OFF)
		return true;
	entered = true;
	/* Never required of it: it keeps its files, so Landlock is missing. */
	return confinement_enter(SANDBOX_PARENT, CONF_SANDBOX_ON, NULL, 0);
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
