/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/link.h"
#include "tls/parts.h"

static const struct tls_settings defaults = { .tickets = true };

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* OpenSSL's client does not report a ticket that TLS 1.2 renews. */
static bool
renewed(const struct link *l, const SSL_SESSION *with)
{
	const unsigned char *old, *now;
	size_t old_len, now_len;

	SSL_SESSION_get0_ticket(with, &old, &old_len);
	SSL_SESSION_get0_ticket(SSL_get_session(l->client), &now, &now_len);
	return !slice_equal(slice_of(old, old_len), slice_of(now, now_len));
}

/* One connection; its ticket, which the caller frees; how many came. */
static SSL_SESSION *
visit(const struct tls_server *s, int version, const char *name,
    SSL_SESSION *with, bool *resumed, int *tickets)
{
	SSL_CTX *ctx = link_make_client(version, version);
	SSL_SESSION *got;
	struct link l;

	link_open(&l, s, ctx, name, with);
	assert_true(link_handshake(&l));
	link_send(&l, "20 text/gemini\r\n");
	link_check_name(&l, name);
	*resumed = tls_conn_resumed(&l.conn);
	assert_int_equal(*resumed, SSL_session_reused(l.client));
	if (tickets != NULL)
		*tickets = l.kept.n;
	if (tickets != NULL && *resumed && version == TLS1_2_VERSION)
		*tickets = renewed(&l, with);
	got = l.kept.last;
	l.kept.last = NULL;
	/* Or both take the session for one of a broken connection. */
	assert_int_equal(tls_conn_close_notify(&l.conn), IO_DONE);
	SSL_set_shutdown(l.client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	link_close(&l);
	SSL_CTX_free(ctx);
	return got;
}

static bool
returns(const struct tls_server *first, const struct tls_server *second,
    int version, const char *name1, const char *name2, int *tickets)
{
	bool resumed;
	SSL_SESSION *kept = visit(first, version, name1, NULL, &resumed, NULL);
	SSL_SESSION *next;

	assert_false(resumed);
	assert_non_null(kept);
	next = visit(second, version, name2, kept, &resumed, tickets);
	SSL_SESSION_free(kept);
	SSL_SESSION_free(next);
	return resumed;
}

static void
test_resumption(void **state)
{
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);
	int tickets;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_true(returns(
		    s, s, versions[i], "one.test", "one.test", &tickets));
		assert_true(returns(
		    s, s, versions[i], "two.test", "two.test", &tickets));
		/* TLS 1.3: a ticket is for once, so here is another. */
		assert_int_equal(tickets, i == 0 ? 0 : 1);
	}
	tls_server_free(&s);
	tickets_free(&t);
}

static void
test_one_ticket(void **state)
{
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);

	(void)state;
	for (int i = 0; i < 2; i++) {
		bool resumed;
		int tickets;
		SSL_SESSION *kept =
		    visit(s, versions[i], "one.test", NULL, &resumed, &tickets);

		assert_int_equal(tickets, 1);
		assert_int_equal(SSL_SESSION_get_ticket_lifetime_hint(kept),
		    TICKETS_LIFETIME_S);
		SSL_SESSION_free(kept);
	}
	tls_server_free(&s);
	tickets_free(&t);
}

/* Workers and generations have contexts of their own and keys in common. */
static void
test_across_servers(void **state)
{
	struct tickets *t = tickets_new();
	struct tickets *strange = tickets_new();
	struct tls_server *a = link_make_server(&defaults, t);
	struct tls_server *b = link_make_server(&defaults, t);
	struct tls_server *c = link_make_server(&defaults, strange);

	(void)state;
	for (int i = 0; i < 2; i++) {
		bool resumed;
		SSL_SESSION *kept =
		    visit(a, versions[i], "one.test", NULL, &resumed, NULL);
		SSL_CTX *ctx = link_make_client(versions[i], versions[i]);
		struct link l;

		link_open(&l, b, ctx, "one.test", kept);
		assert_true(link_handshake(&l));
		assert_true(tls_conn_resumed(&l.conn));
		link_close(&l);
		link_open(&l, c, ctx, "one.test", kept);
		assert_true(link_handshake(&l));
		assert_false(tls_conn_resumed(&l.conn));
		link_close(&l);
		SSL_SESSION_free(kept);
		SSL_CTX_free(ctx);
	}
	tls_server_free(&a);
	tls_server_free(&b);
	tls_server_free(&c);
	tickets_free(&t);
	tickets_free(&strange);
}

/* A ticket of one capsule is not accepted by another. */
static void
test_across_capsules(void **state)
{
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_false(
		    returns(s, s, versions[i], "one.test", "two.test", NULL));
		assert_false(
		    returns(s, s, versions[i], "two.test", "one.test", NULL));
	}
	tls_server_free(&s);
	tickets_free(&t);
}

