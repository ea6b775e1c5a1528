/* SPDX-License-Identifier: ISC */
/* What the files of this floor share: memory, texts with places, the walk over
 * the table. Depends on conf and options. */
#ifndef CONF_CONF_INTERNAL_H
#define CONF_CONF_INTERNAL_H

#include "conf/conf.h"
#include "conf/options.h"

/* Where something was written. */
struct place {
	char *file; /* the arena's; NULL: nowhere */
	unsigned line;
};

/* Zeroed memory for n elements that lives as long as c; NULL when out of
 * memory, which c remembers. */
void *arena_alloc(struct conf *c, size_t n, size_t size);

/* Room after the n elements at old for one more, which is zeroed: old itself or
 * a larger copy. NULL when out of memory. */
void *arena_append(struct conf *c, void *old, size_t n, size_t size);

/* A copy, ended with a NUL. */
char *arena_text(struct conf *c, struct slice text);

/* Where a number that is in no list was written. */
struct place *arena_place(const struct conf *c, const struct option *o);

/* True when c ran out of memory at some time. */
bool arena_short(const struct conf *c);

/* Records that c's file could not be parsed, and whether it could not. */
void conf_unread(struct conf *c);
bool conf_is_unread(const struct conf *c);

/* The field of o in the struct of its group, at base. The caller casts. */
void *option_field(const struct option *o, const void *base);

/* Appends an element with its defaults to the list of groups o in base. NULL
 * when out of memory. */
void *element_add(struct conf *c, const struct option *o, void *base);

/* The number of elements of the list of groups o in base, and one of them. */
size_t element_count(const struct option *o, const void *base);
void *element_at(const struct option *o, const void *base, size_t i);

/* What capsule.conf may set, where the operator may, too: NULL unless o is
 * "capsules". */
struct conf_content *element_content(const struct option *o, void *element);

/* Fills what belongs to prefix and place in the zeroed struct at base with the
 * table's defaults. */
void
conf_defaults(struct conf *c, const char *prefix, unsigned place, void *base);

/* "limits." of the row "limits". */
void option_prefix(const struct option *o, char prefix[OPTION_NAME_MAX]);

/* Whether text is one of o's choices. */
bool option_chosen(const struct option *o, const char *text);

/* path as seen from the directory of file: absolute or not, as file is. NULL
 * when out of memory. */
char *path_beside(struct conf *c, const char *file, const char *path);

/* The same, from the root. file may be NULL: the working directory counts. */
char *path_absolute(struct conf *c, const char *file, const char *path);

/* Reads the table's default of o into base, by the code that reads files. */
void read_fallback(struct conf *c, const struct option *o, void *base);

/* Checks each text of the groups under prefix and place by its row. */
void check_values(
    const char *prefix, unsigned place, const void *base, struct report *r);

/* Lays the settings of capsule.conf, in content, under the operator's: content
 * is both afterwards. */
void content_under(struct conf *c, struct conf_content *content,
    const struct conf_content *operators);

/* Whether t is set and valid by o's row. */
bool text_is_good(const struct option *o, const struct conf_text *t);

/* Errors that name what would have been right. */
void range_error(struct report *r, const struct option *o, struct place place,
    long long value);
void choice_error(struct report *r, const struct option *o, struct place place,
    const char *text);

/* Appends the language tags that a locale, or tags with '_' or blanks, stand
 * for: "it-IT" for "it_IT.UTF-8". False when text cannot be understood so. */
bool lang_suggest(struct slice text, struct buf *out);

/* An error at the place of a conf_text. */
#define text_error(r, t, ...)                                                  \
	report_add((r), REPORT_ERROR, (t)->file, (t)->line, __VA_ARGS__)

/* The checks that the table of options names. */
option_check check_filled, check_line, check_suites, check_network,
    check_extension, check_media_type, check_media_type_or_none, check_hidden,
    check_lang, check_charset, check_name, check_glob, check_from, check_target,
    check_gone, check_file, check_origin;

#endif
