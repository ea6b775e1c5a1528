/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

#include <assert.h>
#include <libconfig.h>
#include <stdio.h>
#include <string.h>

#include "conf/conf_internal.h"
#include "conf/source.h"
#include "conf/unknown.h"
#include "util/glob.h"

struct conf_reading {
	struct conf *conf;
	struct report *report;
	const struct conf_source *source; /* NULL: the table's own text */
	enum report_level unknown;        /* an option that is not known */
	bool bounded; /* a capsule.conf: it may be a stranger's */
};

static void read_members(struct conf_reading *rd, const char *prefix,
    unsigned place, void *base, const config_setting_t *from);

static struct place
setting_place(const struct conf_reading *rd, const config_setting_t *s)
{
	if (rd->source == NULL)
		return (struct place){ NULL, 0 };
	return source_place(rd->source, config_setting_source_line(s));
}

static const char *
setting_kind(const config_setting_t *s)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_GROUP:
		return "a group { }";
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return "a number";
	case CONFIG_TYPE_FLOAT:
		return "a fraction";
	case CONFIG_TYPE_STRING:
		return "text in quotes";
	case CONFIG_TYPE_BOOL:
		return "true or false";
	case CONFIG_TYPE_ARRAY:
		return "an array [ ]";
	default:
		return "a list ( )";
	}
}

static void
wrong_type(struct conf_reading *rd, const struct option *o,
    const config_setting_t *s, const char *wanted)
{
	struct place place = setting_place(rd, s);

	report_add(rd->report, REPORT_ERROR, place.file, place.line,
	    "%s: expected %s, not %s", o->name, wanted, setting_kind(s));
}

/* How many texts of a list have wildcards. */
static int
globs_count(const config_setting_t *s)
{
	int n = 0;

	for (int i = 0; i < config_setting_length(s); i++) {
		const char *text = config_setting_get_string_elem(s, i);

		n += text != NULL && strpbrk(text, GLOB_SPECIALS) != NULL;
	}
	return n;
}

/* The operator may write as much of what a capsule may set as there is room
 * for. */
static bool
too_many(
    struct conf_reading *rd, const struct option *o, const config_setting_t *s)
{
	struct place place = setting_place(rd, s);
	int n = config_setting_length(s);
	int globs = o->globs == 0 ? 0 : globs_count(s);

	if (o->places == OPTION_CAPSULE && !rd->bounded)
		return false;
	if (o->max != 0 && n > o->max)
		report_add(rd->report, REPORT_ERROR, place.file, place.line,
		    "%s: too many entries: %d (limit %ld)", o->name, n, o->max);
	else if (globs > o->globs)
		report_add(rd->report, REPORT_ERROR, place.file, place.line,
		    "%s: too many entries with wildcards: %d (limit %ld)",
		    o->name, globs, o->globs);
	else
		return false;
	return true;
}

static bool
is_list(const config_setting_t *s)
{
	return config_setting_is_list(s) || config_setting_is_array(s);
}

/* Paths are as seen from the directory of the file that names them. */
static char *
text_kept(struct conf_reading *rd, const struct option *o, const char *text,
    struct place place)
{
	static const char unix_prefix[] = "unix:";
	const size_t n = sizeof(unix_prefix) - 1;
	struct conf *c = rd->conf;
	char *path, *whole;

	if (o->type == OPTION_PATH && !option_chosen(o, text) &&
	    text[0] != '\0')
		return path_absolute(c, place.file, text);
	if (o->type != OPTION_LISTEN || strncmp(text, unix_prefix, n) != 0 ||
	    text[n] == '\0')
		return arena_text(c, slice_str(text));
	path = path_absolute(c, place.file, text + n);
	whole = path == NULL ? NULL : arena_alloc(c, n + strlen(path) + 1, 1);
	if (whole != NULL) {
		memcpy(whole, unix_prefix, n);
		memcpy(whole + n, path, strlen(path));
	}
	return whole;
}

static void
read_text(struct conf_reading *rd, const struct option *o,
    struct conf_text *text, const config_setting_t *s)
{
	struct place place = setting_place(rd, s);

