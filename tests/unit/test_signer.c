/* SPDX-License-Identifier: ISC */
#include "tls/signer.h"

#include <openssl/rand.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/apart.h"
#include "support/link.h"
#include "support/tree.h"
#include "tls/internal.h"
#include "tls/signing.h"
#include "tls/signing_wire.h"

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

/* Whether a handshake succeeds, with the certificate of name. */
static bool
place_shake(const struct place *p, SSL_CTX *ctx, const char *name)
{
	struct link l;
	bool done;

	link_open(&l, p->server, ctx, name, NULL);
	done = link_handshake(&l);
	if (done)
		link_check_name(&l, name);
	link_close(&l);
	return done;
}

/* Until the process has read its keys: it answers. */
static void
place_wait(const struct place *p)
{
	struct pollfd fd = { .fd = p->apart.ours[0], .events = POLLIN };

	assert_true(signing_ping(fd.fd));
	assert_int_equal(poll(&fd, 1, -1), 1);
	assert_true(signing_pong(fd.fd));
	assert_false(signing_pong(fd.fd));
}

static void
test_handshakes(void **state)
{
	static const char *const kinds[] = { "P-256", "P-384", "P-521", "RSA",
		"RSA-PSS", "ED25519", "ED448" };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct place p;

		place_open(&p, kinds[i], NULL);
		place_wait(&p);
		for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
			SSL_CTX *ctx = link_make_client(v, v);

			if (v == TLS1_2_VERSION && kinds[i][0] == 'P')
				SSL_CTX_set1_groups_list(
				    ctx, "X25519:P-256:P-384:P-521");
			if (v != TLS1_2_VERSION ||
			    strcmp(kinds[i], "P-521") != 0)
				for (int n = 0; n < 2; n++)
					check_row(
					    place_shake(&p, ctx, link_names[n]),
					    kinds[i]);
			SSL_CTX_free(ctx);
		}
		place_close(&p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshakes),
	};

	return cmocka_run_group_tests(tests, set_up, tree_tear_down);
}
