/* SPDX-License-Identifier: ISC */
/* What this program calls itself: --version, a trace. Depends on nothing. */
#ifndef UTIL_VERSION_H
#define UTIL_VERSION_H

#define CARNATION_VERSION "0.1.0"

#endif
