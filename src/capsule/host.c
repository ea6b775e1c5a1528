/* SPDX-License-Identifier: ISC */
#include "capsule/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capsule/policy.h"
#include "os/file.h"
#include "os/listen.h"
#include "util/fd.h"

#define CONTENT_FILE "capsule.conf"

struct host_name {
	const char *name;
	size_t host;
	const struct conf_text *text; /* where it was written */
};

static int
host_name_compare(const void *a, const void *b)
{
	const struct host_name *x = a;
	const struct host_name *y = b;
	int order = strcmp(x->name, y->name);

	if (order != 0)
		return order;
	return (x->host > y->host) - (x->host < y->host);
}

/* Takes one name of a capsule. In place of an invalid one, which is reported,
 * an empty name keeps the others beside their texts. */
static bool
host_add_name(struct host *h, const struct conf_text *text, struct report *r)
{
	char *name = h->names[h->n_names++];

	if (hostname_canonical(slice_str(text->text), name) != HOSTNAME_BAD)
		return true;
	name[0] = '\0';
	report_add(r, REPORT_ERROR, text->file, text->line,
	    "invalid host name \"%s\"", text->text);
	return false;
}

static bool
host_open_names(struct host *h, struct report *r)
{
	const struct conf_list *aliases = &h->conf->aliases;
	size_t i;
	bool ok;

	h->names = calloc(1 + aliases->n, sizeof(*h->names));
	if (h->names == NULL)
		return false;
	ok = host_add_name(h, &h->conf->host, r);
	for (i = 0; i < aliases->n; i++)
		ok = host_add_name(h, &aliases->item[i], r) && ok;
	return ok;
}

static const struct conf_text *
host_name_text(const struct host *h, size_t k)
{
	return k == 0 ? &h->conf->host : &h->conf->aliases.item[k - 1];
}

/* Puts all names in order. */
static bool
hosts_index(struct hosts *hosts)
{
	size_t total = 0;
	size_t i, k, n = 0;
	struct host_name *index;

	for (i = 0; i < hosts->n; i++)
		total += hosts->host[i].n_names;
	index = calloc(total + 1, sizeof(*index));
	if (index == NULL)
		return false;
	hosts->index = index;
	hosts->n_index = total;
	for (i = 0; i < hosts->n; i++)
		for (k = 0; k < hosts->host[i].n_names; k++)
			index[n++] = (struct host_name){
				.name = hosts->host[i].names[k],
				.host = i,
				.text = host_name_text(&hosts->host[i], k),
			};
	qsort(index, total, sizeof(*index), host_name_compare);
	return true;
}

/* Reports names that two capsules have. */
static bool
hosts_check_index(const struct hosts *hosts, struct report *r)
{
	bool ok = true;
	size_t i;

	for (i = 1; i < hosts->n_index; i++) {
		const struct host_name *first = &hosts->index[i - 1];
		const struct host_name *again = &hosts->index[i];

		if (again->name[0] == '\0' || again->host == first->host ||
		    strcmp(again->name, first->name) != 0)
			continue;
		ok = false;
		if (first->text->file == NULL)
			report_add(r, REPORT_ERROR, again->text->file,
			    again->text->line, "duplicate host \"%s\"",
			    again->name);
		else
			report_add(r, REPORT_ERROR, again->text->file,
			    again->text->line,
			    "duplicate host \"%s\" (first at %s:%u)",
			    again->name, first->text->file, first->text->line);
	}
	return ok;
}

/* "a, b, c", or "a, b, ..." when the rest has no room. */
static bool
hosts_list_known(struct hosts *hosts)
{
	static const char more[] = ", ...";
	char *known = calloc(1, HOST_KNOWN_MAX);
	size_t i, k, end;
	struct buf out;

	hosts->known = known;
	if (known == NULL)
		return false;
	buf_wrap(&out, known, HOST_KNOWN_MAX - sizeof(more));
	for (i = 0; i < hosts->n; i++) {
		for (k = 0; k < hosts->host[i].n_names; k++) {
			end = out.len;
			if (buf_str(&out, end == 0 ? "" : ", ") &&
			    buf_str(&out, hosts->host[i].names[k]))
				continue;
			memcpy(known + end, more, sizeof(more));
			return true;
		}
	}
	return true;
}

