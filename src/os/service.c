/* SPDX-License-Identifier: ISC */
#include "os/service.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/clock.h"

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
