/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "conf/options.h"
#include "verbs/verbs.h"

const char help_usage[] = "usage: carnation help [VERB]\n"
			  "\n"
			  "Lists the verbs, or explains one.\n";

static void
list_verbs(FILE *out)
{
	fputs("carnation serves Gemini capsules.\n\nusage: carnation VERB "
	      "[OPTION]... [ARGUMENT]...\n\n",
	    out);
	for (const struct verb *v = verbs; v->name != NULL; v++)
		fprintf(out, "  %-8s %s\n", v->name, v->summary);
	fputs("\ncarnation help VERB says more; carnation --version names the "
	      "libraries in use.\n",
	    out);
}

/* Also what main does with a verb that is none. */
int
verb_help(int argc, char **argv)
{
	const char *names[16] = { NULL };
	const struct verb *v;
	const char *near;

	if (argc > 2)
		return verb_misused("help");
	if (argc < 2) {
		list_verbs(stdout);
		return EXIT_GOOD;
	}
	v = verb_find(argv[1]);
	if (v != NULL) {
		fputs(v->usage, stdout);
		return EXIT_GOOD;
	}
	for (size_t i = 0; verbs[i].name != NULL; i++)
		names[i] = verbs[i].name;
	near = word_nearest(argv[1], names);
	fprintf(stderr, "carnation: unknown verb %s%s%s%s\n\n", argv[1],
	    near != NULL ? "; did you mean " : "", near != NULL ? near : "",
	    near != NULL ? "?" : "");
	list_verbs(stderr);
	return EXIT_USAGE;
}
