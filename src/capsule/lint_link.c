/* SPDX-License-Identifier: ISC */
/* One link of a page: its URL, its label, and where the server would send the
 * reader who follows it. */
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capsule/lint_internal.h"
#include "capsule/mime.h"

struct page_link {
	struct lint *l;
	const char *page;
	const struct gemtext_line *line;
	struct slice url;
	bool absolute; /* names a host */
};

void
lint_link_add(struct lint *l, const char *code, const char *path,
    const struct gemtext_line *line, const char *what, const char *more)
{
	bool cut = line->url.len > REQUEST_URI_MAX;
	struct slice url =
	    cut ? slice_head(line->url, REQUEST_URI_MAX) : line->url;

	lint_add(l, code, path, line->number, "link to %.*s%s: %s%s",
	    SLICE_ARGS(url), cut ? "..." : "", what, more != NULL ? more : "");
}

void
lint_link_list(
    struct lint *l, const char *path, const struct gemtext_line *line)
{
	bool cut = line->url.len > REQUEST_URI_MAX;
	struct slice url =
	    cut ? slice_head(line->url, REQUEST_URI_MAX) : line->url;

	lint_add(l, "G020", path, line->number, "external link to %.*s%s",
	    SLICE_ARGS(url), cut ? "..." : "");
}

static void
link_add(const struct page_link *k, const char *code, const char *what,
    const char *more)
{
	lint_link_add(k->l, code, k->page, k->line, what, more);
}

/* The path of a reference: after scheme and host, before query and fragment. */
static struct slice
link_path(const struct page_link *k)
{
	struct slice s = k->url, ignored;
	size_t n;

	slice_cut(s, '#', &s, &ignored);
	slice_cut(s, '?', &s, &ignored);
	if (!k->absolute)
		return s;
	if (uri_is_absolute(s))
		slice_cut(s, ':', &ignored, &s);
	n = s.len;
	slice_find(slice_skip(s, 2), '/', &n);
	return slice_skip(s, n == s.len ? n : n + 2);
}

/* Whether letters beyond ASCII follow the host, which may have them. */
static bool
link_has_raw_letters(const struct page_link *k)
{
	size_t from = (size_t)(link_path(k).ptr - k->url.ptr);

	for (size_t i = from; i < k->url.len; i++)
		if (k->url.ptr[i] >= 0x80)
			return true;
	return false;
}

/* Joiners between letters are part of some words; at either end of a URL they
 * are not. Variants and tags are part of the emoji that they follow. */
static bool
rune_joins(struct slice url, size_t at, uint32_t rune)
{
	if ((rune >= 0xfe00 && rune <= 0xfe0f) || rune >= 0xe0000)
		return at > 0 && url.ptr[at - 1] >= 0x80;
	return (rune == 0x200c || rune == 0x200d) && at > 0 &&
	       at + sizeof("\u200d") - 1 < url.len;
}

/* What looks like a space, or like nothing, in or around the URL: reported by
 * its code point, because nobody sees it. */
static bool
link_check_looks(const struct page_link *k)
{
	char text[sizeof("U+FFFFFF")];
	uint32_t rune;

	for (size_t i = 0, n; i<k->url.len; i += n> 0 ? n : 1) {
		enum lint_look look = LOOK_NONE;

		n = slice_rune(slice_skip(k->url, i), &rune);
		if (n > 0 && !rune_joins(k->url, i, rune))
			look = lint_look(rune);
		if (look == LOOK_NONE)
			continue;
		snprintf(text, sizeof(text), "U+%04X", (unsigned)rune);
		link_add(k, "G009",
		    look == LOOK_SPACE
			? "only a space or a tab ends a URL; this one contains "
			: "the URL contains the invisible character ",
		    text);
		return false;
	}
	return true;
}

/* False when there is no URL that could be followed. */
static bool
link_check_characters(const struct page_link *k)
{
	const char *fault = uri_fault(k->url);

	if (k->url.len == 0) {
		lint_add(k->l, "G008", k->page, k->line->number,
		    "a link line without a URL");
		return false;
	}
	if (!link_check_looks(k))
		return false;
	if (fault != NULL)
		link_add(k, "G009", fault, NULL);
	else if (link_has_raw_letters(k))
		link_add(
		    k, "G035", "non-ASCII letters, not percent-encoded", NULL);
	return fault == NULL;
}

static bool
label_is_url(struct slice label)
{
	return memmem(label.ptr, label.len, "://", 3) != NULL &&
	       !slice_find(label, ' ', NULL) && !slice_find(label, '\t', NULL);
}

static void
link_check_label(const struct page_link *k)
{
	struct slice label = k->line->text;

	if (label.len == 0)
		link_add(k, "G018", "no label", NULL);
	else if (label_is_url(label) ||
		 (uri_is_absolute(k->url) && slice_equal(label, k->url)))
		link_add(k, "G019", "the label is only a URL", NULL);
}

/* Whether ".." leads out of the capsule. A client takes it for the root, so the
 * request does not show it. Only the depth of the page matters. */
