/* SPDX-License-Identifier: ISC */
#include "support/apart.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "os/file.h"
#include "tls/internal.h"
#include "tls/signer.h"
#include "tls/signing.h"

EVP_PKEY *
apart_make_key(const char *kind)
{
	static const char pss[] = "RSA-PSS";
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx;

	if (strncmp(kind, "ED", 2) == 0) {
		key = EVP_PKEY_Q_keygen(NULL, NULL, kind);
	} else if (strcmp(kind, "RSA") == 0) {
		key = EVP_RSA_gen(2048);
	} else if (strncmp(kind, pss, strlen(pss)) == 0) {
		const char *digest = kind + strlen(pss);

		ctx = EVP_PKEY_CTX_new_from_name(NULL, pss, NULL);
		assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
		assert_int_equal(
		    EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
		/* "RSA-PSS:SHA512": for nothing but that digest. */
		if (*digest == ':')
			assert_true(
			    EVP_PKEY_CTX_set_rsa_pss_keygen_md_name(
				ctx, digest + 1, NULL) == 1 &&
			    EVP_PKEY_CTX_set_rsa_pss_keygen_mgf1_md_name(
				ctx, digest + 1) == 1);
		EVP_PKEY_keygen(ctx, &key);
		EVP_PKEY_CTX_free(ctx);
	} else {
		key = EVP_EC_gen(kind);
	}
	assert_non_null(key);
	return key;
}

/* A certificate as others make them: ours are all of one kind. */
static X509 *
leaf_make(EVP_PKEY *key, const char *name)
{
	X509 *x = X509_new();
	X509_NAME *subject = X509_get_subject_name(x);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool whole = EVP_PKEY_is_a(key, "ED25519") == 1 ||
		     EVP_PKEY_is_a(key, "ED448") == 1;
	char digest[16] = "SHA256";

	/* An RSA-PSS key may be for one only. */
	if (!whole)
		EVP_PKEY_get_default_digest_name(key, digest, sizeof(digest));

	assert_true(
	    X509_set_version(x, X509_VERSION_3) == 1 &&
	    ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(x), 0) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(x), 24 * 60 * 60) != NULL &&
	    X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
		(const unsigned char *)name, -1, -1, 0) == 1 &&
	    X509_set_issuer_name(x, subject) == 1 &&
	    X509_set_pubkey(x, key) == 1 &&
	    EVP_DigestSignInit_ex(
		ctx, NULL, whole ? NULL : digest, NULL, NULL, key, NULL) == 1 &&
	    X509_sign_ctx(x, ctx) > 0);
	EVP_MD_CTX_free(ctx);
	return x;
}

struct cert *
apart_write_pair(EVP_PKEY *key, const char *path, const char *name)
{
	BIO *bio = BIO_new_file(path, "w");
	struct cert *c = calloc(1, sizeof(*c));

	assert_true(bio != NULL && c != NULL);
	assert_int_equal(
	    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL),
	    1);
	BIO_free(bio);
	c->leaf = leaf_make(key, name);
	c->chain = sk_X509_new_null();
	return c;
}

void
apart_open(struct apart *a)
{
	memset(a, 0, sizeof(*a));
	for (int i = 0; i < APART_SEATS; i++) {
		int pair[2];

		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
		a->ours[i] = pair[0];
		a->theirs[i] = pair[1];
	}
}

static bool
jail_none(void)
{
	return true;
}

/* The process: nothing of cmocka, which would go on with its tests. */
static _Noreturn void
apart_run(const struct apart *a, const char *const *path,
    struct cert *const *cert, size_t n, bool (*prepare)(void))
{
	const struct tls_settings settings = { .tls13_only = a->tls13_only };
	struct why why;
	struct signer *s = signer_new(&settings, &why);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; s != NULL && i < n; i++) {
		const struct signer_pair pair = { .name = "one.test",
			.key_path = path[i],
			.cert = cert[i] != NULL ? cert[i] : cert[0] };

		if (signer_add(s, &pair, &why) != (cert[i] != NULL)) {
			fprintf(stderr, "slot %zu: %s\n", i, why.text);
			_exit(2);
		}
	}
	for (int i = 0; i < APART_SEATS; i++)
		close(a->ours[i]);
	if (s == NULL)
		_exit(2);
	signer_serve(
	    s, a->theirs, APART_SEATS, prepare != NULL ? prepare : jail_none);
}

void
apart_start(struct apart *a, const char *const *path, struct cert *const *cert,
    size_t n, bool (*prepare)(void))
{
	fflush(NULL);
	a->pid = fork();
	assert_int_not_equal(a->pid, -1);
	if (a->pid == 0)
		apart_run(a, path, cert, n, prepare);
}

void
apart_wait(const struct apart *a)
{
	enum { EACH_MS = 100 };
	struct pollfd fd = { .fd = a->ours[0], .events = POLLIN };

	assert_true(signing_ping(fd.fd));
	/* Both ends stay open when it has ended. */
	while (poll(&fd, 1, EACH_MS) == 0)
		assert_int_equal(waitpid(a->pid, NULL, WNOHANG), 0);
	assert_true(signing_pong(fd.fd));
	assert_false(signing_pong(fd.fd));
}

void
apart_stop(struct apart *a)
{
	if (a->pid == 0)
		return;
	assert_int_equal(kill(a->pid, SIGKILL), 0);
	assert_int_equal(waitpid(a->pid, NULL, 0), a->pid);
	a->pid = 0;
}

void
apart_close(struct apart *a)
{
	apart_stop(a);
	for (int i = 0; i < APART_SEATS; i++) {
		close(a->ours[i]);
		close(a->theirs[i]);
	}
}
