/* SPDX-License-Identifier: ISC */
/* This program's version: --version, a trace. Depends on nothing. */
#ifndef UTIL_VERSION_H
#define UTIL_VERSION_H

#define CARNATION_VERSION "0.2.0"

#endif
