/* SPDX-License-Identifier: ISC */
/* What is decided by a normalised path alone, before any file is looked at:
 * gone, redirects. All that concerns redirects is here: how one is matched,
 * where it leads, and the check of what was configured.
 * Depends on util, proto and conf. */
#ifndef CAPSULE_POLICY_H
#define CAPSULE_POLICY_H

#include "capsule/host.h"
#include "proto/response.h"
#include "proto/uri.h"

/* STATUS_NONE: nothing decided. Else the status, with its META appended to
 * meta: one line of a URI reference that never begins with "//", carries the
 * request's query unless the target has one, and is not cut: too long is
 * STATUS_NOT_FOUND. */
enum status policy_decide(const struct host *h, const struct uri_path *path,
    const struct uri *uri, struct buf *meta);

/* The same for one redirect, whatever its place in the list. */
enum status policy_redirect(const struct conf_redirect *redirect,
    const struct uri_path *path, const struct uri *uri, struct buf *meta);

/* Whether one redirect applies to everything below a directory. */
bool policy_carries_rest(const struct conf_redirect *redirect);

/* The path that a redirect is followed from first: its own, normalised. A
 * final "/" "*" is replaced with "/" and rest. False when no request line
 * holds it. */
bool policy_redirect_path(const struct conf_redirect *redirect,
    const char *rest, struct uri_path *out);

/* Reports redirects that lead in a circle, or over more than
 * STATUS_REDIRECTS_MAX others, as errors; to another protocol, as warnings.
 * Each redirect has both texts, or its row in the table of options was
 * reported: those without are passed over. False when r gained an error. */
bool policy_check_content(const struct conf_content *content, struct report *r);

/* The same for the operator's settings of each capsule, after conf_check(). */
bool policy_check(const struct conf *conf, struct report *r);

/* The settings that a path's globs give; the first glob that sets
 * a field wins (empty text too), then the capsule's. Empty when neither
 * does. path is decoded and begins with '/'. */
struct slice policy_lang(const struct host *h, const char *path);
struct slice policy_charset(const struct host *h, const char *path);
struct slice policy_type(const struct host *h, const char *path);
bool policy_listing(const struct host *h, const char *path);

#endif