static bool
link_climbs(const struct page_link *k)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct slice path = link_path(k);
	struct uri_path normal;
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	if (!slice_starts(path, SLICE("/")))
		for (const char *c = k->page; *c != '\0'; c++)
			if (*c == '/')
				buf_str(&text, "x/");
	return buf_put(&text, path) && uri_path_normalise(buf_view(&text),
					   &normal) == URI_PATH_ABOVE_ROOT;
}

/* Whether the last segment of a request has the name of something that is not a
 * page. */
static bool
target_names_file(const char *line)
{
	const char *type = mime_table_find(slice_str(strrchr(line, '/') + 1));

	return type != NULL && strcmp(type, "text/gemini") != 0;
}

/* What a client gets in place of a success, in words. */
static const char *
target_fault(const struct lint_target *end)
{
	switch (end->status) {
	case STATUS_NOT_FOUND:
		return target_names_file(end->line) ? "no such file"
						    : "no such page";
	case STATUS_GONE:
		return "gone";
	case STATUS_REDIRECT:
	case STATUS_REDIRECT_PERMANENT:
		return "too many redirects";
	default:
		return end->meta;
	}
}

/* t is the first answer, end the last. */
static void
link_check_failure(const struct page_link *k, const struct lint_target *t,
    const struct lint_target *end)
{
	const char *code = end->status == STATUS_GONE ? "G013" : "G007";
	const char *why = target_fault(end);

	if (end->denied)
		return;
	if (t == end || !status_is_redirect(t->status))
		link_add(k, code, why, NULL);
	else if (t->slash)
		link_add(
		    k, code, "a directory without index page or listing", NULL);
	else
		lint_add(k->l, code, k->page, k->line->number,
		    "link to %.*s: redirected to %s: %s", SLICE_ARGS(k->url),
		    t->meta, why);
}

/* Another page's link is what saves one from being an orphan. */
static void
link_count(const struct page_link *k, const struct lint_target *end)
{
	const struct inventory *i = &k->l->inventory;

	if (end->item != NULL && strcmp(end->item->path, k->page) != 0)
		k->l->linked[end->item - i->item] = true;
}

static void
link_hand_over(const struct page_link *k, const struct lint_target *end)
{
	struct lint_reference link = { k->page, k->line->number, k->url,
		k->absolute, end->status, NULL };
	struct uri_path path;
	const char *why;
	struct uri u;

	if (uri_parse(slice_str(end->line), &u, &why) != URI_OK ||
	    uri_path_normalise(u.path, &path) != URI_PATH_OK)
		return;
	link.path = end->item != NULL ? end->item->path : path.decoded + 1;
	k->l->handle(k->l->arg, &link);
}

static void
link_check_target(const struct page_link *k, const struct lint_target *t)
{
	const struct lint_target *end = lint_follow(k->l, t);

	if (k->l->handle != NULL && end != NULL && t->host == k->l->host &&
	    end->host == t->host)
		link_hand_over(k, end);
	if (end != NULL && end->status != STATUS_SUCCESS) {
		link_check_failure(k, t, end);
		return;
	}
	if (end != NULL)
		link_count(k, end);
	if (t->slash)
		link_add(k, "G011", "directory without its final slash: use ",
		    t->meta);
	else if (t->status == STATUS_REDIRECT_PERMANENT)
		link_add(k, "G012", "permanently redirected to ", t->meta);
	else if (t->status == STATUS_REDIRECT)
		link_add(k, "G012", "redirected to ", t->meta);
}

/* The port that a URL names; -1: none. */
static int
target_named_port(const struct lint_target *t)
{
	const char *why;
	struct uri u;

	return uri_parse(slice_str(t->line), &u, &why) == URI_OK ? u.port : -1;
}

/* A URL without a port leads to the usual one. What is published is nowhere but
 * at its origin; a capsule under test may have any port. */
static bool
link_is_elsewhere(const struct page_link *k, const struct lint_target *t)
{
	return t->host != k->l->host ||
	       (k->l->published && k->absolute && target_named_port(t) == -1 &&
		   hosts_port(k->l->hosts->conf, 1965) != 1965);
}

static void
link_check_gemini(const struct page_link *k)
{
	uint8_t memory[REQUEST_URI_MAX];
	const struct lint_target *t;
	struct buf line;
	bool elsewhere;

	buf_wrap(&line, memory, sizeof(memory));
	if (slice_find(k->url, '#', NULL))
		link_add(k, "G017", "gemini has no fragments", NULL);
	if (k->url.len > REQUEST_URI_MAX ||
	    !lint_resolve(k->l, k->page, k->url, &line)) {
		link_add(k, "G007", "too long for a request", NULL);
		return;
	}
	t = lint_ask(k->l, buf_view(&line));
	if (t == NULL)
		return;
	if (k->absolute && target_named_port(t) == 1965)
		link_add(k, "G015", "1965 is the default port", NULL);
	elsewhere = link_is_elsewhere(k, t);
	if (elsewhere && t->status != STATUS_BAD_REQUEST)
		lint_link_list(k->l, k->page, k->line);
	else if (k->absolute && t->host != NULL)
		link_add(
		    k, "G014", "absolute URL of this capsule itself", NULL);
	if (elsewhere &&
	    (t->host == k->l->host ||
		(t->host == NULL && t->status == STATUS_PROXY_REFUSED)))
		return;
	if (t->host == k->l->host && link_climbs(k))
		link_add(k, "G010", "climbs above the root", NULL);
	else
		link_check_target(k, t);
}

