/* SPDX-License-Identifier: ISC */
#include "tls/provider.h"

#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <stdlib.h>

#include "tls/hash.h"
#include "tls/library.h"
#include "tls/parts.h"

#define OUR_PROPERTIES "provider=carnation"

/* What is kept of an operation: rows by their first names. Every algorithm
 * known makes every key and every signature a little dearer, for OpenSSL walks
 * through all names again and again. Ciphers are those of every suite that
 * tls.suites may name. A row that this OpenSSL does not have is passed over;
 * those of post-quantum algorithms came with 3.5. */
struct kept {
	int operation;
	const char *names;
	OSSL_ALGORITHM *rows; /* ends with a NULL name; NULL: none yet */
};

static struct kept kept[] = {
	{ .operation = OSSL_OP_DIGEST,
	    .names = "SHA1:SHA2-256:SHA2-384:SHA2-512" },
	{ .operation = OSSL_OP_CIPHER,
	    .names = "AES-128-GCM:AES-256-GCM:ChaCha20-Poly1305:"
		     "AES-128-CCM:AES-256-CCM:AES-128-CBC:AES-256-CBC:"
		     "ARIA-128-GCM:ARIA-256-GCM:"
		     "CAMELLIA-128-CBC:CAMELLIA-256-CBC" },
	{ .operation = OSSL_OP_MAC, .names = "HMAC" },
	{ .operation = OSSL_OP_KDF, .names = "TLS13-KDF:TLS1-PRF" },
	{ .operation = OSSL_OP_RAND, .names = "CTR-DRBG:SEED-SRC" },
	{ .operation = OSSL_OP_KEYMGMT,
	    .names = "EC:RSA:RSA-PSS:ED25519:ED448:X25519:HMAC:"
		     "ML-KEM-768:ML-KEM-1024:X25519MLKEM768:"
		     "SecP256r1MLKEM768:SecP384r1MLKEM1024:"
		     "ML-DSA-44:ML-DSA-65:ML-DSA-87" },
	{ .operation = OSSL_OP_KEYEXCH, .names = "ECDH:X25519" },
	{ .operation = OSSL_OP_SIGNATURE,
	    .names = "ECDSA:RSA:ED25519:ED448:HMAC:"
		     "ML-DSA-44:ML-DSA-65:ML-DSA-87" },
	{ .operation = OSSL_OP_KEM,
	    .names = "ML-KEM-768:ML-KEM-1024:X25519MLKEM768:"
		     "SecP256r1MLKEM768:SecP384r1MLKEM1024" },
};

/* All are kept: clients' certificates bring keys of many kinds and forms, and
 * several rows share a name. */
static const OSSL_ALGORITHM *decoders;

static const struct {
	int operation;
	const char *name;
	enum tls_part part;
	const OSSL_DISPATCH *(*functions)(void); /* gives NULL: do not */
} replaced[] = {
	{ OSSL_OP_KDF, "TLS13-KDF", TLS_PART_KEY_SCHEDULE,
	    provider_kdf_functions },
	{ OSSL_OP_MAC, "HMAC", TLS_PART_KEY_SCHEDULE, provider_hmac_functions },
	{ OSSL_OP_KEYMGMT, "X25519", TLS_PART_KEY_PAIR,
	    provider_x25519_functions },
};

enum {
	KEPT = sizeof(kept) / sizeof(*kept),
	REPLACED = sizeof(replaced) / sizeof(*replaced),
};

static bool
names_have(const char *names, struct slice name)
{
	struct slice rest = slice_str(names), one;

	while (rest.len > 0) {
		slice_cut(rest, ':', &one, &rest);
		if (slice_equal_nocase(one, name))
			return true;
	}
	return false;
}

/* Our functions for a row, if the part is on. */
static const OSSL_DISPATCH *
row_replacement(int operation, const OSSL_ALGORITHM *row)
{
	for (size_t i = 0; i < REPLACED; i++)
		if (replaced[i].operation == operation &&
		    tls_part_on(replaced[i].part) &&
		    slice_equal_nocase(
			tls_library_name(row), slice_str(replaced[i].name)))
			return replaced[i].functions();
	return NULL;
}

