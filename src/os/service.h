/* SPDX-License-Identifier: ISC */
/* Messages to a service manager (systemd's sd_notify(3) protocol, without its
 * library), and what started this process. Depends on util. */
#ifndef OS_SERVICE_H
#define OS_SERVICE_H

#include <stdbool.h>

#include "util/buf.h"

/* Sends state ("READY=1", "RELOADING=1\nMONOTONIC_USEC=...", "STOPPING=1") to
 * $NOTIFY_SOCKET; nothing at all when there is none. Never waits: what does not
 * fit into the queue of a manager that does not read is lost. */
void service_notify(const char *state);

/* RELOADING=1 with the monotonic time that Type=notify-reload asks for. */
void service_notify_reloading(void);

/* Appends what a person does to end this process: "systemctl stop NAME" or
 * "rc-service NAME stop" for a service's main process, "Ctrl-C" in the
 * foreground of a terminal, else "kill PID". From the environment (systemd.exec(5),
 * openrc-run(8)) and /proc/self/cgroup: call it before a sandbox. False: no
 * room in out. */
bool service_put_stop(struct buf *out);

/* Appends the command that stops the service to which the contents of
 * /proc/self/cgroup (cgroups(7)) belong. False: no service, or no room. */
bool service_put_systemctl(struct slice cgroup, struct buf *out);

#endif