/* Every fault is reported: no failure ends the loop. */
static bool
hosts_open_each(struct hosts *hosts, bool roots, struct report *r)
{
	bool ok = true;
	size_t i;

	for (i = 0; i < hosts->n; i++) {
		struct host *h = &hosts->host[i];

		h->root = h->store = -1;
		h->conf = &hosts->conf->capsules[i];
		h->content = h->conf->content;
		if (h->conf->host.text == NULL || h->conf->root.text == NULL) {
			ok = false;
			continue;
		}
		ok = host_open_names(h, r) && ok;
		if (roots)
			ok = host_root_open(h, r) && ok;
	}
	return ok;
}

/* *ok: whether all could be opened. */
static struct hosts *
hosts_new(struct conf *conf, bool roots, struct report *r, bool *ok)
{
	struct hosts *hosts = calloc(1, sizeof(*hosts));

	if (hosts == NULL)
		return NULL;
	hosts->conf = conf;
	hosts->host = calloc(conf->n_capsules + 1, sizeof(*hosts->host));
	if (hosts->host == NULL) {
		hosts_free(&hosts);
		return NULL;
	}
	hosts->n = conf->n_capsules;
	*ok = hosts_open_each(hosts, roots, r);
	if (!hosts_index(hosts) || !hosts_list_known(hosts))
		hosts_free(&hosts);
	else
		*ok = hosts_check_index(hosts, r) && *ok;
	return hosts;
}

struct hosts *
hosts_open_all(struct conf *conf, struct report *r)
{
	bool ok;

	return hosts_new(conf, true, r, &ok);
}

static struct hosts *
hosts_new_strict(struct conf *conf, bool roots, struct report *r)
{
	bool ok = false;
	struct hosts *hosts = hosts_new(conf, roots, r, &ok);

	if (!ok)
		hosts_free(&hosts);
	return hosts;
}

struct hosts *
hosts_open(struct conf *conf, struct report *r)
{
	return hosts_new_strict(conf, true, r);
}

struct hosts *
hosts_open_names(struct conf *conf, struct report *r)
{
	return hosts_new_strict(conf, false, r);
}

void
hosts_free(struct hosts **h)
{
	size_t i;

	if (*h == NULL)
		return;
	for (i = 0; i < (*h)->n; i++) {
		free((*h)->host[i].names);
		if ((*h)->host[i].conf != NULL)
			host_close(&(*h)->host[i]);
	}
	free((*h)->host);
	free((*h)->index);
	free((*h)->known);
	free(*h);
	*h = NULL;
}

bool
host_conf_is_denied(const struct host *h)
{
	int fd = openat(h->root, CONTENT_FILE,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd == -1)
		return errno == EACCES;
	close(fd);
	return false;
}

/* What is wrong with a capsule.conf that could not be opened as a file; NULL
 * when there is simply none. */
