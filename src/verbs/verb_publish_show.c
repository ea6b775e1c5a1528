/* SPDX-License-Identifier: ISC */
#include "verbs/verb_publish.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/json.h"
#include "util/log.h"
#include "verbs/verbs.h"

enum {
	LINES_MAX = 40,           /* of changes, for people */
	PATH_TEXT_MAX = 8 * 1024, /* a path, escaped */
	PUBLISH_JSON_MAX = 256 << 20,
};

static void
change_print(void *lines, enum change change, const char *path)
{
	uint8_t memory[PATH_TEXT_MAX];
	struct buf text;

	if (++*(uint64_t *)lines > LINES_MAX)
		return;
	buf_wrap(&text, memory, sizeof(memory) - 1);
	if (log_escape(&text, slice_str(path)))
		printf("%-8s %s\n", change_text(change), buf_cstr(&text));
}

void
publish_print_changes(const struct publish_plan *plan)
{
	uint64_t lines = 0;

	changes_between(&plan->before, &plan->after, change_print, &lines);
	if (lines > LINES_MAX)
		printf("... and %" PRIu64 " more\n", lines - LINES_MAX);
	for (size_t i = 0; i < plan->n_retracted; i++)
		printf("removed  release %" PRIu64 "\n", plan->retracted[i]);
}

void
publish_print_end(const struct publish_plan *plan, const char *end)
{
	const struct changes *c = &plan->changes;

	printf("publish: %.*s: serial ",
	    SLICE_ARGS(manifest_place(plan->after.origin)));
	if (plan->before.serial != 0)
		printf("%" PRIu64 " -> ", plan->before.serial);
	printf("%" PRIu64 ": ", plan->after.serial);
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

/* The paths of one kind of change. */
struct listing_of {
	enum change wanted;
	struct json *out;
};

static void
change_list(void *arg, enum change change, const char *path)
{
	struct listing_of *l = arg;

	if (change == l->wanted)
		json_text(l->out, NULL, path);
}

static void
changes_put(
    const struct publish_plan *plan, enum change wanted, struct json *out)
{
	struct listing_of l = { wanted, out };

	json_list(out, change_text(wanted));
	changes_between(&plan->before, &plan->after, change_list, &l);
	json_end(out);
}

bool
publish_print_json(const struct publish_plan *plan)
{
	const struct manifest *m = &plan->after;
	struct buf text;
	struct json out = { .out = &text };
	bool ok;

	buf_init(&text, PUBLISH_JSON_MAX);
	json_object(&out, NULL);
	json_text(&out, "origin", m->origin);
	json_number(&out, "serial", m->serial);
	if (plan->before.serial != 0)
		json_number(&out, "previous", plan->before.serial);
	else
		json_null(&out, "previous");
	json_bool(&out, "published", plan->published);
	json_bool(&out, "final", m->final);
	json_number(&out, "files", m->files);
	json_number(&out, "bytes", m->bytes);
	changes_put(plan, CHANGE_ADDED, &out);
	changes_put(plan, CHANGE_CHANGED, &out);
	changes_put(plan, CHANGE_GONE, &out);
	json_number(&out, "kept", plan->changes.kept);
	json_list(&out, "retracted");
	for (size_t i = 0; i < plan->n_retracted; i++)
		json_number(&out, NULL, plan->retracted[i]);
	json_end(&out);
	json_number(&out, "left_out", plan->left_out);
	json_number(&out, "lint_warnings", plan->lint_warnings);
	json_end(&out);
	ok = verb_print(&text);
	buf_fini(&text);
	return ok;
}
