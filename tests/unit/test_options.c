/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/options.h"

/* Run from the root of the tree, as `make check` does. */
static const struct page {
	const char *file;
	unsigned place;
} pages[] = {
	{ "src/man/carnation.conf.5", OPTION_OPERATOR },
	{ "src/man/capsule.conf.5", OPTION_CAPSULE },
};

static char *
page_read(const char *file)
{
	FILE *f = fopen(file, "r");
	char *text = calloc(1, 1 << 20);

	if (f == NULL)
		fail_msg("%s cannot be opened; where is this run?", file);
	assert_non_null(text);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return text;
}

/* The entry ".It Ic name ..." up to the next one; the caller frees. NULL: none,
 * or more than one. */
static char *
page_entry(const char *text, const char *name)
{
	static const char head[] = "\n.It Ic ";
	size_t n = strlen(name);
	const char *found = NULL, *end;

	for (const char *at = text; (at = strstr(at, head)) != NULL;) {
		at += sizeof(head) - 1;
		if (strncmp(at, name, n) != 0 ||
		    (at[n] != ' ' && at[n] != '\n'))
			continue;
		if (found != NULL)
			return NULL;
		found = at;
	}
	if (found == NULL)
		return NULL;
	end = strstr(found, "\n.It ");
	if (end == NULL || strstr(found, "\n.El") < end)
		end = strstr(found, "\n.El");
	return strndup(found, (size_t)(end - found) + 1);
}

