/* SPDX-License-Identifier: ISC */
#include "verbs/verbs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capsule/policy.h"

static bool
root_is(const char *dir, const struct conf_capsule *c)
{
	struct stat a, b;

	return c->root.text != NULL && stat(dir, &a) == 0 &&
	       stat(c->root.text, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* The capsule of the configuration that dir is the root of; without a
 * configuration, one of our own. */
static size_t
capsule_choose(
    struct conf *conf, const char *file, const char *dir, struct report *r)
{
	struct conf_capsule *c = conf->capsules;

	if (conf->n_capsules > 1) {
		for (size_t i = 0; i < conf->n_capsules; i++)
			if (root_is(dir, &c[i]))
				return i;
		report_add(r, REPORT_ERROR, NULL, 0,
		    "%s is not the root of one of the %zu capsules in %s", dir,
		    conf->n_capsules, file);
		return 0;
	}
	if (conf->n_capsules == 0) {
		c = conf_add_capsule(conf);
		if (c != NULL && !conf_set_text(conf, &c->host, "localhost"))
			c = NULL;
	}
	if (c == NULL || !conf_set_dir(conf, &c->root, dir))
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
	return 0;
}

/* Opens what conf has. Other capsules than ours need not be on this machine, so
 * only what is wrong with ours goes to r. */
static struct hosts *
hosts_load(struct conf *conf, size_t ours, struct report *r)
{
	struct report all = { 0 };
	struct hosts *hosts = hosts_open_all(conf, &all);

	if (hosts != NULL && (hosts->host[ours].root == -1 ||
				 hosts->host[ours].names[0][0] == '\0')) {
		for (size_t i = 0; i < all.n; i++)
			report_add(r, all.items[i].level, all.items[i].file,
			    all.items[i].line, "%s", all.items[i].text);
		hosts_free(&hosts);
	}
	report_fini(&all);
	return hosts;
}

bool
verb_capsule_open(
    struct verb_capsule *c, const char *file, const char *dir, struct report *r)
{
	size_t ours;

	*c = (struct verb_capsule){ .conf = conf_new() };
	if (c->conf == NULL) {
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		return false;
	}
	if (file != NULL && !conf_read(c->conf, file, r))
		return false;
	ours = capsule_choose(c->conf, file, dir, r);
	if (r->errors > 0 || !conf_check(c->conf, r) ||
	    !policy_check(c->conf, r))
		return false;
	c->hosts = hosts_load(c->conf, ours, r);
	if (c->hosts == NULL)
		return false;
	c->host = &c->hosts->host[ours];
	return true;
}

void
verb_capsule_close(struct verb_capsule *c)
{
	hosts_free(&c->hosts);
	conf_free(&c->conf);
	*c = (struct verb_capsule){ 0 };
}
