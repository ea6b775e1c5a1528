/* SPDX-License-Identifier: ISC */
/* What the process with the keys takes for a request: the bytes of a packet,
 * from a worker that may be taken over, judged by form alone. Pure. Depends on
 * signing_wire. */
#ifndef TLS_SIGNER_INPUT_H
#define TLS_SIGNER_INPUT_H

#include <stdbool.h>

#include "tls/signing_wire.h"
#include "util/slice.h"

/* What a TLS server signs in a handshake, and nothing else. */
enum signer_input {
	SIGNER_INPUT_UNKNOWN,
	SIGNER_INPUT_TLS12, /* ServerKeyExchange of ECDHE (RFC 8422 5.4): both
			     * randoms, a named curve, a point of its length */
	SIGNER_INPUT_TLS13, /* a server's CertificateVerify (RFC 8446 4.4.3),
			     * over a digest of 32 or 48 bytes */
};

enum signer_input signer_input_check(struct slice input);

/* A packet that is a request. */
struct signer_request {
	uint64_t sequence;
	enum signing_op op;
	uint32_t slot; /* of SIGN, from here on; not yet checked */
	enum signing_scheme scheme;
	enum signing_digest digest;
	enum signer_input kind; /* never UNKNOWN */
	struct slice input;     /* borrows the packet */
};

/* False when any field is out of range, scheme and digest or input do not go
 * together, or the length is not that of the fields. *out then has the sequence
 * number if the packet is long enough for one, else 0. */
bool signer_request_parse(struct slice packet, struct signer_request *out);

#endif
