/* SPDX-License-Identifier: ISC */
/* One client's connection: a state machine independent of the event loop. It is
 * stepped when its descriptor is ready and returns what it waits for. Depends
 * on tls, proto, capsule, limiter and access. */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include <netinet/in.h>

#include "capsule/answer.h"
#include "server/access.h"
#include "server/descriptors.h"
#include "server/limiter.h"
#include "tls/tls_conn.h"

enum {
	CONN_HANDSHAKE_MAX = 64 * 1024, /* bytes of a client's handshake */
	/* bytes before the request line is complete */
	CONN_BEFORE_REQUEST_MAX = 16 * 1024,
	/* bytes of a client's last handshake messages */
	CONN_FINISHED_MAX = 512,
	CONN_RECORD_OVERHEAD = 30,      /* a record of one byte, at most */
	CONN_DISCARD_MAX = 1024 * 1024, /* bytes read after the answer */
	CONN_DISCARD_S = 2, /* for close_notify, and again in CONN_DISCARD */
	/* written before other connections have their turn */
	CONN_TURN_RECORDS = 32,
};

enum conn_state {
	CONN_HELLO,  /* no complete ClientHello yet, no TLS object */
	CONN_QUEUED, /* ClientHello complete; the handshake is expensive */
	CONN_HANDSHAKE,
	CONN_REQUEST,
	CONN_SEND,
	CONN_SHUTDOWN,
	CONN_DISCARD, /* FIN sent: input is read and thrown away */
	CONN_DONE,    /* to be closed */
};

/* What a connection needs only once it has sent something: kept apart, so that
 * a silent one touches almost no memory. */
struct conn_text {
	uint8_t line[REQUEST_LINE_MAX];
	uint8_t header[RESPONSE_HEADER_MAX];
};

/* What the connections of a worker share. All borrowed. */
struct conn_world {
	const struct conf *conf;
	const struct hosts *hosts;
	const struct tls_server *tls;
	struct mime *mime;
	struct listings *listings;
	struct limiter *limiter;
	struct access *access;
	struct spares *spares;         /* may be NULL */
	struct answer answer;          /* scratch, of one step */
	uint8_t chunk[TLS_RECORD_MAX]; /* scratch, of one step */
};

/* In a slot of the pool's, zeroed before conn_init. */
struct conn {
	enum conn_state state;
	enum status status;
	int fd;
	int body; /* file being sent, or -1 */
	struct tls_conn tls;
	struct conn_text *text;
	struct listing *listing;
	const struct host *host;
	uint64_t size; /* of the body, fixed when it was opened */
	uint64_t sent; /* bytes of header and body sent */
	uint64_t began_ms;
	uint64_t received; /* TLS bytes of the handshake */
	uint64_t key;      /* address it counts for; 0: exempt */
	uint32_t discarded;
	uint16_t line_len;
	uint16_t header_len;
	uint16_t path_at, path_len; /* in text->line, for the log */
	uint16_t query_at, query_len;
	uint16_t port; /* that clients use */
	bool has_query;
	bool resumed;
	int wanted; /* bytes of ClientHello that SO_RCVLOWAT waits for, or 0 */
	bool progress; /* made since the deadline was set */
	bool logged;
	bool drained;       /* in CONN_DISCARD: nothing to read yet */
	bool complete;      /* close_notify was sent after the whole body */
	int queued;         /* bytes the kernel held when last looked at */
	uint32_t stalled_s; /* in CONN_DISCARD: seconds without progress */
	const char *version;
	struct sockaddr_in6 from; /* or an IPv4 address, or just AF_UNIX */
};

_Static_assert(sizeof(struct sockaddr_in) <= sizeof(struct sockaddr_in6),
    "an address of either family fits: a slot has no room to waste");

/* Starts a connection on fd, which it now owns, from an address. text is
 * borrowed from the slot. */
void conn_init(struct conn *c, int fd, const struct sockaddr_storage *from,
    unsigned port, uint64_t key, struct conn_text *text);

/* Proceeds as far as it can. IO_WANT_READ, IO_WANT_WRITE: step again when the
 * descriptor is ready. IO_DONE: state is CONN_DONE, or CONN_QUEUED: step again
 * when there is time for a handshake. */
enum io conn_step(struct conn *c, struct conn_world *w);

/* Bytes of the answer that the peer has acknowledged, approximately: TLS
 * overhead counts as not yet acknowledged. */
uint64_t conn_acknowledged(const struct conn *c);

/* In CONN_DISCARD: whether there is nothing left to wait for, because the peer
 * has read everything or has stopped reading. */
bool conn_is_finished(const struct conn *c);

/* Cuts the connection: what the kernel holds for it is freed at once. To be
 * closed. */
void conn_cut(struct conn *c);

/* Seconds that the present state may last; in CONN_SEND, without progress. The
 * states before CONN_REQUEST share one deadline. */
unsigned conn_timeout(const struct conn *c, const struct conf *conf);

/* The timeout has passed: goes to the state that follows; a handshake has then
 * failed. Step again unless CONN_DONE. A client that sent no request gets
 * close_notify and no header; a reader that has taken anything of what the
 * kernel holds gets more time, in CONN_DISCARD too. */
void conn_expire(struct conn *c, struct conn_world *w);

/* Writes the access line if there was a request, or a handshake that this ends;
 * closes and frees what the connection holds. */
void conn_fini(struct conn *c, struct conn_world *w);

#endif
