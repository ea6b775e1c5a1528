/* SPDX-License-Identifier: ISC */
#include "archive/keyring.h"

#include <string.h>

const struct keyring_key *
keyring_find(const struct keyring *k, const struct signify_key *key)
{
	for (size_t i = 0; i < k->n; i++)
		if (signify_key_equal(&k->key[i].key, key))
			return &k->key[i];
	return NULL;
}

static void
key_remove(struct keyring *k, struct keyring_key *at)
{
	k->n--;
	memmove(at, at + 1, (size_t)(k->key + k->n - at) * sizeof(*at));
}

/* The first of that standing; NULL: none. */
static struct keyring_key *
key_first(struct keyring *k, enum keyring_standing standing)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->key[i].standing == standing)
			return &k->key[i];
	return NULL;
}

/* Adds a key at the end. False: there is no room. */
static bool
key_add(struct keyring *k, const struct signify_key *key,
    enum keyring_standing standing)
{
	struct keyring_key *out = NULL;

	if (k->n == KEYRING_MAX) {
		out = key_first(k, KEYRING_RETIRED);
		if (out == NULL)
			out = key_first(k, KEYRING_ANNOUNCED);
		if (out == NULL)
			return false;
		key_remove(k, out);
	}
	k->key[k->n++] = (struct keyring_key){ *key, standing };
	return true;
}

bool
keyring_pin(struct keyring *k, const struct signify_key *key)
{
	struct keyring_key *at = (struct keyring_key *)keyring_find(k, key);

	if (at == NULL)
		return key_add(k, key, KEYRING_PINNED);
	at->standing = KEYRING_PINNED;
	return true;
}

static void
key_say(struct buf *said, const struct signify_key *key, const char *what)
{
	if (said != NULL)
		(void)(buf_str(said, "key ") && signify_key_text(key, said) &&
		       buf_printf(said, " %s\n", what));
}

/* A key that was announced has signed: all others are retired. */
static void
others_retire(struct keyring *k, struct keyring_key *signer, struct buf *said)
{
	signer->standing = KEYRING_PINNED;
	for (size_t i = 0; i < k->n; i++) {
		if (&k->key[i] == signer ||
		    k->key[i].standing == KEYRING_RETIRED)
			continue;
		k->key[i].standing = KEYRING_RETIRED;
		key_say(said, &k->key[i].key,
		    "is retired: its successor has signed");
	}
}

/* What was announced before is replaced, be it by none. */
static void
announced_withdraw(
    struct keyring *k, const struct signify_key *next, struct buf *said)
{
	for (size_t i = k->n; i-- > 0;) {
		struct keyring_key *at = &k->key[i];

		if (at->standing != KEYRING_ANNOUNCED ||
		    (next != NULL && signify_key_equal(&at->key, next)))
			continue;
		key_say(said, &at->key, "is announced no more");
		key_remove(k, at);
	}
}

bool
keyring_drop(struct keyring *k, const struct signify_key *key, struct buf *said)
{
	struct keyring_key *at = (struct keyring_key *)keyring_find(k, key);

	if (at == NULL)
		return false;
	if (at->standing == KEYRING_RETIRED) {
		key_remove(k, at);
		return true;
	}
	at->standing = KEYRING_RETIRED;
	announced_withdraw(k, NULL, said);
	return true;
}

void
keyring_accept(struct keyring *k, const struct signify_key *signer,
    const struct signify_key *next, struct buf *said)
{
	struct keyring_key *at = (struct keyring_key *)keyring_find(k, signer);

	if (at == NULL)
		(void)key_add(k, signer, KEYRING_PINNED);
	else if (at->standing == KEYRING_ANNOUNCED)
		others_retire(k, at, said);
	announced_withdraw(k, next, said);
	if (next == NULL || keyring_find(k, next) != NULL)
		return;
	key_say(said, next,
	    key_add(k, next, KEYRING_ANNOUNCED)
		? "is announced as the next one"
		: "is announced as the next one, but all places are taken by "
		  "keys that are pinned: drop some");
}

void
keyring_distrust(const struct keyring *k, const char *number, const char *words,
    struct why *why)
{
	const char *before = "(trusted: ";
	char trusted[SIGNIFY_NUMBER_TEXT];

	why_set(why, "signed by key %s, which %s ", number, words);
	for (size_t i = 0; i < k->n; i++) {
		if (k->key[i].standing == KEYRING_RETIRED)
			continue;
		signify_number_text(k->key[i].key.number, trusted);
		why_set(why, "%s%s%s", why->text, before, trusted);
		before = ", ";
	}
	why_set(why, "%s)", why->text);
}
