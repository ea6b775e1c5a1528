/* SPDX-License-Identifier: ISC */
/* Moments as feeds and security.txt write them (RFC 3339).
 * Pure; depends on util and subscription (for the calendar). */
#ifndef PROTO_MOMENT_H
#define PROTO_MOMENT_H

#include "proto/subscription.h"

/* Seconds since 1970 of "2026-11-22T12:00:00Z", with a fraction (left out) and
 * another zone ("+04:00") or not; upper-case T and Z, as RFC 4287 requires. A
 * leap second is the one after it. False when s is not such a text. */
bool moment_parse(struct slice s, int64_t *out);

#endif
