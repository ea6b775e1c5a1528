/* SPDX-License-Identifier: ISC */
#include "verbs/publish_output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

enum {
	LINES_MAX = 40, /* of changes, for people */
	LOSSES_MAX = 20,
	TEXT_MAX = 8 * 1024, /* a path, escaped */
};

struct printing {
	uint64_t lines;
	struct buf line; /* of one path at a time */
	/* For JSON: which changes are listed now. */
	enum change wanted;
	bool begun;
};

static void
print_change(void *arg, enum change change, const char *path)
{
	struct printing *p = arg;

	if (++p->lines > LINES_MAX)
		return;
	buf_reset(&p->line);
	if (log_escape(&p->line, slice_str(path)))
		printf("%-8s %s\n", change_text(change), buf_cstr(&p->line));
}

void
publish_print_changes(const struct publish_plan *plan)
{
	struct printing p = { 0 };

	buf_init(&p.line, TEXT_MAX);
	(void)changes_between(plan->before, plan->after, print_change, &p);
	buf_fini(&p.line);
	if (p.lines > LINES_MAX)
		printf("... and %" PRIu64 " more\n", p.lines - LINES_MAX);
}

/* "gemini://example.org/" without what goes without saying. */
static struct slice
host_of(const struct manifest *m)
{
	struct slice origin = slice_str(m->origin);

	origin = slice_skip(origin, strlen("gemini://"));
	return slice_head(origin, origin.len - 1);
}

void
publish_print_end(const struct publish_plan *plan, const char *end)
{
	const struct changes *c = &plan->changes;

	printf("publish: %.*s: serial ", SLICE_ARGS(host_of(plan->after)));
	if (plan->before != NULL)
		printf("%" PRIu64 " -> ", plan->before->serial);
	printf("%" PRIu64 ": ", plan->after->serial);
	if (changes_none(c))
		printf("nothing changed, ");
	if (c->added > 0)
		printf("%" PRIu64 " added, ", c->added);
	if (c->changed > 0)
		printf("%" PRIu64 " changed, ", c->changed);
	if (c->gone > 0)
		printf("%" PRIu64 " gone, ", c->gone);
	printf("%" PRIu64 " kept; %s\n", c->kept, end);
}

static void
list_change(void *arg, enum change change, const char *path)
{
	struct printing *p = arg;

	if (change != p->wanted)
		return;
	buf_reset(&p->line);
	if (log_escape_json(&p->line, slice_str(path)))
		printf("%s\"%s\"", p->begun ? "," : "", buf_cstr(&p->line));
	p->begun = true;
}

static void
print_list(const struct publish_plan *plan, enum change wanted)
{
	struct printing p = { .wanted = wanted };

	buf_init(&p.line, TEXT_MAX);
	printf("\"%s\":[", change_text(wanted));
	(void)changes_between(plan->before, plan->after, list_change, &p);
	printf("],");
	buf_fini(&p.line);
}

void
publish_print_json(const struct publish_plan *plan, bool published)
{
	const struct manifest *m = plan->after;

	printf(
	    "{\"origin\":\"%s\",\"serial\":%" PRIu64 ",", m->origin, m->serial);
	if (plan->before != NULL)
		printf("\"previous\":%" PRIu64 ",", plan->before->serial);
	else
		printf("\"previous\":null,");
	printf("\"published\":%s,\"final\":%s,", published ? "true" : "false",
	    m->final ? "true" : "false");
	printf(
	    "\"files\":%" PRIu64 ",\"bytes\":%" PRIu64 ",", m->files, m->bytes);
	print_list(plan, CHANGE_ADDED);
	print_list(plan, CHANGE_CHANGED);
	print_list(plan, CHANGE_GONE);
	printf("\"kept\":%" PRIu64 ",\"left_out\":%zu,"
	       "\"lint_warnings\":%zu}\n",
	    plan->changes.kept, plan->left_out, plan->lint_warnings);
}

static void
tell_loss(const struct publish_loss *loss)
{
	if (loss->links > 1)
		log_warn("%s goes, and %s:%u links to it; %zu links in all",
		    loss->path, loss->page, loss->line, loss->links);
	else
		log_warn("%s goes, and %s:%u links to it", loss->path,
		    loss->page, loss->line);
}

/* What is lost for good, if anything is. */
static bool
tell_doubts(const struct publish_plan *plan)
{
	if (plan->final_serial > 0)
		log_warn("serial %" PRIu64 " was said to be the final one: "
			 "mirrors need not look for another, and its readers "
			 "were told that nothing more comes",
		    plan->final_serial);
	for (size_t i = 0; i < plan->n_losses && i < LOSSES_MAX; i++)
		tell_loss(&plan->loss[i]);
	if (plan->n_losses > LOSSES_MAX)
		log_warn("and %zu pages more", plan->n_losses - LOSSES_MAX);
	return plan->final_serial > 0 || plan->n_losses > 0;
}

bool
publish_ask(const struct publish_plan *plan, bool yes)
{
	char *line = NULL;
	size_t size = 0;

	if (!tell_doubts(plan) || yes)
		return true;
	if (isatty(STDIN_FILENO) != 1) {
		log_error("nothing has been published: nobody to ask whether "
			  "%s; --yes goes on without%s",
		    plan->n_losses == 0 ? "the series may go on"
					: "pages may go that others link to",
		    plan->n_losses == 0 ? ""
					: ", and a redirect in capsule.conf "
					  "spares the readers");
		return false;
	}
	fputs(plan->final_serial > 0 ? "Publish all the same? [y/N] "
				     : "Publish without them? [y/N] ",
	    stderr);
	yes = getline(&line, &size, stdin) > 0 &&
	      (line[0] == 'y' || line[0] == 'Y');
	free(line);
	if (!yes)
		log_error("nothing has been published");
	return yes;
}
