/* SPDX-License-Identifier: ISC */
/* The process that holds the private keys, "keyd", as its parent sees it: one for
 * a set of certificates, started before the workers that have their signatures
 * made by it, replaced when it dies or hangs. Neither parent nor worker ever
 * opens the file of a key. Depends on child, keyset, notice, seats, os and tls; uses libev's
 * default loop. */
#ifndef SERVER_KEYD_H
#define SERVER_KEYD_H

#include "conf/conf.h"
#include "os/privs.h"
#include "server/keyset.h"
#include "server/seats.h"

enum {
	KEYD_START_MS = 30000, /* to have read all keys */
	KEYD_PING_MS = 1000,
	KEYD_PINGS_MAX = 3,    /* unanswered, then it hangs */
	KEYD_STABLE_MS = 500,  /* see child_replace_later */
	KEYD_RETRY_MS = 60000, /* for a key that cannot be used any more */
	/* With more keys this is left to a reload, which starts another keyd
	 * first: reading them takes longer (2 ms each) than handshakes of the
	 * other capsules can wait. */
	KEYD_RETRY_KEYS_MAX = 64,
};

/* The account that it becomes when started as root. */
#define KEYD_USER "carnation-keys"

/* What one is made for; all borrowed. */
struct keyd_set {
	const struct signer_pair *pairs; /* their order numbers the slots */
	size_t n;
	struct tls_settings settings;
	size_t seats;              /* of workers */
	const struct privs *privs; /* of the workers */
	enum conf_sandbox sandbox;
};

struct keyd;

/* Not started yet. Each keyd_new and keyd_ref is matched by a keyd_free, of
 * which the last ends the process. NULL: out of memory. */
struct keyd *keyd_new(const struct keyd_set *set);
struct keyd *keyd_ref(struct keyd *k);
void keyd_free(struct keyd **k);

/* Whether k, which was started, can serve in place of other: certificates, key
 * files and settings are the same, and all keys can be used. */
bool keyd_can_replace(struct keyd *k, const struct keyd *other);

/* Reads the keys in a process of its own and waits until all of them are
 * checked: see keyd_fault. False and why when that process failed. */
bool keyd_start(struct keyd *k, struct why *why);

/* The same in a child that ends then. */
bool keyd_check(struct keyd *k, struct why *why);

/* Why the key of a slot cannot be used; NULL: it can. */
const char *keyd_fault(const struct keyd *k, size_t slot);

/* Its seats; a worker of this set of certificates takes one. */
struct seats *keyd_seats(struct keyd *k);

/* Ends all keyds and waits for them; none is replaced. */
void keyd_kill_all(void);

/* "process 123, user carnation-keys", for people. */
bool keyd_put(const struct keyd *k, struct buf *out);

/* Whether it is of a user of its own: else only that it cannot be dumped keeps
 * workers away from it (ptrace(2)). */
bool keyd_has_own_user(const struct keyd *k);

#endif
