/* SPDX-License-Identifier: ISC */
#include "verbs/store_verb.h"

#include "util/log.h"
#include "verbs/verbs.h"

int
store_failed(const struct why *why)
{
	log_error("%s", why->text);
	return EXIT_LOCAL;
}

int
store_take(const char *path, struct store **s)
{
	int status = EXIT_GOOD;
	struct why why;

	*s = store_open(path, false, &why);
	if (*s == NULL) {
		status = store_failed(&why);
	} else {
		switch (store_lock(*s, &why)) {
		case STORE_LOCKED:
			break;
		case STORE_BUSY:
			(void)store_failed(&why);
			status = EXIT_FAILED;
			break;
		case STORE_LOCK_FAILED:
			status = store_failed(&why);
			break;
		}
	}
	if (status != EXIT_GOOD)
		store_close(s);
	return status;
}
