/* SPDX-License-Identifier: ISC */
/* listen_holder() of os/listen.h, by what /proc shows us. */
#include <dirent.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/listen.h"
#include "util/log.h"

enum {
	STATE_LISTEN = 0x0A, /* in the column "st" */
	ADDRESS_DIGITS_MAX = 32,
};

/* The address as /proc/net/tcp and tcp6 write it. */
static void
proc_address(const struct listen_address *a, char out[ADDRESS_DIGITS_MAX + 1])
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)&a->addr;
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)&a->addr;
	uint32_t word[4];

	if (a->addr.ss_family == AF_INET) {
		(void)snprintf(out, ADDRESS_DIGITS_MAX + 1, "%08" PRIX32,
		    sin->sin_addr.s_addr);
		return;
	}
	memcpy(word, &sin6->sin6_addr, sizeof(word));
	(void)snprintf(out, ADDRESS_DIGITS_MAX + 1,
	    "%08" PRIX32 "%08" PRIX32 "%08" PRIX32 "%08" PRIX32, word[0],
	    word[1], word[2], word[3]);
}

static bool
is_any(const char *digits)
{
	return strspn(digits, "0") == strlen(digits);
}

/* The inode of the socket that is in a's way, 0 when none is found in the
 * table at path. In the table of the other family only "any" is. */
static unsigned long
find_inode(const char *path, const struct listen_address *a, bool other)
{
	FILE *f = fopen(path, "re");
	unsigned long found = 0;
	char ours[ADDRESS_DIGITS_MAX + 1];
	char line[512];

	if (f == NULL)
		return 0;
	proc_address(a, ours);
	while (found == 0 && fgets(line, sizeof(line), f) != NULL) {
		char theirs[ADDRESS_DIGITS_MAX + 1];
		unsigned long inode;
		unsigned port, state;

		if (sscanf(line,
			" %*u: %32[0-9A-F]:%x %*s %x %*s %*s %*s %*s %*s %lu",
			theirs, &port, &state, &inode) == 4 &&
		    state == STATE_LISTEN && port == listen_port(a) &&
		    (is_any(theirs) ||
			(!other &&
			    (is_any(ours) || strcmp(theirs, ours) == 0))))
			found = inode;
	}
	(void)fclose(f);
	return found;
}

static bool
process_has(const char *pid, unsigned long inode)
{
	char path[64];
	char want[64];
	char link[64];
	struct dirent *e;
	bool has = false;
	ssize_t len;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	(void)snprintf(want, sizeof(want), "socket:[%lu]", inode);
	dir = opendir(path);
	if (dir == NULL)
		return false;
	while (!has && (e = readdir(dir)) != NULL) {
		len = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);
		if (len <= 0)
			continue;
		link[len] = '\0';
		has = strcmp(link, want) == 0;
	}
	(void)closedir(dir);
	return has;
}

static bool
describe(const char *pid, struct buf *out)
{
	char path[64];
	char name[64] = "?";
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	f = fopen(path, "re");
	if (f != NULL) {
		if (fgets(name, sizeof(name), f) != NULL)
			name[strcspn(name, "\n")] = '\0';
		(void)fclose(f);
	}
	return log_escape(out, slice_str(name)) &&
	       buf_printf(out, " (process %s)", pid);
}

bool
listen_holder(const struct listen_address *a, struct buf *out)
{
	unsigned long inode = 0;
	bool found = false;
	struct dirent *e;
	DIR *proc;

	if (a->addr.ss_family == AF_INET)
		inode = find_inode("/proc/net/tcp", a, false);
	/* Who holds [::] without V6ONLY holds all of IPv4 too. */
	if (inode == 0 && a->addr.ss_family != AF_UNIX)
		inode = find_inode(
		    "/proc/net/tcp6", a, a->addr.ss_family == AF_INET);
	proc = inode == 0 ? NULL : opendir("/proc");
	if (proc == NULL)
		return false;
	while (!found && (e = readdir(proc)) != NULL)
		if (strspn(e->d_name, "0123456789") == strlen(e->d_name) &&
		    process_has(e->d_name, inode))
			found = describe(e->d_name, out);
	(void)closedir(proc);
	return found;
}
