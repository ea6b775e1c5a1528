/* SPDX-License-Identifier: ISC */
#include "tls/signer_key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "tls/internal.h"

/* A row of it: how keys of one kind sign. */
struct scheme_row {
	const char *kind; /* as OpenSSL calls it */
	enum signing_scheme scheme;
	int padding; /* of RSA */
};

static const struct scheme_row scheme_rows[] = {
	{ "EC", SIGNING_ECDSA, 0 },
	{ "RSA", SIGNING_RSA_PSS, RSA_PKCS1_PSS_PADDING },
	{ "RSA", SIGNING_RSA_PKCS1, RSA_PKCS1_PADDING },
	{ "RSA-PSS", SIGNING_RSA_PSS, RSA_PKCS1_PSS_PADDING },
	{ "ED25519", SIGNING_EDDSA, 0 },
	{ "ED448", SIGNING_EDDSA, 0 },
};

/* By signing_digest; fetched once, never freed. */
static EVP_MD *digests[SIGNING_DIGESTS];
/* Used for each signature. Two: one that has signed no longer just hashes. */
static EVP_MD_CTX *hashing, *signing;

struct signer_key {
	/* NULL: does not sign so. Used again for each signature. */
	EVP_PKEY_CTX *prepared[SIGNING_SCHEMES][SIGNING_DIGESTS];
	EVP_MD_CTX *eddsa; /* copied for each signature; itself never signs */
	/* The one that TLS 1.3 ties to the curve of an EC key (RFC 8446
	 * 4.2.3); NO_DIGEST: any. */
	enum signing_digest tls13;
};

static bool
digests_fetch(void)
{
	static const char *const names[SIGNING_DIGESTS] = {
		[SIGNING_SHA256] = "SHA256",
		[SIGNING_SHA384] = "SHA384",
		[SIGNING_SHA512] = "SHA512",
	};

	if (hashing == NULL)
		hashing = EVP_MD_CTX_new();
	if (signing == NULL)
		signing = EVP_MD_CTX_new();
	for (int d = SIGNING_SHA256; d < SIGNING_DIGESTS; d++) {
		if (digests[d] == NULL)
			digests[d] = EVP_MD_fetch(NULL, names[d], NULL);
		if (digests[d] == NULL)
			return false;
	}
	return hashing != NULL && signing != NULL;
}

/* NULL: this key does not sign so; an RSA-PSS key may allow one digest only, a
 * short RSA key has no room for a long one. */
static EVP_PKEY_CTX *
key_prepare(
    EVP_PKEY *pkey, const struct scheme_row *row, enum signing_digest digest)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	bool ready = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
		     EVP_PKEY_CTX_set_signature_md(ctx, digests[digest]) == 1 &&
		     (row->padding == 0 || EVP_PKEY_CTX_set_rsa_padding(
					       ctx, row->padding) == 1) &&
		     (row->scheme != SIGNING_RSA_PSS ||
			 EVP_PKEY_CTX_set_rsa_pss_saltlen(
			     ctx, RSA_PSS_SALTLEN_DIGEST) == 1);

	if (ready)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return NULL;
}

static EVP_MD_CTX *
key_prepare_eddsa(EVP_PKEY *pkey)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1)
		return ctx;
	EVP_MD_CTX_free(ctx);
	return NULL;
}

static enum signing_digest
curve_digest(const EVP_PKEY *pkey)
{
	static const struct {
		const char *curve;
		enum signing_digest digest;
	} rows[] = {
		{ "prime256v1", SIGNING_SHA256 },
		{ "secp384r1", SIGNING_SHA384 },
		{ "secp521r1", SIGNING_SHA512 },
	};
	char name[32];

	if (EVP_PKEY_get_group_name(pkey, name, sizeof(name), NULL) != 1)
		return SIGNING_NO_DIGEST;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strcmp(name, rows[i].curve) == 0)
			return rows[i].digest;
	return SIGNING_NO_DIGEST;
}

static void
key_prepare_all(struct signer_key *k, EVP_PKEY *pkey)
{
	for (size_t i = 0; i < sizeof(scheme_rows) / sizeof(*scheme_rows);
	     i++) {
		const struct scheme_row *row = &scheme_rows[i];

		if (EVP_PKEY_is_a(pkey, row->kind) != 1)
			continue;
		if (row->scheme == SIGNING_EDDSA)
			k->eddsa = key_prepare_eddsa(pkey);
		else
			for (int d = SIGNING_SHA256; d < SIGNING_DIGESTS; d++)
				k->prepared[row->scheme][d] =
				    key_prepare(pkey, row, d);
		if (row->scheme == SIGNING_ECDSA)
			k->tls13 = curve_digest(pkey);
	}
}

/* ---- probes */

/* Input of a TLS 1.2 signature, which any scheme may be used for. */
static void
probe_input(uint8_t out[SIGNING_INPUT_MAX], struct signer_request *r)
{
	static const uint8_t params[] = { 3, 0, 29, 32 };
	enum { RANDOMS = 64, POINT = 32 };

	memset(out, 0, SIGNING_INPUT_MAX);
	memcpy(out + RANDOMS, params, sizeof(params));
	r->input = slice_of(out, RANDOMS + sizeof(params) + POINT);
	r->kind = signer_input_check(r->input);
}

