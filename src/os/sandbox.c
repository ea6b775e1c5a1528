/* SPDX-License-Identifier: ISC */
#include "os/sandbox.h"

bool
sandbox_enter(enum sandbox_role role, const struct sandbox_path *paths,
    size_t n, struct sandbox_state *out, struct why *why)
{
	(void)role;
	(void)paths;
	(void)n;
	(void)why;
	*out = (struct sandbox_state){ 0 };
	return true;
}

bool
sandbox_probe(struct sandbox_state *out)
{
	*out = (struct sandbox_state){ 0 };
	return true;
}
