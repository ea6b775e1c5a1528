/* SPDX-License-Identifier: ISC */
/* A capsule with what its connections share, clients, and connections that a
 * test steps itself. */
#ifndef TESTS_SUPPORT_TESTBED_H
#define TESTS_SUPPORT_TESTBED_H

#include "server/conn.h"
#include "support/address.h"
#include "support/capsule.h"

enum { TESTBED_BIG_SIZE = 3 * 1024 * 1024 }; /* more than a socket takes */

struct testbed {
	struct conn_world world;
	struct tls_server *server;
	struct tls_client *client;
	struct access access;
};
extern struct testbed testbed;

/* cmocka fixtures: localhost with index.gmi, dir/a.txt (dir is listed) and
 * big. */
int testbed_set_up(void **state);
int testbed_tear_down(void **state);
#define testbed_test(test)                                                     \
	cmocka_unit_test_setup_teardown(test, testbed_set_up, testbed_tear_down)

/* The access log; the caller ends out. */
void testbed_read_log(struct buf *out);

/* Lines of the access log that have words in them. */
size_t testbed_count_logged(const char *words);

/* The client's end of a socketpair. */
struct client {
	int fd; /* -1 once disconnected */
	struct tls_conn tls;
	bool connected; /* the handshake is done */
	bool ended;     /* by close_notify, end of file or reset */
	struct buf got;
};

/* Returns the server's end, which the caller closes. */
int client_open(struct client *c);
void client_fini(struct client *c);
void client_disconnect(struct client *c);

/* As far as the handshake gets; true once it is done. */
bool client_handshake(struct client *c);
void client_send(struct client *c, struct slice bytes);

/* Appends what has arrived to c->got; true if anything has. */
bool client_receive(struct client *c);

/* Whether the server has closed its end, with an end of file or a reset. */
bool client_is_dropped(const struct client *c);

/* A connection and its client. */
struct session {
	struct conn conn;
	struct conn_text text;
	struct client client;
};

/* A new connection from an address; key is that of the limiter. */
void session_connect(struct session *s, const char *address, uint64_t key);

/* Until the server waits for the request; fails the test otherwise. */
void session_handshake(struct session *s);

/* Connects from 192.0.2.7 without a key, and sends the first bytes. */
void session_request(struct session *s, struct slice bytes);

/* Until the response has arrived and the connection is done. */
void session_finish(struct session *s);
void session_disconnect(struct session *s);

#endif