/* A slot that is used again holds another key. */
static void
refused_for_good(struct tickets *t, const struct tls_server *s, int version,
    SSL_SESSION *kept)
{
	for (int turn = 0; turn < 5; turn++) {
		bool resumed;
		SSL_SESSION *next;

		tickets_rotate(t);
		next = visit(s, version, "one.test", kept, &resumed, NULL);
		assert_false(resumed);
		SSL_SESSION_free(next);
	}
}

static void
test_rotation(void **state)
{
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);

	(void)state;
	for (int i = 0; i < 2; i++) {
		for (int turn = 0; turn < 3; turn++) {
			bool resumed;
			int tickets;
			SSL_SESSION *kept = visit(
			    s, versions[i], "one.test", NULL, &resumed, NULL);
			SSL_SESSION *next;

			tickets_rotate(t);
			next = visit(s, versions[i], "one.test", kept, &resumed,
			    &tickets);
			assert_true(resumed);
			assert_int_equal(tickets, 1); /* renewed */
			SSL_SESSION_free(next);
			tickets_rotate(t);
			next = visit(s, versions[i], "one.test", kept, &resumed,
			    &tickets);
			assert_false(resumed);
			SSL_SESSION_free(next);
			refused_for_good(t, s, versions[i], kept);
			SSL_SESSION_free(kept);
		}
	}
	tls_server_free(&s);
	tickets_free(&t);
}

/* Tickets off: neither sent nor accepted. */
static void
test_off(void **state)
{
	static const struct tls_settings off = { .tickets = false };
	struct tickets *t = tickets_new();
	struct tls_server *with = link_make_server(&defaults, t);
	struct tls_server *without[] = { link_make_server(&off, t),
		link_make_server(&defaults, NULL) };

	(void)state;
	for (int i = 0; i < 4; i++) {
		int version = versions[i % 2];
		struct tls_server *s = without[i / 2];
		bool resumed;
		int tickets;
		SSL_SESSION *kept =
		    visit(with, version, "one.test", NULL, &resumed, NULL);
		SSL_SESSION *next =
		    visit(s, version, "one.test", kept, &resumed, &tickets);

		assert_false(resumed);
		/* TLS 1.2: a session arrives, but it cannot be resumed. */
		if (next != NULL) {
			SSL_SESSION *last;

			assert_int_equal(version, TLS1_2_VERSION);
			assert_false(SSL_SESSION_has_ticket(next));
			last =
			    visit(s, version, "one.test", next, &resumed, NULL);
			assert_false(resumed);
			SSL_SESSION_free(last);
		}
		SSL_SESSION_free(next);
		SSL_SESSION_free(kept);
	}
	tls_server_free(&with);
	tls_server_free(&without[0]);
	tls_server_free(&without[1]);
	tickets_free(&t);
}

/* A worker: takes tickets by keys that it cannot write, follows the parent's
 * rotations, and dies when it tries one of its own. */
static void
worker(struct tickets *t, const struct tls_server *s, SSL_SESSION *kept,
    int said, int ask)
{
	SSL_CTX *ctx = link_make_client(TLS1_3_VERSION, TLS1_3_VERSION);
	bool ok = tickets_read_only(t) == 0;
	char byte = 0;
	struct link l;

	for (int i = 0; ok && i < 2; i++) {
		link_open(&l, s, ctx, "one.test", kept);
		ok =
		    link_handshake(&l) && tls_conn_resumed(&l.conn) == (i == 0);
		link_close(&l);
		/* The parent rotates twice. */
		ok = ok && write(said, "1", 1) == 1 && read(ask, &byte, 1) == 1;
	}
	if (!ok)
		_exit(1);
	signal(SIGSEGV, SIG_DFL);
	tickets_rotate(t);
	_exit(2);
}

static void
test_worker(void **state)
{
	struct tickets *t = tickets_new();
	struct tls_server *s = link_make_server(&defaults, t);
	bool resumed;
	SSL_SESSION *kept =
	    visit(s, TLS1_3_VERSION, "one.test", NULL, &resumed, NULL);
	int said[2], ask[2], status;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(said), 0);
	assert_int_equal(pipe(ask), 0);
	pid = fork();
	if (pid == 0)
		worker(t, s, kept, said[1], ask[0]);
	close(said[1]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(read(said[0], &byte, 1), 1);
		tickets_rotate(t);
		tickets_rotate(t);
		assert_int_equal(write(ask[1], "1", 1), 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	/* The parent's own page is as writable as ever. */
	tickets_rotate(t);
	close(said[0]);
	close(ask[0]);
	close(ask[1]);
	SSL_SESSION_free(kept);
	tls_server_free(&s);
	tickets_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resumption),
		cmocka_unit_test(test_one_ticket),
		cmocka_unit_test(test_across_servers),
		cmocka_unit_test(test_across_capsules),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_worker),
	};

	/* Or TLS 1.3 would use no tickets. */
	tls_part_fail(TLS_PART_SESSIONS, "this test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
