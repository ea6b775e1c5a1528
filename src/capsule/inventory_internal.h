/* SPDX-License-Identifier: ISC */
/* What inventory.c and inventory_plain.c share. Depends on inventory. */
#ifndef CAPSULE_INVENTORY_INTERNAL_H
#define CAPSULE_INVENTORY_INTERNAL_H

#include <sys/stat.h>

#include "capsule/inventory.h"
#include "proto/uri.h"

struct reading {
	const struct host *host;
	struct inventory *out;
	size_t room;
	bool short_of_memory;
	struct uri_path path; /* too large for the stack of every visit */
};

/* The normalised path that a visitor asks for a file by. False when no request
 * line holds it. */
bool path_asked_for(const char *path, struct uri_path *out);

/* A file_visit for a struct reading: takes what is a file and served. False when
 * memory is short. */
bool inventory_visit(void *reading, const char *path, const struct stat *st);

#endif
