/* SPDX-License-Identifier: ISC */
/* A capsule checked as its author should see it before readers do:
 * pages, links, feed, robots.txt and the other companion files.
 * Depends on host, answer, inventory, mime and proto. */
#ifndef CAPSULE_LINT_H
#define CAPSULE_LINT_H

#include "capsule/host.h"
#include "capsule/mime.h"
#include "proto/response.h"
#include "util/why.h"

enum lint_level { LINT_OFF, LINT_INFO, LINT_WARNING, LINT_ERROR };

/* A check: a row of the table. */
struct lint_rule {
	/* "G007": G gemtext and links, C capsule, S subscription, A Atom,
	 * R robots.txt, F favicon.txt, W well-known. */
	const char *code;
	enum lint_level level; /* unless set otherwise */
	const char *what;      /* as in carnation-lint(7) */
};

/* All of them, *n, in order of codes. */
const struct lint_rule *lint_rules(size_t *n);

struct lint_finding {
	const struct lint_rule *rule;
	enum lint_level level; /* never LINT_OFF */
	char *file;    /* beneath the root; NULL: the capsule as a whole */
	unsigned line; /* 0: the file as a whole */
	char *text;    /* raw, as pages have it: to be escaped when shown */
};

struct lint;

/* now: seconds since 1970, for dates in the future. NULL: out of memory. */
struct lint *lint_new(int64_t now);
void lint_free(struct lint **l);

/* Overrides the level of one check; false: no such code. */
bool lint_set(struct lint *l, const char *code, enum lint_level level);

/* The same from "CODE=off", "CODE=warn" or "CODE=error"; l NULL: text is only
 * checked. False and why. */
bool lint_set_text(struct lint *l, const char *text, struct why *why);

/* Links to path, beneath the root, are valid though nothing is there, or
 * capsule.conf declares it gone: it is made when the capsule is published, say.
 * The text is borrowed until lint_free. False when out of memory. */
bool lint_promise(struct lint *l, const char *path);

/* A link that leads into the capsule itself. */
struct lint_reference {
	const char *page; /* on which it stands, beneath the root */
	unsigned line;
	struct slice url;   /* as it stands there */
	bool absolute;      /* it names the capsule's host */
	enum status status; /* where its redirects end */
	const char *path;   /* of the file that is sent, beneath the root; if
			      * none is, of what was asked for */
};
typedef void lint_handler(void *arg, const struct lint_reference *link);

/* Has lint_run call handle for each of them, in the order of pages and lines,
 * whatever the levels of checks; what it is given is borrowed until it returns. */
void lint_on_link(struct lint *l, lint_handler *handle, void *arg);

/* The capsule is going to be published: R007 counts. Else it does for what is a
 * store's release already. */
void lint_published(struct lint *l);

/* Checks the capsule h of hosts, whose content is read. False when its files
 * could not be read at all: errno. Findings are then incomplete. */
bool lint_run(struct lint *l, const struct hosts *hosts, const struct host *h,
    struct mime *mime);

/* The findings of a run: errors, then warnings, then infos, each by file, line
 * and code; *n of them, of a flood of one level not all; lint_count counts all.
 * The lint's. */
const struct lint_finding *lint_findings(const struct lint *l, size_t *n);
size_t lint_count(const struct lint *l, enum lint_level level);

#endif
