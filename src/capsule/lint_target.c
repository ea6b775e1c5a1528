/* SPDX-License-Identifier: ISC */
/* What a link leads to, asked of the code that answers visitors. A capsule has
 * far more links than targets, so each answer is kept. */
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capsule/lint_internal.h"
#include "os/listen.h"

bool
lint_url(const struct lint *l, const char *path, struct buf *out)
{
	const char *name = l->host->names[0];
	bool v6 = strchr(name, ':') != NULL;
	size_t start = out->len;

	if (buf_printf(out, v6 ? "gemini://[%s]/" : "gemini://%s/", name) &&
	    uri_encode(out, slice_str(path), true))
		return true;
	buf_truncate(out, start);
	return false;
}

bool
lint_resolve(
    const struct lint *l, const char *path, struct slice url, struct buf *out)
{
	uint8_t memory[REQUEST_URI_MAX];
	const char *why;
	struct uri base;
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	return lint_url(l, path, &text) &&
	       uri_parse(buf_view(&text), &base, &why) == URI_OK &&
	       uri_resolve(&base, url, out);
}

static int
compare(const void *a, const void *b)
{
	const struct lint_target *x = a, *y = b;

	return strcmp(x->line, y->line);
}

static void
target_free(void *target)
{
	struct lint_target *t = target;

	free(t->line);
	free(t->meta);
	free(t);
}

/* The file of the capsule in question that went out as a's body: the one asked
 * for, or an index page. */
static const struct inventory_item *
item_sent(const struct lint *l, const struct answer *a)
{
	const char *path = a->path.decoded + 1;
	char memory[sizeof(a->path.decoded) + 256];
	const struct inventory_item *item = NULL;
	const char *name;
	struct buf text;

	if (a->path.decoded[a->path.decoded_len - 1] != '/')
		return inventory_find(&l->inventory, path);
	buf_wrap(&text, memory, sizeof(memory));
	for (size_t i = 0; item == NULL; i++) {
		name = host_index(l->host, i);
		if (name == NULL)
			break;
		buf_reset(&text);
		if (buf_str(&text, path) && buf_str(&text, name) &&
		    buf_byte(&text, '\0'))
			item = inventory_find(&l->inventory, memory);
	}
	return item;
}

/* The port itself if the server listens on it, as far as its configuration says
 * (what systemd hands over is not known here), else the first that it listens on;
 * 0: on none. */
static unsigned
listening_port(const struct conf_list *listen, int port)
{
	struct listen_address address[2];
	unsigned first = 0, one;
	struct why why;
	size_t n;

	for (size_t i = 0; i < listen->n; i++) {
		if (!listen_parse(listen->item[i].text, address, &n, &why))
			continue;
		one = listen_port(&address[0]);
		if ((int)one == port)
			return one;
		if (first == 0)
			first = one;
	}
	return first;
}

/* The port by which a visitor came who asks for that: the server compares the
 * two, unless it is told of another one. */
static unsigned
port_of(const struct conf *conf, struct slice line)
{
	const char *why;
	unsigned port;
	struct uri u;

	if (conf->public_port != 0)
		return (unsigned)conf->public_port;
	port = listening_port(
	    &conf->listen, uri_parse(line, &u, &why) == URI_OK ? u.port : -1);
	return port != 0 ? port : LISTEN_PORT_DEFAULT;
}

/* What is not there yet but will be is answered as if it were. */
static void
keep_promise(const struct lint *l, struct answer *a)
{
	for (size_t i = 0; i < l->n_promises; i++)
		if (strcmp(a->path.decoded + 1, l->promise[i]) == 0) {
			a->status = STATUS_SUCCESS;
			buf_reset(&a->meta);
		}
}

static void
answer(struct lint *l, const char *line, struct answer *a, bool *slash)
{
	const struct answer_origin origin = {
		.sni = -1,
		.port = port_of(l->hosts->conf, slice_str(line)),
	};
	enum status status;

	answer_init(a);
	status = answer_route(a, l->hosts, &origin, slice_str(line));
	*slash = false;
	if (a->host != NULL && a->host->root == -1) {
		/* Somebody else's affair: it could not be opened here. */
		(void)answer_refuse(a, STATUS_PROXY_REFUSED, NULL);
		return;
	}
	if (status != STATUS_NONE)
		return;
	status = answer_open(a, l->mime, l->listings);
	*slash = status == STATUS_REDIRECT_PERMANENT;
	if (status == STATUS_NOT_FOUND && a->host == l->host)
		keep_promise(l, a);
}

