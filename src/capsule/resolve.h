/* SPDX-License-Identifier: ISC */
/* From a normalised path to an open file: the same for every client, the
 * linter and the publisher (design: "a request becomes a file").
 * Depends on util, os, proto and conf. */
#ifndef CAPSULE_RESOLVE_H
#define CAPSULE_RESOLVE_H

#include "capsule/host.h"
#include "os/file.h"
#include "proto/uri.h"

enum resolved {
	RESOLVED_FILE,      /* fd and st; path is what was opened */
	RESOLVED_LISTING,   /* fd and st of a directory to list */
	RESOLVED_SLASH,     /* a directory asked for without its slash: 31 */
	RESOLVED_ABSENT,    /* 51, whatever the reason */
	RESOLVED_EXHAUSTED, /* 40 */
	RESOLVED_FAILED,    /* 40 */
};

struct resolution {
	int fd; /* the caller's to close; -1 when there is none */
	struct stat st;
	const char *type; /* NULL: by settings, its name or what is in it */
	char
	    path[REQUEST_URI_MAX + 256 + 2]; /* relative to the root, index name
	                                       * included */
};

/* Of a store, mirror/trace and mirror/objects/<64 hexadecimal digits> are its
 * own files, not the release's (no manifest can list such names, so nothing of
 * a release is hidden by that); whatever else begins with mirror/objects/ is
 * absent.
 *
 * Refuses dot names (but .well-known and the host's hidden list), files asked
 * for with a final slash, directories without index unless listed. */
enum resolved resolve(
    const struct host *h, const struct uri_path *path, struct resolution *out);

#endif
