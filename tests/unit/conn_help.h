/* SPDX-License-Identifier: ISC */
/* A capsule with what its connections share, and visitors: what the tests of
 * server/conn and server/pool share. Depends on server. */
#ifndef TESTS_UNIT_CONN_HELP_H
#define TESTS_UNIT_CONN_HELP_H

#include "capsule_help.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include "os/file.h"
#include "server/conn.h"

enum {
	STAGE_BIG = 3 * 1024 * 1024, /* more than any socket takes at once */
	STAGE_TURNS = 2000,
};

static struct {
	struct conn_world world;
	struct tls_server *server;
	struct tls_client *client;
	struct access access;
} stage;

static inline int
stage_find(const void *hosts, struct slice name)
{
	return hosts_find_raw(hosts, name);
}

static inline void
stage_open_tls(void)
{
	static const struct tls_settings settings = { .tickets = false };
	const char *const name = "localhost";
	struct sign_key *key = sign_key_generate();
	struct cert *cert = cert_make(key, &name, 1);
	struct why why;

	stage.server = tls_server_new(&settings, NULL, stage_find, &why);
	assert_non_null(stage.server);
	assert_true(tls_server_add(stage.server, name, cert, key, &why));
	stage.client = tls_client_new(NULL, NULL, &why);
	assert_non_null(stage.client);
	cert_free(&cert);
	sign_key_free(&key);
}

static inline void
stage_open_log(void)
{
	stage.access = (struct access){ .addresses = CONF_ADDRESSES_FULL };
	stage.access.fd = open(tree_path("access"),
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	assert_true(stage.access.fd != -1);
}

/* localhost with index.gmi, dir/a.txt and big. */
static inline int
stage_set_up(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	if (help_set_up(state) != 0)
		return -1;
	tree_file("root/index.gmi", "# page\n");
	tree_dir("root/dir");
	tree_file("root/dir/a.txt", "a\n");
	tree_file("root/big", "x");
	assert_int_equal(truncate(tree_path("root/big"), STAGE_BIG), 0);
	help_open_one("paths = ({ glob = \"/dir/*\"; listing = true; });");
	stage_open_tls();
	stage_open_log();
	memset(&stage.world, 0, sizeof(stage.world));
	stage.world.conf = help.conf;
	stage.world.hosts = help.hosts;
	stage.world.tls = stage.server;
	stage.world.mime = mime_new(help.conf, &help.report);
	stage.world.listings = listings_new();
	stage.world.limiter = limiter_new();
	stage.world.access = &stage.access;
	assert_non_null(stage.world.mime);
	assert_non_null(stage.world.listings);
	assert_non_null(stage.world.limiter);
	return 0;
}

static inline int
stage_tear_down(void **state)
{
	close(stage.access.fd);
	mime_free(&stage.world.mime);
	listings_free(&stage.world.listings);
	limiter_free(&stage.world.limiter);
	tls_server_free(&stage.server);
	tls_client_free(&stage.client);
	return help_tear_down(state);
}

#define on_stage(test)                                                         \
	cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)

/* What is in the access log; the caller ends it. */
static inline void
stage_log(struct buf *out)
{
	buf_init(out, 1 << 16);
	assert_true(file_read_path(tree_path("access"), out));
}

/* Lines in the access log that have words in them. */
static inline size_t
stage_logged(const char *words)
{
	struct slice rest, line;
	struct buf log;
	size_t n = 0;

	stage_log(&log);
	for (rest = buf_view(&log); slice_line(&rest, &line);)
		n += memmem(line.ptr, line.len, words, strlen(words)) != NULL;
	buf_fini(&log);
	return n;
}

static inline struct sockaddr_storage
stage_address(const char *text)
{
	struct sockaddr_storage out = { .ss_family = AF_UNIX };
	struct sockaddr_in *v4 = (void *)&out;
	struct sockaddr_in6 *v6 = (void *)&out;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		out.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		out.ss_family = AF_INET6;
	return out;
}

/* Someone at the other end of a socketpair. */
struct visitor {
	int fd;
	struct tls_conn tls;
	bool shaken;
	bool ended; /* by close_notify, end of file or reset */
	struct buf got;
};

/* Returns the server's end. */
static inline int
visitor_open(struct visitor *v)
{
	int fd[2];

	memset(v, 0, sizeof(*v));
	buf_init(&v->got, 2 * STAGE_BIG);
	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd),
	    0);
	v->fd = fd[1];
	assert_true(tls_conn_connect(&v->tls, stage.client, v->fd, NULL));
	return fd[0];
}

static inline void
visitor_leave(struct visitor *v)
{
	if (v->fd != -1)
		close(v->fd);
	v->fd = -1;
}

static inline void
visitor_fini(struct visitor *v)
{
	visitor_leave(v);
	tls_conn_fini(&v->tls);
	buf_fini(&v->got);
}

/* As far as the handshake gets. */
static inline bool
visitor_shake(struct visitor *v)
{
	v->shaken = v->shaken || tls_conn_handshake(&v->tls) == IO_DONE;
	return v->shaken;
}

static inline void
visitor_say(struct visitor *v, struct slice bytes)
{
	assert_int_equal(tls_conn_write(&v->tls, bytes), IO_DONE);
}

/* Takes what has come; true when there was something. */
static inline bool
visitor_hear(struct visitor *v)
{
	char bytes[16384];
	size_t got;
	enum io io = tls_conn_read(&v->tls, bytes, sizeof(bytes), &got);

	if (io == IO_DONE)
		assert_true(buf_put(&v->got, slice_of(bytes, got)));
	v->ended = io == IO_CLOSED || io == IO_FAILED;
	return io == IO_DONE;
}

/* Whether the server has closed its end, by whatever. */
static inline bool
visitor_is_dropped(const struct visitor *v)
{
	char byte;
	ssize_t n = recv(v->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n == -1 && errno == ECONNRESET);
}

/* A connection and who is at its other end. */
struct meeting {
	struct conn c;
	struct conn_text text;
	struct visitor v;
};

static inline void
meet(struct meeting *m, const char *address, uint64_t key)
{
	const struct sockaddr_storage from = stage_address(address);

	conn_init(&m->c, visitor_open(&m->v), &from, 1965, key, &m->text);
	assert_int_equal(m->c.state, CONN_HELLO);
}

static inline void
shake(struct meeting *m)
{
	for (int i = 0; i < 10 && m->c.state != CONN_REQUEST; i++) {
		visitor_shake(&m->v);
		conn_step(&m->c, &stage.world);
	}
	assert_true(visitor_shake(&m->v));
	assert_int_equal(m->c.state, CONN_REQUEST);
}

/* Both in turn until the answer has come and the connection is done. */
static inline void
listen_to(struct meeting *m)
{
	for (int i = 0; i < STAGE_TURNS && m->c.state != CONN_DONE; i++) {
		conn_step(&m->c, &stage.world);
		while (!m->v.ended && visitor_hear(&m->v))
			;
		if (m->v.ended)
			shutdown(m->v.fd, SHUT_WR); /* ends the drain */
	}
	assert_int_equal(m->c.state, CONN_DONE);
}

static inline void
part(struct meeting *m)
{
	conn_fini(&m->c, &stage.world);
	assert_int_equal(m->c.fd, -1);
	visitor_fini(&m->v);
}

#endif
