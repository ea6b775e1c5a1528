/* SPDX-License-Identifier: ISC */
#include "os/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/log.h"

enum { INHERIT_FIRST = 3 }; /* SD_LISTEN_FDS_START */

_Static_assert(
    LISTEN_TEXT_SIZE >
	sizeof("unix:") + sizeof(((struct sockaddr_un *)NULL)->sun_path),
    "any unix address has room");
_Static_assert(
    LISTEN_TEXT_SIZE > INET6_ADDRSTRLEN + 1 + IF_NAMESIZE + sizeof("[]:65535"),
    "any IPv6 address has room");

static void
address_set_ip4(struct listen_address *a, struct in_addr addr, unsigned port)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&a->addr;

	sin->sin_family = AF_INET;
	sin->sin_addr = addr;
	sin->sin_port = htons((uint16_t)port);
	a->len = sizeof(*sin);
}

static void
address_set_ip6(struct listen_address *a, struct in6_addr addr, unsigned scope,
    unsigned port)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&a->addr;

	sin6->sin6_family = AF_INET6;
	sin6->sin6_addr = addr;
	sin6->sin6_scope_id = scope;
	sin6->sin6_port = htons((uint16_t)port);
	a->len = sizeof(*sin6);
}

/* Fills a->text from a->addr. */
static void
address_write_text(struct listen_address *a)
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)&a->addr;
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)&a->addr;
	const struct sockaddr_un *sun = (const struct sockaddr_un *)&a->addr;
	size_t path = offsetof(struct sockaddr_un, sun_path);
	char host[INET6_ADDRSTRLEN] = "?";
	char zone[IF_NAMESIZE] = "";

	if (a->addr.ss_family == AF_UNIX) {
		snprintf(a->text, sizeof(a->text), "unix:%.*s",
		    a->len > path ? (int)(a->len - path) : 0, sun->sun_path);
		return;
	}
	if (a->addr.ss_family == AF_INET) {
		inet_ntop(AF_INET, &sin->sin_addr, host, sizeof(host));
		snprintf(
		    a->text, sizeof(a->text), "%s:%u", host, listen_port(a));
		return;
	}
	inet_ntop(AF_INET6, &sin6->sin6_addr, host, sizeof(host));
	if (sin6->sin6_scope_id != 0)
		if_indextoname(sin6->sin6_scope_id, zone);
	snprintf(a->text, sizeof(a->text), "[%s%s%s]:%u", host,
	    zone[0] == '\0' ? "" : "%", zone, listen_port(a));
}

static bool
unix_parse(struct slice path, struct listen_address *out, struct why *why)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&out->addr;

	if (path.len == 0 || path.len >= sizeof(sun->sun_path))
		return why_set(why,
		    "invalid unix socket path: must have 1 to %zu bytes",
		    sizeof(sun->sun_path) - 1);
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path.ptr, path.len);
	out->len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
	return true;
}

/* Cuts the port off: "HOST:PORT", "[V6]:PORT", or no port at all. An IPv6
 * address without brackets has more than one colon, hence no port. */
static bool
port_split(
    struct slice text, struct slice *host, unsigned *port, struct why *why)
{
	struct slice rest = { 0 };
	uint64_t number = LISTEN_PORT_DEFAULT;
	size_t at = 0;

	*host = text;
	if (text.len > 0 && text.ptr[0] == '[') {
		if (!slice_find(text, ']', &at))
			return why_set(why, "missing \"]\" after \"[\"");
		*host = slice_skip(slice_head(text, at), 1);
		rest = slice_skip(text, at + 1);
	} else if (slice_find(text, ':', &at) &&
		   !slice_find(slice_skip(text, at + 1), ':', NULL)) {
		*host = slice_head(text, at);
		rest = slice_skip(text, at);
	}
	if (rest.len > 0 &&
	    (rest.ptr[0] != ':' ||
		!slice_number(slice_skip(rest, 1), UINT16_MAX, &number)))
		return why_set(
		    why, "invalid port: must be a number from 0 to 65535");
	*port = (unsigned)number;
	return true;
}

static bool
ip6_parse(char *host, unsigned port, struct listen_address *out)
{
	struct in6_addr addr;
	unsigned scope = 0;
	char *zone = strchr(host, '%');

	if (zone != NULL) {
		*zone++ = '\0';
		scope = if_nametoindex(zone);
		if (scope == 0)
			return false;
	}
	/* An IPv4-mapped IPv6 address cannot be bound with V6ONLY. */
	if (inet_pton(AF_INET6, host, &addr) != 1 ||
	    IN6_IS_ADDR_V4MAPPED(&addr))
		return false;
	address_set_ip6(out, addr, scope, port);
	return true;
}

static bool
ip_parse(struct slice text, unsigned port, struct listen_address *out,
    struct why *why)
{
	char host[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE];
	struct in_addr addr;

	if (text.len < sizeof(host) && !slice_find(text, '\0', NULL)) {
		memcpy(host, text.ptr, text.len);
		host[text.len] = '\0';
		if (inet_pton(AF_INET, host, &addr) == 1) {
			address_set_ip4(out, addr, port);
			return true;
		}
		if (ip6_parse(host, port, out))
			return true;
	}
	return why_set(why,
	    "invalid address: use numbers, as in 127.0.0.1:1965, "
	    "[::1]:1965, *:1965, :1965 or unix:/run/carnation.sock");
}