	if (config_setting_type(s) != CONFIG_TYPE_STRING) {
		wrong_type(rd, o, s, "text in quotes");
		return;
	}
	*text = (struct conf_text){
		.text = text_kept(rd, o, config_setting_get_string(s), place),
		.file = place.file,
		.line = place.line,
	};
}

static void
read_list(struct conf_reading *rd, const struct option *o,
    struct conf_list *list, const config_setting_t *s)
{
	int n = config_setting_length(s);

	if (!is_list(s)) {
		wrong_type(rd, o, s, "a list of texts");
		return;
	}
	if (too_many(rd, o, s))
		return;
	*list = (struct conf_list){ .set = rd->source != NULL };
	for (int i = 0; i < n; i++) {
		struct conf_text text = { 0 };
		struct conf_text *items;

		read_text(
		    rd, o, &text, config_setting_get_elem(s, (unsigned)i));
		if (text.text == NULL)
			continue;
		items =
		    arena_append(rd->conf, list->item, list->n, sizeof(*items));
		if (items == NULL)
			return;
		list->item = items;
		list->item[list->n++] = text;
	}
}

static void
read_number(struct conf_reading *rd, const struct option *o, int *number,
    const config_setting_t *s)
{
	struct place place = setting_place(rd, s);
	long long value;

	if (config_setting_type(s) == CONFIG_TYPE_INT) {
		value = config_setting_get_int(s);
	} else if (config_setting_type(s) == CONFIG_TYPE_INT64) {
		value = config_setting_get_int64(s);
	} else {
		wrong_type(rd, o, s, "a whole number");
		return;
	}
	if (value < o->min || value > o->max) {
		range_error(rd->report, o, place, value);
		return;
	}
	*number = (int)value;
	*arena_place(rd->conf, o) = place;
}

static bool
read_bool(struct conf_reading *rd, const struct option *o,
    const config_setting_t *s, bool *value)
{
	if (config_setting_type(s) != CONFIG_TYPE_BOOL) {
		wrong_type(rd, o, s, "true or false");
		return false;
	}
	*value = config_setting_get_bool(s) != 0;
	return true;
}

static void
read_switch(struct conf_reading *rd, const struct option *o, int *value,
    const config_setting_t *s)
{
	bool on;

	if (read_bool(rd, o, s, &on))
		*value = on;
}

static void
read_choice(struct conf_reading *rd, const struct option *o, int *choice,
    const config_setting_t *s)
{
	struct place place = setting_place(rd, s);
	const char *text = config_setting_get_string(s);

	if (text == NULL) {
		wrong_type(rd, o, s, "text in quotes");
		return;
	}
	for (int i = 0; o->choices[i] != NULL; i++) {
		if (strcmp(o->choices[i], text) == 0) {
			*choice = i;
			return;
		}
	}
	choice_error(rd->report, o, place, text);
}

/* A text that stays unset in an element keeps the element's place, so that a
 * complaint about its absence has one. */
static void
element_place(const struct option *o, void *element, struct place place)
{
	const struct option *inner = NULL;
	char prefix[OPTION_NAME_MAX];

	option_prefix(o, prefix);
	while ((inner = option_next(inner, prefix, o->places)) != NULL) {
		if (inner->type == OPTION_TEXT || inner->type == OPTION_PATH)
			*(struct conf_text *)option_field(inner, element) =
			    (struct conf_text){
				    .file = place.file,
				    .line = place.line,
			    };
	}
}

static void
read_element(struct conf_reading *rd, const struct option *o, void *base,
    const config_setting_t *s)
{
	char prefix[OPTION_NAME_MAX];
	void *element;

	if (!config_setting_is_group(s)) {
		wrong_type(rd, o, s, "groups { }");
		return;
	}
	element = element_add(rd->conf, o, base);
	if (element == NULL)
		return;
	element_place(o, element, setting_place(rd, s));
	option_prefix(o, prefix);
	read_members(rd, prefix, o->places, element, s);
}

static void
read_elements(struct conf_reading *rd, const struct option *o, void *base,
    const config_setting_t *s)
{
	int n = config_setting_length(s);

	if (!is_list(s)) {
		wrong_type(rd, o, s, "a list of groups ( { }, ... )");
		return;
	}
	if (too_many(rd, o, s))
		return;
	for (int i = 0; i < n; i++)
		read_element(
		    rd, o, base, config_setting_get_elem(s, (unsigned)i));
}

