/* SPDX-License-Identifier: ISC */
/* carnation: a Gemini server. Its verbs are in verbs/; see ARCHITECTURE.md. */
#include "os/privs.h"
#include "verbs/verbs.h"

/* The Makefile defines it, for this file alone: a commit compiles no other. */
#ifndef CARNATION_COMMIT
#define CARNATION_COMMIT "none"
#endif

int
main(int argc, char **argv)
{
	privs_standard_descriptors();
	return (int)verbs_main(argc, argv, CARNATION_COMMIT);
}
