/* SPDX-License-Identifier: ISC */
/* Making certificates, alone and as a pair of files (cert.h). */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "tls/cert.h"
#include "tls/internal.h"

enum {
	CERT_CN_MAX = 64, /* RFC 5280, ub-common-name */
	CERT_SERIAL_BITS = 127,
	CERT_PEM_MAX = 256 * 1024,
	CERT_PATH_MAX = 4096,
};

/* A small board may boot with a wrong clock: valid from long ago until long
 * after the server's lifetime. */
static const char valid_from[] = "20200101000000Z";
static const char valid_until[] = "20991231235959Z";

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

bool
cert_paths(const char *dir, const char *host, struct buf *crt, struct buf *key)
{
	return buf_printf(crt, "%s/%s.crt", dir, host) &&
	       buf_printf(key, "%s/%s.key", dir, host) &&
	       buf_cstr(crt) != NULL && buf_cstr(key) != NULL;
}

static enum cert_pair
pair_load(const char *crt, const char *key_path, struct cert **c,
    struct sign_key **key, struct why *why)
{
	*c = cert_load(crt, why);
	if (*c != NULL)
		*key = sign_key_load(key_path, why);
	if (*c != NULL && *key != NULL && !cert_matches(*c, *key))
		why_set(why,
		    "private key %s does not match certificate %s; restore the "
		    "right one",
		    key_path, crt);
	else if (*c != NULL && *key != NULL)
		return CERT_PAIR_FOUND;
	cert_free(c);
	sign_key_free(key);
	return CERT_PAIR_FAILED;
}

/* The key first: with a certificate but no key, clients would trust a key that
 * nobody has. */
static bool
pair_write(const char *crt, const char *key_path, const struct cert *c,
    const struct sign_key *key, struct why *why)
{
	struct buf pem;
	bool done = false;

	buf_init(&pem, CERT_PEM_MAX);
	if (!sign_key_pem(key, &pem))
		why_set(why, "OpenSSL cannot write the new key");
	else if (!file_write(key_path, buf_view(&pem), 0600))
		why_errno(why, key_path);
	else
		done = true;
	OPENSSL_cleanse(pem.ptr, pem.len);
	buf_reset(&pem);
	if (done && !cert_pem(c, &pem)) {
		why_set(why, "OpenSSL cannot write the new certificate");
		done = false;
	} else if (done && !file_write(crt, buf_view(&pem), 0644)) {
		why_errno(why, crt);
		done = false;
	}
	buf_fini(&pem);
	return done;
}

static enum cert_pair
pair_make(const char *crt, const char *key_path, const char *const *names,
    size_t n_names, struct cert **c, struct sign_key **key, struct why *why)
{
	*key = sign_key_generate();
	if (*key != NULL)
		*c = cert_make(*key, names, n_names);
	if (*c == NULL)
		tls_explain(why, "no certificate for %s", names[0]);
	else if (pair_write(crt, key_path, *c, *key, why))
		return CERT_PAIR_MADE;
	cert_free(c);
	sign_key_free(key);
	return CERT_PAIR_FAILED;
}

/* A dangling link counts as existing: the write would follow it. */
static bool
file_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 || errno != ENOENT;
}

static enum cert_pair
pair_settle(const char *crt, const char *key_path, const char *const *names,
    size_t n_names, struct cert **c, struct sign_key **key, struct why *why)
{
	bool has_crt = file_exists(crt);
	bool has_key = file_exists(key_path);

	if (has_crt && has_key)
		return pair_load(crt, key_path, c, key, why);
	if (!has_crt && !has_key)
		return pair_make(crt, key_path, names, n_names, c, key, why);
	why_set(why,
	    "%s exists, but %s is missing: restore it from a copy, or move the "
	    "first away to have a new pair made (clients will then warn their "
	    "users)",
	    has_crt ? crt : key_path, has_crt ? key_path : crt);
	return CERT_PAIR_FAILED;
}

/* Locks out other processes that look for a pair here, until the result is
 * closed. A directory that cannot be opened needs no lock. */
static int
directory_lock(const char *dir, struct why *why)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1 && errno == ENOENT && file_make_dirs(dir, 0700))
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1) {
		why_errno(why, dir);
		return -1;
	}
	while (flock(fd, LOCK_EX) == -1 && errno == EINTR)
		continue;
	return fd;
}

enum cert_pair
cert_pair(const char *dir, const char *const *names, size_t n_names,
    struct cert **c, struct sign_key **key, struct why *why)
{
	enum cert_pair result = CERT_PAIR_FAILED;
	struct buf crt, key_path;
	int lock;

	*c = NULL;
	*key = NULL;
	lock = directory_lock(dir, why);
	if (lock == -1)
		return CERT_PAIR_FAILED;
	buf_init(&crt, CERT_PATH_MAX);
	buf_init(&key_path, CERT_PATH_MAX);
	if (cert_paths(dir, names[0], &crt, &key_path))
		result = pair_settle(buf_cstr(&crt), buf_cstr(&key_path), names,
		    n_names, c, key, why);
	else
		why_set(why, "%s: %s", dir, strerror(ENAMETOOLONG));
	buf_fini(&crt);
	buf_fini(&key_path);
	close(lock);
	return result;
}
