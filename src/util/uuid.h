/* SPDX-License-Identifier: ISC */
/* Identifiers made of a name (RFC 9562 5.5, version 5): the same name always
 * gives the same one. They identify, they protect nothing. Pure. */
#ifndef UTIL_UUID_H
#define UTIL_UUID_H

#include "util/slice.h"

enum { UUID_SIZE = 16, UUID_TEXT_SIZE = 37 };

/* The UUID of name in a namespace, as text: lower case, NUL-terminated. */
void uuid_of_name(const uint8_t space[UUID_SIZE], struct slice name,
    char out[UUID_TEXT_SIZE]);

#endif
