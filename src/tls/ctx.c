/* SPDX-License-Identifier: ISC */
#include "tls/ctx.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "tls/digest.h"
#include "tls/internal.h"
#include "tls/library.h"
#include "tls/provider_keyd.h"
#include "tls/tls_conn.h"

/* AES-128 first: SHA-256 costs the key schedule less than SHA-384. */
static const char suites13[] = "TLS_AES_128_GCM_SHA256:"
			       "TLS_CHACHA20_POLY1305_SHA256:"
			       "TLS_AES_256_GCM_SHA384";
static const char suites12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:"
			       "ECDHE-RSA-AES128-GCM-SHA256:"
			       "ECDHE-ECDSA-CHACHA20-POLY1305:"
			       "ECDHE-RSA-CHACHA20-POLY1305:"
			       "ECDHE-ECDSA-AES256-GCM-SHA384:"
			       "ECDHE-RSA-AES256-GCM-SHA384";
enum {
	SUITES_MAX = 4096, /* bytes of tls.suites */
	SNI_HOST_NAME = 0,
};

static const char groups[] = "X25519:P-256:P-384";

_Static_assert(DIGEST_SIZE <= SSL_MAX_SID_CTX_LENGTH,
    "a digest fits where a session id context goes");

static void
ctx_set_common(SSL_CTX *ctx)
{
	/* No AUTO_CHAIN: what a certificate's file lacks is in no store either,
	 * and looking for it would take place in each handshake. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_NO_AUTO_CHAIN);
	/* No AUTO_RETRY: a flood of key updates is not read on and on in one
	 * call. */
	SSL_CTX_clear_mode(
	    ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(
	    ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
}

/* Cuts a vector with a length of two bytes off the front of *in. */
static bool
slice_take_vector(struct slice *in, struct slice *out)
{
	size_t len;

	if (in->len < 2)
		return false;
	len = (size_t)in->ptr[0] << 8 | in->ptr[1];
	*in = slice_skip(*in, 2);
	if (len > in->len)
		return false;
	*out = slice_head(*in, len);
	*in = slice_skip(*in, len);
	return true;
}

bool
sni_parse(struct slice extension, struct slice *name)
{
	struct slice list;

	if (!slice_take_vector(&extension, &list) || extension.len != 0)
		return false;
	while (list.len > 0) {
		uint8_t type = list.ptr[0];

		list = slice_skip(list, 1);
		if (!slice_take_vector(&list, name))
			return false;
		if (type == SNI_HOST_NAME)
			return name->len > 0;
	}
	return false;
}

/* SSL_CTX_set_client_hello_cb's: chooses the capsule, and how the client may
 * come back; arg is the tls_server. Never ends a handshake. */
static int
sni_choose(SSL *ssl, int *alert, void *arg)
{
	const struct tls_server *server = arg;
	struct tls_conn *conn = SSL_get_app_data(ssl);
	const unsigned char *bytes;
	struct slice name;
	size_t len, at;

	(void)alert;
	resumption_choose(server->tickets, ssl);
	if (!SSL_client_hello_get0_ext(
		ssl, TLSEXT_TYPE_server_name, &bytes, &len))
		return SSL_CLIENT_HELLO_SUCCESS;
	if (!sni_parse(slice_of(bytes, len), &name))
		return SSL_CLIENT_HELLO_SUCCESS;
	assert(server->find != NULL);
	conn->sni = server->find(conn->names, name);
	if (conn->sni < 0 || (size_t)conn->sni >= server->n)
		conn->sni = TLS_SNI_UNKNOWN;
	/* A second ClientHello may name another capsule than the first:
	 * reset. */
	at = conn->sni < 0 ? 0 : (size_t)conn->sni;
	if (server->ctx[at] != SSL_get_SSL_CTX(ssl))
		SSL_set_SSL_CTX(ssl, server->ctx[at]);
	return SSL_CLIENT_HELLO_SUCCESS;
}

static SSL_CTX *
server_new_ctx(void)
{
	OSSL_LIB_CTX *library = tls_library_server();

	/* NULL would mean the default context, not a failure. */
	if (library == NULL)
		return NULL;
	return SSL_CTX_new_ex(library, NULL, TLS_server_method());
}

/* A context without a certificate yet. All capsules' are made here, alike:
 * SSL_set_SSL_CTX() copies only some of the settings. */
static SSL_CTX *
server_make_ctx(struct tls_server *s, struct why *why)
{
	int minimum = s->tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION;
	const char *new = s->suites13 != NULL ? s->suites13 : suites13;
	const char *old = s->suites12 != NULL ? s->suites12 : suites12;
	SSL_CTX *ctx = server_new_ctx();

	if (ctx == NULL) {
		tls_explain(why, "cannot create a TLS context");
		return NULL;
	}
	ctx_set_common(ctx);
	/* A client that only ends its TCP side may still read: end of file
	 * without close_notify must not break the connection for our writes. */
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE |
				     SSL_OP_PRIORITIZE_CHACHA |
				     SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_max_early_data(ctx, 0);
	SSL_CTX_set_client_hello_cb(ctx, sni_choose, s);
	if (SSL_CTX_set_ciphersuites(ctx, new) != 1)
		tls_explain(why, "TLS 1.3 suites \"%s\"", new);
	else if (SSL_CTX_set_min_proto_version(ctx, minimum) != 1 ||
		 SSL_CTX_set_max_proto_version(ctx, 0) != 1 ||
		 SSL_CTX_set_cipher_list(ctx, old) != 1 ||
		 SSL_CTX_set1_groups_list(ctx, groups) != 1 ||
		 !resumption_apply(s->tickets, ctx))
		tls_explain(why, "TLS settings");
	else
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* OpenSSL ignores unknown names of TLS 1.2 suites; here they are an error. So
 * are suites without forward secrecy (RFC 9325 4.1). */
static bool
suite12_known(struct slice name)
{
	SSL_CTX *ctx = server_new_ctx();
	char text[64];
	bool known = false;

	if (ctx != NULL && name.len < sizeof(text) &&
	    slice_starts(name, SLICE("ECDHE-"))) {
		memcpy(text, name.ptr, name.len);
		text[name.len] = '\0';
		known = SSL_CTX_set_cipher_list(ctx, text) == 1;
	}
	SSL_CTX_free(ctx);
	return known;
}

/* One list for both versions: names that begin with TLS_ are those of 1.3. A
 * version without any keeps our defaults. */
static bool
suites_sort(struct tls_server *s, const char *list, struct why *why)
{
	struct slice rest = slice_str(list), name;
	struct buf sorted[2];
	bool ok = true;

	buf_init(&sorted[0], SUITES_MAX);
	buf_init(&sorted[1], SUITES_MAX);
	while (ok && rest.len > 0) {
		struct buf *to = &sorted[1];

		slice_cut(rest, ':', &name, &rest);
		if (slice_starts(name, SLICE("TLS_")))
			to = &sorted[0];
		else if (!suite12_known(name))
			ok = false;
		ok = ok && (to->len == 0 || buf_byte(to, ':')) &&
		     buf_put(to, name);
	}
	if (!ok)
		why_set(why,
		    "unknown suite, or one without forward secrecy: \"%.*s\"",
		    SLICE_ARGS(name));
	if (ok && sorted[0].len > 0)
		s->suites13 = strdup(buf_cstr(&sorted[0]));
	if (ok && sorted[1].len > 0)
		s->suites12 = strdup(buf_cstr(&sorted[1]));
	ok = ok && (sorted[0].len == 0 || s->suites13 != NULL) &&
	     (sorted[1].len == 0 || s->suites12 != NULL);
	buf_fini(&sorted[0]);
	buf_fini(&sorted[1]);
	return ok;
}

struct tls_server *
tls_server_new(const struct tls_settings *settings, struct tickets *tickets,
    tls_find *find, struct why *why)
{
	struct tls_server *s = calloc(1, sizeof(*s));
	SSL_CTX *probe = NULL;

	if (s == NULL) {
		why_memory(why);
		return NULL;
	}
	s->tls13_only = settings->tls13_only;
	s->tickets = settings->tickets ? tickets : NULL;
	s->find = find;
	if (settings->suites != NULL && !suites_sort(s, settings->suites, why))
		goto fail;
	probe = server_make_ctx(s, why);
	if (probe == NULL)
		goto fail;
	SSL_CTX_free(probe);
	return s;
fail:
	tls_server_free(&s);
	return NULL;
}

/* A session of one capsule must not be resumed for another, which may have
 * another certificate (RFC 8446 4.6.1). */
static bool
ctx_separate_sessions(SSL_CTX *ctx, const char *name)
{
	uint8_t id[DIGEST_SIZE];

	digest_sha256(slice_str(name), id);
	return SSL_CTX_set_session_id_context(ctx, id, sizeof(id)) == 1;
}

/* Takes ctx, which may be NULL, as the next capsule's, or frees it. */
static bool
server_keep(struct tls_server *s, SSL_CTX *ctx, struct why *why)
{
	SSL_CTX **more;

	if (ctx == NULL)
		return false;
	more = realloc(s->ctx, (s->n + 1) * sizeof(SSL_CTX *));
	if (more == NULL) {
		SSL_CTX_free(ctx);
		return why_memory(why);
	}
	s->ctx = more;
	s->ctx[s->n++] = ctx;
	return true;
}

/* A context for cert and key, tried if need be; NULL and why. */
static SSL_CTX *
server_make_capsule_ctx(struct tls_server *s, const char *name,
    const struct cert *cert, EVP_PKEY *key, bool try, struct why *why)
{
	SSL_CTX *ctx = server_make_ctx(s, why);
	bool ready;

	if (ctx == NULL)
		return NULL;
	ERR_clear_error();
	ready =
	    key != NULL && ctx_separate_sessions(ctx, name) &&
	    SSL_CTX_use_cert_and_key(ctx, cert->leaf, key, cert->chain, 1) == 1;
	if (!ready)
		tls_explain(why, "%s: certificate or key cannot be used", name);
	if (ready && (!try || trial_handshake(ctx, cert, name, why)))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

bool
tls_server_add(struct tls_server *s, const char *name, const struct cert *cert,
    const struct sign_key *key, struct why *why)
{
	return tls_pair_matches(cert, key, name, NULL, NULL, why) &&
	       server_keep(s,
		   server_make_capsule_ctx(
		       s, name, cert, sign_key_peek(key), true, why),
		   why);
}

bool
tls_server_try(struct tls_server *s, const char *name, const struct cert *cert,
    const struct sign_key *key, struct why *why)
{
	SSL_CTX *ctx = server_make_capsule_ctx(
	    s, name, cert, sign_key_peek(key), true, why);

	SSL_CTX_free(ctx);
	return ctx != NULL;
}

bool
tls_server_add_apart(struct tls_server *s, const char *name,
    const struct cert *cert, unsigned slot, struct why *why)
{
	EVP_PKEY *public = X509_get0_pubkey(cert->leaf);
	EVP_PKEY *key = NULL;
	bool added;

	if (public != NULL)
		key = provider_keyd_key(tls_library_server(), public, slot);
	added = server_keep(
	    s, server_make_capsule_ctx(s, name, cert, key, false, why), why);
	EVP_PKEY_free(key);
	return added;
}

void
tls_server_free(struct tls_server **s)
{
	if (*s == NULL)
		return;
	for (size_t i = 0; i < (*s)->n; i++)
		SSL_CTX_free((*s)->ctx[i]);
	free((*s)->ctx);
	free((*s)->suites13);
	free((*s)->suites12);
	free(*s);
	*s = NULL;
}

struct tls_client *
tls_client_new(
    const struct cert *cert, const struct sign_key *key, struct why *why)
{
	struct tls_client *c = calloc(1, sizeof(*c));

	ERR_clear_error();
	if (c != NULL)
		c->ctx = SSL_CTX_new(TLS_client_method());
	if (c == NULL || c->ctx == NULL) {
		tls_explain(why, "cannot create a TLS context");
		goto fail;
	}
	c->sessions = sessions_new();
	if (c->sessions == NULL) {
		why_memory(why);
		goto fail;
	}
	ctx_set_common(c->ctx);
	sessions_apply(c->ctx);
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_NONE, NULL);
	if (SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) != 1) {
		tls_explain(why, "TLS settings");
		goto fail;
	}
	if (cert != NULL && key != NULL && !cert_matches(cert, key)) {
		if (tls_chain_order(cert, key, "--cert", "the client's", why))
			why_set(why, "the private key does not match the "
				     "certificate");
		goto fail;
	}
	if (cert != NULL && key != NULL && !sign_key_apply(key, c->ctx, cert)) {
		tls_explain(why, "client certificate or key cannot be used");
		goto fail;
	}
	return c;
fail:
	tls_client_free(&c);
	return NULL;
}

void
tls_client_free(struct tls_client **c)
{
	if (*c == NULL)
		return;
	SSL_CTX_free((*c)->ctx);
	sessions_free(&(*c)->sessions);
	free(*c);
	*c = NULL;
}

const char *
tls_library(void)
{
	return OpenSSL_version(OPENSSL_VERSION);
}