static const char *
host_content_fault(const struct host *h, enum file_open result)
{
	struct stat st;

	if (result != FILE_ABSENT)
		return "cannot read now";
	if (fstatat(h->root, CONTENT_FILE, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? NULL : "cannot look it up";
	if (host_conf_is_denied(h))
		return "cannot read: permission denied";
	return "cannot read: not a file beneath the root";
}

bool
host_read_conf(
    const struct host *h, struct buf *out, bool *there, struct why *why)
{
	const char *fault = NULL;
	enum file_open result;
	struct stat st;
	int fd = -1;

	*there = false;
	result = file_open_beneath(h->root, CONTENT_FILE, &fd, &st);
	if (result != FILE_OPENED)
		fault = host_content_fault(h, result);
	else if (!S_ISREG(st.st_mode))
		fault = "cannot read: not a regular file";
	else if (!fd_read_all(fd, out))
		fault =
		    errno == EFBIG ? "larger than 256 KiB" : strerror(errno);
	else
		*there = true;
	fd_close(fd);
	return fault == NULL || why_set(why, "%s", fault);
}

/* The capsule.conf of h under the operator's settings, into content. False when
 * nothing of it could be read or, if strict, when r gained an error: content is
 * then the operator's. */
static bool
host_lay_content(const struct hosts *hosts, const struct host *h,
    const char *name, bool strict, struct conf_content *content,
    struct report *r)
{
	const struct host_snapshot *s = &h->snapshot;
	struct conf_content both = h->conf->content;
	size_t before = r->errors;
	bool there = s->there, ok = true;
	struct buf bytes;
	struct why why;

	buf_init(&bytes, HOST_CONF_MAX);
	*content = h->conf->content;
	if (!s->taken && !host_read_conf(h, &bytes, &there, &why)) {
		report_add(r, REPORT_ERROR, name, 0, "%s", why.text);
		ok = false;
	} else if (there) {
		/* A newer author wrote what is in a store: options that this
		 * version does not know are no reason not to serve the rest. */
		ok = conf_read_content(hosts->conf, &both,
		    s->taken ? slice_of(s->bytes, s->len) : buf_view(&bytes),
		    name,
		    strict && h->store != -1 ? REPORT_WARNING : REPORT_ERROR,
		    r);
		if (ok)
			policy_check_content(&both, r);
		ok = ok && (!strict || r->errors == before);
		if (ok)
			*content = both;
	}
	buf_fini(&bytes);
	return ok;
}

bool
host_snapshot(struct host *h, const uint8_t *bytes, size_t len)
{
	struct host_snapshot s = { .taken = true, .there = bytes != NULL };

	if (s.there) {
		s.bytes = malloc(len + 1);
		if (s.bytes == NULL)
			return false;
		memcpy(s.bytes, bytes, len);
		s.len = len;
	}
	free(h->snapshot.bytes);
	h->snapshot = s;
	return true;
}

bool
host_salvage_content(const struct hosts *hosts, const struct host *h,
    const char *name, struct conf_content *content, struct report *r)
{
	return host_lay_content(hosts, h, name, false, content, r);
}

static bool
host_content_read(
    struct hosts *hosts, struct host *h, bool strict, struct report *r)
{
	const char *root = h->conf->root.text;
	struct buf name;
	bool ok;

	buf_init(&name, strlen(root) + sizeof("/current/" CONTENT_FILE));
	buf_printf(&name, "%s/%s" CONTENT_FILE, root,
	    h->store != -1 ? "current/" : "");
	ok =
	    host_lay_content(hosts, h, buf_cstr(&name), strict, &h->content, r);
	buf_fini(&name);
	return ok;
}

static bool
hosts_content_read(struct hosts *h, bool strict, struct report *r)
{
	bool ok = true;

	for (size_t i = 0; i < h->n; i++)
		if (h->host[i].root != -1)
			ok = host_content_read(h, &h->host[i], strict, r) && ok;
	return ok;
}

bool
hosts_read_content(struct hosts *h, struct report *r)
{
	return hosts_content_read(h, true, r);
}

bool
host_read_content(struct hosts *hosts, struct host *h, struct report *r)
{
	return host_content_read(hosts, h, true, r);
}

void
hosts_salvage_content(struct hosts *h)
{
	struct report ignored = { 0 };

	hosts_content_read(h, false, &ignored);
	report_fini(&ignored);
}

static int
host_name_compare_key(const void *key, const void *member)
{
	return strcmp(key, ((const struct host_name *)member)->name);
}

int
hosts_find(const struct hosts *h, const char *name)
{
	const struct host_name *found = NULL;

	if (h->n_index > 0)
		found = bsearch(name, h->index, h->n_index, sizeof(*h->index),
		    host_name_compare_key);
	return found == NULL ? -1 : (int)found->host;
}

int
hosts_find_raw(const struct hosts *h, struct slice raw)
{
	char name[HOSTNAME_SIZE];

	if (hostname_canonical(raw, name) == HOSTNAME_BAD)
		return -1;
	return hosts_find(h, name);
}

const char *
host_index(const struct host *h, size_t i)
{
	static const char *const usual[] = { "index.gmi", "index.gemini" };
	const struct conf_list *list = &h->content.index;

	if (list->n == 0 && !list->set)
		return i < 2 ? usual[i] : NULL;
	return i < list->n ? list->item[i].text : NULL;
}

bool
host_hides(const struct host *h, const char *name, size_t len)
{
	const struct conf_list *allowed = &h->conf->hidden;
	struct slice segment = slice_of(name, len);
	size_t i;

	if (!slice_starts(segment, SLICE(".")) ||
	    slice_equal(segment, SLICE(".well-known")))
		return false;
	for (i = 0; i < allowed->n; i++)
		if (slice_equal(segment, slice_str(allowed->item[i].text)))
			return false;
	return true;
}

bool
host_hides_path(const struct host *h, const char *path)
{
	size_t len;

	for (; *path != '\0'; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		if (host_hides(h, path, len))
			return true;
	}
	return false;
}

unsigned
hosts_port(const struct conf *conf, int asked)
{
	struct listen_address address[2];
	unsigned first = 0, one;
	struct why why;
	size_t n;

	if (conf->public_port != 0)
		return (unsigned)conf->public_port;
	for (size_t i = 0; i < conf->listen.n; i++) {
		if (!listen_parse(conf->listen.item[i].text, address, &n, &why))
			continue;
		one = listen_port(&address[0]);
		if ((int)one == asked)
			return one;
		if (first == 0)
			first = one;
	}
	return first != 0 ? first : LISTEN_PORT_DEFAULT;
}
