/* SPDX-License-Identifier: ISC */
/* Sessions in a table, as clients see them. The tickets of TLS 1.2, and of TLS
 * 1.3 without a table: test_tickets.c. */
#include <openssl/x509.h>

#include "support/link.h"
#include "tls/internal.h"
#include "tls/parts.h"
#include "tls/self_test.h"
#include "tls/session_table.h"

static const struct tls_settings defaults = { .tickets = true };

/* One handshake with what clients of this ctx do; the last ticket, or NULL. */
static SSL_SESSION *
visit_by(const struct tls_server *s, SSL_CTX *ctx, const char *name,
    SSL_SESSION *with, bool *resumed)
{
	SSL_SESSION *got;
	struct link l;

	link_open(&l, s, ctx, name, with);
	assert_true(link_handshake(&l));
	link_send(&l, "20 text/gemini\r\n");
	link_check_name(&l, name);
	*resumed = tls_conn_resumed(&l.conn);
	assert_int_equal(*resumed, SSL_session_reused(l.client));
	assert_int_equal(l.kept.n, 1);
	got = l.kept.last;
	l.kept.last = NULL;
	assert_int_equal(tls_conn_close_notify(&l.conn), IO_DONE);
	SSL_set_shutdown(l.client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	link_close(&l);
	return got;
}

static SSL_CTX *
client13(void)
{
	return link_make_client(TLS1_3_VERSION, TLS1_3_VERSION);
}

/* Whether a client comes back from one to the other. */
static bool
returns(const struct tls_server *first, const struct tls_server *second,
    SSL_CTX *ctx, const char *name1, const char *name2)
{
	bool resumed;
	SSL_SESSION *kept = visit_by(first, ctx, name1, NULL, &resumed), *next;

	assert_false(resumed);
	next = visit_by(second, ctx, name2, kept, &resumed);
	SSL_SESSION_free(kept);
	SSL_SESSION_free(next);
	return resumed;
}

static void
test_each_ticket_resumes_once(void **state)
{
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);
	SSL_CTX *ctx = client13();
	bool resumed;
	SSL_SESSION *kept = visit_by(s, ctx, "one.test", NULL, &resumed);

	(void)state;
	for (int i = 0; i < 3; i++) {
		SSL_SESSION *next, *again;

		next = visit_by(s, ctx, "one.test", kept, &resumed);
		assert_true(resumed);
		again = visit_by(s, ctx, "one.test", kept, &resumed);
		assert_false(resumed);
		SSL_SESSION_free(again);
		SSL_SESSION_free(kept);
		kept = next;
	}
	SSL_SESSION_free(kept);
	SSL_CTX_free(ctx);
	tls_server_free(&s);
	tickets_free(&t);
}

static void
test_a_ticket_is_a_name(void **state)
{
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);
	SSL_CTX *ctx = client13();
	const unsigned char *name;
	size_t len;
	bool resumed;
	SSL_SESSION *kept = visit_by(s, ctx, "one.test", NULL, &resumed);

	(void)state;
	SSL_SESSION_get0_ticket(kept, &name, &len);
	assert_int_equal(len, SESSION_ID_SIZE);
	assert_int_equal(
	    SSL_SESSION_get_ticket_lifetime_hint(kept), TICKETS_LIFETIME_S);
	assert_int_equal(SSL_SESSION_get_max_early_data(kept), 0);
	SSL_SESSION_free(kept);
	SSL_CTX_free(ctx);
	tls_server_free(&s);
	tickets_free(&t);
}

static void
test_suites(void **state)
{
	static const char *const suites[] = { "TLS_AES_128_GCM_SHA256",
		"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256" };
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		SSL_CTX *ctx = client13();

		assert_int_equal(SSL_CTX_set_ciphersuites(ctx, suites[i]), 1);
		assert_true(returns(s, s, ctx, "two.test", "two.test"));
		SSL_CTX_free(ctx);
	}
	tls_server_free(&s);
	tickets_free(&t);
}

/* Workers and generations have contexts of their own and a table in common; a
 * server that was started again has another. */
