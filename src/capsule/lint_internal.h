/* SPDX-License-Identifier: ISC */
/* What the checks share: for capsule/lint*.c.
 * Depends on lint, answer and inventory. */
#ifndef CAPSULE_LINT_INTERNAL_H
#define CAPSULE_LINT_INTERNAL_H

#include "capsule/answer.h"
#include "capsule/inventory.h"
#include "capsule/lint.h"
#include "proto/gemtext.h"

enum {
	LINT_PAGE_MAX = 16 << 20,   /* bytes; a larger page is not read */
	LINT_INDEXED_MAX = 2500000, /* bytes of a page that is indexed */
	LINT_TEXT_MAX = 4096,       /* of a finding; the rest is cut */
	LINT_FINDINGS_MAX = 100000, /* kept of a level; others are counted */
	LINT_CODE_SIZE = 16,
	LINT_RULES_MAX = 128,
};

#define LINT_CONF_FILE "capsule.conf"

/* What a request is answered with: asked once, then kept. */
struct lint_target {
	char *line; /* "gemini://host/path" */
	enum status status;
	bool slash;              /* 31 to the same path with its slash */
	bool denied;             /* 51, a missing right (C016) */
	char *meta;              /* the type, where to, or why not */
	const struct host *host; /* NULL: no capsule's */
	/* Of the capsule in question; NULL: not one of its files. */
	const struct inventory_item *item;
};

struct lint {
	int64_t now;
	bool published; /* or going to be */
	const struct hosts *hosts;
	const struct host *host;
	struct mime *mime;
	struct inventory inventory;
	struct conf_content content; /* texts are as of LINT_CONF_FILE */
	bool unread; /* nothing of LINT_CONF_FILE is in the settings */
	/* lint.c's */
	enum lint_level *levels; /* of each rule */
	struct lint_finding *finding;
	size_t n;
	size_t counts[LINT_ERROR + 1];
	bool short_of_memory;
	const char **promise; /* what is still to be made */
	size_t n_promises;
	lint_handler *handle; /* NULL: nobody wants the links */
	void *arg;
	/* lint_link.c's */
	struct listings *listings;
	void *targets; /* a tree of them, by line */
	/* Of each item: some other page links to it; read by lint_capsule.c. */
	bool *linked;
};

/* The rule of that code, or NULL. */
const struct lint_rule *lint_rule_find(const char *code);

/* Whether capsule.conf may have an answer to what the rule finds: a redirect, a
 * listing, a language, a type. */
bool lint_rule_hangs_on_conf(const struct lint_rule *rule);

/* Adds what a check found, unless its level is off. file is beneath the
 * root. */
void lint_add(struct lint *l, const char *code, const char *file, unsigned line,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The media type (without parameters) that the file is served with; borrowed
 * until the next call; empty when they do not get it. */
struct slice lint_type(struct lint *l, const char *path);

/* A parameter of the type that t is served with, "lang" for one; empty: it has
 * none. */
struct slice lint_parameter(const struct lint_target *t, struct slice name);

/* Whether bytes that are sent with t's type are meant to be UTF-8: it has no
 * other charset. */
bool lint_is_utf8(const struct lint_target *t);

/* Adds code unless the file is served as text/plain. */
void lint_plain(struct lint *l, const char *code, const char *path);

/* Appends the URL of a path beneath the root; false when it does not fit. */
bool lint_url(const struct lint *l, const char *path, struct buf *out);

/* Appends what a client asks for when it follows url on the page at path; false
 * when it does not fit. */
bool lint_resolve(
    const struct lint *l, const char *path, struct slice url, struct buf *out);

/* What the server answers a request line with, by the code that answers. 53:
 * none of the capsules here. NULL: out of memory. The lint's. */
const struct lint_target *lint_ask(struct lint *l, struct slice line);

/* The same for a decoded path beneath the root; NULL also when no request line
 * holds it. */
const struct lint_target *lint_ask_path(struct lint *l, struct slice path);

/* What a file is sent with: at its own path, or, where that is redirected, as
 * its directory's index page. */
const struct lint_target *
lint_ask_item(struct lint *l, const struct inventory_item *item);

/* Where a client ends that follows t's redirects: t itself when it is none, a
 * redirect still after STATUS_REDIRECTS_MAX of them. NULL: out of the capsules
 * here, or out of memory. */
const struct lint_target *
lint_follow(struct lint *l, const struct lint_target *t);

/* Forgets all answers. */
void lint_targets_fini(struct lint *l);

/* lint_page.c: a page, its bytes and its lines. */
void lint_page(struct lint *l, const char *path, struct slice bytes);

/* lint_link.c: one link of the page at path. */
void
lint_link(struct lint *l, const char *path, const struct gemtext_line *line);

/* Adds what is found about a link: "link to URL: what more"; more may be NULL.
 * A URL longer than any request is cut. */
void lint_link_add(struct lint *l, const char *code, const char *path,
    const struct gemtext_line *line, const char *what, const char *more);

/* Adds a link out of the capsule to the list of them (G020). */
void lint_link_list(
    struct lint *l, const char *path, const struct gemtext_line *line);

/* lint_page.c: the scheme of a link, on the page at path. True for gemini, and
 * when it has none. */
bool
lint_scheme(struct lint *l, const char *path, const struct gemtext_line *line);

/* What lint_markup remembers of the lines above; zeroed at the start. */
struct lint_markup {
	unsigned numbered;      /* lines of a numbered list */
	unsigned number;        /* of the last of them */
	unsigned numbered_from; /* the line of the first of them */
	unsigned dashed;        /* lines of a list that is indented */
	bool item;              /* the line right above is a list's */
	unsigned table;         /* rows of a table */
};

/* lint_markup.c: a line that means something in another format. */
void lint_markup(struct lint *l, const char *path,
    const struct gemtext_line *line, struct lint_markup *m);

/* A character that looks like a space, or like nothing, and is neither to a
 * client: LOOK_NONE for all others, the space and the tab among them. */
enum lint_look { LOOK_NONE, LOOK_SPACE, LOOK_ZERO_WIDTH };
enum lint_look lint_look(uint32_t rune);

/* Whether text begins as rows of lists and tables do in plain text. */
bool lint_markup_begins_row(struct slice text);

/* The last line of the fields (YAML, TOML) that a generator of sites expects
 * at the front of a page; 0: there are none. */
unsigned lint_front_matter(struct slice page);

/* lint_capsule.c: C, about files and pages. */
void lint_capsule(struct lint *l);

/* lint_conf.c: C, about capsule.conf: its mistakes, while it is read into
 * l->content, and what it names. */
void lint_conf_read(struct lint *l);
void lint_conf(struct lint *l);

/* The companion files. */
void lint_feed(struct lint *l);       /* lint_feed.c: S, its page; A, Atom */
void lint_robots(struct lint *l);     /* lint_robots.c: R */
void lint_favicon(struct lint *l);    /* lint_capsule.c: F */
void lint_well_known(struct lint *l); /* lint_capsule.c: W */

#endif