/* With all its names, among them the identifiers that certificates use. Its
 * functions are the default provider's, or ours. Without TLS_PART_CONTEXT only
 * the latter are rows of this provider. */
static bool
row_keep(const struct kept *k, const OSSL_ALGORITHM *row, OSSL_ALGORITHM *out)
{
	const OSSL_DISPATCH *ours = row_replacement(k->operation, row);

	if (ours == NULL && (!tls_part_on(TLS_PART_CONTEXT) ||
				!names_have(k->names, tls_library_name(row))))
		return false;
	*out = *row;
	out->property_definition = OUR_PROPERTIES;
	if (ours != NULL)
		out->implementation = ours;
	return true;
}

static bool
kept_fill(struct kept *k, OSSL_PROVIDER *from)
{
	int no_store;
	const OSSL_ALGORITHM *rows =
	    OSSL_PROVIDER_query_operation(from, k->operation, &no_store);
	size_t n = 0;

	while (rows != NULL && rows[n].algorithm_names != NULL)
		n++;
	free(k->rows);
	k->rows = calloc(n + 1, sizeof(*k->rows));
	if (k->rows == NULL)
		return false;
	for (size_t i = 0, at = 0; i < n; i++)
		at += row_keep(k, &rows[i], &k->rows[at]);
	return true;
}

/* ---- the provider */

static const OSSL_ALGORITHM *
provider_query(void *ctx, int operation, int *no_store)
{
	(void)ctx;
	*no_store = 0;
	if (operation == OSSL_OP_DECODER)
		return decoders;
	for (size_t i = 0; i < KEPT; i++)
		if (kept[i].operation == operation)
			return kept[i].rows;
	return NULL;
}

/* The groups of TLS, among others: without them there is no key exchange. */
static int
provider_capabilities(
    void *ctx, const char *name, OSSL_CALLBACK *callback, void *arg)
{
	(void)ctx;
	if (!tls_part_on(TLS_PART_CONTEXT))
		return 1;
	return OSSL_PROVIDER_get_capabilities(
	    tls_library_default(), name, callback, arg);
}

/* Its context is the default provider's, so that the functions of the rows work
 * as they do there. */
static int
provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **ctx)
{
	static const OSSL_DISPATCH functions[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION,
		    (void (*)(void))provider_query },
		{ OSSL_FUNC_PROVIDER_GET_CAPABILITIES,
		    (void (*)(void))provider_capabilities },
		{ 0, NULL },
	};

	(void)core;
	(void)in;
	*out = functions;
	*ctx = OSSL_PROVIDER_get0_provider_ctx(tls_library_default());
	return 1;
}

bool
provider_add(OSSL_LIB_CTX *library)
{
	OSSL_PROVIDER *from = tls_library_default();
	int no_store;

	if (from == NULL)
		return false;
	if (!hash_prepare())
		tls_part_fail(TLS_PART_KEY_SCHEDULE, "no digests");
	/* A group of TLS and the keys of it must be of one provider. */
	if (!tls_part_on(TLS_PART_CONTEXT))
		tls_part_fail(TLS_PART_KEY_PAIR, "needs context");
	else if (!provider_x25519_prepare())
		tls_part_fail(TLS_PART_KEY_PAIR, "no functions");
	for (size_t i = 0; i < KEPT; i++)
		if (!kept_fill(&kept[i], from))
			return false;
	decoders = NULL;
	if (tls_part_on(TLS_PART_CONTEXT))
		decoders = OSSL_PROVIDER_query_operation(
		    from, OSSL_OP_DECODER, &no_store);
	return OSSL_PROVIDER_add_builtin(library, "carnation", provider_init) ==
		   1 &&
	       OSSL_PROVIDER_load(library, "carnation") != NULL;
}
