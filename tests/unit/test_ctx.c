/* SPDX-License-Identifier: ISC */
#include "support/link.h"

#include <string.h>

#include "check.h"
#include "tls/internal.h"

static const struct tls_settings defaults = { .tickets = true };

static void
test_versions(void **state)
{
	static const struct {
		const char *what;
		int min, max;
		bool only13;
		const char *want; /* NULL: alert 70 */
	} rows[] = {
		{ "1.3 preferred", TLS1_2_VERSION, 0, false, "TLSv1.3" },
		{ "gmni speaks 1.2", 0, TLS1_2_VERSION, false, "TLSv1.2" },
		{ "1.1 is refused (B8)", TLS1_1_VERSION, TLS1_1_VERSION, false,
		    NULL },
		{ "1.0 is refused", TLS1_VERSION, TLS1_VERSION, false, NULL },
		{ "1.3 when asked", TLS1_2_VERSION, 0, true, "TLSv1.3" },
		{ "no 1.2 when so asked", 0, TLS1_2_VERSION, true, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct tls_settings settings = { .tls13_only =
							   rows[i].only13 };
		struct tls_server *s = link_make_server(&settings, NULL);
		SSL_CTX *ctx = link_make_client(rows[i].min, rows[i].max);
		struct link l;

		link_open(&l, s, ctx, "one.test", NULL);
		check_row(
		    link_handshake(&l) == (rows[i].want != NULL), rows[i].what);
		if (rows[i].want != NULL)
			assert_string_equal(
			    tls_conn_version(&l.conn), rows[i].want);
		else
			assert_int_equal(ERR_GET_REASON(ERR_peek_error()),
			    SSL_AD_REASON_OFFSET + SSL_AD_PROTOCOL_VERSION);
		link_close(&l);
		SSL_CTX_free(ctx);
		tls_server_free(&s);
	}
}

static void
test_suites(void **state)
{
	static const struct {
		const char *what;
		int version;
		const char *offered;
		const char *want; /* NULL: no handshake */
	} rows[] = {
		{ "AES-128 first", TLS1_3_VERSION,
		    "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256",
		    "TLS_AES_128_GCM_SHA256" },
		{ "ChaCha for those without AES", TLS1_3_VERSION,
		    "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
		    "TLS_CHACHA20_POLY1305_SHA256" },
		{ "AES-256 alone", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384",
		    "TLS_AES_256_GCM_SHA384" },
		{ "1.2: ours first too", TLS1_2_VERSION,
		    "ECDHE-ECDSA-AES256-GCM-SHA384:"
		    "ECDHE-ECDSA-AES128-GCM-SHA256",
		    "ECDHE-ECDSA-AES128-GCM-SHA256" },
		{ "no CBC", TLS1_2_VERSION,
		    "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA", NULL },
		{ "no static key exchange", TLS1_2_VERSION, "AES128-GCM-SHA256",
		    NULL },
		{ "no DHE", TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", NULL },
	};
	struct tls_server *s = link_make_server(&defaults, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		SSL_CTX *ctx =
		    link_make_client(rows[i].version, rows[i].version);
		struct link l;

		assert_int_equal(
		    rows[i].version == TLS1_3_VERSION
			? SSL_CTX_set_ciphersuites(ctx, rows[i].offered)
			: SSL_CTX_set_cipher_list(ctx, rows[i].offered),
		    1);
		link_open(&l, s, ctx, "two.test", NULL);
		check_row(
		    link_handshake(&l) == (rows[i].want != NULL), rows[i].what);
		if (rows[i].want != NULL)
			assert_string_equal(
			    SSL_get_cipher_name(l.client), rows[i].want);
		link_close(&l);
		SSL_CTX_free(ctx);
	}
	tls_server_free(&s);
}

static void
test_groups(void **state)
{
	static const struct {
		const char *offered;
		int want;
	} rows[] = {
		{ "P-256:X25519", NID_X25519 },
		{ "P-256", NID_X9_62_prime256v1 },
		{ "P-384", NID_secp384r1 },
	};
	struct tls_server *s = link_make_server(&defaults, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		SSL_CTX *ctx = link_make_client(TLS1_3_VERSION, TLS1_3_VERSION);
		struct link l;

		SSL_CTX_set1_groups_list(ctx, rows[i].offered);
		link_open(&l, s, ctx, "one.test", NULL);
		check_row(link_handshake(&l), rows[i].offered);
		assert_int_equal(
		    SSL_get_shared_group(l.conn.ssl, 0), rows[i].want);
		link_close(&l);
		SSL_CTX_free(ctx);
	}
	tls_server_free(&s);
}

/* Unknown ALPN offers are ignored, and no client certificate is requested. */
static void
test_alpn_and_certificates(void **state)
{
	static const unsigned char offer[] = "\x02h2\x08http/1.1";
	struct tls_server *s = link_make_server(&defaults, NULL);

	(void)state;
	for (int i = 0; i < 2; i++) {
		int version = i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
		SSL_CTX *ctx = link_make_client(version, version);
		const unsigned char *chosen;
		unsigned len;
		struct link l;

		SSL_CTX_set_alpn_protos(ctx, offer, sizeof(offer) - 1);
		link_open(&l, s, ctx, "one.test", NULL);
		assert_true(link_handshake(&l));
		SSL_get0_alpn_selected(l.client, &chosen, &len);
		assert_int_equal(len, 0);
		assert_int_equal(SSL_get_verify_mode(l.conn.ssl), 0);
		assert_int_equal(SSL_get_max_early_data(l.conn.ssl), 0);
		link_close(&l);
		SSL_CTX_free(ctx);
	}
	tls_server_free(&s);
}

/* What no handshake shows: each was measured to be worth it. */
static void
test_modes_and_options(void **state)
{
	struct tls_server *s = link_make_server(&defaults, NULL);
	SSL_CTX *ctx = link_make_client(TLS1_2_VERSION, 0);
	struct link l;
	unsigned long mode;

	(void)state;
	link_open(&l, s, ctx, "two.test", NULL);
	assert_true(link_handshake(&l));
	mode = (unsigned long)SSL_get_mode(l.conn.ssl);
	assert_true(mode & SSL_MODE_RELEASE_BUFFERS);
	assert_false(mode & SSL_MODE_ENABLE_PARTIAL_WRITE);
	assert_true(SSL_get_read_ahead(l.conn.ssl));
	assert_true(SSL_get_options(l.conn.ssl) & SSL_OP_NO_COMPRESSION);
	assert_true(SSL_get_options(l.conn.ssl) & SSL_OP_NO_RENEGOTIATION);
	link_close(&l);
	SSL_CTX_free(ctx);
	tls_server_free(&s);
}

static void
test_invalid_settings(void **state)
{
	static const struct tls_settings bad = { .suites = "TLS_NONSENSE" };
	static const struct tls_settings own = {
		.suites = "TLS_CHACHA20_POLY1305_SHA256"
	};
	struct why why;
	struct tls_server *s;
	SSL_CTX *ctx;
	struct link l;

	(void)state;
	assert_null(tls_server_new(&bad, NULL, link_find_name, &why));
	assert_non_null(strstr(why.text, "TLS_NONSENSE"));
	s = link_make_server(&own, NULL);
	ctx = link_make_client(TLS1_3_VERSION, 0);
	link_open(&l, s, ctx, NULL, NULL);
	assert_true(link_handshake(&l));
	assert_string_equal(SSL_get_cipher_name(l.client), own.suites);
	link_close(&l);
	SSL_CTX_free(ctx);
	tls_server_free(&s);
}

static void
test_wrong_key(void **state)
{
	struct why why;
	struct sign_key *a = sign_key_generate();
	struct sign_key *b = sign_key_generate();
	struct cert *cert = cert_make(a, link_names, 2);
	struct tls_server *s;
	struct tls_client *c;

	(void)state;
	s = tls_server_new(&defaults, NULL, link_find_name, &why);
	assert_non_null(s);
	assert_false(tls_server_add(s, "one.test", cert, b, &why));
	assert_string_equal(why.text,
	    "one.test: the private key does not match the certificate");
	assert_true(tls_server_add(s, "one.test", cert, a, &why));
	assert_null(tls_client_new(cert, b, &why));
	c = tls_client_new(cert, a, &why);
	assert_non_null(c);
	tls_client_free(&c);
	tls_server_free(&s);
	tls_server_free(&s); /* harmless */
	cert_free(&cert);
	sign_key_free(&a);
	sign_key_free(&b);
}

static void
test_library(void **state)
{
	(void)state;
	assert_non_null(strstr(tls_library(), "OpenSSL 3."));
}

static void
test_sni_parse(void **state)
{
	const struct {
		const char *rule;
		struct slice bytes;
		const char *name; /* NULL: none */
	} rows[] = {
		{ "one name",
		    SLICE("\0\x6\0\0\x3"
			  "abc"),
		    "abc" },
		{ "another type before it",
		    SLICE("\0\xb\x7\0\x2xx\0\0\x3"
			  "abc"),
		    "abc" },
		{ "the first of two",
		    SLICE("\0\x8\0\0\x1"
			  "a\0\0\x1"
			  "b"),
		    "a" },
		{ "nothing", SLICE(""), NULL },
		{ "half a length", SLICE("\0"), NULL },
		{ "an empty list", SLICE("\0\0"), NULL },
		{ "an empty name", SLICE("\0\x3\0\0\0"), NULL },
		{ "only another type", SLICE("\0\x4\x1\0\x1x"), NULL },
		{ "list longer than the extension",
		    SLICE("\0\x7\0\0\x3"
			  "abc"),
		    NULL },
		{ "list shorter than the extension",
		    SLICE("\0\x5\0\0\x3"
			  "abc"),
		    NULL },
		{ "something after the list",
		    SLICE("\0\x6\0\0\x3"
			  "abc!"),
		    NULL },
		{ "name longer than the list",
		    SLICE("\0\x6\0\0\x4"
			  "abc"),
		    NULL },
		{ "huge name",
		    SLICE("\0\x6\0\xff\xff"
			  "abc"),
		    NULL },
		{ "type and half a length", SLICE("\0\x2\0\0"), NULL },
		{ "type alone", SLICE("\0\x1\0"), NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct slice name;
		/* On the heap, just as long: a sanitizer sees a step too
		 * far. */
		uint8_t *copy = test_malloc(rows[i].bytes.len + 1);
		struct slice bytes = slice_of(copy + 1, rows[i].bytes.len);

		memcpy(copy + 1, rows[i].bytes.ptr, rows[i].bytes.len);
		check_row(sni_parse(bytes, &name) == (rows[i].name != NULL),
		    rows[i].rule);
		if (rows[i].name != NULL)
			check_slice(name, slice_str(rows[i].name));
		test_free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_suites),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_alpn_and_certificates),
		cmocka_unit_test(test_modes_and_options),
		cmocka_unit_test(test_invalid_settings),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_library),
		cmocka_unit_test(test_sni_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