static void
read_group(struct conf_reading *rd, const struct option *o, void *group,
    const config_setting_t *s)
{
	char prefix[OPTION_NAME_MAX];

	if (!config_setting_is_group(s)) {
		wrong_type(rd, o, s, "a group { }");
		return;
	}
	option_prefix(o, prefix);
	read_members(rd, prefix, o->places, group, s);
}

static void
read_option(struct conf_reading *rd, const struct option *o, void *base,
    const config_setting_t *s)
{
	void *field = option_field(o, base);

	switch (o->type) {
	case OPTION_GROUP:
		read_group(rd, o, field, s);
		break;
	case OPTION_LIST_OF_GROUPS:
		read_elements(rd, o, base, s);
		break;
	case OPTION_TEXT:
	case OPTION_PATH:
		read_text(rd, o, field, s);
		break;
	case OPTION_LIST:
	case OPTION_LISTEN:
		read_list(rd, o, field, s);
		break;
	case OPTION_NUMBER:
	case OPTION_SECONDS:
		read_number(rd, o, field, s);
		break;
	case OPTION_BOOL:
		read_bool(rd, o, s, field);
		break;
	case OPTION_SWITCH:
		read_switch(rd, o, field, s);
		break;
	case OPTION_CHOICE:
		read_choice(rd, o, field, s);
		break;
	}
}

/* The row of a name in a group; the operator's capsules also take what
 * capsule.conf takes, whose fields lie in *base then. */
static const struct option *
member_find(const char *prefix, unsigned place, const char *name, void **base)
{
	const struct option *o = NULL;

	while ((o = option_next(o, prefix, place)) != NULL)
		if (strcmp(option_word(o), name) == 0)
			return o;
	if (strcmp(prefix, "capsules.") != 0)
		return NULL;
	*base = &((struct conf_capsule *)*base)->content;
	return member_find("", OPTION_CAPSULE, name, base);
}

static void
unknown_option(struct conf_reading *rd, const char *prefix, unsigned place,
    const config_setting_t *s)
{
	struct place where = setting_place(rd, s);
	const char *name = config_setting_name(s);
	char text[256];
	struct buf why;

	buf_wrap(&why, text, sizeof(text));
	unknown_explain(prefix, place, name, &why);
	report_add(rd->report, rd->unknown, where.file, where.line,
	    "unknown option \"%s\"%.*s", name, SLICE_ARGS(buf_view(&why)));
}

static void
read_members(struct conf_reading *rd, const char *prefix, unsigned place,
    void *base, const config_setting_t *from)
{
	int n = config_setting_length(from);

	for (int i = 0; i < n; i++) {
		const config_setting_t *s =
		    config_setting_get_elem(from, (unsigned)i);
		void *group = base;
		const struct option *o =
		    member_find(prefix, place, config_setting_name(s), &group);

		if (o == NULL)
			unknown_option(rd, prefix, place, s);
		else
			read_option(rd, o, group, s);
	}
}

/* Reads the settings of libconfig's group from into base, which belongs to
 * prefix and place. source has their places; NULL: in the table. An option that
 * is not known is reported at the level unknown. */
static void
tree_read(struct conf *c, const struct conf_source *source,
    const config_setting_t *from, const char *prefix, unsigned place,
    void *base, enum report_level unknown, struct report *r)
{
	struct conf_reading rd = {
		.conf = c,
		.report = r,
		.source = source,
		.unknown = unknown,
		.bounded = place == OPTION_CAPSULE,
	};

	read_members(&rd, prefix, place, base, from);
}

static void
list_prune(const struct option *o, struct conf_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++)
		if (text_is_good(o, &list->item[i]))
			list->item[kept++] = list->item[i];
	/* With nothing left it is not the empty list that somebody wrote. */
	if (kept < list->n && kept == 0)
		list->set = false;
	list->n = kept;
}

