/* SPDX-License-Identifier: ISC */
/* Which way a client's next connection is made cheap: a row of the session
 * table in TLS 1.3, a sealed ticket in TLS 1.2, whose extended master secret
 * (RFC 7627) a session made from a table could not carry. Without the table,
 * tickets for both. */
#include <limits.h>
#include <openssl/rand.h>
#include <string.h>

#include "tls/internal.h"
#include "tls/library.h"
#include "tls/session_table.h"
#include "util/clock.h"

_Static_assert(SESSION_ID_SIZE == SSL_MAX_SSL_SESSION_ID_LENGTH,
    "OpenSSL takes names of this length only");
_Static_assert(SESSION_CONTEXT_SIZE == SSL_MAX_SID_CTX_LENGTH,
    "any session id context fits");
_Static_assert((int)SESSION_LIFETIME_S == (int)TICKETS_LIFETIME_S,
    "OpenSSL announces one lifetime to all clients");

/* The suites of TLS 1.3, and the size of their hash: of the secret. */
static const struct {
	uint16_t suite;
	uint8_t secret_len;
} suites[] = {
	{ 0x1301, 32 }, /* AES-128-GCM, SHA-256 */
	{ 0x1302, 48 }, /* AES-256-GCM, SHA-384 */
	{ 0x1303, 32 }, /* ChaCha20-Poly1305, SHA-256 */
	{ 0x1304, 32 }, /* AES-128-CCM, SHA-256 */
	{ 0x1305, 32 }, /* AES-128-CCM-8, SHA-256 */
};

static bool
suite_has_secret(unsigned suite, size_t secret_len)
{
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		if (suites[i].suite == suite)
			return suites[i].secret_len == secret_len;
	return false;
}

static struct session_table *
ssl_table(SSL *ssl)
{
	return tickets_table(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
}

/* Some releases of OpenSSL end a resumed connection whose client asks for short
 * fragments again (RFC 6066 4) when the session does not know them. */
static bool
session_has_short_fragments(const SSL_SESSION *s)
{
	uint8_t mode = SSL_SESSION_get_max_fragment_length(s);

	return mode >= TLSEXT_max_fragment_length_512 &&
	       mode <= TLSEXT_max_fragment_length_4096;
}

/* Whether it can be resumed from what a row holds. A client certificate would
 * be lost without a word. */
static bool
session_is_plain(const SSL_SESSION *s)
{
	return SSL_SESSION_get_protocol_version(s) == TLS1_3_VERSION &&
	       SSL_SESSION_get0_peer((SSL_SESSION *)(uintptr_t)s) == NULL &&
	       !session_has_short_fragments(s);
}

static bool
session_export(const SSL_SESSION *from, struct session *to)
{
	unsigned id_len, context_len;
	const uint8_t *id = SSL_SESSION_get_id(from, &id_len);
	const uint8_t *context =
	    SSL_SESSION_get0_id_context(from, &context_len);
	const SSL_CIPHER *cipher = SSL_SESSION_get0_cipher(from);

	memset(to, 0, sizeof(*to));
	if (!session_is_plain(from) || cipher == NULL ||
	    id_len != SESSION_ID_SIZE || context_len != SESSION_CONTEXT_SIZE ||
	    SSL_SESSION_get_master_key(from, NULL, 0) > sizeof(to->secret))
		return false;
	memcpy(to->id, id, sizeof(to->id));
	memcpy(to->context, context, sizeof(to->context));
	to->secret_len = (uint8_t)SSL_SESSION_get_master_key(
	    from, to->secret, sizeof(to->secret));
	to->suite = SSL_CIPHER_get_protocol_id(cipher);
	return suite_has_secret(to->suite, to->secret_len);
}

/* OpenSSL 3.4 calls the one with a long deprecated. On 32-bit systems it stays:
 * there the library's time_t may be narrower than ours. */
static bool
session_set_time(SSL_SESSION *s, time_t made)
{
#if OPENSSL_VERSION_PREREQ(3, 4) && LONG_MAX > INT32_MAX
	return SSL_SESSION_set_time_ex(s, made) != 0;
#else
	return SSL_SESSION_set_time(s, (long)made) != 0;
#endif
}

/* NULL when OpenSSL fails, or s is not what session_export makes. */
static SSL_SESSION *
session_import(SSL *ssl, const struct session *s, uint32_t now_s)
{
	const uint8_t suite[2] = { (uint8_t)(s->suite >> 8),
		(uint8_t)s->suite };
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite);
	SSL_SESSION *made = SSL_SESSION_new();
	time_t made_at = clock_wall() - (time_t)(now_s - s->made_s);

	if (made != NULL && cipher != NULL &&
	    suite_has_secret(s->suite, s->secret_len) &&
	    SSL_SESSION_set1_id(made, s->id, sizeof(s->id)) == 1 &&
	    SSL_SESSION_set1_id_context(made, s->context, sizeof(s->context)) ==
		1 &&
	    SSL_SESSION_set1_master_key(made, s->secret, s->secret_len) == 1 &&
	    SSL_SESSION_set_cipher(made, cipher) == 1 &&
	    SSL_SESSION_set_protocol_version(made, TLS1_3_VERSION) == 1 &&
	    SSL_SESSION_set_timeout(made, SESSION_LIFETIME_S) == 1 &&
	    session_set_time(made, made_at))
		return made;
	SSL_SESSION_free(made);
	return NULL;
}

