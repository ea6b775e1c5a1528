/* SPDX-License-Identifier: ISC */
/* How a command ended: the values are the exit statuses (carnation(8)). */
#ifndef UTIL_RESULT_H
#define UTIL_RESULT_H

enum result {
	RESULT_GOOD = 0,
	RESULT_FAILED = 1, /* it did not work, or try again later */
	RESULT_USAGE = 2,
	RESULT_REFUSED = 3, /* signature, rollback, names, hashes */
	RESULT_LOCAL = 4,   /* disk, permissions, configuration */
	RESULT_STALE = 5,   /* of mirror: its author was not heard for long */
};

#endif
