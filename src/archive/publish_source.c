/* SPDX-License-Identifier: ISC */
/* The folder that is published: opened as a capsule, its files listed and
 * stamped. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/publish_internal.h"
#include "os/file.h"

enum { PROBLEM_MAX = 2048 };

#define MIRROR_DIR "mirror"

void
publish_problem(const struct publish *p, struct report *r,
    enum report_level level, const char *path, unsigned line,
    const char *format, ...)
{
	char text[PROBLEM_MAX];
	struct buf file;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	buf_init(&file, strlen(p->o->src) + strlen(path) + sizeof("/"));
	(void)buf_printf(&file, "%s/%s", p->root.host->conf->root.text, path);
	report_add(r, level, buf_cstr(&file), line, "%s", text);
	buf_fini(&file);
}

bool
publish_root_open(struct publish_root *root, const char *dir, const char *host,
    struct report *r)
{
	struct conf_capsule *c = NULL;
	size_t len = strlen(dir);
	char *bare;

	while (len > 1 && dir[len - 1] == '/')
		len--;
	bare = strndup(dir, len);
	*root = (struct publish_root){ .conf = conf_new() };
	if (root->conf != NULL)
		c = conf_add_capsule(root->conf);
	if (bare == NULL || c == NULL ||
	    !conf_set_text(root->conf, &c->root, bare) ||
	    !conf_set_text(root->conf, &c->host, host))
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
	else
		root->hosts = hosts_open(root->conf, r);
	free(bare);
	if (root->hosts == NULL)
		return false;
	root->host = &root->hosts->host[0];
	return true;
}

void
publish_root_close(struct publish_root *root)
{
	hosts_free(&root->hosts);
	conf_free(&root->conf);
	*root = (struct publish_root){ 0 };
}

bool
publish_stamp_of(int root, const char *path, struct publish_stamp *out)
{
	struct stat st;

	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return false;
	*out = (struct publish_stamp){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = st.st_size,
		.modified = st.st_mtim,
		.changed = st.st_ctim,
	};
	return true;
}

static bool
time_equal(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool
publish_stamp_equal(
    const struct publish_stamp *a, const struct publish_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       time_equal(&a->modified, &b->modified) &&
	       time_equal(&a->changed, &b->changed);
}

static void
changed_report(
    const struct publish *p, const struct publish_file *f, struct report *r)
{
	publish_problem(p, r, REPORT_ERROR, f->path, 0,
	    "has changed while it was being published; nothing is published: "
	    "begin again");
}

bool
publish_file_unchanged(
    const struct publish *p, const struct publish_file *f, struct report *r)
{
	struct publish_stamp now;

	if (f->made != NULL ||
	    (publish_stamp_of(p->root.host->root, f->path, &now) &&
		publish_stamp_equal(&now, &f->stamp)))
		return true;
	changed_report(p, f, r);
	return false;
}

int
publish_file_open(
    const struct publish *p, const struct publish_file *f, struct report *r)
{
	struct stat st;
	int fd;

	if (file_open_beneath(p->root.host->root, f->path, &fd, &st) !=
	    FILE_OPENED) {
		publish_problem(p, r, REPORT_ERROR, f->path, 0,
		    "cannot be opened any more");
		return -1;
	}
	if (st.st_dev == f->stamp.dev && st.st_ino == f->stamp.ino)
		return fd;
	changed_report(p, f, r);
	(void)close(fd);
	return -1;
}

/* Whether one of two directories holds the other, or would. */
static bool
publish_overlap(const char *a, const char *b)
{
	return file_is_inside(a, b) || file_is_inside(b, a);
}

/* What is published is copied to strangers' machines. */
static enum result
check_place(const struct publish *p, struct report *r)
{
	struct host_survey survey = { 0 };
	const struct publish_options *o = p->o;
	size_t errors = r->errors;

	if (publish_overlap(o->src, o->store))
		report_add(r, REPORT_ERROR, o->src, 0,
		    "this folder and the store %s must not lie in one another",
		    o->store);
	if (o->certs != NULL && publish_overlap(o->src, o->certs))
		report_add(r, REPORT_ERROR, o->src, 0,
		    "this folder and %s, where certificates and their keys "
		    "lie, must not lie in one another",
		    o->certs);
	if (r->errors > errors)
		return RESULT_LOCAL;
	host_survey(p->root.host, UINT64_MAX, &survey);
	if (survey.secret[0] == '\0')
		return RESULT_GOOD;
	publish_problem(p, r, REPORT_ERROR, survey.secret, 0,
	    "holds a private key: nothing is published from a folder with "
	    "one in it");
	return RESULT_LOCAL;
}