static bool
signature_verifies(
    EVP_PKEY *public, const struct signer_request *r, struct slice signature)
{
	const EVP_MD *md = digests[r->digest];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *params;
	bool verified;

	verified = ctx != NULL &&
		   EVP_DigestVerifyInit(ctx, &params, md, NULL, public) == 1 &&
		   (r->scheme != SIGNING_RSA_PSS ||
		       (EVP_PKEY_CTX_set_rsa_padding(
			    params, RSA_PKCS1_PSS_PADDING) == 1 &&
			   EVP_PKEY_CTX_set_rsa_pss_saltlen(
			       params, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
		   EVP_DigestVerify(ctx, signature.ptr, signature.len,
		       r->input.ptr, r->input.len) == 1;
	EVP_MD_CTX_free(ctx);
	return verified;
}

/* One signature of each scheme: it also makes OpenSSL allocate what a key needs
 * for its first one. False when one does not verify, or none can be made. */
static bool
key_probe(const struct signer_key *k, EVP_PKEY *public)
{
	uint8_t input[SIGNING_INPUT_MAX], signature[SIGNING_SIGNATURE_MAX];
	struct signer_request r = { .op = SIGNING_SIGN };
	int made = 0;

	probe_input(input, &r);
	for (int s = SIGNING_ECDSA; s < SIGNING_SCHEMES; s++) {
		bool eddsa = s == SIGNING_EDDSA;
		int d = eddsa ? SIGNING_NO_DIGEST : SIGNING_SHA256;
		size_t len;

		while (
		    !eddsa && d < SIGNING_DIGESTS && k->prepared[s][d] == NULL)
			d++;
		if (d == SIGNING_DIGESTS || (eddsa && k->eddsa == NULL))
			continue;
		r.scheme = (enum signing_scheme)s;
		r.digest = (enum signing_digest)d;
		len = signer_key_sign(k, &r, signature);
		if (len == 0 ||
		    !signature_verifies(public, &r, slice_of(signature, len)))
			return false;
		made++;
	}
	return made > 0;
}

/* ---- a key */

struct signer_key *
signer_key_new(const struct sign_key *key, const struct cert *cert,
    const char *name, struct why *why)
{
	EVP_PKEY *pkey = sign_key_peek(key);
	EVP_PKEY *public = X509_get0_pubkey(cert->leaf);
	struct signer_key *k = calloc(1, sizeof(*k));

	ERR_clear_error();
	if (k == NULL || !digests_fetch()) {
		why_memory(why);
		signer_key_free(&k);
		return NULL;
	}
	key_prepare_all(k, pkey);
	if (public != NULL &&
	    EVP_PKEY_get_size(pkey) <= SIGNING_SIGNATURE_MAX &&
	    key_probe(k, public))
		return k;
	tls_explain(why,
	    "%s: the private key does not make signatures that "
	    "the certificate verifies",
	    name);
	signer_key_free(&k);
	return NULL;
}

void
signer_key_free(struct signer_key **k)
{
	if (*k == NULL)
		return;
	for (int s = 0; s < SIGNING_SCHEMES; s++)
		for (int d = 0; d < SIGNING_DIGESTS; d++)
			EVP_PKEY_CTX_free((*k)->prepared[s][d]);
	EVP_MD_CTX_free((*k)->eddsa);
	free(*k);
	*k = NULL;
}

/* From OpenSSL 3.4 on, a context signs once: a copy of the prepared one does. */
static bool
sign_eddsa(const struct signer_key *k, struct slice input,
    uint8_t out[SIGNING_SIGNATURE_MAX], size_t *len)
{
	return k->eddsa != NULL && EVP_MD_CTX_copy_ex(signing, k->eddsa) == 1 &&
	       EVP_DigestSign(signing, out, len, input.ptr, input.len) == 1;
}

static bool
sign_digest(EVP_PKEY_CTX *prepared, const EVP_MD *md, struct slice input,
    uint8_t out[SIGNING_SIGNATURE_MAX], size_t *len)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned digest_len;

	return prepared != NULL && EVP_DigestInit_ex(hashing, md, NULL) == 1 &&
	       EVP_DigestUpdate(hashing, input.ptr, input.len) == 1 &&
	       EVP_DigestFinal_ex(hashing, digest, &digest_len) == 1 &&
	       EVP_PKEY_sign(prepared, out, len, digest, digest_len) == 1;
}

size_t
signer_key_sign(const struct signer_key *k, const struct signer_request *r,
    uint8_t out[SIGNING_SIGNATURE_MAX])
{
	size_t len = SIGNING_SIGNATURE_MAX;
	bool done;

	if (r->kind == SIGNER_INPUT_TLS13 && k->tls13 != SIGNING_NO_DIGEST &&
	    k->tls13 != r->digest)
		return 0;
	if (r->scheme == SIGNING_EDDSA)
		done = sign_eddsa(k, r->input, out, &len);
	else
		done = sign_digest(k->prepared[r->scheme][r->digest],
		    digests[r->digest], r->input, out, &len);
	if (done && len <= SIGNING_SIGNATURE_MAX)
		return len;
	ERR_clear_error();
	return 0;
}
