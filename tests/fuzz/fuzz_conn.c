/* SPDX-License-Identifier: ISC */
/* A whole connection over memory BIOs. The first byte of the input says how
 * the rest meets the server: without INSIDE, as raw bytes instead of TLS; with
 * it, inside TLS, in records whose lengths the input gives. With ON_THE_WAY,
 * what a true client sends, from its hello to its last record, is changed
 * before it arrives: the input begins with up to four changes, each of a place
 * (two bytes), a kind and a value. Whatever comes, the answer is nothing or one
 * well-formed header, and its body is whole or the close_notify missing. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/conn.h"
#include "support/tls_memory.h"

enum { ANSWER_MAX = 1 << 16, TURNS = 4096 };

/* Bits of the first byte. */
enum { INSIDE = 1, NAMED = 2, ON_THE_WAY = 4, OLDER = 8 };

enum { CHANGES_MAX = 4, CHANGE_SIZE = 4, CHANGE_SPAN = 2048 };

/* What happens to a client's bytes on their way; at: its first change. */
struct way {
	const uint8_t *at;
	size_t n;
	size_t passed; /* bytes of the client's so far */
};

static struct conn_world world;
static struct tls_client *client_ctx;
static struct tickets *tickets; /* not the server's own */
static char root[] = "/tmp/carnation-fuzz-XXXXXX";
static const char *const files[] = { "index.gmi", "a.txt", "capsule.conf" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
remove_root(void)
{
	char path[64];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, files[i]);
		unlink(path);
	}
	rmdir(root);
}

