/* SPDX-License-Identifier: ISC */
/* The text of one directory's page: for capsule/listing.c.
 * Depends on host, resolve and proto. */
#ifndef CAPSULE_LISTING_PAGE_H
#define CAPSULE_LISTING_PAGE_H

#include "capsule/host.h"

/* Appends the page of the directory open at fd, at path beneath h's root (as
 * listing_get has it), to out. False and errno: EFBIG when the directory holds more
 * than LISTING_NAMES_MAX names, else ENOMEM: memory or descriptors are short. */
bool
listing_write(const struct host *h, const char *path, int fd, struct buf *out);

#endif