bool
listen_parse(
    const char *text, struct listen_address out[2], size_t *n, struct why *why)
{
	struct slice all = slice_str(text);
	struct slice host;
	unsigned port = 0;
	size_t i;

	memset(out, 0, 2 * sizeof(*out));
	*n = 0;
	if (slice_starts(all, SLICE("unix:"))) {
		if (!unix_parse(slice_skip(all, 5), &out[0], why))
			return false;
		*n = 1;
	} else if (all.len == 0) {
		return why_set(why, "empty address");
	} else if (!port_split(all, &host, &port, why)) {
		return false;
	} else if (slice_equal(host, SLICE("*")) ||
		   (host.len == 0 && text[0] == ':')) {
		address_set_ip4(&out[0], (struct in_addr){ INADDR_ANY }, port);
		address_set_ip6(
		    &out[1], (struct in6_addr)IN6ADDR_ANY_INIT, 0, port);
		*n = 2;
	} else {
		if (!ip_parse(host, port, &out[0], why))
			return false;
		*n = 1;
	}
	for (i = 0; i < *n; i++)
		address_write_text(&out[i]);
	return true;
}

bool
listen_equal(const struct listen_address *a, const struct listen_address *b)
{
	return a->addr.ss_family == b->addr.ss_family && a->len == b->len &&
	       memcmp(&a->addr, &b->addr, a->len) == 0;
}

unsigned
listen_port(const struct listen_address *a)
{
	switch (a->addr.ss_family) {
	case AF_INET:
		return ntohs(((const struct sockaddr_in *)&a->addr)->sin_port);
	case AF_INET6:
		return ntohs(
		    ((const struct sockaddr_in6 *)&a->addr)->sin6_port);
	default:
		return 0;
	}
}

/* Whether a unix socket's file exists and no process accepts on it. */
static bool
unix_is_stale(const struct listen_address *a)
{
	const struct sockaddr_un *sun = (const struct sockaddr_un *)&a->addr;
	struct stat st;
	bool stale;
	int fd;

	/* Connecting to a plain file is refused as well, and it stays. */
	if (lstat(sun->sun_path, &st) == -1 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return false;
	stale = connect(fd, (const struct sockaddr *)&a->addr, a->len) == -1 &&
		errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int
address_bind(int fd, const struct listen_address *a)
{
	const struct sockaddr *addr = (const struct sockaddr *)&a->addr;

	if (bind(fd, addr, a->len) == 0)
		return 0;
	if (errno != EADDRINUSE || addr->sa_family != AF_UNIX)
		return -1;
	if (!unix_is_stale(a) ||
	    unlink(((const struct sockaddr_un *)&a->addr)->sun_path) == -1) {
		errno = EADDRINUSE;
		return -1;
	}
	return bind(fd, addr, a->len);
}

static int
socket_set_options(int fd, int family)
{
	int on = 1;

	if (family == AF_UNIX)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1)
		return -1;
	/* The default differs between systems. */
	return family != AF_INET6
		   ? 0
		   : setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
}

/* What saves work and memory, where the system has it; a unix socket has
 * neither option. */
static void
socket_tune(int fd)
{
	const int unsent = LISTEN_UNSENT_MAX;
	const int defer = LISTEN_DEFER_S;

	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer, sizeof(defer));
}

int
listen_share(int fd, bool share)
{
	int on = share ? 1 : 0;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

static int
address_open(struct listen_address *a, bool shared)
{
	socklen_t len = sizeof(a->addr);
	int fd;

	fd = socket(
	    a->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (socket_set_options(fd, a->addr.ss_family) == -1 ||
	    (shared && listen_share(fd, true) == -1) ||
	    address_bind(fd, a) == -1 || listen(fd, SOMAXCONN) == -1 ||
	    (shared && listen_share(fd, false) == -1))
		goto fail;
	if (a->addr.ss_family != AF_UNIX) {
		socket_tune(fd);
		if (getsockname(fd, (struct sockaddr *)&a->addr, &len) == -1)
			goto fail;
		a->len = len;
	}
	address_write_text(a);
	return fd;
fail:
	fd_close(fd);
	return -1;
}

int
listen_open(struct listen_address *a)
{
	return address_open(a, false);
}

int
listen_open_shared(struct listen_address *a)
{
	return address_open(a, true);
}

/* Whether fd is a stream socket that listens, made ready for us. */
static bool
descriptor_inherit(int fd, struct listen_address *a)
{
	socklen_t len = sizeof(int);
	int flags;
	int type = 0;
	int listens = 0;

	memset(a, 0, sizeof(*a));
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1 ||
	    type != SOCK_STREAM ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == -1 ||
	    listens == 0)
		return false;
	a->len = sizeof(a->addr);
	if (getsockname(fd, (struct sockaddr *)&a->addr, &a->len) == -1 ||
	    (a->addr.ss_family != AF_INET && a->addr.ss_family != AF_INET6 &&
		a->addr.ss_family != AF_UNIX))
		return false;
	flags = fcntl(fd, F_GETFL);
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return false;
	if (a->addr.ss_family != AF_UNIX)
		socket_tune(fd);
	address_write_text(a);
	return true;
}

size_t
listen_inherit(int *fds, struct listen_address *addresses)
{
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");
	uint64_t who = 0;
	uint64_t given = 0;
	size_t n = 0;
	int fd;

	if (pid != NULL && count != NULL &&
	    slice_number(slice_str(pid), INT32_MAX, &who) &&
	    who == (uint64_t)getpid() &&
	    !slice_number(slice_str(count), LISTEN_INHERIT_MAX, &given))
		log_warn("invalid LISTEN_FDS=%s (must be at most %d): ignored",
		    count, LISTEN_INHERIT_MAX);
	for (fd = INHERIT_FIRST; fd < INHERIT_FIRST + (int)given; fd++) {
		if (descriptor_inherit(fd, &addresses[n]))
			fds[n++] = fd;
		else
			log_warn("descriptor %d, passed by the service "
				 "manager, is not a listening socket: ignored",
			    fd);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return n;
}
