/* SPDX-License-Identifier: ISC */
/* R: robots.txt, as robots read it ("robots.txt for Gemini"). */
#include <string.h>

#include "capsule/lint_internal.h"
#include "capsule/store_layout.h"
#include "conf/options.h"

#define FILE_NAME "robots.txt"

enum { ROBOTS_MAX = 512 * 1024, WORD_MAX = 64 };

/* What a store serves by hash, and mirrors alone need: a robot that fetches it
 * besides the pages has everything twice. */
#define OBJECTS "/" MIRROR_OBJECTS

/* Robots that fetch much. Some obey the rules for "*" as well as those for
 * their kind, others only the latter where there is any. */
enum kind { KIND_ANY, KIND_ARCHIVER, KIND_INDEXER, KIND_RESEARCHER, KINDS };

static const char *const kinds[KINDS] = { "*", "archiver", "indexer",
	"researcher" };

struct robots {
	struct lint *l;
	unsigned line;
	bool named;     /* a User-agent came before */
	bool ruled;     /* a Disallow followed */
	unsigned group; /* the kinds that the last User-agents named, as bits */
	unsigned all;   /* the kinds named anywhere */
	unsigned kept;  /* those that are kept out of OBJECTS */
};

/* Adds a User-agent to the group, which it opens when a Disallow came
 * before. */
static void
robots_note_agent(struct robots *r, struct slice agent)
{
	if (r->ruled)
		r->group = 0;
	r->ruled = false;
	r->named = true;
	for (unsigned i = 0; i < KINDS; i++)
		if (slice_equal_nocase(agent, slice_str(kinds[i])))
			r->group |= 1u << i;
	r->all |= r->group;
}

static void
robots_note_path(struct robots *r, struct slice path)
{
	r->ruled = true;
	if (path.len > 0 && slice_starts(SLICE(OBJECTS), path))
		r->kept |= r->group;
}

/* The nearest of words, for a word in any case; NULL when none is near, or when
 * it is one of them. */
static const char *
robots_nearest(struct slice word, const char *const *words)
{
	char lower[WORD_MAX];

	if (word.len >= sizeof(lower))
		return NULL;
	for (size_t i = 0; i < word.len; i++) {
		uint8_t c = word.ptr[i];

		lower[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	lower[word.len] = '\0';
	for (size_t i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], lower) == 0)
			return NULL;
	return word_nearest(lower, words);
}

/* Robots may have names of their own: only what is nearly a common one is
 * worth a word. */
static void
robots_check_agent(const struct robots *r, struct slice agent)
{
	static const char *const known[] = { "archiver", "indexer",
		"researcher", "webproxy", NULL };
	const char *near = robots_nearest(agent, known);

	if (agent.len == 0)
		lint_add(r->l, "R002", FILE_NAME, r->line,
		    "missing name after User-agent");
	else if (near != NULL)
		lint_add(r->l, "R002", FILE_NAME, r->line,
		    "unknown robot \"%.*s\"; did you mean %s?",
		    SLICE_ARGS(agent), near);
}

/* Whether files lie in the directory that a path with a final slash names: then
 * the path without it answers nothing but the way to this one. */
static bool
robots_is_directory(const struct lint *l, struct slice path)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct buf name;

	buf_wrap(&name, memory, sizeof(memory) - 1);
	return buf_put(&name, slice_skip(path, 1)) &&
	       inventory_has_prefix(&l->inventory, buf_cstr(&name));
}

static void
robots_check_path(const struct robots *r, struct slice path)
{
	if (path.len == 0) /* all is allowed */
		return;
	if (path.ptr[0] != '/') {
		lint_add(r->l, "R004", FILE_NAME, r->line,
		    "invalid path \"%.*s\": must begin with '/'",
		    SLICE_ARGS(path));
		return;
	}
	if (slice_find(path, '*', NULL) || slice_find(path, '$', NULL))
		lint_add(r->l, "R006", FILE_NAME, r->line,
		    "patterns are not supported: '*' and '$' stand for "
		    "themselves");
	if (slice_find(path, ' ', NULL) || slice_find(path, '#', NULL))
		lint_add(r->l, "R006", FILE_NAME, r->line,
		    "a comment needs a line of its own; this one is part of "
		    "the path");
	if (path.len > 1 && slice_ends(path, SLICE("/")) &&
	    !slice_equal(path, SLICE(OBJECTS)) &&
	    !robots_is_directory(r->l, path))
		lint_add(r->l, "R005", FILE_NAME, r->line,
		    "\"%.*s\" does not match the same path without the final "
		    "slash, or with a query",
		    SLICE_ARGS(path));
}

static void
robots_check_other(const struct robots *r, struct slice field, bool colon)
{
	static const char *const known[] = { "user-agent", "disallow", NULL };
	const char *near = colon ? robots_nearest(field, known) : NULL;

	if (!colon)
		lint_add(r->l, "R006", FILE_NAME, r->line,
		    "neither a field nor a comment");
	else
		lint_add(r->l, "R006", FILE_NAME, r->line,
		    "unknown field \"%.*s\"%s%s", SLICE_ARGS(field),
		    near != NULL ? "; did you mean " : "",
		    near != NULL ? near : "");
}

static void
robots_check_line(struct robots *r, struct slice line)
{
	struct slice field, value;
	bool colon;

	line = slice_trim(line);
	if (line.len == 0 || line.ptr[0] == '#')
		return;
	colon = slice_cut(line, ':', &field, &value);
	field = slice_trim(field);
	value = slice_trim(value);
	if (colon && slice_equal_nocase(field, SLICE("user-agent"))) {
		robots_note_agent(r, value);
		robots_check_agent(r, value);
	} else if (colon && slice_equal_nocase(field, SLICE("disallow"))) {
		if (!r->named)
			lint_add(r->l, "R003", FILE_NAME, r->line,
			    "Disallow before any User-agent: it applies to no "
			    "robot");
		robots_note_path(r, value);
		robots_check_path(r, value);
	} else {
		robots_check_other(r, field, colon);
	}
}

/* Whether the objects of a store are, or are going to be, served beside the
 * capsule: the pages of a release have their list with them. */
static bool
robots_has_objects(const struct lint *l)
{
	return l->published || l->host->store != -1 ||
	       inventory_find(&l->inventory, MANIFEST_PATH) != NULL;
}

static void
robots_check_objects(const struct robots *r)
{
	unsigned wanted = r->all | 1u << KIND_ANY;

	for (unsigned i = 0; i < KINDS; i++)
		if ((wanted & ~r->kept & 1u << i) != 0)
			lint_add(r->l, "R007", FILE_NAME, 0,
			    "no \"Disallow: " OBJECTS
			    "\" for User-agent: %s, which may fetch every file "
			    "twice",
			    kinds[i]);
}

static void
robots_check_file(struct robots *r)
{
	struct slice rest, line;
	struct buf bytes;

	lint_plain(r->l, "R001", FILE_NAME);
	buf_init(&bytes, ROBOTS_MAX);
	if (!inventory_load(r->l->host, FILE_NAME, &bytes))
		lint_add(r->l, "R001", FILE_NAME, 0,
		    "unreadable, or larger than %d KiB", ROBOTS_MAX / 1024);
	rest = buf_view(&bytes);
	while (slice_line(&rest, &line)) {
		r->line++;
		robots_check_line(r, line);
	}
	buf_fini(&bytes);
}

void
lint_robots(struct lint *l)
{
	struct robots r = { .l = l };

	if (inventory_find(&l->inventory, FILE_NAME) != NULL)
		robots_check_file(&r);
	if (robots_has_objects(l))
		robots_check_objects(&r);
}
