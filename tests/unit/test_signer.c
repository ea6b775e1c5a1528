/* SPDX-License-Identifier: ISC */
#include "tls/signer.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/apart.h"
#include "support/link.h"
#include "support/tree.h"
#include "tls/internal.h"
#include "tls/signing.h"
#include "tls/signing_wire.h"

enum { TRIES = 20 };

static const struct tls_settings defaults;

static char paths[2][PATH_MAX];
static const char *const path_list[2] = { paths[0], paths[1] };

static int
set_up(void **state)
{
	int failed = tree_set_up(state);

	snprintf(paths[0], sizeof(paths[0]), "%s", tree_path("one.key"));
	snprintf(paths[1], sizeof(paths[1]), "%s", tree_path("two.key"));
	return failed;
}

/* Two keys of one kind in their process, and a server that has only their
 * certificates. */
struct place {
	EVP_PKEY *key[2];
	struct cert *cert[2];
	struct apart apart;
	struct tls_server *server;
};

static void
place_open(struct place *p, const char *kind, bool (*prepare)(void))
{
	struct why why;

	p->server = tls_server_new(&defaults, NULL, link_find_name, &why);
	assert_non_null(p->server);
	for (unsigned i = 0; i < 2; i++) {
		p->key[i] = apart_make_key(kind);
		p->cert[i] =
		    apart_write_pair(p->key[i], paths[i], link_names[i]);
		if (!tls_server_add_apart(
			p->server, link_names[i], p->cert[i], i, &why))
			fail_msg("%s: %s", kind, why.text);
	}
	apart_open(&p->apart);
	apart_start(&p->apart, path_list, p->cert, 2, prepare);
	signing_attach(p->apart.ours[1]);
}

static void
place_close(struct place *p)
{
	signing_attach(-1);
	apart_close(&p->apart);
	tls_server_free(&p->server);
	for (int i = 0; i < 2; i++) {
		cert_free(&p->cert[i]);
		EVP_PKEY_free(p->key[i]);
	}
}

/* Whether a handshake succeeds, with the certificate of name. Tried again when
 * it does not: a busy machine may take longer than SIGNING_TIMEOUT_MS. */
static bool
place_shake(const struct place *p, SSL_CTX *ctx, const char *name)
{
	bool done = false;
	struct link l;

	for (int i = 0; !done && i < TRIES; i++) {
		link_open(&l, p->server, ctx, name, NULL);
		done = link_handshake(&l);
		if (done)
			link_check_name(&l, name);
		link_close(&l);
		if (!done)
			signing_attach(p->apart.ours[1]);
	}
	return done;
}

static void
test_handshakes(void **state)
{
	static const struct {
		const char *kind;
		bool tls12;
	} rows[] = {
		{ "P-256", true },
		{ "P-384", true },
		{ "P-521", false }, /* not of the groups we offer */
		{ "RSA", true },
		{ "RSA-PSS", true },
		{ "RSA-PSS:SHA256", true },
		{ "RSA-PSS:SHA384", true },
		{ "RSA-PSS:SHA512", true },
		{ "ED25519", true },
		{ "ED448", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct place p;
		int v = rows[i].tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;

		place_open(&p, rows[i].kind, NULL);
		apart_wait(&p.apart);
		for (; v <= TLS1_3_VERSION; v++) {
			SSL_CTX *ctx = link_make_client(v, v);

			for (int n = 0; n < 2; n++)
				check_row(place_shake(&p, ctx, link_names[n]),
				    rows[i].kind);
			SSL_CTX_free(ctx);
		}
		place_close(&p);
	}
}

/* Without the process that holds the keys, the reason says so. */
static void
test_reason_without_signature(void **state)
{
	struct place p;
	struct link l;

	(void)state;
	place_open(&p, "P-256", NULL);
	apart_wait(&p.apart);
	signing_attach(-1);
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		SSL_CTX *ctx = link_make_client(v, v);

		link_open(&l, p.server, ctx, link_names[0], NULL);
		assert_false(link_handshake(&l));
		assert_int_equal(l.io, IO_FAILED);
		assert_string_equal(
		    tls_handshake_reason(), "no signature from keyd");
		link_close(&l);
		SSL_CTX_free(ctx);
	}
	place_close(&p);
}

