/* SPDX-License-Identifier: ISC */
/* Messages to a service manager (systemd's sd_notify(3) protocol, without its
 * library). Depends on util. */
#ifndef OS_SERVICE_H
#define OS_SERVICE_H

/* Sends state ("READY=1", "RELOADING=1\nMONOTONIC_USEC=...", "STOPPING=1") to
 * $NOTIFY_SOCKET; nothing at all when there is none. Never waits: what does not
 * fit into the queue of a manager that does not read is lost. */
void service_notify(const char *state);

/* RELOADING=1 with the monotonic time that Type=notify-reload asks for. */
void service_notify_reloading(void);

#endif
