/* SPDX-License-Identifier: ISC */
#include "capsule/store_layout.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"

const char *const mirror_made[MIRROR_MADE] = { MANIFEST_PATH, MANIFEST_ARCHIVE,
	MIRROR_TRACE };

static bool
layout_has(int dir, const char *name, mode_t kind)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (st.st_mode & S_IFMT) == kind;
}

bool
store_layout_is(int dir)
{
	return layout_has(dir, STORE_OBJECTS, S_IFDIR) &&
	       layout_has(dir, STORE_RELEASES, S_IFDIR) &&
	       (layout_has(dir, STORE_CURRENT, S_IFLNK) ||
		   layout_has(dir, STORE_LOCK, S_IFREG));
}

bool
store_is(const char *path)
{
	int root = file_root(path);
	bool is = root != -1 && store_layout_is(root);

	if (root != -1)
		(void)close(root);
	return is;
}

uint64_t
store_layout_serial(struct slice name)
{
	uint64_t serial;

	if (slice_starts(name, SLICE("0")) ||
	    !slice_number(name, STORE_SERIAL_MAX, &serial))
		return 0;
	return serial;
}

uint64_t
store_layout_linked(struct slice target)
{
	const struct slice before = SLICE(STORE_RELEASES "/");

	if (!slice_starts(target, before))
		return 0;
	return store_layout_serial(slice_skip(target, before.len));
}

void
store_layout_release(uint64_t serial, char out[STORE_PATH_SIZE])
{
	(void)snprintf(
	    out, STORE_PATH_SIZE, STORE_RELEASES "/%" PRIu64, serial);
}

void
store_layout_object(
    const uint8_t digest[DIGEST_SIZE], char out[STORE_PATH_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(digest, hex);
	(void)snprintf(
	    out, STORE_PATH_SIZE, STORE_OBJECTS "/%.2s/%s", hex, hex + 2);
}

void
mirror_object(const uint8_t digest[DIGEST_SIZE], char out[MIRROR_OBJECT_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(digest, hex);
	(void)snprintf(out, MIRROR_OBJECT_SIZE, MIRROR_OBJECTS "%s", hex);
}
