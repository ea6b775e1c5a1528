/* SPDX-License-Identifier: ISC */
#include "conf/conf_internal.h"

#include <stdlib.h>
#include <string.h>

#include "util/list.h"

enum { LANG_HINT_MAX = 128 }; /* bytes of language tags in a message */

/* A name that may occur only once. */
struct name {
	struct slice key;
	const struct conf_text *text;
	size_t order; /* in the file: the later one is reported */
};

struct names {
	struct name *name;
	size_t n;
	bool is_short; /* out of memory: not all names are here */
};

bool
option_chosen(const struct option *o, const char *text)
{
	for (size_t i = 0; o->choices != NULL && o->choices[i] != NULL; i++)
		if (strcmp(o->choices[i], text) == 0)
			return true;
	return false;
}

void
range_error(struct report *r, const struct option *o, struct place place,
    long long value)
{
	const char *unit = o->unit == NULL ? "" : o->unit;

	report_add(r, REPORT_ERROR, place.file, place.line,
	    "%s: %lld is out of range (%ld to %ld%s%s)", o->name, value, o->min,
	    o->max, unit[0] == '\0' ? "" : " ", unit);
}

void
choice_error(struct report *r, const struct option *o, struct place place,
    const char *text)
{
	char choices[128];
	struct buf out;

	buf_wrap(&out, choices, sizeof(choices));
	for (size_t i = 0; o->choices[i] != NULL; i++)
		buf_printf(&out, "%s\"%s\"",
		    i == 0                      ? ""
		    : o->choices[i + 1] == NULL ? " or "
						: ", ",
		    o->choices[i]);
	report_add(r, REPORT_ERROR, place.file, place.line,
	    "%s: invalid value \"%s\": expected %.*s", o->name, text,
	    SLICE_ARGS(buf_view(&out)));
}

bool
text_is_good(const struct option *o, const struct conf_text *t)
{
	return t->text != NULL &&
	       (o->type != OPTION_TEXT || o->choices == NULL ||
		   option_chosen(o, t->text)) &&
	       (o->check == NULL || o->check(slice_str(t->text)) == NULL);
}

static void
value_error(struct report *r, const struct option *o, const struct conf_text *t,
    const char *wrong)
{
	char text[LANG_HINT_MAX];
	struct buf lang;

	buf_wrap(&lang, text, sizeof(text));
	if (o->check == check_lang && lang_suggest(slice_str(t->text), &lang))
		text_error(r, t,
		    "%s: invalid value \"%s\"; did you mean \"%.*s\"?", o->name,
		    t->text, SLICE_ARGS(buf_view(&lang)));
	else
		text_error(r, t, "%s: invalid value \"%s\": %s", o->name,
		    t->text, wrong);
}

static void
check_text(const struct option *o, const struct conf_text *t, struct report *r)
{
	const char *wrong = NULL;

	if (t->text == NULL) {
		if (o->required)
			text_error(r, t, "missing option \"%s\"", o->name);
		return;
	}
	if (o->type == OPTION_TEXT && o->choices != NULL &&
	    !option_chosen(o, t->text))
		choice_error(r, o, (struct place){ t->file, t->line }, t->text);
	if (o->check != NULL)
		wrong = o->check(slice_str(t->text));
	if (wrong != NULL)
		value_error(r, o, t, wrong);
}

static void
check_list(
    const struct option *o, const struct conf_list *list, struct report *r)
{
	for (size_t i = 0; i < list->n; i++)
		check_text(o, &list->item[i], r);
}

static void
check_elements(const struct option *o, const void *base, struct report *r)
{
	char prefix[OPTION_NAME_MAX];

	option_prefix(o, prefix);
	for (size_t i = 0; i < element_count(o, base); i++) {
		void *element = element_at(o, base, i);
		const struct conf_content *content =
		    element_content(o, element);

		check_values(prefix, o->places, element, r);
		if (content != NULL)
			check_values("", OPTION_CAPSULE, content, r);
	}
}

void
check_values(
    const char *prefix, unsigned place, const void *base, struct report *r)
{
	const struct option *o = NULL;
	char inner[OPTION_NAME_MAX];

	while ((o = option_next(o, prefix, place)) != NULL) {
		const void *field = option_field(o, base);

		if (o->type == OPTION_TEXT || o->type == OPTION_PATH) {
			check_text(o, field, r);
		} else if (o->type == OPTION_LIST || o->type == OPTION_LISTEN) {
			check_list(o, field, r);
		} else if (o->type == OPTION_LIST_OF_GROUPS) {
			check_elements(o, base, r);
		} else if (o->type == OPTION_GROUP) {
			option_prefix(o, inner);
			check_values(inner, place, field, r);
		}
	}
}

