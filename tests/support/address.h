/* SPDX-License-Identifier: ISC */
/* Addresses from texts, and a socket that listens on the loopback. */
#ifndef TESTS_SUPPORT_ADDRESS_H
#define TESTS_SUPPORT_ADDRESS_H

#include <sys/socket.h>

#include "check.h"
#include "os/listen.h"

/* Of an IPv4 or IPv6 address, with port 0; of any other text, AF_UNIX. */
struct sockaddr_storage sockaddr_of(const char *text);

/* The first address of a value of "listen". */
struct listen_address address_of(const char *text);

/* That of a socket file in the test's tree. */
struct listen_address address_of_unix(const char *name);

/* Listens on 127.0.0.1 and reports the port; the caller closes the result. */
int loopback_listen(unsigned *port);

#endif
