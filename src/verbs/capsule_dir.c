/* SPDX-License-Identifier: ISC */
#include "verbs/capsule_dir.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* "capsule/" is "capsule": names of files are put behind a slash. */
static char *
without_slashes(const char *dir)
{
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	return strndup(dir, len);
}

static bool
configure(struct conf *conf, const char *dir)
{
	struct conf_capsule *c = conf_add_capsule(conf);
	char *root = c != NULL ? without_slashes(dir) : NULL;
	bool ok = root != NULL && conf_set_text(conf, &c->root, root) &&
		  conf_set_text(conf, &c->host, "localhost");

	free(root);
	return ok;
}

bool
capsule_dir_open(struct capsule_dir *d, const char *dir, struct report *r)
{
	*d = (struct capsule_dir){ .conf = conf_new() };
	if (d->conf == NULL || !configure(d->conf, dir)) {
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		return false;
	}
	d->hosts = hosts_open(d->conf, r);
	return d->hosts != NULL && hosts_read_content(d->hosts, r);
}

void
capsule_dir_close(struct capsule_dir *d)
{
	hosts_free(&d->hosts);
	conf_free(&d->conf);
}

const struct host *
capsule_dir_host(const struct capsule_dir *d)
{
	assert(d->hosts != NULL);
	return &d->hosts->host[0];
}