/* Takes line over. */
static struct lint_target *
target_new(struct lint *l, char *line)
{
	struct lint_target *t = calloc(1, sizeof(*t));
	struct answer a;

	if (t == NULL) {
		free(line);
		return NULL;
	}
	t->line = line;
	answer(l, line, &a, &t->slash);
	t->status = a.status;
	t->host = a.status == STATUS_PROXY_REFUSED ? NULL : a.host;
	t->meta = strndup((const char *)a.meta.ptr, a.meta.len);
	if (a.status == STATUS_SUCCESS && a.listing == NULL &&
	    a.host == l->host)
		t->item = item_sent(l, &a);
	if (a.fd != -1)
		(void)close(a.fd);
	if (a.listing != NULL)
		listing_release(a.listing);
	if (t->meta == NULL) {
		target_free(t);
		return NULL;
	}
	return t;
}

const struct lint_target *
lint_ask(struct lint *l, struct slice line)
{
	struct lint_target key = { .line = strndup(
				       (const char *)line.ptr, line.len) };
	struct lint_target *t = NULL;
	void *node = NULL;

	if (key.line != NULL)
		node = tfind(&key, &l->targets, compare);
	if (node != NULL) {
		free(key.line);
		return *(struct lint_target **)node;
	}
	if (key.line != NULL)
		t = target_new(l, key.line);
	if (t == NULL || tsearch(t, &l->targets, compare) == NULL) {
		if (t != NULL)
			target_free(t);
		l->short_of_memory = true;
		return NULL;
	}
	return t;
}

void
lint_targets_fini(struct lint *l)
{
	tdestroy(l->targets, target_free);
	l->targets = NULL;
}

const struct lint_target *
lint_follow(struct lint *l, const struct lint_target *t)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct uri base;
	const char *why;
	struct buf line;

	for (int i = 0;
	     i < STATUS_REDIRECTS_MAX && status_is_redirect(t->status); i++) {
		buf_wrap(&line, memory, sizeof(memory));
		if (uri_parse(slice_str(t->line), &base, &why) != URI_OK ||
		    !uri_resolve(&base, slice_str(t->meta), &line))
			return NULL;
		t = lint_ask(l, buf_view(&line));
		if (t == NULL || t->host == NULL)
			return NULL;
	}
	return t;
}

const struct lint_target *
lint_ask_path(struct lint *l, struct slice path)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct buf line;

	buf_wrap(&line, memory, sizeof(memory));
	if (!lint_url(l, "", &line) || !uri_encode(&line, path, true))
		return NULL;
	return lint_ask(l, buf_view(&line));
}

const struct lint_target *
lint_ask_item(struct lint *l, const struct inventory_item *item)
{
	struct slice path = slice_str(item->path);
	const struct lint_target *t = lint_ask_path(l, path);

	if (t == NULL || t->item == item)
		return t;
	while (path.len > 0 && path.ptr[path.len - 1] != '/')
		path.len--;
	return lint_ask_path(l, path);
}

struct slice
lint_type(struct lint *l, const char *path)
{
	const struct inventory_item *item = inventory_find(&l->inventory, path);
	const struct lint_target *t = NULL;
	struct slice type, parameters;

	if (item != NULL)
		t = lint_ask_item(l, item);
	if (t == NULL || t->status != STATUS_SUCCESS)
		return SLICE("");
	(void)slice_cut(slice_str(t->meta), ';', &type, &parameters);
	return slice_trim(type);
}

void
lint_plain(struct lint *l, const char *code, const char *path)
{
	struct slice type = lint_type(l, path);

	if (!slice_equal_nocase(type, SLICE("text/plain")))
		lint_add(l, code, path, 0, "served as %.*s, not as text/plain",
		    SLICE_ARGS(type));
}
