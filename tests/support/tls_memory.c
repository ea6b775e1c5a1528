/* SPDX-License-Identifier: ISC */
#include "support/tls_memory.h"

#include <limits.h>
#include <openssl/bio.h>

#include "tls/internal.h"
#include "tls/socket_bio.h"

/* Replaces the BIO of a socket that does not exist. */
static bool
tls_memory_tie(struct tls_conn *c, bool opened)
{
	BIO *in = opened ? BIO_new(BIO_s_mem()) : NULL;
	BIO *out = opened ? BIO_new(BIO_s_mem()) : NULL;

	if (in != NULL && out != NULL) {
		SSL_set_bio(c->ssl, in, out);
		socket_bio_close(&c->bio);
		return true;
	}
	BIO_free(in);
	BIO_free(out);
	if (opened)
		tls_conn_fini(c);
	return false;
}

bool
tls_memory_accept(
    struct tls_conn *c, const struct tls_server *s, const void *names)
{
	return tls_memory_tie(c, tls_conn_accept(c, s, names, -1));
}

bool
tls_memory_connect(
    struct tls_conn *c, const struct tls_client *s, const char *name)
{
	return tls_memory_tie(c, tls_conn_connect(c, s, -1, name));
}

bool
tls_memory_give(struct tls_conn *c, struct slice bytes)
{
	return bytes.len == 0 || (bytes.len <= INT_MAX &&
				     BIO_write(SSL_get_rbio(c->ssl), bytes.ptr,
					 (int)bytes.len) == (int)bytes.len);
}

bool
tls_memory_take(struct tls_conn *c, struct buf *out)
{
	BIO *bio = SSL_get_wbio(c->ssl);
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);

	if (len > 0 && !buf_put(out, slice_of(bytes, (size_t)len)))
		return false;
	return BIO_reset(bio) == 1;
}

void
tls_memory_older(struct tls_conn *c)
{
	SSL_set_max_proto_version(c->ssl, TLS1_2_VERSION);
}
