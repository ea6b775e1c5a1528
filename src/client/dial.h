/* SPDX-License-Identifier: ISC */
/* A TCP connection to a host by name or address, before a deadline.
 * Depends on util. */
#ifndef CLIENT_DIAL_H
#define CLIENT_DIAL_H

#include "util/buf.h"

/* Tries every address of host in turn, IPv6 and IPv4 as the system orders them,
 * until clock_ms() passes deadline_ms; a silent address leaves time for the
 * others. A connected, non-blocking socket, or -1 and why. (Names are looked up
 * for as long as the system's resolver takes.) */
int
dial(const char *host, unsigned port, uint64_t deadline_ms, struct buf *why);

/* Waits until fd is ready for events (poll(2)) or the deadline has passed; false
 * then. */
bool dial_wait(int fd, short events, uint64_t deadline_ms);

#endif