/* Keys of different kinds take turns in one process. */
static void
test_mixed_keys(void **state)
{
	static const char *const kinds[] = { "P-256", "ED25519" };
	SSL_CTX *ctx = link_make_client(TLS1_3_VERSION, 0);
	struct place p;
	struct why why;

	(void)state;
	place_open(&p, "RSA", NULL);
	apart_stop(&p.apart);
	tls_server_free(&p.server);
	p.server = tls_server_new(&defaults, NULL, link_find_name, &why);
	for (unsigned i = 0; i < 2; i++) {
		cert_free(&p.cert[i]);
		EVP_PKEY_free(p.key[i]);
		p.key[i] = apart_make_key(kinds[i]);
		p.cert[i] = apart_write_pair(p.key[i], paths[i], link_names[i]);
		assert_true(tls_server_add_apart(
		    p.server, link_names[i], p.cert[i], i, &why));
	}
	apart_start(&p.apart, path_list, p.cert, 2, NULL);
	apart_wait(&p.apart);
	for (int i = 0; i < 6; i++)
		assert_true(place_shake(&p, ctx, link_names[i % 2]));
	place_close(&p);
	SSL_CTX_free(ctx);
}

/* The key exchange is not that of the keys' provider, which has no such thing,
 * though its keys have the same name. */
static void
test_groups(void **state)
{
	static const char *const groups[] = { "P-256", "P-384", "X25519" };
	struct place p;

	(void)state;
	place_open(&p, "P-256", NULL);
	apart_wait(&p.apart);
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++)
		for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
			SSL_CTX *ctx = link_make_client(v, v);
			char list[32];

			/* TLS 1.2 wants the certificate's curve, too. */
			snprintf(list, sizeof(list), "%s%s", groups[i],
			    v == TLS1_2_VERSION && i > 0 ? ":P-256" : "");
			SSL_CTX_set1_groups_list(ctx, list);
			check_row(place_shake(&p, ctx, link_names[0]), list);
			SSL_CTX_free(ctx);
		}
	place_close(&p);
}

/* What a client may ask of one key, and what not: SHA-1 and SHA-224 have no
 * place in the protocol of the seats. */
static void
test_signature_algorithms(void **state)
{
	static const struct {
		const char *kind;
		int version;
		const char *offered;
		bool want;
	} rows[] = {
		{ "P-256", TLS1_2_VERSION, "ECDSA+SHA256", true },
		{ "P-256", TLS1_2_VERSION, "ECDSA+SHA384", true },
		{ "P-256", TLS1_2_VERSION, "ECDSA+SHA512", true },
		{ "P-256", TLS1_2_VERSION, "ECDSA+SHA224", false },
		{ "P-256", TLS1_2_VERSION, "ECDSA+SHA1", false },
		{ "P-256", TLS1_3_VERSION, "ECDSA+SHA256", true },
		{ "RSA", TLS1_2_VERSION, "RSA+SHA256", true },
		{ "RSA", TLS1_2_VERSION, "RSA+SHA384", true },
		{ "RSA", TLS1_2_VERSION, "RSA+SHA512", true },
		{ "RSA", TLS1_2_VERSION, "RSA+SHA1", false },
		{ "RSA", TLS1_2_VERSION, "RSA-PSS+SHA512", true },
		{ "RSA", TLS1_3_VERSION, "RSA-PSS+SHA256", true },
		{ "RSA", TLS1_3_VERSION, "RSA-PSS+SHA384", true },
		{ "RSA", TLS1_3_VERSION, "RSA-PSS+SHA512", true },
	};
	struct place p = { 0 };
	const char *kind = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		SSL_CTX *ctx =
		    link_make_client(rows[i].version, rows[i].version);
		struct link l;

		if (kind == NULL || strcmp(kind, rows[i].kind) != 0) {
			if (kind != NULL)
				place_close(&p);
			kind = rows[i].kind;
			place_open(&p, kind, NULL);
			apart_wait(&p.apart);
		}
		assert_int_equal(
		    SSL_CTX_set1_sigalgs_list(ctx, rows[i].offered), 1);
		if (rows[i].want) {
			check_row(place_shake(&p, ctx, link_names[1]),
			    rows[i].offered);
		} else {
			link_open(&l, p.server, ctx, link_names[1], NULL);
			check_row(!link_handshake(&l), rows[i].offered);
			link_close(&l);
		}
		SSL_CTX_free(ctx);
	}
	place_close(&p);
}

/* Without the process a handshake fails with an alert, and the next one, once
 * there is one again, succeeds. */
static void
test_killed_and_started(void **state)
{
	SSL_CTX *ctx = link_make_client(TLS1_3_VERSION, 0);
	struct place p;
	struct link l;

	(void)state;
	place_open(&p, "P-256", NULL);
	apart_wait(&p.apart);
	for (int i = 0; i < 3; i++) {
		assert_true(place_shake(&p, ctx, link_names[0]));
		apart_stop(&p.apart);
		link_open(&l, p.server, ctx, link_names[0], NULL);
		assert_false(link_handshake(&l));
		assert_int_equal(ERR_GET_REASON(ERR_peek_error()),
		    SSL_AD_REASON_OFFSET + SSL_AD_INTERNAL_ERROR);
		link_close(&l);
		apart_start(&p.apart, path_list, p.cert, 2, NULL);
		apart_wait(&p.apart);
	}
	place_close(&p);
	SSL_CTX_free(ctx);
}

