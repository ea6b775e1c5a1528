/* SPDX-License-Identifier: ISC */
/* carnation: a Gemini server. Its verbs are in verbs/; see ARCHITECTURE.md. */
#include "os/privs.h"
#include "verbs/verbs.h"

int
main(int argc, char **argv)
{
	privs_standard_descriptors();
	return (int)verbs_main(argc, argv);
}
