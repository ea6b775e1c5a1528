/* SPDX-License-Identifier: ISC */
#include "tls/sni.h"

#include "tls/conn.h"
#include "tls/internal.h"

enum { SNI_HOST_NAME = 0 };

/* Cuts a vector with a length of two bytes off the front of *in. */
static bool
vector16(struct slice *in, struct slice *out)
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

	if (!vector16(&extension, &list) || extension.len != 0)
		return false;
	while (list.len > 0) {
		uint8_t type = list.ptr[0];

		list = slice_skip(list, 1);
		if (!vector16(&list, name))
			return false;
		if (type == SNI_HOST_NAME)
			return name->len > 0;
	}
	return false;
}

int
sni_choose(SSL *ssl, int *alert, void *arg)
{
	const struct tls_server *server = arg;
	struct tls_conn *conn = SSL_get_app_data(ssl);
	const unsigned char *bytes;
	struct slice name;
	size_t len;

	(void)alert;
	if (!SSL_client_hello_get0_ext(
		ssl, TLSEXT_TYPE_server_name, &bytes, &len))
		return SSL_CLIENT_HELLO_SUCCESS;
	if (!sni_parse(slice_of(bytes, len), &name))
		return SSL_CLIENT_HELLO_SUCCESS;
	conn->sni = server->find(server->arg, name);
	if (conn->sni < 0 || (size_t)conn->sni >= server->n)
		conn->sni = TLS_SNI_UNKNOWN;
	/* A second ClientHello may name another capsule than the first:
	 * reset. */
	size_t at = conn->sni < 0 ? 0 : (size_t)conn->sni;
	if (server->ctx[at] != SSL_get_SSL_CTX(ssl))
		SSL_set_SSL_CTX(ssl, server->ctx[at]);
	return SSL_CLIENT_HELLO_SUCCESS;
}
