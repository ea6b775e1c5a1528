/* SPDX-License-Identifier: ISC */
/* What a release is made of: SRC's files, and the feed and text copy made from
 * them, each with its hash. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/publish_internal.h"
#include "capsule/copy.h"
#include "os/file.h"
#include "proto/uri.h"
#include "util/fd.h"

enum { READ_SIZE = 64 * 1024, ORIGIN_PORT = 1965 };

#define CONF_FILE "capsule.conf"
#define MIRROR_DIR "mirror/"

/* --------------------------------------------------------------- its folder */

struct hosts *
publish_root_open(
    const char *dir, const struct feed_origin *origin, struct report *r)
{
	struct conf *conf = conf_new();
	struct conf_capsule *c = conf == NULL ? NULL : conf_add_capsule(conf);
	struct hosts *hosts = NULL;

	if (c == NULL || !conf_set_dir(conf, &c->root, dir) ||
	    !conf_set_text(conf, &c->host, origin->host)) {
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
	} else {
		conf->public_port =
		    origin->port == -1 ? ORIGIN_PORT : origin->port;
		hosts = hosts_open(conf, r);
	}
	if (hosts == NULL)
		conf_free(&conf);
	return hosts;
}

void
publish_root_close(struct hosts **root)
{
	struct conf *conf = *root == NULL ? NULL : (*root)->conf;

	hosts_free(root);
	conf_free(&conf);
}

/* The origin that the capsule.conf in src sets. False when there is none; what
 * may be the reason goes to r. */
static bool
origin_of_source(const char *src, struct feed_origin *out, struct report *r)
{
	static const struct feed_origin here = { "localhost", -1 };
	struct hosts *root = publish_root_open(src, &here, r);
	const struct conf_text *origin;
	struct conf_content content;
	bool found = false;
	struct why why;

	if (root != NULL &&
	    host_salvage_content(root, root->host, CONF_FILE, &content, r)) {
		origin = &content.origin;
		found = origin->text != NULL &&
			feed_origin(slice_str(origin->text), out, &why);
		if (origin->text != NULL && !found)
			report_add(r, REPORT_ERROR, origin->file, origin->line,
			    "origin: %s", why.text);
	}
	publish_root_close(&root);
	return found;
}

enum result
publish_find_origin(const struct publish_options *o,
    char known[MANIFEST_ORIGIN_MAX], struct feed_origin *out, struct report *r)
{
	const struct feed_origin *said = o->origin;
	uint8_t memory[MANIFEST_ORIGIN_MAX];
	struct report source = { 0 };
	struct feed_origin own;
	struct buf url;
	struct why why;

	if (said == NULL && origin_of_source(o->src, &own, &source))
		said = &own;
	if (said == NULL && known[0] == '\0') {
		/* Its mistakes may be the reason; they are reported first. */
		*r = source;
		return publish_refuse(r, RESULT_USAGE, NULL,
		    "missing origin: the first time, set origin in "
		    "capsule.conf, or use --origin gemini://example.org");
	}
	report_fini(&source);
	if (known[0] == '\0')
		*out = *said;
	else if (!feed_origin(slice_str(known), out, &why))
		return publish_refuse(r, RESULT_LOCAL, o->store,
		    "belongs to %s, for which no feed can be made: %s", known,
		    why.text);
	if (said != NULL &&
	    (said->port != out->port || strcmp(said->host, out->host) != 0))
		return publish_refuse(r, RESULT_USAGE, o->store,
		    "belongs to %s: another origin%s needs a store of its own",
		    known, o->origin == NULL ? ", as in capsule.conf," : "");
	buf_wrap(&url, memory, sizeof(memory) - 1);
	if (!feed_origin_put(out, &url) ||
	    !manifest_origin(buf_view(&url), known))
		return publish_refuse(r, RESULT_USAGE, NULL,
		    "origin URL is not valid in a manifest");
	return RESULT_GOOD;
}

