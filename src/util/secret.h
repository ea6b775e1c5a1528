/* SPDX-License-Identifier: ISC */
/* Whether bytes that are about to be published hold a private key.
 * Pure; depends on slice. */
#ifndef UTIL_SECRET_H
#define UTIL_SECRET_H

#include "util/slice.h"

enum { SECRET_LOOK_MAX = 16 * 1024 }; /* bytes of a file that are examined */

/* True for a PEM private key or a signify secret key whose body is there too; a
 * page that merely mentions the words does not count. */
bool secret_spotted(struct slice bytes);

#endif
