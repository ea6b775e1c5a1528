/* SPDX-License-Identifier: ISC */
#include "tls/tickets.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "os/shared.h"
#include "tls/internal.h"
#include "tls/parts.h"
#include "tls/session_table.h"

enum {
	TICKETS_SLOTS = TICKETS_KEYS + 1, /* one is free to be written */
	TICKET_NAME_SIZE = 16,
	TICKET_IV_SIZE = 16,
	TICKET_KEY_SIZE = 32,
};

_Static_assert((TICKETS_SLOTS & (TICKETS_SLOTS - 1)) == 0,
    "slots divide the range of an unsigned, which wraps");
_Static_assert(2 * TICKETS_ROTATE_S <= TICKETS_LIFETIME_S,
    "no key takes tickets for longer than a ticket may live");
_Static_assert(TICKET_IV_SIZE <= EVP_MAX_IV_LENGTH, "OpenSSL's room for it");

struct ticket_key {
	uint8_t name[TICKET_NAME_SIZE];
	uint8_t aes[TICKET_KEY_SIZE];
	uint8_t hmac[TICKET_KEY_SIZE];
};

/* The shared page. Turn t has its previous key in slot t - 1, its current one
 * in t, its next one in t + 1, all modulo TICKETS_SLOTS; the parent writes the
 * fourth slot and only then the turn. A reader that saw the same turn before
 * and after has seen whole keys. No lock is needed: should the parent die
 * between two writes, the old turn stays valid. */
struct ticket_page {
	atomic_uint turn;
	struct ticket_key slot[TICKETS_SLOTS];
};

struct tickets {
	struct ticket_page *page;
	int fd;
	EVP_CIPHER *cipher; /* fetched once: by name it costs every handshake */
	struct session_table *table; /* NULL: tickets in TLS 1.3, too */
};

static bool
key_random(struct ticket_key *key)
{
	return RAND_bytes(key->name, sizeof(key->name)) == 1 &&
	       RAND_priv_bytes(key->aes, sizeof(key->aes)) == 1 &&
	       RAND_priv_bytes(key->hmac, sizeof(key->hmac)) == 1;
}

struct tickets *
tickets_new(void)
{
	struct tickets *t = calloc(1, sizeof(*t));
	bool made = true;

	if (t == NULL)
		return NULL;
	t->fd = -1;
	t->page = shared_new_sealed(sizeof(*t->page), &t->fd);
	if (t->page == NULL) {
		int error = errno;

		free(t);
		errno = error;
		return NULL;
	}
	for (size_t i = 0; i < TICKETS_SLOTS; i++)
		made = key_random(&t->page->slot[i]) && made;
	t->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	if (!made || t->cipher == NULL) {
		tickets_free(&t);
		errno = EIO;
	} else if (tls_part_on(TLS_PART_SESSIONS)) {
		t->table = session_table_new();
		if (t->table == NULL)
			tickets_free(&t);
	}
	return t;
}

void
tickets_free(struct tickets **t)
{
	if (*t == NULL)
		return;
	session_table_free(&(*t)->table);
	EVP_CIPHER_free((*t)->cipher);
	shared_free((*t)->page, sizeof(*(*t)->page), &(*t)->fd);
	free(*t);
	*t = NULL;
}

void
tickets_rotate(struct tickets *t)
{
	struct ticket_page *page = t->page;
	unsigned turn = atomic_load(&page->turn);
	struct ticket_key fresh;

	/* Without randomness an old key is better than a guessable one. */
	if (key_random(&fresh)) {
		page->slot[(turn + 2) % TICKETS_SLOTS] = fresh;
		atomic_thread_fence(memory_order_seq_cst);
		atomic_store(&page->turn, turn + 1);
	}
	OPENSSL_cleanse(&fresh, sizeof(fresh));
	if (t->table != NULL)
		session_table_sweep(t->table, session_table_now());
}

struct session_table *
tickets_table(const struct tickets *t)
{
	return t->table;
}

int
tickets_descriptor(const struct tickets *t)
{
	return t->fd;
}

int
tickets_read_only(struct tickets *t)
{
	return shared_read_only(t->page, sizeof(*t->page), &t->fd);
}

/* Copies a key out: the current one, or the one of that name. Returns how far
 * it is from the current one (-1, 0, 1), or TICKETS_KEYS when it is unknown. */
static int
key_read(
    const struct ticket_page *page, const uint8_t *name, struct ticket_key *out)
{
	unsigned turn;
	int found;

	do {
		turn = atomic_load_explicit(&page->turn, memory_order_acquire);
		found = TICKETS_KEYS;
		for (int age = -1; age <= 1; age++) {
			const struct ticket_key *key =
			    &page->slot[(turn + (unsigned)age) % TICKETS_SLOTS];

			if (name == NULL ? age != 0
					 : memcmp(name, key->name,
					       TICKET_NAME_SIZE) != 0)
				continue;
			*out = *key;
			found = age;
			break;
		}
		atomic_thread_fence(memory_order_acquire);
	} while (
	    atomic_load_explicit(&page->turn, memory_order_relaxed) != turn);
	return found;
}

static bool
key_set_mac(struct ticket_key *key, EVP_MAC_CTX *mac)
{
	static char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(
		    OSSL_MAC_PARAM_KEY, key->hmac, sizeof(key->hmac)),
		OSSL_PARAM_construct_utf8_string(
		    OSSL_MAC_PARAM_DIGEST, digest, sizeof(digest) - 1),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int
ticket_seal(const struct tickets *t, struct ticket_key *key, uint8_t *name,
    uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	key_read(t->page, NULL, key);
	memcpy(name, key->name, TICKET_NAME_SIZE);
	if (RAND_bytes(iv, TICKET_IV_SIZE) != 1 ||
	    EVP_EncryptInit_ex2(cipher, t->cipher, key->aes, iv, NULL) != 1 ||
	    !key_set_mac(key, mac))
		return -1;
	return 1;
}

static int
ticket_open(const struct tickets *t, struct ticket_key *key,
    const uint8_t *name, const uint8_t *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac)
{
	int age = key_read(t->page, name, key);

	if (age == TICKETS_KEYS)
		return 0; /* a full handshake */
	if (EVP_DecryptInit_ex2(cipher, t->cipher, key->aes, iv, NULL) != 1 ||
	    !key_set_mac(key, mac))
		return -1;
	return age < 0 ? 2 : 1;
}

/* What SSL_CTX_set_tlsext_ticket_key_evp_cb(3) wants: -1 failed, 0 unknown, 1
 * good, 2 good and to be renewed. In TLS 1.3 a ticket is used once, so that
 * each connection, a resumed one too, gets one for the next. */
static int
ticket_callback(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
	const struct tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ticket_key key;
	int result;

	result = sealing ? ticket_seal(t, &key, name, iv, cipher, mac)
			 : ticket_open(t, &key, name, iv, cipher, mac);
	if (result == 1 && !sealing && SSL_version(ssl) >= TLS1_3_VERSION)
		result = 2;
	OPENSSL_cleanse(&key, sizeof(key));
	return result;
}

bool
tickets_apply(struct tickets *t, SSL_CTX *ctx)
{
	return SSL_CTX_set_app_data(ctx, t) == 1 &&
	       SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_callback) == 1;
}
