/* SPDX-License-Identifier: ISC */
#include "tls/sign.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "os/file.h"
#include "tls/internal.h"

enum { SIGN_FILE_MAX = 16 * 1024 }; /* RSA-16384 in PEM is 12.5 KiB */

struct sign_key {
	EVP_PKEY *pkey;
};

static struct sign_key *
key_own(EVP_PKEY *pkey)
{
	struct sign_key *k = NULL;

	if (pkey != NULL)
		k = calloc(1, sizeof(*k));
	if (k == NULL)
		EVP_PKEY_free(pkey);
	else
		k->pkey = pkey;
	return k;
}

/* Instead of OpenSSL's own, which would ask on the terminal. */
static int
passphrase_refuse(char *out, int size, int writing, void *asked)
{
	(void)out;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static struct sign_key *
key_parse(struct slice pem, const char *path, struct why *why)
{
	bool encrypted = false;
	BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	EVP_PKEY *pkey = NULL;

	ERR_clear_error();
	if (bio != NULL)
		pkey = PEM_read_bio_PrivateKey(
		    bio, NULL, passphrase_refuse, &encrypted);
	if (pkey == NULL && encrypted)
		why_set(why, "%s: the key is encrypted; remove its passphrase",
		    path);
	else if (pkey == NULL)
		tls_explain_file(why, path, pem, "private key");
	ERR_clear_error();
	BIO_free(bio);
	return key_own(pkey);
}

struct sign_key *
sign_key_load(const char *path, struct why *why)
{
	uint8_t memory[SIGN_FILE_MAX];
	struct sign_key *k = NULL;
	struct buf pem;

	/* On the stack, where it can be wiped whole. */
	buf_wrap(&pem, memory, sizeof(memory));
	if (!file_read_path(path, &pem))
		why_errno(why, path);
	else
		k = key_parse(buf_view(&pem), path, why);
	OPENSSL_cleanse(memory, sizeof(memory));
	return k;
}

struct sign_key *
sign_key_generate(void)
{
	return key_own(EVP_EC_gen("P-256"));
}

bool
sign_key_pem(const struct sign_key *k, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());

	return tls_pem_take(bio,
	    bio != NULL && PEM_write_bio_PKCS8PrivateKey(
			       bio, k->pkey, NULL, NULL, 0, NULL, NULL) == 1,
	    out);
}

void
sign_key_free(struct sign_key **k)
{
	if (*k == NULL)
		return;
	EVP_PKEY_free((*k)->pkey);
	free(*k);
	*k = NULL;
}

bool
sign_key_file_is_private(const char *path)
{
	struct stat st;

	return stat(path, &st) == -1 || (st.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

bool
sign_key_apply(const struct sign_key *k, SSL_CTX *ctx, const struct cert *c)
{
	return SSL_CTX_use_cert_and_key(ctx, c->leaf, k->pkey, c->chain, 1) ==
	       1;
}

bool
sign_key_certify(const struct sign_key *k, X509 *x)
{
	return X509_set_pubkey(x, k->pkey) == 1 &&
	       X509_sign(x, k->pkey, EVP_sha256()) > 0;
}

bool
sign_key_is_of(const struct sign_key *k, const X509 *x)
{
	EVP_PKEY *theirs = X509_get0_pubkey(x);

	return theirs != NULL && EVP_PKEY_eq(theirs, k->pkey) == 1;
}

EVP_PKEY *
sign_key_peek(const struct sign_key *k)
{
	return k->pkey;
}