/* False when base is a group without a text that it must have. */
static bool
members_prune(const char *prefix, void *base)
{
	const struct option *o = NULL;
	bool whole = true;

	while ((o = option_next(o, prefix, OPTION_CAPSULE)) != NULL) {
		void *field = option_field(o, base);

		if (o->type == OPTION_TEXT) {
			struct conf_text *text = field;

			if (!text_is_good(o, text))
				text->text = NULL;
			whole = whole && !(o->required && text->text == NULL);
		} else if (o->type == OPTION_LIST) {
			list_prune(o, field);
		}
	}
	return whole;
}

/* How many of the groups are whole, which are then the first. */
static size_t
groups_prune(const char *name, void *base)
{
	const struct option *o = option_find(name);
	char prefix[OPTION_NAME_MAX];
	size_t kept = 0;

	option_prefix(o, prefix);
	for (size_t i = 0; i < element_count(o, base); i++) {
		void *element = element_at(o, base, i);

		if (!members_prune(prefix, element))
			continue;
		if (kept != i)
			memcpy(element_at(o, base, kept), element, o->size);
		kept++;
	}
	return kept;
}

/* Leaves out of a capsule.conf each text that its row refuses, and each
 * group without one that it must have. */
static void
content_prune(struct conf_content *content)
{
	members_prune("", content);
	content->n_paths = groups_prune("paths", content);
	content->n_redirects = groups_prune("redirects", content);
}

/* The whole of s becomes libconfig's tree; what is wrong is reported at the
 * line it came from. */
static bool
source_parse(struct conf_source *s, config_t *tree)
{
	const char *text = buf_cstr(&s->text);
	struct place place = source_place(s, 1);
	const char *why;

	if (text != NULL && config_read_string(tree, text) == CONFIG_TRUE)
		return true;
	if (text != NULL)
		place = source_place(s, (unsigned)config_error_line(tree));
	why = text == NULL ? "out of memory" : config_error_text(tree);
	/* One in two files: source.c names those in one. */
	if (strcmp(why, "duplicate setting name") == 0)
		why = "duplicate option";
	report_add(s->report, REPORT_ERROR, place.file, place.line, "%s", why);
	return false;
}

/* Every way out of memory ends in one message. */
static void
memory_check(const struct conf *c, const char *file, struct report *r)
{
	if (arena_short(c))
		report_add(r, REPORT_ERROR, file, 0, "out of memory");
}

void
read_fallback(struct conf *c, const struct option *o, void *base)
{
	char text[2 * OPTION_NAME_MAX], prefix[OPTION_NAME_MAX] = "";
	size_t n = (size_t)(option_word(o) - o->name);
	struct report r = { 0 };
	config_t tree;

	memcpy(prefix, o->name, n);
	snprintf(text, sizeof(text), "%s = %s;", option_word(o), o->fallback);
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
	struct conf_source s;
	config_t tree;

	c->file = arena_text(c, slice_str(file));
	source_init(&s, c, r);
	config_init(&tree);
	if (source_file(&s, file) && source_parse(&s, &tree)) {
		tree_read(c, &s, config_root_setting(&tree), "",
		    OPTION_OPERATOR, c, REPORT_ERROR, r);
	} else {
		conf_unread(c);
	}
	memory_check(c, file, r);
	config_destroy(&tree);
	source_fini(&s);
	return r->errors == before;
}

bool
conf_read_content(struct conf *c, struct conf_content *content,
    struct slice bytes, const char *name, enum report_level unknown,
    struct report *r)
{
	struct conf_content own = { 0 };
	struct conf_source s;
	config_t tree;
	bool parsed;

	source_init(&s, c, r);
	config_init(&tree);
	conf_defaults(c, "", OPTION_CAPSULE, &own);
	parsed = source_bytes(&s, bytes, name) && source_parse(&s, &tree);
	if (parsed) {
		tree_read(c, &s, config_root_setting(&tree), "", OPTION_CAPSULE,
		    &own, unknown, r);
		check_values("", OPTION_CAPSULE, &own, r);
		content_prune(&own);
		content_under(c, &own, content);
	}
	memory_check(c, name, r);
	config_destroy(&tree);
	source_fini(&s);
	if (!parsed || arena_short(c))
		return false;
	*content = own;
	return true;
}
