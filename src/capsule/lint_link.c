/* SPDX-License-Identifier: ISC */
/* One link of a page: its URL, its label, and where the server would send the
 * reader who follows it. */
#include <string.h>

#include "capsule/lint_internal.h"
#include "capsule/mime_table.h"

struct link {
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
tell(const struct link *k, const char *code, const char *what, const char *more)
{
	lint_link_add(k->l, code, k->page, k->line, what, more);
}

/* The path of a reference: behind scheme and host, before query and fragment. */
static struct slice
path_of(const struct link *k)
{
	struct slice s = k->url, ignored;
	size_t n;

	(void)slice_cut(s, '#', &s, &ignored);
	(void)slice_cut(s, '?', &s, &ignored);
	if (!k->absolute)
		return s;
	if (uri_is_absolute(s))
		(void)slice_cut(s, ':', &ignored, &s);
	n = s.len;
	(void)slice_find(slice_skip(s, 2), '/', &n);
	return slice_skip(s, n == s.len ? n : n + 2);
}

/* Whether letters beyond ASCII stand behind the host, which may have them. */
static bool
has_raw_letters(const struct link *k)
{
	size_t from = (size_t)(path_of(k).ptr - k->url.ptr);

	for (size_t i = from; i < k->url.len; i++)
		if (k->url.ptr[i] >= 0x80)
			return true;
	return false;
}

/* False when there is no URL that could be followed. */
static bool
check_characters(const struct link *k)
{
	const char *fault = uri_fault(k->url);

	if (k->url.len == 0) {
		lint_add(k->l, "G008", k->page, k->line->number,
		    "a link line without a URL");
		return false;
	}
	if (fault != NULL)
		tell(k, "G009", fault, NULL);
	else if (has_raw_letters(k))
		tell(k, "G035", "letters beyond ASCII, not percent-encoded",
		    NULL);
	return fault == NULL;
}

static bool
is_bare_url(struct slice label)
{
	return memmem(label.ptr, label.len, "://", 3) != NULL &&
	       !slice_find(label, ' ', NULL) && !slice_find(label, '\t', NULL);
}

static void
check_label(const struct link *k)
{
	struct slice label = k->line->text;

	if (label.len == 0)
		tell(k, "G018", "no label", NULL);
	else if (slice_equal(label, k->url) || is_bare_url(label))
		tell(k, "G019", "the label is only a URL", NULL);
}

/* Whether ".." leads out of the capsule. A client takes it for the root, so the
 * request does not show it. Only how deep the page lies matters. */
static bool
climbs(const struct link *k)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct slice path = path_of(k);
	struct uri_path normal;
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	if (!slice_starts(path, SLICE("/")))
		for (const char *c = k->page; *c != '\0'; c++)
			if (*c == '/')
				(void)buf_str(&text, "x/");
	return buf_put(&text, path) && uri_path_normalise(buf_view(&text),
					   &normal) == URI_PATH_ABOVE_ROOT;
}

/* Whether the last segment of a request has the name of something that is no
 * page. */
static bool
names_file(const char *line)
{
	const char *type = mime_table_find(slice_str(strrchr(line, '/') + 1));

	return type != NULL && strcmp(type, "text/gemini") != 0;
}

/* What a reader finds where no success is, in words. */
static const char *
disappointment(const struct lint_target *end)
{
	switch (end->status) {
	case STATUS_NOT_FOUND:
		return names_file(end->line) ? "no such file" : "no such page";
	case STATUS_GONE:
		return "gone";
	case STATUS_REDIRECT:
	case STATUS_REDIRECT_PERMANENT:
		return "redirected again and again";
	default:
		return end->meta;
	}
}

/* t is the first answer, end the last. */
static void
check_failure(const struct link *k, const struct lint_target *t,
    const struct lint_target *end)
{
	const char *code = end->status == STATUS_GONE ? "G013" : "G007";
	const char *why = disappointment(end);

	if (t == end || !status_is_redirect(t->status))
		tell(k, code, why, NULL);
	else if (t->slash)
		tell(
		    k, code, "a directory without index page or listing", NULL);
	else
		lint_add(k->l, code, k->page, k->line->number,
		    "link to %.*s: redirected to %s: %s", SLICE_ARGS(k->url),
		    t->meta, why);
}

/* Another page's link is what saves one from being an orphan. */
static void
count_link(const struct link *k, const struct lint_target *end)
{
	const struct inventory *i = &k->l->inventory;

	if (end->item != NULL && strcmp(end->item->path, k->page) != 0)
		k->l->linked[end->item - i->item] = true;
}

static void
check_target(const struct link *k, const struct lint_target *t)
{
	const struct lint_target *end = lint_follow(k->l, t);

	if (end != NULL && end->status != STATUS_SUCCESS) {
		check_failure(k, t, end);
		return;
	}
	if (end != NULL)
		count_link(k, end);
	if (t->slash)
		tell(
		    k, "G011", "a directory, which wants its slash: ", t->meta);
	else if (t->status == STATUS_REDIRECT_PERMANENT)
		tell(k, "G012", "moved for good to ", t->meta);
	else if (t->status == STATUS_REDIRECT)
		tell(k, "G012", "redirected to ", t->meta);
}

/* A URL that says the port that goes without saying. */
static bool
says_port(const struct lint_target *t)
{
	const char *why;
	struct uri u;

	return uri_parse(slice_str(t->line), &u, &why) == URI_OK &&
	       u.port == 1965;
}

static void
check_gemini(const struct link *k)
{
	uint8_t memory[REQUEST_URI_MAX];
	const struct lint_target *t;
	struct buf line;

	buf_wrap(&line, memory, sizeof(memory));
	if (slice_find(k->url, '#', NULL))
		tell(k, "G017", "gemini has no fragments", NULL);
	if (k->url.len > REQUEST_URI_MAX ||
	    !lint_resolve(k->l, k->page, k->url, &line)) {
		tell(k, "G007", "too long for a request", NULL);
		return;
	}
	t = lint_ask(k->l, buf_view(&line));
	if (t == NULL)
		return;
	if (k->absolute && says_port(t))
		tell(k, "G015", "port 1965 goes without saying", NULL);
	if (t->host != k->l->host && t->status != STATUS_BAD_REQUEST)
		lint_link_list(k->l, k->page, k->line);
	else if (k->absolute && t->host != NULL)
		tell(
		    k, "G014", "absolute, though to this capsule itself", NULL);
	if (t->host == NULL && t->status == STATUS_PROXY_REFUSED)
		return;
	if (t->host == k->l->host && climbs(k))
		tell(k, "G010", "climbs above the root", NULL);
	else
		check_target(k, t);
}

void
lint_link(struct lint *l, const char *path, const struct gemtext_line *line)
{
	struct link k = { .l = l, .page = path, .line = line };
	struct slice scheme, rest = line->url;

	k.url = line->url;
	if (uri_is_absolute(rest))
		(void)slice_cut(rest, ':', &scheme, &rest);
	k.absolute = slice_starts(rest, SLICE("//"));
	if (!check_characters(&k))
		return;
	check_label(&k);
	if (lint_scheme(l, path, line))
		check_gemini(&k);
}
