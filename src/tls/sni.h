/* SPDX-License-Identifier: ISC */
/* The server_name extension of a ClientHello, as a client sent it.
 * Depends on util and OpenSSL. */
#ifndef TLS_SNI_H
#define TLS_SNI_H

#include "util/slice.h"

/* The first host_name in the extension's bytes (RFC 6066 3); false when they
 * hold none or are malformed. The name itself is not checked. *name borrows. */
bool sni_parse(struct slice extension, struct slice *name);

#endif