/* SSL_CTX_set_generate_session_id(3)'s. OpenSSL's own also looks for the name
 * in a cache that is not used. */
static int
on_generate_id(SSL *ssl, unsigned char *id, unsigned int *len)
{
	(void)ssl;
	return RAND_bytes_ex(tls_library_server(), id, *len, 0);
}

/* SSL_CTX_sess_set_new_cb(3)'s: 0, the session remains OpenSSL's. */
static int
on_new_session(SSL *ssl, SSL_SESSION *made)
{
	struct session s;

	if (session_export(made, &s))
		session_table_put(ssl_table(ssl), &s, session_table_now());
	OPENSSL_cleanse(&s, sizeof(s));
	return 0;
}

/* SSL_CTX_sess_set_get_cb(3)'s. The session is OpenSSL's: *copy is 0. */
static SSL_SESSION *
on_get_session(SSL *ssl, const unsigned char *id, int len, int *copy)
{
	uint32_t now = session_table_now();
	SSL_SESSION *found = NULL;
	struct session s;

	*copy = 0;
	if (len != SESSION_ID_SIZE || SSL_version(ssl) != TLS1_3_VERSION)
		return NULL;
	if (session_table_take(ssl_table(ssl), id, now, &s))
		found = session_import(ssl, &s, now);
	OPENSSL_cleanse(&s, sizeof(s));
	return found;
}

static bool
table_apply(SSL_CTX *ctx)
{
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER |
						SSL_SESS_CACHE_NO_INTERNAL |
						SSL_SESS_CACHE_NO_AUTO_CLEAR);
	SSL_CTX_sess_set_new_cb(ctx, on_new_session);
	SSL_CTX_sess_set_get_cb(ctx, on_get_session);
	return SSL_CTX_set_generate_session_id(ctx, on_generate_id) == 1;
}

bool
resumption_apply(struct tickets *tickets, SSL_CTX *ctx)
{
	/* Without a cache, SSL_OP_NO_TICKET alone would leave TLS 1.3 sending
	 * names of sessions that nobody keeps. */
	if (tickets == NULL) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(ctx, 0) == 1;
	}
	SSL_CTX_set_timeout(ctx, TICKETS_LIFETIME_S);
	return SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
	       tickets_apply(tickets, ctx) &&
	       (tickets_table(tickets) == NULL || table_apply(ctx));
}

/* Whether a ClientHello offers TLS 1.3, which we then choose (RFC 8446
 * 4.2.1). */
static bool
hello_offers_tls13(SSL *ssl)
{
	const unsigned char *bytes;
	size_t len;

	if (!SSL_client_hello_get0_ext(
		ssl, TLSEXT_TYPE_supported_versions, &bytes, &len))
		return false;
	for (size_t i = 1; i + 1 < len; i += 2)
		if ((bytes[i] << 8 | bytes[i + 1]) == TLS1_3_VERSION)
			return true;
	return false;
}

void
resumption_choose(const struct tickets *tickets, SSL *ssl)
{
	if (tickets == NULL || tickets_table(tickets) == NULL)
		return;
	/* In TLS 1.3 this option means names instead of sealed sessions. */
	if (hello_offers_tls13(ssl))
		SSL_set_options(ssl, SSL_OP_NO_TICKET);
	else
		SSL_clear_options(ssl, SSL_OP_NO_TICKET);
}