static void
test_across_servers(void **state)
{
	struct tickets *t = tickets_new();
	struct tickets *strange = tickets_new();
	struct tls_server *a = link_make_server(&defaults, t);
	struct tls_server *b = link_make_server(&defaults, t);
	struct tls_server *c = link_make_server(&defaults, strange);
	SSL_CTX *ctx = client13();

	(void)state;
	assert_true(returns(a, b, ctx, "one.test", "one.test"));
	assert_true(returns(b, a, ctx, "one.test", "one.test"));
	assert_false(returns(a, c, ctx, "one.test", "one.test"));
	SSL_CTX_free(ctx);
	tls_server_free(&a);
	tls_server_free(&b);
	tls_server_free(&c);
	tickets_free(&t);
	tickets_free(&strange);
}

static void
test_across_capsules(void **state)
{
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);
	SSL_CTX *ctx = client13();

	(void)state;
	assert_false(returns(s, s, ctx, "one.test", "two.test"));
	assert_false(returns(s, s, ctx, "two.test", "one.test"));
	SSL_CTX_free(ctx);
	tls_server_free(&s);
	tickets_free(&t);
}

/* Both versions by one context: each its own way. */
static void
test_versions_do_not_meet(void **state)
{
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);
	SSL_CTX *both = link_make_client(TLS1_2_VERSION, TLS1_3_VERSION);
	SSL_CTX *old = link_make_client(TLS1_2_VERSION, TLS1_2_VERSION);
	const unsigned char *ticket;
	size_t len;
	bool resumed;
	SSL_SESSION *kept, *next;

	(void)state;
	kept = visit_by(s, old, "one.test", NULL, &resumed);
	SSL_SESSION_get0_ticket(kept, &ticket, &len);
	assert_true(len > SESSION_ID_SIZE);
	assert_int_equal(
	    SSL_SESSION_get_ticket_lifetime_hint(kept), TICKETS_LIFETIME_S);
	next = visit_by(s, both, "one.test", kept, &resumed);
	assert_false(resumed);
	SSL_SESSION_free(next);
	SSL_SESSION_free(kept);
	assert_true(returns(s, s, both, "one.test", "one.test"));
	SSL_CTX_free(both);
	SSL_CTX_free(old);
	tls_server_free(&s);
	tickets_free(&t);
}

static int
accept_all(X509_STORE_CTX *store, void *arg)
{
	(void)store;
	(void)arg;
	return 1;
}

/* Resumed from a row it would come back as nobody. */
static void
test_a_client_with_a_certificate_is_not_stored(void **state)
{
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);
	const char *const name = "client";
	struct sign_key *key = sign_key_generate();
	struct cert *cert = cert_make(key, &name, 1);
	SSL_CTX *with = client13(), *without = client13();

	(void)state;
	for (size_t i = 0; i < s->n; i++) {
		SSL_CTX_set_verify(s->ctx[i], SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_cert_verify_callback(s->ctx[i], accept_all, NULL);
	}
	assert_true(sign_key_apply(key, with, cert));
	assert_false(returns(s, s, with, "one.test", "one.test"));
	/* One that was asked and has none is like any other. */
	assert_true(returns(s, s, without, "one.test", "one.test"));
	SSL_CTX_free(with);
	SSL_CTX_free(without);
	cert_free(&cert);
	sign_key_free(&key);
	tls_server_free(&s);
	tickets_free(&t);
}

/* RFC 6066 4: OpenSSL refuses to resume a session that does not know it. */
static void
test_a_client_with_short_fragments_is_not_stored(void **state)
{
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);
	SSL_CTX *ctx = client13();

	(void)state;
	SSL_CTX_set_tlsext_max_fragment_length(
	    ctx, TLSEXT_max_fragment_length_1024);
	assert_false(returns(s, s, ctx, "one.test", "one.test"));
	SSL_CTX_free(ctx);
	tls_server_free(&s);
	tickets_free(&t);
}

