/* SPDX-License-Identifier: ISC */
/* carnation: a Gemini server. The table of contents; see ARCHITECTURE.md. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "capsule/mime.h"
#include "os/privs.h"
#include "tls/ctx.h"
#include "verbs/verbs.h"

static int
version(void)
{
	int magic = mime_library();

	printf("carnation %s (%s, libmagic %d.%02d)\n", CARNATION_VERSION,
	    tls_library(), magic / 100, magic % 100);
	return EXIT_GOOD;
}

/* Anywhere before "--", whatever else is on the line. */
static bool
wants_help(int argc, char **argv)
{
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	const struct verb *v;

	privs_standard_descriptors();
	if (argc < 2) {
		verb_help(1, argv);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0)
		return version();
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return verb_help(1, argv);
	v = verb_find(argv[1]);
	if (v == NULL)
		return verb_help(2, argv);
	if (wants_help(argc, argv)) {
		fputs(v->usage, stdout);
		return EXIT_GOOD;
	}
	return v->run(argc - 1, argv + 1);
}
