/* SPDX-License-Identifier: ISC */
/* The only includer of cmocka, whose header wants four others before it. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "util/slice.h"

/* The bytes of two slices, shown when they differ. */
#define check_slice(got, want)                                                 \
	do {                                                                   \
		struct slice got_ = (got), want_ = (want);                     \
		if (!slice_equal(got_, want_))                                 \
			fail_msg("%s:%d: got \"%.*s\", want \"%.*s\"",         \
			    __FILE__, __LINE__, SLICE_ARGS(got_),              \
			    SLICE_ARGS(want_));                                \
	} while (0)

/* A table row that fails says which. */
#define check_row(condition, row)                                              \
	do {                                                                   \
		if (!(condition))                                              \
			fail_msg("%s:%d: row \"%s\": %s", __FILE__, __LINE__,  \
			    (row), #condition);                                \
	} while (0)

#endif