/* What was sent while there was no process is answered by the next one. */
static void
test_request_waits(void **state)
{
	struct pollfd fd = { .events = POLLIN };
	struct place p;

	(void)state;
	place_open(&p, "P-256", NULL);
	apart_stop(&p.apart);
	fd.fd = p.apart.ours[2];
	assert_true(signing_ping(fd.fd));
	apart_start(&p.apart, path_list, p.cert, 2, NULL);
	apart_wait(&p.apart);
	assert_int_equal(poll(&fd, 1, -1), 1);
	assert_true(signing_pong(fd.fd));
	place_close(&p);
}

/* ---- packets as a worker that is taken over may send them */

struct packet {
	struct signing_request r;
	size_t len;
};

/* TLS 1.3: context is "server" or not. */
static void
packet_fill(struct packet *p, const char *who, size_t digest)
{
	enum { SPACES = 64 };
	struct buf b;

	buf_wrap(&b, p->r.input, sizeof(p->r.input));
	for (int i = 0; i < SPACES; i++)
		buf_byte(&b, ' ');
	buf_printf(&b, "TLS 1.3, %s CertificateVerify", who);
	for (size_t i = 0; i <= digest; i++)
		buf_byte(&b, 0);
	p->len = SIGNING_REQUEST_HEAD + b.len;
}

/* The status of the answer, -1 when it is malformed; *len: of a signature. */
static int
packet_ask(const struct place *p, const void *packet, size_t len,
    uint64_t sequence, size_t *signature)
{
	struct pollfd fd = { .fd = p->apart.ours[2], .events = POLLIN };
	struct signing_answer a;
	ssize_t n;

	assert_int_equal(write(fd.fd, packet, len), len);
	assert_int_equal(poll(&fd, 1, -1), 1);
	n = read(fd.fd, &a, sizeof(a));
	if (n < SIGNING_ANSWER_HEAD || a.sequence != sequence || a.zero != 0)
		return -1;
	*signature = (size_t)n - SIGNING_ANSWER_HEAD;
	return (int)a.status;
}

static void
test_packets(void **state)
{
	static const struct {
		const char *rule;
		struct signing_request head;
		const char *who;
		size_t digest;
		bool want;
	} rows[] = {
		{ "well-formed",
		    { 1, 0, SIGNING_SIGN, SIGNING_ECDSA, 1, 0, { 0 } },
		    "server", 32, true },
		{ "over SHA-384",
		    { 1, 0, SIGNING_SIGN, SIGNING_ECDSA, 1, 0, { 0 } },
		    "server", 48, true },
		{ "a client's",
		    { 1, 0, SIGNING_SIGN, SIGNING_ECDSA, 1, 0, { 0 } },
		    "client", 32, false },
		{ "of 31 bytes",
		    { 1, 0, SIGNING_SIGN, SIGNING_ECDSA, 1, 0, { 0 } },
		    "server", 31, false },
		{ "of 33 bytes",
		    { 1, 0, SIGNING_SIGN, SIGNING_ECDSA, 1, 0, { 0 } },
		    "server", 33, false },
		{ "a digest that TLS 1.3 has for another curve",
		    { 1, 0, SIGNING_SIGN, SIGNING_ECDSA, 2, 0, { 0 } },
		    "server", 32, false },
		{ "the next slot",
		    { 1, 1, SIGNING_SIGN, SIGNING_ECDSA, 1, 0, { 0 } },
		    "server", 32, true },
		{ "an unknown slot",
		    { 1, 3, SIGNING_SIGN, SIGNING_ECDSA, 1, 0, { 0 } },
		    "server", 32, false },
		{ "a slot without a key",
		    { 1, 2, SIGNING_SIGN, SIGNING_ECDSA, 1, 0, { 0 } },
		    "server", 32, false },
		{ "the largest slot",
		    { 1, UINT32_MAX, SIGNING_SIGN, SIGNING_ECDSA, 1, 0, { 0 } },
		    "server", 32, false },
		{ "a scheme of other keys: PSS",
		    { 1, 0, SIGNING_SIGN, SIGNING_RSA_PSS, 1, 0, { 0 } },
		    "server", 32, false },
		{ "a scheme of other keys: EdDSA",
		    { 1, 0, SIGNING_SIGN, SIGNING_EDDSA, 0, 0, { 0 } },
		    "server", 32, false },
		{ "an unknown scheme",
		    { 1, 0, SIGNING_SIGN, SIGNING_SCHEMES, 1, 0, { 0 } },
		    "server", 32, false },
		{ "an unknown digest",
		    { 1, 0, SIGNING_SIGN, SIGNING_ECDSA, SIGNING_DIGESTS, 0,
			{ 0 } },
		    "server", 32, false },
		{ "no digest",
		    { 1, 0, SIGNING_SIGN, SIGNING_ECDSA, 0, 0, { 0 } },
		    "server", 32, false },
		{ "an unknown operation",
		    { 1, 0, 3, SIGNING_ECDSA, 1, 0, { 0 } }, "server", 32,
		    false },
	};
	static const uint8_t junk[4000];
	struct place p;
	size_t len;

	(void)state;
	place_open(&p, "P-256", NULL);
	apart_stop(&p.apart);
	{
		const char *const path[3] = { paths[0], paths[1],
			"/nonexistent/x.key" };
		struct cert *const cert[3] = { p.cert[0], p.cert[1], NULL };

		apart_start(&p.apart, path, cert, 3, NULL);
	}
	apart_wait(&p.apart);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct packet packet = { .r = rows[i].head };
		int status;

		packet_fill(&packet, rows[i].who, rows[i].digest);
		status = packet_ask(&p, &packet.r, packet.len, 1, &len);
		check_row(
		    status == (rows[i].want ? SIGNING_DONE : SIGNING_REFUSED),
		    rows[i].rule);
		check_row((len > 0) == rows[i].want, rows[i].rule);
	}
	/* An empty one looks like the end of the seat. */
	assert_int_equal(packet_ask(&p, junk, 0, 0, &len), SIGNING_REFUSED);
	assert_int_equal(packet_ask(&p, junk, 3, 0, &len), SIGNING_REFUSED);
	assert_int_equal(
	    packet_ask(&p, junk, sizeof(junk), 0, &len), SIGNING_REFUSED);
	assert_int_equal(len, 0);
	apart_wait(&p.apart);
	place_close(&p);
}

