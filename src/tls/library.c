/* SPDX-License-Identifier: ISC */
#include "tls/library.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "tls/provider_keyd.h"

/* A context with what OpenSSL itself brings, and keys of another process: these
 * have the usual names, and any other use of a name must not find them. The
 * providers stay loaded. */
static OSSL_LIB_CTX *
library_make(void)
{
	OSSL_LIB_CTX *made = OSSL_LIB_CTX_new();

	if (made != NULL && OSSL_PROVIDER_load(made, "default") != NULL &&
	    provider_keyd_add(made) &&
	    EVP_set_default_properties(made, "?provider=default") == 1)
		return made;
	OSSL_LIB_CTX_free(made);
	return NULL;
}

OSSL_LIB_CTX *
tls_library_server(void)
{
	static OSSL_LIB_CTX *server;

	if (server == NULL)
		server = library_make();
	return server;
}
