/* SPDX-License-Identifier: ISC */
/* listen_holder() and listen_is_ours() of os/listen.h, from what /proc
 * shows. */
#include <dirent.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/listen.h"
#include "util/log.h"

enum {
	STATE_LISTEN = 0x0A, /* in the column "st" */
	/* sockets examined; more on one port is not expected */
	HOLDERS_MAX = 64,
	COMM_SIZE = 64,
	ADDRESS_DIGITS_MAX = 32,
};

/* The address as /proc/net/tcp and tcp6 write it. */
static void
address_as_proc(
    const struct listen_address *a, char out[ADDRESS_DIGITS_MAX + 1])
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)&a->addr;
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)&a->addr;
	uint32_t word[4];

	if (a->addr.ss_family == AF_INET) {
		snprintf(out, ADDRESS_DIGITS_MAX + 1, "%08" PRIX32,
		    sin->sin_addr.s_addr);
		return;
	}
	memcpy(word, &sin6->sin6_addr, sizeof(word));
	snprintf(out, ADDRESS_DIGITS_MAX + 1,
	    "%08" PRIX32 "%08" PRIX32 "%08" PRIX32 "%08" PRIX32, word[0],
	    word[1], word[2], word[3]);
}

static bool
digits_are_any(const char *digits)
{
	return strspn(digits, "0") == strlen(digits);
}

/* A socket that conflicts with an address. */
struct holder {
	unsigned long inode;
	uid_t uid; /* who opened it */
};

/* Adds the sockets conflicting with a in the table at path to the n of out. In
 * the table of the other family only "any" conflicts. */
static size_t
table_find_holders(const char *path, const struct listen_address *a, bool other,
    struct holder *out, size_t n)
{
	FILE *f = fopen(path, "re");
	char ours[ADDRESS_DIGITS_MAX + 1];
	char line[512];

	if (f == NULL)
		return n;
	address_as_proc(a, ours);
	while (n < HOLDERS_MAX && fgets(line, sizeof(line), f) != NULL) {
		char theirs[ADDRESS_DIGITS_MAX + 1];
		unsigned long inode;
		unsigned port, state, uid;

		if (sscanf(line,
			" %*u: %32[0-9A-F]:%x %*s %x %*s %*s %*s %u %*s %lu",
			theirs, &port, &state, &uid, &inode) == 5 &&
		    state == STATE_LISTEN && port == listen_port(a) &&
		    inode != 0 &&
		    (digits_are_any(theirs) ||
			(!other && (digits_are_any(ours) ||
				       strcmp(theirs, ours) == 0))))
			out[n++] = (struct holder){ inode, uid };
	}
	fclose(f);
	return n;
}

/* All of them; self/net is there also in a /proc that shows only processes. */
static size_t
address_find_holders(
    const struct listen_address *a, struct holder out[HOLDERS_MAX])
{
	size_t n = 0;

	if (a->addr.ss_family == AF_INET)
		n = table_find_holders("/proc/self/net/tcp", a, false, out, n);
	/* A socket on [::] without V6ONLY covers all of IPv4 too. */
	if (n == 0 && a->addr.ss_family != AF_UNIX)
		n = table_find_holders("/proc/self/net/tcp6", a,
		    a->addr.ss_family == AF_INET, out, n);
	return n;
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

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	snprintf(want, sizeof(want), "socket:[%lu]", inode);
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
	closedir(dir);
	return has;
}

/* The name of a running program; "?" when it cannot be read. */
static void
process_name(const char *pid, char name[COMM_SIZE])
{
	char path[64];
	FILE *f;

	memcpy(name, "?", sizeof("?"));
	snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fgets(name, COMM_SIZE, f) != NULL)
		name[strcspn(name, "\n")] = '\0';
	fclose(f);
}

static bool
process_describe(const char *pid, struct buf *out)
{
	char name[COMM_SIZE];

	process_name(pid, name);
	return log_escape(out, slice_str(name)) &&
	       buf_printf(out, " (process %s)", pid);
}

