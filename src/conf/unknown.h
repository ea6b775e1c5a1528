/* SPDX-License-Identifier: ISC */
/* What is reported about an option that carnation does not have: which of ours
 * is meant, also when the name is that of another server, or that there is
 * none. Depends on options and report. */
#ifndef CONF_UNKNOWN_H
#define CONF_UNKNOWN_H

#include "conf/options.h"

/* Appends what to write instead of name, which was found in the group of prefix
 * in a file of place: "; did you mean ..."; nothing when nothing is near. */
void unknown_explain(
    const char *prefix, unsigned place, const char *name, struct buf *out);

#endif
