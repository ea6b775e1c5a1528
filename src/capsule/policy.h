/* SPDX-License-Identifier: ISC */
/* What is decided by a normalised path alone, before any file is looked at:
 * gone, redirects (zones later). Depends on util, proto and conf. */
#ifndef CAPSULE_POLICY_H
#define CAPSULE_POLICY_H

#include "capsule/host.h"
#include "proto/response.h"
#include "proto/uri.h"

/* STATUS_NONE: go on. Else the status, with its META appended to meta: one line
 * of a URI reference that never begins with "//", carries the request's query
 * unless the target has one, and is not cut: too long is STATUS_NOT_FOUND. */
enum status policy_decide(const struct host *h, const struct uri_path *path,
    const struct uri *uri, struct buf *meta);

/* The settings that a path's globs give; the first glob that says something
 * about a field wins (empty text too), then the capsule's. Empty when nobody
 * says. path is decoded and begins with '/'. */
struct slice policy_lang(const struct host *h, const char *path);
struct slice policy_charset(const struct host *h, const char *path);
struct slice policy_type(const struct host *h, const char *path);
bool policy_listing(const struct host *h, const char *path);

#endif
