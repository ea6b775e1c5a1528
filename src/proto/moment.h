/* SPDX-License-Identifier: ISC */
/* Moments as feeds and security.txt write them (RFC 3339).
 * Pure; depends on util and subscription (for the calendar). */
#ifndef PROTO_MOMENT_H
#define PROTO_MOMENT_H

#include "proto/subscription.h"

/* Seconds since 1970 of "2026-11-22T12:00:00Z", with a fraction (left out) and
 * another zone ("+04:00") or not; upper-case T and Z, as RFC 4287 wants them. A
 * leap second is the one behind it. False when s is no such text. */
bool moment_parse(struct slice s, int64_t *out);

#endif
