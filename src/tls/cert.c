/* SPDX-License-Identifier: ISC */
#include "tls/cert.h"

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/file.h"
#include "tls/digest.h"
#include "tls/internal.h"
#include "util/log.h"

enum {
	CERT_CHAIN_MAX = 16, /* certificates after the leaf */
	CERT_CN_MAX = 64,    /* RFC 5280, ub-common-name */
	CERT_SERIAL_BITS = 127,
};

_Static_assert((int)CERT_DIGEST_SIZE == (int)DIGEST_SIZE, "both are SHA-256");

/* A small board may boot with a wrong clock: valid from long ago until long
 * after the server's lifetime. */
static const char valid_from[] = "20200101000000Z";
static const char valid_until[] = "20991231235959Z";

/* Whether the last read failed at the end of the text, not at an invalid
 * certificate. */
static bool
pem_is_at_end(void)
{
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

/* What follows the leaf. A chain is never shortened: a client would see another
 * one than the operator installed. */
static bool
chain_parse(struct cert *c, BIO *bio, const char *path, struct why *why)
{
	X509 *x;

	for (;;) {
		x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		if (x == NULL)
			break;
		if (sk_X509_num(c->chain) == CERT_CHAIN_MAX) {
			why_set(why,
			    "%s: more than %d certificates after the first",
			    path, CERT_CHAIN_MAX);
			X509_free(x);
			return false;
		}
		if (sk_X509_push(c->chain, x) == 0) {
			why_memory(why);
			X509_free(x);
			return false;
		}
	}
	if (pem_is_at_end())
		return true;
	tls_explain(why, "%s: certificate %d cannot be read", path,
	    sk_X509_num(c->chain) + 2);
	return false;
}

static struct cert *
cert_parse(BIO *bio, const char *path, struct slice bytes, struct why *why)
{
	struct cert *c = calloc(1, sizeof(*c));

	if (c != NULL)
		c->chain = sk_X509_new_null();
	if (c == NULL || c->chain == NULL) {
		why_memory(why);
		goto fail;
	}
	c->leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (c->leaf == NULL) {
		tls_explain_file(why, path, bytes, "certificate");
		goto fail;
	}
	if (chain_parse(c, bio, path, why))
		return c;
fail:
	cert_free(&c);
	return NULL;
}

struct cert *
cert_load(const char *path, struct why *why)
{
	struct cert *c = NULL;
	struct buf pem;
	BIO *bio = NULL;

	buf_init(&pem, CERT_FILE_MAX);
	ERR_clear_error();
	if (!file_read_path(path, &pem)) {
		why_errno(why, path);
		goto out;
	}
	bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	if (bio != NULL)
		c = cert_parse(bio, path, buf_view(&pem), why);
	else
		why_memory(why);
out:
	ERR_clear_error();
	BIO_free(bio);
	buf_fini(&pem);
	return c;
}

void
cert_free(struct cert **c)
{
	if (*c == NULL)
		return;
	X509_free((*c)->leaf);
	sk_X509_pop_free((*c)->chain, X509_free);
	free(*c);
	*c = NULL;
}

struct cert *
cert_copy(const struct cert *c)
{
	struct cert *copy = calloc(1, sizeof(*copy));

	if (copy == NULL)
		return NULL;
	copy->chain = c->chain == NULL ? NULL : X509_chain_up_ref(c->chain);
	if (c->chain != NULL && copy->chain == NULL) {
		free(copy);
		return NULL;
	}
	X509_up_ref(c->leaf);
	copy->leaf = c->leaf;
	return copy;
}

bool
cert_pem(const struct cert *c, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());

	return tls_pem_take(
	    bio, bio != NULL && PEM_write_bio_X509(bio, c->leaf) == 1, out);
}

bool
cert_matches(const struct cert *c, const struct sign_key *key)
{
	return sign_key_is_of(key, c->leaf);
}

bool
cert_is_self_signed(const struct cert *c)
{
	bool self = X509_self_signed(c->leaf, 1) == 1;

	ERR_clear_error();
	return self;
}

int
cert_rsa_bits(const struct cert *c)
{
	const EVP_PKEY *key = X509_get0_pubkey(c->leaf);

	return key != NULL && (EVP_PKEY_is_a(key, "RSA") == 1 ||
				  EVP_PKEY_is_a(key, "RSA-PSS") == 1)
		   ? EVP_PKEY_get_bits(key)
		   : 0;
}

