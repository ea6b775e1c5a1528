/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "tls/internal.h"

enum { PLACES_MAX = 64 };

struct place {
	char *name;
	unsigned port;
	SSL_SESSION *session; /* the newest; NULL: none yet */
};

/* Places stay where they are until all are freed: connections point to them. */
struct tls_places {
	struct place place[PLACES_MAX];
	size_t n;
};

/* Where an SSL keeps its place; -1: OpenSSL had no room for us. */
static int
place_index(void)
{
	static int index = -1;

	if (index == -1)
		index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return index;
}

struct tls_places *
places_new(void)
{
	return calloc(1, sizeof(struct tls_places));
}

void
places_free(struct tls_places **p)
{
	if (*p == NULL)
		return;
	for (size_t i = 0; i < (*p)->n; i++) {
		free((*p)->place[i].name);
		SSL_SESSION_free((*p)->place[i].session);
	}
	free(*p);
	*p = NULL;
}

/* Called for each new session: with TLS 1.3 during a read. OpenSSL marks a
 * session not resumable when its connection breaks, so copies are kept and
 * copies offered. Returns 0: the session stays OpenSSL's. */
static int
keep(SSL *ssl, SSL_SESSION *session)
{
	struct place *p = SSL_get_ex_data(ssl, place_index());
	SSL_SESSION *copy = p != NULL ? SSL_SESSION_dup(session) : NULL;

	if (copy != NULL) {
		SSL_SESSION_free(p->session);
		p->session = copy;
	}
	return 0;
}

void
places_apply(SSL_CTX *ctx)
{
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, keep);
}

/* The place, new or known; NULL when there is no room. */
static struct place *
find(struct tls_places *p, const char *name, unsigned port)
{
	struct place *new = &p->place[p->n];

	for (size_t i = 0; i < p->n; i++)
		if (p->place[i].port == port &&
		    strcmp(p->place[i].name, name) == 0)
			return &p->place[i];
	if (p->n == PLACES_MAX)
		return NULL;
	new->name = strdup(name);
	if (new->name == NULL)
		return NULL;
	new->port = port;
	p->n++;
	return new;
}

void
places_offer(struct tls_places *p, SSL *ssl, const char *name, unsigned port)
{
	struct place *place;
	SSL_SESSION *copy;

	if (place_index() == -1)
		return;
	place = find(p, name, port);
	if (place == NULL || SSL_set_ex_data(ssl, place_index(), place) != 1 ||
	    place->session == NULL)
		return;
	copy = SSL_SESSION_dup(place->session);
	if (copy != NULL)
		(void)SSL_set_session(ssl, copy);
	SSL_SESSION_free(copy);
}