void
lint_link(struct lint *l, const char *path, const struct gemtext_line *line)
{
	struct page_link k = { .l = l, .page = path, .line = line };
	struct slice scheme, rest = line->url;

	k.url = line->url;
	if (uri_is_absolute(rest))
		slice_cut(rest, ':', &scheme, &rest);
	k.absolute = slice_starts(rest, SLICE("//"));
	if (!link_check_characters(&k))
		return;
	link_check_label(&k);
	if (lint_scheme(l, path, line))
		link_check_gemini(&k);
}

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
target_compare(const void *a, const void *b)
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
target_item(const struct lint *l, const struct answer *a)
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

/* The port that such a request came by: the server compares the
 * two, unless public_port is set. */
static unsigned
target_port(const struct conf *conf, struct slice line)
{
	const char *why;
	struct uri u;

	return hosts_port(
	    conf, uri_parse(line, &u, &why) == URI_OK ? u.port : -1);
}

/* What is not there yet but will be is answered as if it were. */
static void
target_keep_promise(const struct lint *l, struct answer *a)
{
	for (size_t i = 0; i < l->n_promises; i++)
		if (strcmp(a->path.decoded + 1, l->promise[i]) == 0) {
			a->status = STATUS_SUCCESS;
			buf_reset(&a->meta);
		}
}

static void
target_answer_line(
    struct lint *l, const char *line, struct answer *a, bool *slash)
{
	const struct answer_origin origin = {
		.sni = -1,
		.port = target_port(l->hosts->conf, slice_str(line)),
	};
	enum status status;

	answer_init(a);
	status = answer_route(a, l->hosts, &origin, slice_str(line));
	*slash = false;
	if (a->host != NULL && a->host->root == -1) {
		/* Not this capsule's fault: it could not be opened here. */
		answer_refuse(a, STATUS_PROXY_REFUSED, NULL);
		return;
	}
	if (status == STATUS_NONE) {
		status = answer_open(a, l->mime, l->listings);
		*slash = status == STATUS_REDIRECT_PERMANENT;
	}
	if ((status == STATUS_NOT_FOUND || status == STATUS_GONE) &&
	    a->host == l->host && a->path.decoded_len > 0)
		target_keep_promise(l, a);
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
	target_answer_line(l, line, &a, &t->slash);
	t->status = a.status;
	t->host = a.status == STATUS_PROXY_REFUSED ? NULL : a.host;
	t->meta = strndup((const char *)a.meta.ptr, a.meta.len);
	/* What publish cannot read is not going to be there. */
	t->denied = !l->published && a.status == STATUS_NOT_FOUND &&
		    a.host == l->host && a.path.decoded_len > 0 &&
		    inventory_is_denied(l->host,
			slice_of(a.path.decoded + 1, a.path.decoded_len - 1));
	if (a.status == STATUS_SUCCESS && a.listing == NULL &&
	    a.host == l->host)
		t->item = target_item(l, &a);
	if (a.fd != -1)
		close(a.fd);
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
		node = tfind(&key, &l->targets, target_compare);
	if (node != NULL) {
		free(key.line);
		return *(struct lint_target **)node;
	}
	if (key.line != NULL)
		t = target_new(l, key.line);
	if (t == NULL || tsearch(t, &l->targets, target_compare) == NULL) {
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
	slice_cut(slice_str(t->meta), ';', &type, &parameters);
	return slice_trim(type);
}

struct slice
lint_parameter(const struct lint_target *t, struct slice name)
{
	struct slice one, value, rest = slice_str(t->meta);
	bool more = slice_cut(rest, ';', &one, &rest);

	while (more) {
		more = slice_cut(rest, ';', &one, &rest);
		slice_cut(one, '=', &one, &value);
		if (slice_equal_nocase(slice_trim(one), name))
			return slice_trim(value);
	}
	return SLICE("");
}

bool
lint_is_utf8(const struct lint_target *t)
{
	struct slice charset = lint_parameter(t, SLICE("charset"));

	if (slice_starts(charset, SLICE("\"")) && charset.len > 1)
		charset = slice_of(charset.ptr + 1, charset.len - 2);
	return charset.len == 0 ||
	       slice_equal_nocase(charset, SLICE("utf-8")) ||
	       slice_equal_nocase(charset, SLICE("us-ascii"));
}

void
lint_plain(struct lint *l, const char *code, const char *path)
{
	struct slice type = lint_type(l, path);

	if (!slice_equal_nocase(type, SLICE("text/plain")))
		lint_add(l, code, path, 0, "served as %.*s, not as text/plain",
		    SLICE_ARGS(type));
}
