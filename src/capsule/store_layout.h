/* SPDX-License-Identifier: ISC */
/* What a store looks like on disk and to those who fetch from it
 * (carnation-mirror(7)), for all who serve, write or mirror one: its names, what
 * a serial is, where an object lies. Depends on util, os and digest. */
#ifndef CAPSULE_STORE_LAYOUT_H
#define CAPSULE_STORE_LAYOUT_H

#include "tls/digest.h"

/* ---- STORE/ */

#define STORE_OBJECTS "objects"
#define STORE_RELEASES "releases"
#define STORE_CURRENT "current" /* a link to releases/SERIAL */
#define STORE_LOCK "lock"
#define STORE_STATE "state"
#define STORE_TRACE "trace"
#define STORE_WRONG "wrong" /* hashes of objects that verify found wrong */
#define STORE_TMP "tmp"

/* The largest serial: 2^53-1, which every JSON reader holds exactly. */
#define STORE_SERIAL_MAX ((UINT64_C(1) << 53) - 1)

enum {
	STORE_PATH_SIZE = sizeof(STORE_OBJECTS "/ab/") + DIGEST_HEX_SIZE,
};

/* Whether the open directory is a store: objects/, releases/, and `current`, a
 * symbolic link, or, before the first release, a lock. */
bool store_layout_is(int dir);

/* Whether there is a store at path. */
bool store_is(const char *path);

/* The serial that a release's directory is named after, "42"; 0: it is
 * something else. */
uint64_t store_layout_serial(struct slice name);

/* The serial of "releases/42", as the link `current` is written and not
 * otherwise; 0: it is something else. */
uint64_t store_layout_linked(struct slice target);

/* "releases/42". */
void store_layout_release(uint64_t serial, char out[STORE_PATH_SIZE]);

/* "objects/ab/cdef...". */
void store_layout_object(
    const uint8_t digest[DIGEST_SIZE], char out[STORE_PATH_SIZE]);

/* ---- mirror/, beneath a capsule's root and in the URLs that are asked for */

#define MANIFEST_PATH "mirror/MANIFEST"
#define MANIFEST_ARCHIVE "mirror/capsule.tar"
#define MIRROR_TRACE "mirror/trace"      /* it is STORE/trace */
#define MIRROR_OBJECTS "mirror/objects/" /* and a hash: one of STORE/objects/ */

/* The first three, which every store serves though no list names them. */
enum { MIRROR_MADE = 3 };
extern const char *const mirror_made[MIRROR_MADE];

enum { MIRROR_OBJECT_SIZE = sizeof(MIRROR_OBJECTS) + DIGEST_HEX_SIZE };

/* "mirror/objects/abcdef...". */
void
mirror_object(const uint8_t digest[DIGEST_SIZE], char out[MIRROR_OBJECT_SIZE]);

#endif