/* A server of TLS 1.3 alone has no use for the freer form of TLS 1.2. */
static void
test_tls13_only(void **state)
{
	static const uint8_t params[] = { 3, 0, 29, 32 };
	enum { RANDOMS = 64, POINT = 32 };
	struct signing_request r = {
		.op = SIGNING_SIGN,
		.scheme = SIGNING_ECDSA,
		.digest = SIGNING_SHA256,
	};
	struct place p;
	size_t len;

	(void)state;
	memcpy(r.input + RANDOMS, params, sizeof(params));
	place_open(&p, "P-256", NULL);
	for (int i = 0; i < 2; i++) {
		apart_stop(&p.apart);
		p.apart.tls13_only = i == 1;
		apart_start(&p.apart, path_list, p.cert, 2, NULL);
		apart_wait(&p.apart);
		assert_int_equal(
		    packet_ask(&p, &r,
			SIGNING_REQUEST_HEAD + RANDOMS + sizeof(params) + POINT,
			0, &len),
		    i == 1 ? SIGNING_REFUSED : SIGNING_DONE);
	}
	{
		SSL_CTX *ctx = link_make_client(TLS1_3_VERSION, 0);

		assert_true(place_shake(&p, ctx, link_names[0]));
		SSL_CTX_free(ctx);
	}
	place_close(&p);
}

/* A worker that never takes an answer holds nobody else up. */
static void
test_deaf_worker(void **state)
{
	SSL_CTX *ctx = link_make_client(TLS1_3_VERSION, 0);
	struct packet packet = { .r = { .op = SIGNING_SIGN } };
	struct place p;
	int sent = 0;

	(void)state;
	place_open(&p, "P-256", NULL);
	apart_wait(&p.apart);
	packet_fill(&packet, "server", 1);
	while (sent < 2000)
		if (write(p.apart.ours[2], &packet.r, packet.len) > 0)
			sent++;
	assert_true(place_shake(&p, ctx, link_names[0]));
	apart_wait(&p.apart);
	place_close(&p);
	SSL_CTX_free(ctx);
}

/* Once the parent and all workers are gone, so is it. */
static void
test_ends_with_the_others(void **state)
{
	struct place p;
	int status;

	(void)state;
	place_open(&p, "ED25519", NULL);
	apart_wait(&p.apart);
	for (int i = 0; i < APART_SEATS; i++)
		close(p.apart.theirs[i]);
	for (int i = 0; i < APART_SEATS; i++)
		close(p.apart.ours[i]);
	assert_int_equal(waitpid(p.apart.pid, &status, 0), p.apart.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	p.apart.pid = 0;
	apart_open(&p.apart); /* what place_close closes */
	place_close(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshakes),
		cmocka_unit_test(test_reason_without_signature),
		cmocka_unit_test(test_mixed_keys),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_signature_algorithms),
		cmocka_unit_test(test_killed_and_started),
		cmocka_unit_test(test_request_waits),
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_tls13_only),
		cmocka_unit_test(test_deaf_worker),
		cmocka_unit_test(test_ends_with_the_others),
	};

	return cmocka_run_group_tests(tests, set_up, tree_tear_down);
}
