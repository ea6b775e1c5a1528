/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

#include <assert.h>
#include <libconfig.h>
#include <stdio.h>
#include <string.h>

#include "conf/conf_internal.h"
#include "conf/source.h"

/* The whole of s becomes libconfig's tree; what is wrong is reported at the line
 * it came from. */
static bool
source_parse(struct source *s, config_t *tree)
{
	const char *text = buf_cstr(&s->text);
	struct place place = source_place(s, 1);

	if (text != NULL && config_read_string(tree, text) == CONFIG_TRUE)
		return true;
	if (text != NULL)
		place = source_place(s, (unsigned)config_error_line(tree));
	report_add(s->report, REPORT_ERROR, place.file, place.line, "%s",
	    text == NULL ? "memory is short" : config_error_text(tree));
	return false;
}

/* Every way out of memory ends in one message. */
static void
memory_check(const struct conf *c, const char *file, struct report *r)
{
	if (arena_short(c))
		report_add(r, REPORT_ERROR, file, 0, "memory is short");
}

void
read_fallback(struct conf *c, const struct option *o, void *base)
{
	char text[2 * OPTION_NAME_MAX], prefix[OPTION_NAME_MAX] = "";
	size_t n = (size_t)(option_word(o) - o->name);
	struct report r = { 0 };
	config_t tree;

	memcpy(prefix, o->name, n);
	(void)snprintf(
	    text, sizeof(text), "%s = %s;", option_word(o), o->fallback);
	config_init(&tree);
	if (config_read_string(&tree, text) == CONFIG_TRUE)
		tree_read(c, NULL, config_root_setting(&tree), prefix,
		    o->places, base, REPORT_ERROR, &r);
	config_destroy(&tree);
	assert(r.errors == 0);
	report_fini(&r);
}

bool
conf_read(struct conf *c, const char *file, struct report *r)
{
	size_t before = r->errors;
	struct source s;
	config_t tree;

	c->file = arena_text(c, slice_str(file));
	source_init(&s, c, r);
	config_init(&tree);
	if (source_file(&s, file) && source_parse(&s, &tree)) {
		tree_read(c, &s, config_root_setting(&tree), "",
		    OPTION_OPERATOR, c, REPORT_ERROR, r);
		check_values("", OPTION_OPERATOR, c, r);
	} else {
		conf_unread(c);
	}
	memory_check(c, file, r);
	config_destroy(&tree);
	source_fini(&s);
	return r->errors == before;
}

/* Fills said, which is zeroed. False: there is nothing in it to go by. */
static bool
content_read(struct conf *c, const struct conf_content *operators,
    struct slice bytes, const char *name, struct conf_content *said,
    enum report_level unknown, struct report *r)
{
	struct source s;
	config_t tree;
	bool parsed;

	source_init(&s, c, r);
	config_init(&tree);
	conf_defaults(c, "", OPTION_CAPSULE, said);
	parsed = source_bytes(&s, bytes, name) && source_parse(&s, &tree);
	if (parsed) {
		tree_read(c, &s, config_root_setting(&tree), "", OPTION_CAPSULE,
		    said, unknown, r);
		check_values("", OPTION_CAPSULE, said, r);
		content_prune(said);
		content_under(c, said, operators);
		if (!arena_short(c))
			check_redirects(said, r);
	}
	memory_check(c, name, r);
	config_destroy(&tree);
	source_fini(&s);
	return parsed && !arena_short(c);
}

static bool
content_take(struct conf *c, struct conf_content *content, struct slice bytes,
    const char *name, enum report_level unknown, struct report *r)
{
	struct conf_content said = { 0 };
	size_t before = r->errors;

	(void)content_read(c, content, bytes, name, &said, unknown, r);
	if (r->errors != before)
		return false;
	*content = said;
	return true;
}

bool
conf_read_content(struct conf *c, struct conf_content *content,
    struct slice bytes, const char *name, struct report *r)
{
	return content_take(c, content, bytes, name, REPORT_ERROR, r);
}

bool
conf_read_release(struct conf *c, struct conf_content *content,
    struct slice bytes, const char *name, struct report *r)
{
	return content_take(c, content, bytes, name, REPORT_WARNING, r);
}

bool
conf_salvage_content(struct conf *c, struct conf_content *content,
    struct slice bytes, const char *name, struct report *r)
{
	struct conf_content said = { 0 };

	if (!content_read(c, content, bytes, name, &said, REPORT_ERROR, r))
		return false;
	*content = said;
	return true;
}