/* Puts what mdoc writes as "\(dq" and "\&" as it is read. */
static void
unescape(char *text)
{
	char *to = text;

	while (*text != '\0') {
		if (strncmp(text, "\\(dq", 4) == 0) {
			*to++ = '"';
			text += 4;
		} else if (strncmp(text, "\\&", 2) == 0) {
			text += 2;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

/* The default that an entry states, or NULL. */
static char *
entry_default(const char *entry)
{
	static const char head[] = "\nDefault:\n.Li ";
	const char *at = strstr(entry, head), *end;
	char *value;

	if (at == NULL)
		return NULL;
	at += sizeof(head) - 1;
	end = strstr(at, " .\n");
	if (end == NULL)
		return NULL;
	value = strndup(at, (size_t)(end - at));
	unescape(value);
	return value;
}

static void
check_entry(const struct option *o, const char *entry)
{
	char *value = entry_default(entry);
	char range[128];

	if (o->fallback == NULL && value != NULL)
		fail_msg("%s has no default, the page says %s", o->name, value);
	if (o->fallback != NULL &&
	    (value == NULL || strcmp(value, o->fallback) != 0))
		fail_msg("%s is %s by default, the page says %s", o->name,
		    o->fallback, value == NULL ? "nothing" : value);
	free(value);
	snprintf(range, sizeof(range), "\nFrom %ld to %ld%s%s.\n", o->min,
	    o->max, o->unit == NULL || o->unit[0] == '\0' ? "" : " ",
	    o->unit == NULL ? "" : o->unit);
	if ((o->type == OPTION_NUMBER || o->type == OPTION_SECONDS) &&
	    strstr(entry, range) == NULL)
		fail_msg("%s: the page does not say:%s", o->name, range);
	for (size_t i = 0; o->choices != NULL && o->choices[i] != NULL; i++)
		if (strstr(entry, o->choices[i]) == NULL)
			fail_msg("%s: the page does not know %s", o->name,
			    o->choices[i]);
	if (o->required && strstr(entry, "\nRequired in each group.\n") == NULL)
		fail_msg(
		    "%s: the page does not say that it is needed", o->name);
}

static void
test_each_option_is_in_its_page_with_its_default(void **state)
{
	size_t n;
	const struct option *all = options_all(&n);

	(void)state;
	for (size_t p = 0; p < 2; p++) {
		char *text = page_read(pages[p].file);

		for (size_t i = 0; i < n; i++) {
			char *entry = page_entry(text, all[i].name);
			bool belongs = (all[i].places & pages[p].place) != 0;

			if (belongs != (entry != NULL))
				fail_msg("%s: %s %s", pages[p].file,
				    all[i].name,
				    belongs ? "has no entry, or two"
					    : "does not belong there");
			if (entry != NULL)
				check_entry(&all[i], entry);
			free(entry);
		}
		free(text);
	}
}

static void
test_every_entry_has_a_row(void **state)
{
	(void)state;
	for (size_t p = 0; p < 2; p++) {
		char *text = page_read(pages[p].file);
		size_t entries = 0;

		for (const char *at = text;
		     (at = strstr(at, "\n.It Ic ")) != NULL; entries++) {
			char name[OPTION_NAME_MAX];

			at += strlen("\n.It Ic ");
			assert_int_equal(sscanf(at, "%63s", name), 1);
			if (option_find(name) == NULL)
				fail_msg("%s: there is no option %s",
				    pages[p].file, name);
		}
		assert_true(entries > 10);
		free(text);
	}
}

/* What reading and dumping take for granted. */
static void
test_table_is_valid(void **state)
{
	size_t n;
	const struct option *all = options_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		const struct option *o = &all[i];
		bool number =
		    o->type == OPTION_NUMBER || o->type == OPTION_SECONDS;
		bool group = o->type == OPTION_LIST_OF_GROUPS;

		check_row(option_find(o->name) == o, o->name);
		check_row(strlen(o->name) < OPTION_NAME_MAX - 1, o->name);
		check_row(
		    o->places == OPTION_OPERATOR || o->places == OPTION_CAPSULE,
		    o->name);
		check_row(number == (o->unit != NULL), o->name);
		check_row(!number || o->min < o->max, o->name);
		check_row(!number || o->fallback != NULL, o->name);
		check_row(group == (o->size != 0), o->name);
		check_row(
		    o->type != OPTION_CHOICE || o->choices != NULL, o->name);
		check_row(o->type != OPTION_SECONDS || o->min >= 0, o->name);
	}
}

static void
test_names(void **state)
{
	const struct option *o = NULL;
	size_t n = 0;

	(void)state;
	assert_null(option_find("nothing"));
	while ((o = option_next(o, "limits.", OPTION_OPERATOR)) != NULL)
		check_row(strchr(option_word(o), '.') == NULL &&
			      strcmp(option_word(o), o->name + 7) == 0,
		    o->name);
	while ((o = option_next(o, "", OPTION_CAPSULE)) != NULL)
		check_row(strcmp(option_word(o), o->name) == 0, o->name);
	while ((o = option_next(o, "redirects.", OPTION_CAPSULE)) != NULL)
		n++;
	assert_int_equal(n, 3);
	assert_null(option_next(NULL, "redirects.", OPTION_OPERATOR));
}

static void
test_nearest_option(void **state)
{
	static const struct {
		const char *name;
		unsigned place;
		const char *nearest;
	} rows[] = {
		{ "limts", OPTION_OPERATOR, "limits" },
		{ "Limits", OPTION_OPERATOR, "limits" },
		{ "pubilc_port", OPTION_OPERATOR, "public_port" },
		{ "limits.rte", OPTION_OPERATOR, "limits.rate" },
		{ "limits.handshakes", OPTION_OPERATOR, "limits.handshake" },
		{ "limits.workers", OPTION_OPERATOR, NULL },
		{ "capsules.hsot", OPTION_OPERATOR, "capsules.host" },
		{ "capsules.alias", OPTION_OPERATOR, "capsules.aliases" },
		{ "capsules.titel", OPTION_OPERATOR, "title" },
		{ "capsules.ky", OPTION_OPERATOR, "capsules.key" },
		{ "titel", OPTION_CAPSULE, "title" },
		{ "titel", OPTION_OPERATOR, NULL },
		{ "listne", OPTION_OPERATOR, "listen" },
		{ "listng", OPTION_OPERATOR, "listen" },
		/* The operator may write a capsule's own settings there. */
		{ "capsules.listng", OPTION_OPERATOR, "listing" },
		{ "none.listen", OPTION_OPERATOR, NULL },
		{ "listne", OPTION_CAPSULE, "listing" },
		{ "redirects.form", OPTION_CAPSULE, "redirects.from" },
		{ "redirects.permament", OPTION_CAPSULE,
		    "redirects.permanent" },
		{ "x", OPTION_CAPSULE, NULL },
		{ "", OPTION_CAPSULE, NULL },
		{ "elephant", OPTION_OPERATOR, NULL },
		{ "a.name.that.is.much.longer.than.any.that.anybody.would."
		  "ever.think.of",
		    OPTION_OPERATOR, NULL },
		{ "anameofagroupthatismuchlongerthananythatanybodywouldever"
		  "thinkof.x",
		    OPTION_OPERATOR, NULL },
		{ "anamethatismuchlongerthananythatanybodywouldeverthinkofinho"
		  "nesty",
		    OPTION_OPERATOR, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = option_nearest(rows[i].name, rows[i].place);

		if (rows[i].nearest == NULL)
			check_row(got == NULL, rows[i].name);
		else
			check_row(
			    got != NULL && strcmp(got, rows[i].nearest) == 0,
			    rows[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_each_option_is_in_its_page_with_its_default),
		cmocka_unit_test(test_every_entry_has_a_row),
		cmocka_unit_test(test_table_is_valid),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_nearest_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