/* The second ClientHello offers a session that is not there any more. */
static void
test_a_hello_that_is_sent_twice(void **state)
{
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);
	SSL_CTX *ctx = client13();

	(void)state;
	assert_int_equal(SSL_CTX_set1_groups_list(ctx, "P-521:X25519"), 1);
	assert_false(returns(s, s, ctx, "one.test", "one.test"));
	assert_false(returns(s, s, ctx, "two.test", "two.test"));
	SSL_CTX_free(ctx);
	tls_server_free(&s);
	tickets_free(&t);
}

static void
test_off(void **state)
{
	static const struct tls_settings off = { .tickets = false };
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&off, t);
	SSL_CTX *ctx = client13();
	struct link l;

	(void)state;
	link_open(&l, s, ctx, "one.test", NULL);
	assert_true(link_handshake(&l));
	link_send(&l, "20 text/gemini\r\n");
	assert_int_equal(l.kept.n, 0);
	link_close(&l);
	SSL_CTX_free(ctx);
	tls_server_free(&s);
	tickets_free(&t);
}

/* What a row says of a session is not believed: such a client makes a full
 * handshake. */
static void
test_rows_that_make_no_sense(void **state)
{
	static const struct {
		const char *name;
		uint16_t suite;
		uint8_t secret_len;
	} rows[] = {
		{ "an unknown suite", 0x1399, 32 },
		{ "a suite of TLS 1.2", 0xc02b, 48 },
		{ "a secret of another hash", 0x1301, 48 },
		{ "a secret of another hash", 0x1302, 32 },
		{ "a short secret", 0x1301, 1 },
	};
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);
	SSL_CTX *ctx = client13();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session row = { .suite = rows[i].suite,
			.secret_len = rows[i].secret_len };
		bool resumed;
		SSL_SESSION *kept, *next;
		const unsigned char *id;
		size_t len;

		kept = visit_by(s, ctx, "one.test", NULL, &resumed);
		SSL_SESSION_get0_ticket(kept, &id, &len);
		memcpy(row.id, id, sizeof(row.id));
		assert_true(session_table_take(tickets_table(t), row.id,
		    session_table_now(), &(struct session){ 0 }));
		session_table_put(tickets_table(t), &row, session_table_now());
		next = visit_by(s, ctx, "one.test", kept, &resumed);
		if (resumed)
			fail_msg("%s: resumed", rows[i].name);
		SSL_SESSION_free(kept);
		SSL_SESSION_free(next);
	}
	SSL_CTX_free(ctx);
	tls_server_free(&s);
	tickets_free(&t);
}

static void
test_old_sessions_end_with_the_turns_of_keys(void **state)
{
	struct tickets *t = tickets_new();
	struct session s = { .suite = 0x1301, .secret_len = 32 }, got;
	uint32_t now = session_table_now();

	(void)state;
	session_table_put(tickets_table(t), &s, now - SESSION_LIFETIME_S - 2);
	tickets_rotate(t);
	assert_false(session_table_take(
	    tickets_table(t), s.id, now - SESSION_LIFETIME_S - 2, &got));
	tickets_free(&t);
}

static void
test_self_test(void **state)
{
	(void)state;
	assert_true(self_test_sessions());
}

static void
test_part_off(void **state)
{
	struct tickets *t;

	(void)state;
	tls_part_fail(TLS_PART_SESSIONS, "this test");
	t = tickets_new();
	assert_null(tickets_table(t));
	tickets_rotate(t);
	tickets_free(&t);
	assert_false(self_test_sessions()); /* a ticket resumes twice */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_ticket_resumes_once),
		cmocka_unit_test(test_a_ticket_is_a_name),
		cmocka_unit_test(test_suites),
		cmocka_unit_test(test_across_servers),
		cmocka_unit_test(test_across_capsules),
		cmocka_unit_test(test_versions_do_not_meet),
		cmocka_unit_test(
		    test_a_client_with_a_certificate_is_not_stored),
		cmocka_unit_test(
		    test_a_client_with_short_fragments_is_not_stored),
		cmocka_unit_test(test_a_hello_that_is_sent_twice),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_rows_that_make_no_sense),
		cmocka_unit_test(test_old_sessions_end_with_the_turns_of_keys),
		cmocka_unit_test(test_self_test),
		cmocka_unit_test(test_part_off), /* last: for good */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
