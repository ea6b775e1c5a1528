/* SPDX-License-Identifier: ISC */
#include "conf/conf_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

/* A dump on its way: a failed append is remembered by out itself. */
struct dump {
	struct buf *out;
	unsigned depth; /* of indentation */
};

static void dump_members(
    struct dump *d, const char *prefix, unsigned place, const void *base);

static void
dump_indent(struct dump *d)
{
	for (unsigned i = 0; i < d->depth; i++)
		buf_byte(d->out, '\t');
}

static void
dump_name(struct dump *d, const struct option *o)
{
	dump_indent(d);
	buf_printf(d->out, "%s = ", option_word(o));
}

/* In quotes. log_escape's \xHH is libconfig's as well; it leaves '"' alone. */
static void
dump_quoted(struct dump *d, const char *directory, const char *text)
{
	struct slice rest = slice_str(text), part;
	bool more;

	buf_byte(d->out, '"');
	log_escape(d->out, slice_str(directory));
	do {
		more = slice_cut(rest, '"', &part, &rest);
		log_escape(d->out, part);
		if (more)
			buf_str(d->out, "\\\"");
	} while (more);
	buf_byte(d->out, '"');
}

/* A path from the command line is as seen from here; the dump may be read
 * elsewhere. */
static void
dump_path(struct dump *d, const char *prefix, const char *path)
{
	char directory[PATH_MAX + sizeof("unix:/")] = "";
	size_t n = strlen(prefix);

	memcpy(directory, prefix, n);
	if (path[0] != '/' && path[0] != '\0' &&
	    getcwd(directory + n, PATH_MAX) != NULL)
		memcpy(directory + strlen(directory), "/", sizeof("/"));
	dump_quoted(d, directory, path);
}

static void
dump_text(struct dump *d, const struct option *o, const char *text)
{
	static const char unix_prefix[] = "unix:";
	const size_t n = sizeof(unix_prefix) - 1;

	if (o->type == OPTION_LISTEN && strncmp(text, unix_prefix, n) == 0)
		dump_path(d, unix_prefix, text + n);
	else if (o->type == OPTION_PATH && !option_chosen(o, text))
		dump_path(d, "", text);
	else
		dump_quoted(d, "", text);
}

static void
dump_list(struct dump *d, const struct option *o, const struct conf_list *list)
{
	/* What is not set is left to capsule.conf; an operator's
	 * default is in effect. */
	if (!list->set && (list->n == 0 || (o->places & OPTION_CAPSULE) != 0))
		return;
	dump_name(d, o);
	buf_byte(d->out, '[');
	for (size_t i = 0; i < list->n; i++) {
		if (i > 0)
			buf_str(d->out, ", ");
		dump_text(d, o, list->item[i].text);
	}
	buf_str(d->out, "];\n");
}

static void
dump_bool(struct dump *d, const struct option *o, bool value)
{
	dump_name(d, o);
	buf_printf(d->out, "%s;\n", value ? "true" : "false");
}

static void
dump_elements(struct dump *d, const struct option *o, const void *base)
{
	size_t n = element_count(o, base);
	char prefix[OPTION_NAME_MAX];

	if (n == 0)
		return;
	option_prefix(o, prefix);
	dump_name(d, o);
	buf_str(d->out, "(\n");
	for (size_t i = 0; i < n; i++) {
		void *element = element_at(o, base, i);
		const struct conf_content *content =
		    element_content(o, element);

		d->depth++;
		dump_indent(d);
		buf_str(d->out, "{\n");
		d->depth++;
		dump_members(d, prefix, o->places, element);
		if (content != NULL)
			dump_members(d, "", OPTION_CAPSULE, content);
		d->depth--;
		dump_indent(d);
		buf_str(d->out, i + 1 < n ? "},\n" : "}\n");
		d->depth--;
	}
	dump_indent(d);
	buf_str(d->out, ");\n");
}

static void
dump_group(struct dump *d, const struct option *o, const void *group)
{
	char prefix[OPTION_NAME_MAX];

	option_prefix(o, prefix);
	dump_name(d, o);
	buf_str(d->out, "{\n");
	d->depth++;
	dump_members(d, prefix, o->places, group);
	d->depth--;
	dump_indent(d);
	buf_str(d->out, "};\n");
}

static void
dump_option(struct dump *d, const struct option *o, const void *base)
{
	const void *field = option_field(o, base);
	const struct conf_text *text;

	switch (o->type) {
	case OPTION_GROUP:
		dump_group(d, o, field);
		break;
	case OPTION_LIST_OF_GROUPS:
		dump_elements(d, o, base);
		break;
	case OPTION_TEXT:
	case OPTION_PATH:
		text = field;
		if (text->text == NULL)
			break;
		dump_name(d, o);
		dump_text(d, o, text->text);
		buf_str(d->out, ";\n");
		break;
	case OPTION_LIST:
	case OPTION_LISTEN:
		dump_list(d, o, field);
		break;
	case OPTION_NUMBER:
	case OPTION_SECONDS:
		dump_name(d, o);
		buf_printf(d->out, "%d;\n", *(const int *)field);
		break;
	case OPTION_BOOL:
		dump_bool(d, o, *(const bool *)field);
		break;
	case OPTION_SWITCH:
		if (*(const int *)field != CONF_UNSET)
			dump_bool(d, o, *(const int *)field != 0);
		break;
	case OPTION_CHOICE:
		dump_name(d, o);
		dump_quoted(d, "", o->choices[*(const int *)field]);
		buf_str(d->out, ";\n");
		break;
	}
}

static void
dump_members(
    struct dump *d, const char *prefix, unsigned place, const void *base)
{
	const struct option *o = NULL;

	while ((o = option_next(o, prefix, place)) != NULL)
		dump_option(d, o, base);
}

bool
conf_dump(const struct conf *c, struct buf *out)
{
	struct dump d = { .out = out };

	dump_members(&d, "", OPTION_OPERATOR, c);
	return !out->failed;
}
