/* SPDX-License-Identifier: ISC */
/* A client's sessions: taken up where they come from, offered nowhere else. */
#include "support/link.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "support/address.h"
#include "tls/tickets.h"

static const struct tls_settings defaults = { .tickets = true };
static struct tickets *tickets;
static struct tls_server *server;

static int
set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	tickets = tickets_new();
	server = link_make_server(&defaults, tickets);
	return tickets == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	tls_server_free(&server);
	tickets_free(&tickets);
	return 0;
}

static struct tls_client *
client_new(void)
{
	struct why why;
	struct tls_client *c;

	c = tls_client_new(NULL, NULL, &why);
	assert_non_null(c);
	return c;
}

/* One connection to listener, by name; whether it took up a session. */
static bool
server_connect(const struct tls_client *client, int listener, const char *name,
    bool polite)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	int fd[2] = { socket(AF_INET, SOCK_STREAM, 0), -1 };
	enum io ours = IO_WANT_READ, theirs = IO_WANT_READ;
	struct tls_conn c, s;
	struct cert *cert;
	bool resumed;
	char byte;
	size_t got;

	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(connect(fd[0], (struct sockaddr *)&a, len), 0);
	fd[1] = accept(listener, NULL, NULL);
	for (int i = 0; i < 2; i++)
		fcntl(fd[i], F_SETFL, O_NONBLOCK);
	assert_true(tls_conn_connect(&c, client, fd[0], name));
	assert_true(tls_conn_accept(&s, server, NULL, fd[1]));
	for (int i = 0; i < 9 && (ours != IO_DONE || theirs != IO_DONE); i++) {
		ours = tls_conn_handshake(&c);
		theirs = tls_conn_handshake(&s);
	}
	assert_int_equal(theirs, IO_DONE);
	assert_int_equal(tls_conn_write(&s, SLICE("x")), IO_DONE);
	assert_int_equal(tls_conn_flush(&s), IO_DONE);
	do /* tickets come first */
		ours = tls_conn_read(&c, &byte, 1, &got);
	while (ours == IO_WANT_READ);
	assert_int_equal(ours, IO_DONE);
	resumed = tls_conn_resumed(&c);
	assert_int_equal(resumed, tls_conn_resumed(&s));
	cert = tls_conn_peer(&c); /* known of a resumed one too */
	assert_non_null(cert);
	cert_free(&cert);
	if (polite)
		tls_conn_close_notify(&c);
	tls_conn_fini(&c);
	tls_conn_fini(&s);
	close(fd[0]);
	close(fd[1]);
	return resumed;
}

static void
test_places(void **state)
{
	struct tls_client *client = client_new(), *other = client_new();
	unsigned port;
	int here = loopback_listen(&port), there = loopback_listen(&port);

	(void)state;
	assert_false(server_connect(client, here, "one.test", true));
	assert_true(server_connect(client, here, "one.test", true));
	/* a connection that broke does not spoil the session */
	assert_true(server_connect(client, here, "one.test", false));
	assert_true(server_connect(client, here, "one.test", true));
	/* another name, another port, another client, no name */
	assert_false(server_connect(client, here, "two.test", true));
	assert_false(server_connect(client, there, "one.test", true));
	assert_false(server_connect(other, here, "one.test", true));
	assert_false(server_connect(client, here, NULL, true));
	assert_false(server_connect(client, here, NULL, true));
	/* and none of them has put the first one out */
	assert_true(server_connect(client, here, "one.test", true));
	/* an address has a place too */
	assert_false(server_connect(client, here, "127.0.0.1", true));
	assert_true(server_connect(client, here, "127.0.0.1", true));
	close(here);
	close(there);
	tls_client_free(&client);
	tls_client_free(&other);
}

/* A session is offered to the one name, even where the server would take it. */
static void
test_not_to_another_name(void **state)
{
	struct tls_client *client = client_new();
	unsigned port;
	int here = loopback_listen(&port);

	(void)state;
	/* Names that the server does not know are all its first capsule's. */
	assert_false(server_connect(client, here, "alice.test", true));
	assert_false(server_connect(client, here, "bob.test", true));
	assert_true(server_connect(client, here, "alice.test", true));
	close(here);
	tls_client_free(&client);
}

/* With no room for one more, connections work without sessions. */
static void
test_no_room(void **state)
{
	struct tls_client *client = client_new();
	unsigned port;
	int here = loopback_listen(&port);
	char name[32];

	(void)state;
	for (int i = 0; i < 65; i++) {
		snprintf(name, sizeof(name), "host%d.test", i);
		assert_false(server_connect(client, here, name, true));
	}
	assert_true(server_connect(client, here, "host63.test", true));
	assert_false(server_connect(client, here, "host64.test", true));
	close(here);
	tls_client_free(&client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_not_to_another_name),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