static struct slice
asn1_text(const ASN1_STRING *s)
{
	return slice_of(
	    ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

/* The last common name, the most specific one; an empty slice when there is
 * none. */
static struct slice
cert_common_name(const struct cert *c)
{
	X509_NAME *subject = X509_get_subject_name(c->leaf);
	int at = -1;
	int last = -1;

	while (
	    (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
		last = at;
	if (last < 0)
		return SLICE("");
	return asn1_text(
	    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
}

bool
cert_host_is_address(const char *host)
{
	uint8_t address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, address) == 1 ||
	       inet_pton(AF_INET6, host, address) == 1;
}

bool
cert_names(const struct cert *c, const char *host)
{
	bool named;

	if (cert_host_is_address(host))
		named = X509_check_ip_asc(c->leaf, host, 0) == 1;
	else
		named = X509_check_host(c->leaf, host, 0,
			    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
	ERR_clear_error();
	return named;
}

bool
cert_names_loosely(const struct cert *c, const char *host)
{
	return cert_names(c, host) ||
	       (cert_host_is_address(host) &&
		   slice_equal(cert_common_name(c), slice_str(host)));
}

static bool
name_put(struct buf *out, struct slice name)
{
	return name.len == 0 || (log_escape(out, name) && buf_byte(out, '\n'));
}

/* A SAN entry as text, in memory when it is an address; empty when it is
 * neither that nor a DNS name. */
static struct slice
san_text(const GENERAL_NAME *name, char memory[INET6_ADDRSTRLEN])
{
	struct slice raw;

	if (name->type == GEN_DNS)
		return asn1_text(name->d.dNSName);
	if (name->type != GEN_IPADD)
		return SLICE("");
	raw = asn1_text(name->d.iPAddress);
	if ((raw.len != sizeof(struct in_addr) &&
		raw.len != sizeof(struct in6_addr)) ||
	    inet_ntop(raw.len == sizeof(struct in_addr) ? AF_INET : AF_INET6,
		raw.ptr, memory, INET6_ADDRSTRLEN) == NULL)
		return SLICE("");
	return slice_str(memory);
}

bool
cert_list_names(const struct cert *c, struct buf *out)
{
	struct slice first = cert_common_name(c);
	char memory[INET6_ADDRSTRLEN];
	GENERAL_NAMES *san =
	    X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
	bool done = name_put(out, first);

	for (int i = 0; done && i < sk_GENERAL_NAME_num(san); i++) {
		struct slice name =
		    san_text(sk_GENERAL_NAME_value(san, i), memory);

		if (!slice_equal_nocase(name, first))
			done = name_put(out, name);
	}
	GENERAL_NAMES_free(san);
	ERR_clear_error();
	return done;
}

static int64_t
asn1_wall(const ASN1_TIME *when)
{
	struct tm tm;

	return ASN1_TIME_to_tm(when, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

int64_t
cert_not_before(const struct cert *c)
{
	return asn1_wall(X509_get0_notBefore(c->leaf));
}

int64_t
cert_not_after(const struct cert *c)
{
	return asn1_wall(X509_get0_notAfter(c->leaf));
}

/* Takes ownership of der, made by one of OpenSSL's i2d functions. */
static void
der_digest(uint8_t *der, int len, uint8_t out[CERT_DIGEST_SIZE])
{
	assert(len > 0); /* what was parsed or signed can be written again */
	digest_sha256(slice_of(der, (size_t)len), out);
	OPENSSL_free(der);
}

void
cert_digest(const struct cert *c, uint8_t out[CERT_DIGEST_SIZE])
{
	uint8_t *der = NULL;
	int len = i2d_X509(c->leaf, &der);

	der_digest(der, len, out);
}

void
cert_chain_digest(const struct cert *c, uint8_t out[CERT_DIGEST_SIZE])
{
	uint8_t all[CERT_CHAIN_MAX + 1][CERT_DIGEST_SIZE];
	int n = sk_X509_num(c->chain);

	assert(n <= CERT_CHAIN_MAX);
	cert_digest(c, all[0]);
	for (int i = 0; i < n; i++) {
		const struct cert one = { .leaf = sk_X509_value(c->chain, i) };

		cert_digest(&one, all[i + 1]);
	}
	digest_sha256(
	    slice_of(all, (size_t)(n < 0 ? 1 : n + 1) * CERT_DIGEST_SIZE), out);
}

void
cert_spki_digest(const struct cert *c, uint8_t out[CERT_DIGEST_SIZE])
{
	uint8_t *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->leaf), &der);

	der_digest(der, len, out);
}

void
cert_fingerprint(
    const uint8_t digest[CERT_DIGEST_SIZE], char out[CERT_FINGERPRINT_SIZE])
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < CERT_DIGEST_SIZE; i++) {
		*out++ = digits[digest[i] >> 4];
		*out++ = digits[digest[i] & 15];
		*out++ = i + 1 < CERT_DIGEST_SIZE ? ':' : '\0';
	}
}

bool
cert_put_fingerprints(const struct cert *c, const char *indent, struct buf *out)
{
	char whole[CERT_FINGERPRINT_SIZE], key[CERT_FINGERPRINT_SIZE];
	uint8_t digest[CERT_DIGEST_SIZE];

	cert_digest(c, digest);
	cert_fingerprint(digest, whole);
	cert_spki_digest(c, digest);
	cert_fingerprint(digest, key);
	return buf_printf(out,
	    "%scertificate  SHA256 %s\n%spublic key   SHA256 %s", indent, whole,
	    indent, key);
}

static bool
cert_make_serial(X509 *x)
{
	BIGNUM *bn = BN_new();
	bool done = bn != NULL &&
		    BN_rand(bn, CERT_SERIAL_BITS, BN_RAND_TOP_ONE,
			BN_RAND_BOTTOM_ANY) == 1 &&
		    BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL;

	BN_free(bn);
	return done;
}

/* Subject and issuer are the same. A host too long for a common name is only in
 * the SAN. */
static bool
cert_make_subject(X509 *x, const char *host)
{
	X509_NAME *subject = X509_get_subject_name(x);

	if (strlen(host) <= CERT_CN_MAX &&
	    X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
		(const unsigned char *)host, -1, -1, 0) != 1)
		return false;
	return X509_set_issuer_name(x, subject) == 1;
}

/* Takes value, an IA5STRING or an OCTET_STRING as type wants it; NULL:
 * false. */
static bool
san_add(GENERAL_NAMES *san, int type, ASN1_STRING *value)
{
	GENERAL_NAME *name = GENERAL_NAME_new();

	if (name == NULL || value == NULL) {
		GENERAL_NAME_free(name);
		ASN1_STRING_free(value);
		return false;
	}
	GENERAL_NAME_set0_value(name, type, value);
	if (sk_GENERAL_NAME_push(san, name) > 0)
		return true;
	GENERAL_NAME_free(name);
	return false;
}

static bool
san_add_dns(GENERAL_NAMES *san, const char *host)
{
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	if (text != NULL && ASN1_STRING_set(text, host, -1) != 1) {
		ASN1_IA5STRING_free(text);
		text = NULL;
	}
	return san_add(san, GEN_DNS, text);
}

/* An address is an iPAddress entry, never a dNSName (RFC 5280, 4.2.1.6), and
 * only a host that is one has such an entry: some clients mishandle an address
 * next to a name. */
static bool
cert_make_names(X509 *x, const char *const *names, size_t n_names)
{
	GENERAL_NAMES *san = GENERAL_NAMES_new();
	bool nameless = X509_NAME_entry_count(X509_get_subject_name(x)) == 0;
	bool done = san != NULL;

	for (size_t i = 0; done && i < n_names; i++)
		done = cert_host_is_address(names[i])
			   ? san_add(san, GEN_IPADD, a2i_IPADDRESS(names[i]))
			   : san_add_dns(san, names[i]);
	if (done && sk_GENERAL_NAME_num(san) > 0)
		done = X509_add1_ext_i2d(x, NID_subject_alt_name, san, nameless,
			   X509V3_ADD_DEFAULT) == 1;
	GENERAL_NAMES_free(san);
	return done;
}

static bool
cert_make_leaf(X509 *x)
{
	BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
	bool done =
	    constraints != NULL && X509_add1_ext_i2d(x, NID_basic_constraints,
				       constraints, 1, X509V3_ADD_DEFAULT) == 1;

	BASIC_CONSTRAINTS_free(constraints);
	return done;
}

struct cert *
cert_make(const struct sign_key *key, const char *const *names, size_t n_names)
{
	struct cert *c = calloc(1, sizeof(*c));
	X509 *x = X509_new();

	assert(n_names > 0);
	if (c != NULL)
		c->leaf = x;
	if (c == NULL || x == NULL)
		goto fail;
	if (X509_set_version(x, X509_VERSION_3) == 1 && cert_make_serial(x) &&
	    ASN1_TIME_set_string_X509(X509_getm_notBefore(x), valid_from) ==
		1 &&
	    ASN1_TIME_set_string_X509(X509_getm_notAfter(x), valid_until) ==
		1 &&
	    cert_make_subject(x, names[0]) && cert_make_leaf(x) &&
	    cert_make_names(x, names, n_names) && sign_key_certify(key, x))
		return c;
fail:
	if (c == NULL)
		X509_free(x);
	cert_free(&c);
	ERR_clear_error();
	return NULL;
}
