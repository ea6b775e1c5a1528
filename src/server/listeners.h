/* SPDX-License-Identifier: ISC */
/* The listening sockets: opened once, kept across reloads as long as the
 * configuration wants them. Depends on os and conf. */
#ifndef SERVER_LISTENERS_H
#define SERVER_LISTENERS_H

#include <sys/types.h>

#include "conf/conf.h"
#include "os/listen.h"

enum { LISTENERS_MAX = LISTEN_INHERIT_MAX };

struct listener {
	int fd;
	struct listen_address asked; /* as configured: port 0 stays 0 */
	struct listen_address real;
	/* The file of a unix socket as it was bound; 0: none. */
	dev_t device;
	ino_t inode;
};

struct listeners {
	struct listener item[LISTENERS_MAX];
	size_t n;
	/* By the service manager: the configuration's are not opened. */
	bool inherited;
};

/* Takes sockets handed over by the service manager, if any. */
void listeners_inherit(struct listeners *l);

/* Fills next with the sockets that conf asks for: those of now that it still
 * wants, and new ones. An address family that the host lacks is a warning as
 * long as another address is left; a port in use is an error that names the
 * holder. False when r gained an error: the newly opened ones are closed
 * again. */
bool listeners_open(struct listeners *next, const struct listeners *now,
    const struct conf *conf, struct report *r);

/* Closes those of l that are not in keep (which may be NULL); whether there
 * were any. */
bool listeners_close(struct listeners *l, const struct listeners *keep);

/* Whether a descriptor is one of l's; l may be NULL. */
bool listeners_have(const struct listeners *l, int fd);

/* For check: an error or warning for each address that could not be opened. */
void listeners_check(const struct conf *conf, struct report *r);

#endif
