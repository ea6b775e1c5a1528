/* SPDX-License-Identifier: ISC */
#include "support/testbed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "os/file.h"

enum { TESTBED_TURNS = 2000 };

struct testbed testbed;

static int
testbed_find_host(const void *hosts, struct slice name)
{
	return hosts_find_raw(hosts, name);
}

static void
testbed_open_tls(void)
{
	static const struct tls_settings settings = { .tickets = false };
	const char *const name = "localhost";
	struct sign_key *key = sign_key_generate();
	struct cert *cert = cert_make(key, &name, 1);
	struct why why;

	testbed.server =
	    tls_server_new(&settings, NULL, testbed_find_host, &why);
	assert_non_null(testbed.server);
	assert_true(tls_server_add(testbed.server, name, cert, key, &why));
	testbed.client = tls_client_new(NULL, NULL, &why);
	assert_non_null(testbed.client);
	cert_free(&cert);
	sign_key_free(&key);
}

static void
testbed_open_log(void)
{
	testbed.access = (struct access){ .addresses = CONF_ADDRESSES_FULL };
	testbed.access.fd = open(tree_path("access"),
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	assert_true(testbed.access.fd != -1);
}

int
testbed_set_up(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	if (capsule_set_up(state) != 0)
		return -1;
	tree_write("root/index.gmi", "# page\n");
	tree_make_dir("root/dir");
	tree_write("root/dir/a.txt", "a\n");
	tree_write("root/big", "x");
	assert_int_equal(truncate(tree_path("root/big"), TESTBED_BIG_SIZE), 0);
	capsule_open_one("paths = ({ glob = \"/dir/*\"; listing = true; });");
	testbed_open_tls();
	testbed_open_log();
	memset(&testbed.world, 0, sizeof(testbed.world));
	testbed.world.conf = capsule.conf;
	testbed.world.hosts = capsule.hosts;
	testbed.world.tls = testbed.server;
	testbed.world.mime = mime_new(capsule.conf, &capsule.report);
	testbed.world.listings = listings_new();
	testbed.world.limiter = limiter_new();
	testbed.world.access = &testbed.access;
	assert_non_null(testbed.world.mime);
	assert_non_null(testbed.world.listings);
	assert_non_null(testbed.world.limiter);
	return 0;
}

int
testbed_tear_down(void **state)
{
	close(testbed.access.fd);
	mime_free(&testbed.world.mime);
	listings_free(&testbed.world.listings);
	limiter_free(&testbed.world.limiter);
	tls_server_free(&testbed.server);
	tls_client_free(&testbed.client);
	return capsule_tear_down(state);
}

void
testbed_read_log(struct buf *out)
{
	buf_init(out, 1 << 16);
	assert_true(file_read_path(tree_path("access"), out));
}

size_t
testbed_count_logged(const char *words)
{
	struct slice rest, line;
	struct buf log;
	size_t n = 0;

	testbed_read_log(&log);
	for (rest = buf_view(&log); slice_line(&rest, &line);)
		n += memmem(line.ptr, line.len, words, strlen(words)) != NULL;
	buf_fini(&log);
	return n;
}

int
client_open(struct client *c)
{
	int fd[2];

	memset(c, 0, sizeof(*c));
	buf_init(&c->got, 2 * TESTBED_BIG_SIZE);
	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd),
	    0);
	c->fd = fd[1];
	assert_true(tls_conn_connect(&c->tls, testbed.client, c->fd, NULL));
	return fd[0];
}

void
client_disconnect(struct client *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
}

void
client_fini(struct client *c)
{
	client_disconnect(c);
	tls_conn_fini(&c->tls);
	buf_fini(&c->got);
}

bool
client_handshake(struct client *c)
{
	c->connected = c->connected || tls_conn_handshake(&c->tls) == IO_DONE;
	return c->connected;
}

void
client_send(struct client *c, struct slice bytes)
{
	assert_int_equal(tls_conn_write(&c->tls, bytes), IO_DONE);
}

bool
client_receive(struct client *c)
{
	char bytes[16384];
	size_t got;
	enum io io = tls_conn_read(&c->tls, bytes, sizeof(bytes), &got);

	if (io == IO_DONE)
		assert_true(buf_put(&c->got, slice_of(bytes, got)));
	c->ended = io == IO_CLOSED || io == IO_FAILED;
	return io == IO_DONE;
}

bool
client_is_dropped(const struct client *c)
{
	char byte;
	ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n == -1 && errno == ECONNRESET);
}

void
session_connect(struct session *s, const char *address, uint64_t key)
{
	const struct sockaddr_storage from = sockaddr_of(address);

	conn_init(
	    &s->conn, client_open(&s->client), &from, 1965, key, &s->text);
	assert_int_equal(s->conn.state, CONN_HELLO);
}

void
session_handshake(struct session *s)
{
	for (int i = 0; i < 10 && s->conn.state != CONN_REQUEST; i++) {
		client_handshake(&s->client);
		conn_step(&s->conn, &testbed.world);
	}
	assert_true(client_handshake(&s->client));
	assert_int_equal(s->conn.state, CONN_REQUEST);
}

void
session_request(struct session *s, struct slice bytes)
{
	session_connect(s, "192.0.2.7", 0);
	session_handshake(s);
	client_send(&s->client, bytes);
}

void
session_finish(struct session *s)
{
	for (int i = 0; i < TESTBED_TURNS && s->conn.state != CONN_DONE; i++) {
		conn_step(&s->conn, &testbed.world);
		while (!s->client.ended && client_receive(&s->client))
			;
		if (s->client.ended)
			shutdown(s->client.fd, SHUT_WR); /* ends the drain */
	}
	assert_int_equal(s->conn.state, CONN_DONE);
}

void
session_disconnect(struct session *s)
{
	conn_fini(&s->conn, &testbed.world);
	assert_int_equal(s->conn.fd, -1);
	client_fini(&s->client);
}
