/* SPDX-License-Identifier: ISC */
#include "os/sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/sandbox_internal.h"

bool
sandbox_writes(const struct sandbox_path *paths, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (paths[i].write)
			return true;
	return false;
}

bool
sandbox_enter(enum sandbox_role role, const struct sandbox_path *paths,
    size_t n, struct sandbox_state *out, struct why *why)
{
	*out = (struct sandbox_state){ 0 };
	/* Both need it, of anyone but root. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return why_errno(why, "sandbox: no_new_privs");
	return landlock_enter(role, paths, n, &out->landlock, why) &&
	       seccomp_enter(role, paths, n, &out->seccomp, why);
}

const char *
sandbox_missing(const struct sandbox_state *state)
{
	if (state->landlock == 0)
		return state->seccomp ? "Landlock" : "Landlock and no seccomp";
	return state->seccomp ? NULL : "seccomp";
}

/* Its exit status: the state, in one byte. */
static _Noreturn void
probe_run(void)
{
	struct sandbox_state state;
	struct why why;

	if (!sandbox_enter(SANDBOX_WORKER, NULL, 0, &state, &why))
		state = (struct sandbox_state){ 0 };
	_exit(state.landlock << 1 | (state.seccomp ? 1 : 0));
}

bool
sandbox_probe(struct sandbox_state *out)
{
	pid_t pid = fork();
	int status;

	*out = (struct sandbox_state){ 0 };
	if (pid == -1)
		return false;
	if (pid == 0)
		probe_run();
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return false;
	if (!WIFEXITED(status))
		return false;
	out->seccomp = (WEXITSTATUS(status) & 1) != 0;
	out->landlock = WEXITSTATUS(status) >> 1;
	return true;
}
