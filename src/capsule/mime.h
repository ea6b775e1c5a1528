/* SPDX-License-Identifier: ISC */
/* The type of a file: by the operator's list, our own table, then libmagic,
 * then application/octet-stream. The only user of libmagic.
 * Depends on util, os and conf. */
#ifndef CAPSULE_MIME_H
#define CAPSULE_MIME_H

#include <sys/stat.h>

#include "conf/conf.h"

enum {
	MIME_SNIFF_MAX = 64 * 1024, /* bytes of a file that libmagic sees */
	MIME_CACHE_SIZE = 1024,     /* answers of libmagic kept */
};

struct mime;

/* Loads libmagic's database (before any sandbox) and takes the operator's types
 * from conf, which must outlive it. A database that cannot be loaded is a
 * warning in r: unknown files are then application/octet-stream. */
struct mime *mime_new(const struct conf *conf, struct report *r);
void mime_free(struct mime **m);

/* By name alone; an empty slice when the table does not know. Letters of any
 * case; "a.tar.gz" is application/gzip. */
struct slice mime_by_name(const struct mime *m, const char *path);

/* The type of the open regular file fd, described by st. Borrowed; valid until
 * the next call. Never text/gemini by content. */
struct slice
mime_type(struct mime *m, const char *path, int fd, const struct stat *st);

/* The files of libmagic's database, without their ".mgc", separated by colons.
 * Borrowed; valid until the next call. */
const char *mime_database(void);

/* Version of libmagic, as 544 for 5.44. */
int mime_library(void);

/* The type of a file name (without directories), by the whole name or by what
 * follows its last dot, letters of any case; NULL when the table has none. */
const char *mime_table_find(struct slice name);

#endif