/* The next process of a directory that is /proc; NULL at the end. */
static const char *
proc_next_process(DIR *proc)
{
	struct dirent *e;

	while ((e = readdir(proc)) != NULL)
		if (strspn(e->d_name, "0123456789") == strlen(e->d_name))
			return e->d_name;
	return NULL;
}

/* How a process relates to a socket; a greater value outweighs a lesser one. */
enum owner { OWNER_NOT, OWNER_LIKELY, OWNER_OTHER, OWNER_OURS };

/* Seen from a program called name. */
static enum owner
process_owns(const char *pid, const struct holder *h, const char *name)
{
	char path[64];
	char theirs[COMM_SIZE];
	struct stat st;
	bool same;

	process_name(pid, theirs);
	same = strcmp(theirs, name) == 0;
	if (process_has(pid, h->inode))
		return same ? OWNER_OURS : OWNER_OTHER;
	snprintf(path, sizeof(path), "/proc/%.16s", pid);
	if (!same || stat(path, &st) == -1 || st.st_uid != h->uid)
		return OWNER_NOT;
	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	return access(path, R_OK) == -1 ? OWNER_LIKELY : OWNER_NOT;
}

/* A service manager may hold it too: one process of ours is enough. Root sees
 * all processes, so those it does not see are in a container. */
static bool
holder_is_ours(DIR *proc, const struct holder *h, const char *name)
{
	enum owner most = OWNER_NOT;
	const char *pid;

	if (geteuid() != 0 && h->uid == geteuid())
		most = OWNER_LIKELY;
	rewinddir(proc);
	while ((pid = proc_next_process(proc)) != NULL) {
		enum owner owner = process_owns(pid, h, name);

		/* What this process holds does not belong to another server. */
		if (owner == OWNER_OURS &&
		    strtol(pid, NULL, 10) == (long)getpid())
			owner = OWNER_OTHER;
		if (owner > most)
			most = owner;
	}
	return most == OWNER_OURS || most == OWNER_LIKELY;
}

bool
listen_is_ours(const struct listen_address *a)
{
	struct holder holders[HOLDERS_MAX];
	size_t n = address_find_holders(a, holders);
	DIR *proc = n == 0 ? NULL : opendir("/proc");
	char name[COMM_SIZE];
	bool ours = proc != NULL;

	process_name("self", name);
	for (size_t i = 0; ours && i < n; i++)
		ours = holder_is_ours(proc, &holders[i], name);
	if (proc != NULL)
		closedir(proc);
	return ours;
}

/* A process that is not root cannot inspect processes like ours: one of this
 * program and of the socket's owner must suffice. Which of several it is
 * remains unknown. */
static bool
holder_describe_likely(DIR *proc, const struct holder *h, struct buf *out)
{
	char name[COMM_SIZE];
	const char *pid;

	process_name("self", name);
	rewinddir(proc);
	while ((pid = proc_next_process(proc)) != NULL)
		if (strtol(pid, NULL, 10) != (long)getpid() &&
		    process_owns(pid, h, name) == OWNER_LIKELY)
			return log_escape(out, slice_str(name));
	return false;
}

bool
listen_holder(const struct listen_address *a, struct buf *out)
{
	struct holder holders[HOLDERS_MAX];
	size_t n = address_find_holders(a, holders);
	DIR *proc = n == 0 ? NULL : opendir("/proc");
	bool found = false;
	const char *pid;

	if (proc == NULL)
		return false;
	for (size_t i = 0; !found && i < n; i++) {
		/* At a reload some may be our own: the other one is
		 * reported. */
		if (i + 1 < n && process_has("self", holders[i].inode))
			continue;
		rewinddir(proc);
		while (!found && (pid = proc_next_process(proc)) != NULL)
			if (process_has(pid, holders[i].inode))
				found = process_describe(pid, out);
	}
	for (size_t i = 0; !found && i < n; i++)
		found = holder_describe_likely(proc, &holders[i], out);
	closedir(proc);
	return found;
}