static void
names_add(struct names *names, const struct conf_text *t)
{
	struct name *grown;

	if (t->text == NULL || names->is_short)
		return;
	grown = array_grow(names->name, names->n, sizeof(*grown));
	names->is_short = grown == NULL;
	if (grown == NULL)
		return;
	names->name = grown;
	names->name[names->n] = (struct name){
		.key = slice_str(t->text),
		.text = t,
		.order = names->n,
	};
	names->n++;
}

static int
letter_fold(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static int
name_compare(const void *left, const void *right)
{
	const struct name *a = left, *b = right;

	for (size_t i = 0; i < a->key.len && i < b->key.len; i++) {
		int order =
		    letter_fold(a->key.ptr[i]) - letter_fold(b->key.ptr[i]);

		if (order != 0)
			return order;
	}
	if (a->key.len != b->key.len)
		return a->key.len < b->key.len ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

/* Reports every duplicate; frees names. */
static void
names_check(struct names *names, const char *what, struct report *r)
{
	if (names->is_short)
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
	if (names->n > 0)
		qsort(
		    names->name, names->n, sizeof(*names->name), name_compare);
	for (size_t i = 1; i < names->n; i++) {
		const struct name *first = &names->name[i - 1];
		const struct name *again = &names->name[i];

		if (!slice_equal_nocase(first->key, again->key))
			continue;
		if (first->text->file == NULL)
			text_error(r, again->text, "duplicate %s \"%s\"", what,
			    again->text->text);
		else
			text_error(r, again->text,
			    "duplicate %s \"%s\" (first at %s:%u)", what,
			    again->text->text, first->text->file,
			    first->text->line);
	}
	free(names->name);
}

static void
check_hosts(const struct conf *c, struct report *r)
{
	struct names names = { 0 };

	for (size_t i = 0; i < c->n_capsules; i++) {
		const struct conf_capsule *capsule = &c->capsules[i];

		names_add(&names, &capsule->host);
		for (size_t k = 0; k < capsule->aliases.n; k++)
			names_add(&names, &capsule->aliases.item[k]);
	}
	/* One trailing dot names the same host. */
	for (size_t i = 0; i < names.n; i++)
		if (slice_ends(names.name[i].key, SLICE(".")))
			names.name[i].key.len--;
	names_check(&names, "host", r);
}

static void
check_types(const struct conf *c, struct report *r)
{
	struct names names = { 0 };

	for (size_t i = 0; i < c->n_types; i++)
		names_add(&names, &c->types[i].extension);
	for (size_t i = 0; i < names.n; i++)
		if (slice_starts(names.name[i].key, SLICE(".")))
			names.name[i].key = slice_skip(names.name[i].key, 1);
	names_check(&names, "extension", r);
}

static void
check_capsule(const struct conf_capsule *capsule, struct report *r)
{
	if (capsule->host.text == NULL)
		text_error(
		    r, &capsule->host, "missing option \"capsules.host\"");
	if (capsule->root.text == NULL)
		text_error(
		    r, &capsule->root, "missing option \"capsules.root\"");
	if (capsule->certificate.text != NULL && capsule->key.text == NULL)
		text_error(r, &capsule->certificate,
		    "capsules.certificate requires capsules.key");
	if (capsule->key.text != NULL && capsule->certificate.text == NULL)
		text_error(r, &capsule->key,
		    "capsules.key requires capsules.certificate");
}

static void
check_limits(const struct conf *c, struct report *r)
{
	const struct place *burst = arena_place(c, option_find("limits.burst"));
	const struct place *rate = arena_place(c, option_find("limits.rate"));
	const struct place *place = burst->file != NULL ? burst : rate;

	if (c->limits.rate > 0 && c->limits.burst == 0)
		report_add(r, REPORT_ERROR, place->file, place->line,
		    "limits.burst: 0 would refuse every request while "
		    "limits.rate is %d",
		    c->limits.rate);
}

bool
conf_check(const struct conf *c, struct report *r)
{
	size_t before = r->errors;

	if (conf_is_unread(c))
		return false;
	check_values("", OPTION_OPERATOR, c, r);
	check_limits(c, r);
	check_types(c, r);
	check_hosts(c, r);
	if (c->n_capsules == 0)
		report_add(r, REPORT_ERROR, c->file, 0,
		    "no capsule: nothing to serve");
	for (size_t i = 0; i < c->n_capsules; i++)
		check_capsule(&c->capsules[i], r);
	return r->errors == before;
}