/* Whether one of two directories holds the other, or would. */
static bool
source_overlaps(const char *a, const char *b)
{
	return file_is_inside(a, b) || file_is_inside(b, a);
}

/* What is published is copied to strangers' machines. */
static enum result
source_check_place(const struct publish_source *s,
    const struct publish_options *o, struct report *r)
{
	struct host_survey survey = { 0 };
	size_t errors = r->errors;

	if (source_overlaps(o->src, o->store))
		report_add(r, REPORT_ERROR, o->src, 0,
		    "this folder and the store %s must not lie in one another",
		    o->store);
	if (o->certs != NULL && source_overlaps(o->src, o->certs))
		report_add(r, REPORT_ERROR, o->src, 0,
		    "this folder and %s, where certificates and their keys "
		    "lie, must not lie in one another",
		    o->certs);
	if (r->errors > errors)
		return RESULT_LOCAL;
	host_survey(s->root->host, UINT64_MAX, &survey);
	if (survey.secret[0] == '\0')
		return RESULT_GOOD;
	page_problem(r, REPORT_ERROR, s->root->host, survey.secret, 0,
	    "holds a private key: nothing is published from a folder with "
	    "one in it");
	return RESULT_LOCAL;
}

/* ---------------------------------------------------------------- its files */

/* A change of the inode counts too: it cannot be set back, as times can. */
static bool
stamp_equal(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static enum result
source_changed(const struct publish_source *s, const struct publish_file *f,
    struct report *r)
{
	page_problem(r, REPORT_ERROR, s->root->host, f->path, 0,
	    "has changed while it was being published; nothing is published: "
	    "begin again");
	return RESULT_FAILED;
}

static enum result
source_problem(const struct publish_source *s, const struct publish_file *f,
    struct report *r)
{
	page_problem(r, REPORT_ERROR, s->root->host, f->path, 0,
	    "cannot be read: %s", strerror(errno));
	return RESULT_LOCAL;
}

/* Opens the file, which must be the one that was listed. -1: it is another. */
static int
source_file_open(const struct publish_source *s, const struct publish_file *f)
{
	struct stat st;
	int fd = -1;

	if (file_open_beneath(s->root->host->root, f->path, &fd, &st) !=
		FILE_OPENED ||
	    stamp_equal(&st, &f->stamp))
		return fd;
	fd_close(fd);
	return -1;
}

static int
source_compare(const void *a, const void *b)
{
	const struct publish_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

const struct publish_file *
publish_source_find(const struct publish_source *s, const char *path)
{
	const struct publish_file key = { .path = path };

	return s->n == 0 ? NULL
			 : bsearch(&key, s->file, s->n, sizeof(*s->file),
			       source_compare);
}

/* Whether publishing makes the file: an older one in its place goes into no
 * release. */
static bool
source_makes(const struct publish_source *s, const char *path)
{
	const struct host *h = s->root->host;

	return (h->content.feed.text != NULL && strcmp(path, FEED_FILE) == 0) ||
	       strcmp(path, copy_file(h)) == 0;
}

static void
source_leave_out(struct publish_source *s, enum report_level level,
    const char *path, const char *why, struct report *r)
{
	s->left_out++;
	page_problem(r, level, s->root->host, path, 0, "left out: %s", why);
}

/* Adds the file at path as it is now. conf: capsule.conf as it was before it was
 * read; NULL: it was not there. */
static enum result
source_add(struct publish_source *s, const char *path, const struct stat *conf,
    struct report *r)
{
	struct publish_file *f = &s->file[s->n++];

	f->path = path;
	if (fstatat(s->root->host->root, path, &f->stamp,
		AT_SYMLINK_NOFOLLOW) == -1)
		return source_problem(s, f, r);
	return conf == NULL || strcmp(path, CONF_FILE) != 0 ||
		       stamp_equal(&f->stamp, conf)
		   ? RESULT_GOOD
		   : source_changed(s, f, r);
}

/* Lists what SRC serves and what is made of it, and reports what is left out. */
static enum result
source_list(struct publish_source *s, const struct stat *conf,
    enum report_level level, struct report *r)
{
	const struct host *h = s->root->host;
	struct inventory_omissions left;
	struct inventory *all = &s->pages;
	enum result result = RESULT_GOOD;
	size_t n = 0;

	if (!inventory_read_plain(h, all, &left))
		return publish_refuse(r, RESULT_LOCAL, h->conf->root.text,
		    "cannot be read: %s", strerror(errno));
	for (size_t i = 0; i < left.n; i++)
		if (!source_makes(s, left.item[i].path))
			source_leave_out(s, level, left.item[i].path,
			    inventory_why_text(left.item[i].why), r);
	inventory_omissions_fini(&left);
	s->file = calloc(all->n + 2, sizeof(*s->file));
	if (s->file == NULL)
		return publish_refuse(r, RESULT_LOCAL, NULL, "out of memory");
	if (h->content.feed.text != NULL)
		s->file[s->n++] = (struct publish_file){ .path = FEED_FILE,
			.made = &s->atom };
	s->file[s->n++] =
	    (struct publish_file){ .path = copy_file(h), .made = &s->copy };
	for (size_t i = 0; i < all->n; i++) {
		char *path = all->item[i].path;

		if (strncmp(path, MIRROR_DIR, strlen(MIRROR_DIR)) == 0) {
			source_leave_out(s, level, path,
			    "mirror/ is where a release keeps its manifest "
			    "and archive",
			    r);
			free(path);
			continue;
		}
		all->item[n++] = all->item[i];
		if (result == RESULT_GOOD && !source_makes(s, path))
			result = source_add(s, path, conf, r);
	}
	all->n = n;
	qsort(s->file, s->n, sizeof(*s->file), source_compare);
	return result;
}

/* Refuses to retract what SRC still has: the next publish would bring it back. */
static enum result
source_check_names(const struct publish_source *s,
    const struct publish_options *o, struct report *r)
{
	const struct host *h = s->root->host;
	size_t errors = r->errors;

	for (size_t i = 0; i < s->n; i++) {
		const struct publish_file *f = &s->file[i];
		const char *fault = manifest_name_fault(slice_str(f->path));

		if (fault != NULL)
			page_problem(r, REPORT_ERROR, h, f->path, 0,
			    "no manifest can list this name: %s", fault);
		if (publish_retracts(o, f->path))
			page_problem(r, REPORT_ERROR, h, f->path, 0, "%s",
			    f->made != NULL
				? "made of the pages when publishing: retract "
				  "those"
				: "still there: the next publish would bring "
				  "it back; remove it, or declare it gone in "
				  "capsule.conf");
	}
	return r->errors > errors ? RESULT_REFUSED : RESULT_GOOD;
}

enum result
publish_source_open(struct publish_source *s, const struct publish_options *o,
    const struct feed_origin *origin, struct report *r)
{
	struct report ignored = { 0 };
	enum result result = RESULT_LOCAL;
	struct stat conf;
	bool has_conf;

	buf_init(&s->atom, FEED_MAX);
	buf_init(&s->copy, COPY_MAX);
	s->root = publish_root_open(o->src, origin, r);
	if (s->root != NULL)
		result = source_check_place(s, o, r);
	if (result != RESULT_GOOD)
		return result;
	has_conf = fstatat(s->root->host->root, CONF_FILE, &conf,
		       AT_SYMLINK_NOFOLLOW) == 0;
	/* Its mistakes are among what the linter finds. */
	(void)hosts_read_content(s->root, &ignored);
	report_fini(&ignored);
	result = source_list(s, has_conf ? &conf : NULL,
	    o->strict ? REPORT_ERROR : REPORT_WARNING, r);
	if (result == RESULT_GOOD)
		result = source_check_names(s, o, r);
	if (result == RESULT_GOOD && o->strict && s->left_out > 0)
		result = RESULT_REFUSED;
	return result;
}

void
publish_source_close(struct publish_source *s)
{
	free(s->file);
	buf_fini(&s->copy);
	buf_fini(&s->atom);
	inventory_fini(&s->pages);
	publish_root_close(&s->root);
}

/* -------------------------------------------------------------- their bytes */

static enum result
source_hash(
    const struct publish_source *s, struct publish_file *f, struct report *r)
{
	enum result result = RESULT_GOOD;
	struct stat st;
	int fd;

	if (f->made != NULL) {
		f->size = f->made->len;
		digest_sha256(buf_view(f->made), f->digest);
		return RESULT_GOOD;
	}
	f->size = (uint64_t)f->stamp.st_size;
	fd = source_file_open(s, f);
	if (fd == -1)
		return source_changed(s, f, r);
	if (!digest_fd(fd, f->digest))
		result = source_problem(s, f, r);
	else if (fstat(fd, &st) == -1 || !stamp_equal(&st, &f->stamp))
		result = source_changed(s, f, r);
	fd_close(fd);
	return result;
}

enum result
publish_source_make(struct publish_source *s, const struct publish_options *o,
    const struct feed_origin *origin, const struct host *last, struct report *r)
{
	const struct host *h = s->root->host;
	const struct feed_options feed = { o->author, origin, last };
	enum result result = RESULT_GOOD;
	bool ok = true;

	if (h->content.feed.text != NULL)
		ok = feed_atom(h, &s->pages, &feed, &s->atom, r) && ok;
	ok = copy_text(h, &s->pages, origin, &s->copy, r) && ok;
	if (!ok)
		return RESULT_FAILED;
	for (size_t i = 0; i < s->n && result == RESULT_GOOD; i++)
		result = source_hash(s, &s->file[i], r);
	return result;
}

static enum result
source_keep_file(const struct publish_source *s, const struct publish_file *f,
    struct store *store, struct report *r)
{
	int fd = f->made == NULL ? source_file_open(s, f) : -1;
	enum store_kept kept = STORE_WRITE_FAILED;
	enum result result = RESULT_GOOD;
	uint8_t bytes[READ_SIZE];
	struct store_object *o;
	struct why why;
	ssize_t n = 0;
	bool ok;

	if (f->made == NULL && fd == -1)
		return source_changed(s, f, r);
	o = store_object_new(store, &why);
	ok = o != NULL &&
	     (f->made == NULL || store_object_put(o, buf_view(f->made), &why));
	while (ok && fd != -1 && (n = fd_read(fd, bytes, sizeof(bytes))) > 0)
		ok = store_object_put(o, slice_of(bytes, (size_t)n), &why);
	if (n == -1)
		result = source_problem(s, f, r);
	else if (ok)
		kept = store_object_keep(&o, f->digest, NULL, &why);
	if (kept == STORE_OTHER_HASH)
		result = source_changed(s, f, r);
	else if (kept == STORE_WRITE_FAILED && n != -1)
		result = publish_refuse(r, RESULT_LOCAL, NULL, "%s", why.text);
	store_object_drop(&o);
	fd_close(fd);
	return result;
}

enum result
publish_source_keep(
    const struct publish_source *s, struct store *store, struct report *r)
{
	enum result result = RESULT_GOOD;

	for (size_t i = 0; i < s->n && result == RESULT_GOOD; i++)
		if (!store_has(store, s->file[i].digest))
			result = source_keep_file(s, &s->file[i], store, r);
	/* Also those that the store had before: see publish.h. */
	for (size_t i = 0; i < s->n && result == RESULT_GOOD; i++) {
		const struct publish_file *f = &s->file[i];
		struct stat now;

		if (f->made == NULL && (fstatat(s->root->host->root, f->path,
					    &now, AT_SYMLINK_NOFOLLOW) == -1 ||
					   !stamp_equal(&now, &f->stamp)))
			result = source_changed(s, f, r);
	}
	return result;
}