enum result
publish_open_source(struct publish *p, struct report *r)
{
	struct report ignored = { 0 };
	enum result result;

	if (!publish_root_open(&p->root, p->o->src, p->origin.host, r))
		return RESULT_LOCAL;
	result = check_place(p, r);
	p->has_conf = publish_stamp_of(
	    p->root.host->root, PUBLISH_CONF_FILE, &p->conf_stamp);
	/* Its mistakes are among what the linter finds. */
	(void)hosts_read_content(p->root.hosts, &ignored);
	report_fini(&ignored);
	return result;
}

static bool
is_under_mirror(const char *path)
{
	return strncmp(path, MIRROR_DIR "/", sizeof(MIRROR_DIR)) == 0;
}

static bool
publish_is_made(const struct publish *p, const char *path)
{
	return (p->root.host->content.feed.text != NULL &&
		   strcmp(path, FEED_FILE) == 0) ||
	       strcmp(path, copy_file(p->root.host)) == 0;
}

static void
left_out_report(
    struct publish *p, const char *path, const char *why, struct report *r)
{
	if (++p->plan.left_out <= PUBLISH_SHOWN_MAX)
		publish_problem(p, r,
		    p->o->strict ? REPORT_ERROR : REPORT_WARNING, path, 0,
		    "left out: %s", why);
}

/* The store puts its own files there. */
static void
leave_out_mirror(struct publish *p, struct report *r)
{
	struct inventory *all = &p->pages;
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++) {
		if (is_under_mirror(all->item[i].path)) {
			left_out_report(p, all->item[i].path,
			    "mirror/ is where a release keeps its manifest "
			    "and archive",
			    r);
			free(all->item[i].path);
		} else {
			all->item[n++] = all->item[i];
		}
	}
	all->n = n;
}

static bool
publish_check_names(const struct publish *p, struct report *r)
{
	const char *fault, *made[] = { copy_file(p->root.host) };
	bool ok = true;

	for (size_t i = 0; i < p->pages.n; i++) {
		fault = manifest_name_fault(slice_str(p->pages.item[i].path));
		if (fault == NULL)
			continue;
		ok = false;
		publish_problem(p, r, REPORT_ERROR, p->pages.item[i].path, 0,
		    "no manifest can list this name: %s", fault);
	}
	fault = manifest_name_fault(slice_str(made[0]));
	if (fault == NULL)
		return ok;
	publish_problem(p, r, REPORT_ERROR, made[0], 0,
	    "no manifest can list this name of the text copy: %s", fault);
	return false;
}

enum result
publish_list_pages(struct publish *p, struct report *r)
{
	if (!inventory_read_plain(p->root.host, &p->pages, &p->left)) {
		report_add(r, REPORT_ERROR, p->o->src, 0, "cannot be read: %s",
		    strerror(errno));
		return RESULT_LOCAL;
	}
	for (size_t i = 0; i < p->left.n; i++)
		if (!publish_is_made(p, p->left.item[i].path))
			left_out_report(p, p->left.item[i].path,
			    inventory_why_text(p->left.item[i].why), r);
	leave_out_mirror(p, r);
	if (p->plan.left_out > PUBLISH_SHOWN_MAX)
		report_add(r, p->o->strict ? REPORT_ERROR : REPORT_WARNING,
		    p->o->src, 0, "%zu more are left out",
		    p->plan.left_out - PUBLISH_SHOWN_MAX);
	if (!publish_check_names(p, r))
		return RESULT_REFUSED;
	if (p->o->strict && p->plan.left_out > 0)
		return RESULT_REFUSED;
	return RESULT_GOOD;
}
