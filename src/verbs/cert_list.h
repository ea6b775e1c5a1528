/* SPDX-License-Identifier: ISC */
/* The certificates of a directory, found and shown (cert show).
 * Depends on tls, proto, util. */
#ifndef VERBS_CERT_LIST_H
#define VERBS_CERT_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/hostname.h"

/* The host of the only certificate in dir; false, with a message, when there is
 * none or more than one. */
bool cert_list_only(const char *dir, char host[HOSTNAME_SIZE]);

/* Prints what people or programs want to know of each word, a host with a
 * certificate in dir or a file; of all in dir when there are none. False when
 * one could not be shown. */
bool
cert_list_show(const char *dir, const char *const *words, size_t n, bool json);

#endif
