/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "tls/internal.h"

enum { SESSIONS_MAX = 64 };

/* The session of one server. */
struct server_session {
	char *name;
	unsigned port;
	SSL_SESSION *session; /* the newest; NULL: none yet */
};

/* They stay where they are until all are freed: connections point to them. */
struct tls_sessions {
	struct server_session item[SESSIONS_MAX];
	size_t n;
};

/* Where an SSL keeps its server_session; -1: OpenSSL had no room for us. */
static int
session_index(void)
{
	static int index = -1;

	if (index == -1)
		index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return index;
}

struct tls_sessions *
sessions_new(void)
{
	return calloc(1, sizeof(struct tls_sessions));
}

void
sessions_free(struct tls_sessions **p)
{
	if (*p == NULL)
		return;
	for (size_t i = 0; i < (*p)->n; i++) {
		free((*p)->item[i].name);
		SSL_SESSION_free((*p)->item[i].session);
	}
	free(*p);
	*p = NULL;
}

/* Called for each new session: with TLS 1.3 during a read. OpenSSL marks a
 * session not resumable when its connection breaks, so copies are kept and
 * copies offered. Returns 0: the session stays OpenSSL's. */
static int
session_keep(SSL *ssl, SSL_SESSION *session)
{
	struct server_session *p = SSL_get_ex_data(ssl, session_index());
	SSL_SESSION *copy = p != NULL ? SSL_SESSION_dup(session) : NULL;

	if (copy != NULL) {
		SSL_SESSION_free(p->session);
		p->session = copy;
	}
	return 0;
}

void
sessions_apply(SSL_CTX *ctx)
{
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, session_keep);
}

/* That of a server, new or known; NULL when there is no room. */
static struct server_session *
sessions_find(struct tls_sessions *p, const char *name, unsigned port)
{
	struct server_session *new = &p->item[p->n];

	for (size_t i = 0; i < p->n; i++)
		if (p->item[i].port == port &&
		    strcmp(p->item[i].name, name) == 0)
			return &p->item[i];
	if (p->n == SESSIONS_MAX)
		return NULL;
	new->name = strdup(name);
	if (new->name == NULL)
		return NULL;
	new->port = port;
	p->n++;
	return new;
}

void
sessions_offer(
    struct tls_sessions *p, SSL *ssl, const char *name, unsigned port)
{
	struct server_session *s;
	SSL_SESSION *copy;

	if (session_index() == -1)
		return;
	s = sessions_find(p, name, port);
	if (s == NULL || SSL_set_ex_data(ssl, session_index(), s) != 1 ||
	    s->session == NULL)
		return;
	copy = SSL_SESSION_dup(s->session);
	if (copy != NULL)
		(void)SSL_set_session(ssl, copy);
	SSL_SESSION_free(copy);
}
