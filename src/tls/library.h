/* SPDX-License-Identifier: ISC */
/* OpenSSL's library context for servers, apart from the default one, so that
 * what is replaced in it cannot affect anything else: certificates and keys are
 * read, and clients work, in the default context. Internal to this folder.
 * Depends on OpenSSL. */
#ifndef TLS_LIBRARY_H
#define TLS_LIBRARY_H

#include <openssl/core_dispatch.h>

#include "util/slice.h"

/* The context of all servers of this process and of those it forks: made at the
 * first call, never freed. NULL when OpenSSL fails (its queue has the
 * reason). */
OSSL_LIB_CTX *tls_library_server(void);

/* The same, but before any other call of OpenSSL in this process: each context
 * takes over all names known when it is made, several for each of 150 ciphers,
 * and walks through them again and again (fewer of them: 2 % of a handshake's
 * instructions). So the names are added afterwards, and only those in use. */
OSSL_LIB_CTX *tls_library_start(void);

/* The default context's default provider, whose functions ours use. Never
 * unloaded. NULL when OpenSSL fails. */
OSSL_PROVIDER *tls_library_default(void);

/* The first name of an algorithm, which identifies it; aliases follow. */
struct slice tls_library_name(const OSSL_ALGORITHM *row);

/* The default provider's functions of an algorithm in an operation, an
 * OSSL_OP_. NULL when it has none. */
const OSSL_DISPATCH *tls_library_functions(int operation, const char *name);

/* The entry of a function in such a table (NULL: an empty one), or its end,
 * whose function is NULL. */
const OSSL_DISPATCH *
tls_library_function(const OSSL_DISPATCH *functions, int id);

#endif