static void
make_root(void)
{
	char path[64];

	assert(mkdtemp(root) != NULL);
	atexit(remove_root);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		static const char conf[] =
		    "redirects = ({ from = \"/old/*\"; to = \"/new/\"; });\n"
		    "gone = [\"/gone\"];\nlisting = true;\n";
		int fd;

		snprintf(path, sizeof(path), "%s/%s", root, files[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		assert(fd != -1);
		assert(write(fd, i == 2 ? conf : "# page\n",
			   i == 2 ? sizeof(conf) - 1 : 7) > 0);
		close(fd);
	}
}

static int
find(const void *hosts, struct slice name)
{
	return hosts_find_raw(hosts, name);
}

static void
make_world(void)
{
	static const char *const names[] = { "localhost" };
	static const struct tls_settings settings = { .tickets = true };
	static struct access no_log = { .fd = -1, .handshakes = true };
	struct conf *conf = conf_new();
	struct conf_capsule *c = conf_add_capsule(conf);
	struct sign_key *key = sign_key_generate();
	struct cert *cert = cert_make(key, names, 1);
	struct report r = { 0 };
	struct tls_server *server;
	struct hosts *hosts;
	struct why why = { "" };

	make_root();
	conf_set_text(conf, &c->host, "localhost");
	conf_set_text(conf, &c->root, root);
	hosts = hosts_open(conf, &r);
	assert(hosts != NULL && hosts_read_content(hosts, &r));
	/* As if it were a store: so are its paths tried as well. */
	hosts->host[0].store = dup(hosts->host[0].root);
	assert(hosts->host[0].store != -1);
	tickets = tickets_new();
	assert(tickets != NULL);
	server = tls_server_new(&settings, tickets, find, &why);
	assert(server != NULL &&
	       tls_server_add(server, "localhost", cert, key, &why));
	client_ctx = tls_client_new(NULL, NULL, &why);
	world.conf = conf;
	world.hosts = hosts;
	world.tls = server;
	world.mime = mime_new(conf, &r);
	world.listings = listings_new();
	world.limiter = limiter_new();
	world.access = &no_log;
	report_fini(&r);
	cert_free(&cert);
	sign_key_free(&key);
}

/* Puts one byte of the client's as it arrives: other, gone, or with more. */
static void
change_byte(struct way *w, uint8_t byte, struct buf *out)
{
	uint8_t put[256];
	size_t n = 1;

	put[0] = byte;
	for (size_t i = 0; i < w->n; i++) {
		const uint8_t *c = w->at + i * CHANGE_SIZE;
		size_t place = ((size_t)c[0] << 8 | c[1]) % CHANGE_SPAN;

		if (c[2] % 4 == 2 && w->passed - place <= c[3] % 8U)
			n = 0; /* one of some that are lost */
		if (place != w->passed)
			continue;
		if (c[2] % 4 == 0)
			put[0] ^= (uint8_t)(1U << c[3] % 8);
		else if (c[2] % 4 == 1)
			put[0] = c[3];
		else if (c[2] % 4 == 3)
			memset(put, byte, n = 2 + c[3] % 64U);
	}
	w->passed++;
	buf_put(out, slice_of(put, n));
}

/* Whether anything moved. w: what happens on the way; NULL: nothing. */
static bool
move_bytes(struct tls_conn *from, struct tls_conn *to, struct way *w)
{
	struct buf b, changed;
	struct slice s;
	bool moved = false;

	buf_init(&b, 1 << 20);
	buf_init(&changed, 1 << 20);
	if (tls_conn_is_open(from) && tls_memory_take(from, &b) &&
	    tls_conn_is_open(to)) {
		s = buf_view(&b);
		moved = s.len > 0;
		for (size_t i = 0; w != NULL && i < s.len; i++)
			change_byte(w, s.ptr[i], &changed);
		tls_memory_give(to, w != NULL ? buf_view(&changed) : s);
	}
	buf_fini(&b);
	buf_fini(&changed);
	return moved;
}

static void
check_answer(const struct conn *c, struct tls_conn *client, struct buf *answer)
{
	struct slice rest = buf_view(answer), line, meta;
	int code;

	if (answer->len == 0)
		return;
	assert(slice_line(&rest, &line));
	assert(response_parse(line, &code, &meta));
	assert(code == (int)c->status);
	if (tls_conn_peer_closed(client))
		assert(rest.len == 0 || code == STATUS_SUCCESS);
}

/* Both sides have their turn until nothing moves. */
static void
converse(struct conn *c, struct tls_conn *client, struct way *w,
    const uint8_t *data, size_t size)
{
	struct buf answer;
	bool shaken = false, moved = true;
	uint8_t chunk[4096];
	size_t got;

	buf_init(&answer, ANSWER_MAX);
	for (int turn = 0;
	     turn < TURNS && c->state != CONN_DONE && (shaken || moved);
	     turn++) {
		if (!shaken)
			shaken = tls_conn_handshake(client) == IO_DONE;
		if (shaken && size > 0) {
			size_t n = data[0] == 0 ? 1 : data[0];

			data++;
			size--;
			n = n < size ? n : size;
			if (n > 0)
				tls_conn_write(client, slice_of(data, n));
			data += n;
			size -= n;
		} else if (shaken && turn > 32) {
			tls_conn_close_notify(client);
		}
		moved = move_bytes(client, &c->tls, w);
		conn_step(c, &world);
		moved |= move_bytes(&c->tls, client, NULL);
	}
	while (shaken &&
	       tls_conn_read(client, chunk, sizeof(chunk), &got) == IO_DONE)
		buf_put(&answer, slice_of(chunk, got));
	check_answer(c, client, &answer);
	buf_fini(&answer);
}

static void
conn_open(struct conn *c)
{
	static const struct sockaddr_storage from = { .ss_family = AF_UNIX };
	static struct conn_text text;

	conn_init(c, -1, &from, 1965, 0, &text);
	assert(tls_memory_accept(&c->tls, world.tls, world.hosts));
	c->state = CONN_HANDSHAKE; /* there is no socket to look into */
}

static void
client_try(struct conn *c, uint8_t how, const uint8_t *data, size_t size)
{
	struct way w = { .at = data };
	struct tls_conn client = { 0 };

	if (how & ON_THE_WAY) {
		w.n = size / CHANGE_SIZE;
		w.n = w.n < CHANGES_MAX ? w.n : CHANGES_MAX;
		data += w.n * CHANGE_SIZE;
		size -= w.n * CHANGE_SIZE;
	}
	assert(tls_memory_connect(
	    &client, client_ctx, how & NAMED ? "localhost" : NULL));
	if (how & OLDER)
		tls_memory_older(&client);
	converse(c, &client, how & ON_THE_WAY ? &w : NULL, data, size);
	tls_conn_fini(&client);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conn c;

	if (world.conf == NULL)
		make_world();
	if (size == 0)
		return 0;
	conn_open(&c);
	if (data[0] & INSIDE) {
		client_try(&c, data[0], data + 1, size - 1);
	} else {
		tls_memory_give(&c.tls, slice_of(data + 1, size - 1));
		conn_step(&c, &world);
		conn_expire(&c, &world);
	}
	conn_fini(&c, &world);
	return 0;
}
