/* SPDX-License-Identifier: ISC */
#include "support/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "support/tree.h"

struct listen_address
address_of(const char *text)
{
	struct listen_address a[2];
	struct why why;
	size_t n;

	assert_true(listen_parse(text, a, &n, &why));
	return a[0];
}

struct listen_address
address_of_unix(const char *name)
{
	char text[PATH_MAX + 8];

	snprintf(text, sizeof(text), "unix:%s", tree_path(name));
	return address_of(text);
}

struct sockaddr_storage
sockaddr_of(const char *text)
{
	struct sockaddr_storage out = { .ss_family = AF_UNIX };
	struct sockaddr_in *v4 = (void *)&out;
	struct sockaddr_in6 *v6 = (void *)&out;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		out.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		out.ss_family = AF_INET6;
	return out;
}

int
loopback_listen(unsigned *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}
