/* SPDX-License-Identifier: ISC */
#include "os/service.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/fd.h"

enum { CGROUP_MAX = 4096 };

/* The address in $NOTIFY_SOCKET: a path, or '@' and an abstract name. 0 when it
 * is missing or invalid. */
static socklen_t
service_address(struct sockaddr_un *out)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path == NULL ? 0 : strlen(path);

	if (len < 2 || len >= sizeof(out->sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return 0;
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(out->sun_path, path, len);
	if (path[0] == '@')
		out->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void
service_notify(const char *state)
{
	struct sockaddr_un to;
	socklen_t len = service_address(&to);
	int fd;

	if (len == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return;
	/* A manager that has exited or does not read must not delay us. */
	sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
	    (const struct sockaddr *)&to, len);
	close(fd);
}

void
service_notify_reloading(void)
{
	char state[64];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
	    clock_us());
	service_notify(state);
}

/* The last part of a line's path is the unit; a manager of a user's own services
 * runs in one called user@UID.service. */
bool
service_put_systemctl(struct slice cgroup, struct buf *out)
{
	const struct slice suffix = SLICE(".service");
	struct slice line, part;

	while (slice_line(&cgroup, &line)) {
		bool user = false;

		while (slice_cut(line, '/', &part, &line))
			user = user || slice_starts(part, SLICE("user@"));
		if (part.len <= suffix.len || !slice_ends(part, suffix) ||
		    slice_starts(part, SLICE("user@")))
			continue;
		part = slice_head(part, part.len - suffix.len);
		return buf_printf(out, "systemctl %sstop %.*s",
		    user ? "--user " : "", SLICE_ARGS(part));
	}
	return false;
}

/* Older systemd than 248 has no SYSTEMD_EXEC_PID. */
static bool
service_of_systemd(void)
{
	const char *pid = getenv("SYSTEMD_EXEC_PID");

	return getenv("NOTIFY_SOCKET") != NULL ||
	       (pid != NULL && strtol(pid, NULL, 10) == (long)getpid());
}

static bool
service_put_own_systemctl(struct buf *out)
{
	uint8_t memory[CGROUP_MAX];
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : fd_read(fd, memory, sizeof(memory));

	fd_close(fd);
	return n > 0 && service_put_systemctl(slice_of(memory, (size_t)n), out);
}

/* Whether a terminal's Ctrl-C reaches this process. */
static bool
service_in_foreground(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (tcgetpgrp(fd) == getpgrp())
			return true;
	return false;
}

bool
service_put_stop(struct buf *out)
{
	const char *name = getenv("RC_SVCNAME");

	if (service_of_systemd() && service_put_own_systemctl(out))
		return true;
	if (service_in_foreground())
		return buf_str(out, "Ctrl-C");
	if (name != NULL)
		return buf_printf(out, "rc-service %s stop", name);
	return buf_printf(out, "kill %d", (int)getpid());
}
