/* SPDX-License-Identifier: ISC */
/* What a worker and the process that holds the keys send each other: one packet
 * each way over a SOCK_SEQPACKET pair. Both are the same program on the same
 * machine, so that a packet is a struct; its length is the packet's. Nothing in
 * one is trusted: signer_input.h, signing.c. Depends on libc alone. */
#ifndef TLS_SIGNING_WIRE_H
#define TLS_SIGNING_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum {
	/* The longest that may be signed is 165 bytes: a TLS 1.2
	 * ServerKeyExchange with P-384. */
	SIGNING_INPUT_MAX = 256,
	SIGNING_SIGNATURE_MAX = 2048, /* RSA-16384, OpenSSL's largest */
};

enum signing_op {
	SIGNING_PING = 1, /* answered as it came: slot and the rest are 0 */
	SIGNING_SIGN = 2,
};

/* RFC 8446 4.2.3, without the digest. */
enum signing_scheme {
	SIGNING_NO_SCHEME,
	SIGNING_ECDSA,
	SIGNING_RSA_PKCS1, /* TLS 1.2 only */
	SIGNING_RSA_PSS,   /* the salt as long as the digest */
	SIGNING_EDDSA,
	SIGNING_SCHEMES,
};

enum signing_digest {
	SIGNING_NO_DIGEST, /* SIGNING_EDDSA: the input is signed as it is */
	SIGNING_SHA256,
	SIGNING_SHA384,
	SIGNING_SHA512,
	SIGNING_DIGESTS,
};

struct signing_request {
	uint64_t sequence;
	uint32_t slot; /* of the key, in order of signer_add */
	uint8_t op, scheme, digest;
	uint8_t zero;
	uint8_t input[SIGNING_INPUT_MAX]; /* as long as the packet is */
};

enum signing_status {
	SIGNING_DONE = 1,
	SIGNING_REFUSED = 2, /* malformed, unknown, or OpenSSL failed */
};

struct signing_answer {
	uint64_t sequence; /* the request's */
	uint32_t status;
	uint32_t zero;
	uint8_t signature[SIGNING_SIGNATURE_MAX]; /* DONE to a SIGN only */
};

enum {
	SIGNING_REQUEST_HEAD = offsetof(struct signing_request, input),
	SIGNING_ANSWER_HEAD = offsetof(struct signing_answer, signature),
};

_Static_assert(SIGNING_REQUEST_HEAD == 16 && SIGNING_ANSWER_HEAD == 16,
    "no padding that would carry bytes of the sender's memory");

#endif
