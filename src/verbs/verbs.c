/* SPDX-License-Identifier: ISC */
#include "verbs/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/buf.h"

#define SYSTEM_DATA_DIR "/var/lib/carnation"

const struct verb verbs[] = {
	{ "serve", verb_serve, "serve capsules; a directory alone is enough",
	    serve_usage },
	{ "check", verb_check, "load everything serve would load",
	    check_usage },
	{ "cert", verb_cert, "certificates that clients go on trusting",
	    cert_usage },
	{ "fetch", verb_fetch, "a small client", fetch_usage },
	{ "lint", verb_lint, "what is wrong with pages and links", lint_usage },
	{ "feed", verb_feed, "write atom.xml and the one-file text copy",
	    feed_usage },
	{ "key", verb_key, "keys that sign what is published", key_usage },
	{ "publish", verb_publish, "the next signed release of a capsule",
	    publish_usage },
	{ "rollback", verb_rollback, "serve an earlier release again",
	    rollback_usage },
	{ "prune", verb_prune, "remove old releases from a store",
	    prune_usage },
	{ "verify", verb_verify, "is a copy what its author signed?",
	    verify_usage },
	{ "mirror", verb_mirror, "take over what is new of a capsule",
	    mirror_usage },
	{ "help", verb_help, "this, or more on one verb", help_usage },
	{ NULL, NULL, NULL, NULL },
};

const struct verb *
verb_find(const char *name)
{
	for (const struct verb *v = verbs; v->name != NULL; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

int
verb_misused(const char *name)
{
	fputs(verb_find(name)->usage, stderr);
	return EXIT_USAGE;
}

static char *
join(const char *a, const char *b)
{
	struct buf out;
	char *text = NULL;

	buf_init(&out, 4096);
	if (buf_printf(&out, "%s%s", a, b))
		text = strdup(buf_cstr(&out));
	buf_fini(&out);
	return text;
}

char *
default_data_dir(void)
{
	const char *data = getenv("XDG_DATA_HOME");
	const char *home = getenv("HOME");

	if (data != NULL && data[0] == '/')
		return join(data, "/carnation");
	if (home != NULL && home[0] == '/')
		return join(home, "/.local/share/carnation");
	return NULL;
}

char *
default_certs_dir(void)
{
	char *data, *certs;

	if (geteuid() == 0)
		return strdup(SYSTEM_DATA_DIR "/certs");
	data = default_data_dir();
	if (data == NULL)
		return NULL;
	certs = join(data, "/certs");
	free(data);
	return certs;
}
