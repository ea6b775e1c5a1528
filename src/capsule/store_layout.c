/* SPDX-License-Identifier: ISC */
#include "capsule/store_layout.h"

#include <fcntl.h>
#include <sys/stat.h>

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
