/* SPDX-License-Identifier: ISC */
/* Certificate and key as a pair of files, found or made. */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "tls/internal.h"

enum { CERT_PATH_MAX = 4096 };

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
	if (*c != NULL && *key != NULL &&
	    tls_pair_matches(*c, *key, NULL, crt, key_path, why))
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

	buf_init(&pem, CERT_FILE_MAX);
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

/* Which of the two files there are: FOUND, MISSING, or FAILED with only one. */
static enum cert_pair
pair_look(const char *crt, const char *key_path, struct why *why)
{
	bool has_crt = file_exists(crt);
	bool has_key = file_exists(key_path);

	if (has_crt && has_key)
		return CERT_PAIR_FOUND;
	if (!has_crt && !has_key)
		return CERT_PAIR_MISSING;
	why_set(why,
	    "%s exists, but %s is missing: restore it from a copy, or move the "
	    "first away to have a new pair made (clients will then warn their "
	    "users)",
	    has_crt ? crt : key_path, has_crt ? key_path : crt);
	return CERT_PAIR_FAILED;
}

static enum cert_pair
pair_settle(const char *crt, const char *key_path, const char *const *names,
    size_t n_names, struct cert **c, struct sign_key **key, struct why *why)
{
	enum cert_pair there = pair_look(crt, key_path, why);

	if (key == NULL) {
		if (there == CERT_PAIR_FOUND)
			*c = cert_load(crt, why);
		return there == CERT_PAIR_FOUND && *c == NULL ? CERT_PAIR_FAILED
							      : there;
	}
	if (there == CERT_PAIR_FOUND)
		return pair_load(crt, key_path, c, key, why);
	if (there == CERT_PAIR_MISSING)
		return pair_make(crt, key_path, names, n_names, c, key, why);
	return there;
}

/* key NULL: it is not read, and nothing is made. */
static enum cert_pair
pair_settle_in(const char *dir, const char *const *names, size_t n_names,
    struct cert **c, struct sign_key **key, struct why *why)
{
	enum cert_pair result = CERT_PAIR_FAILED;
	struct buf crt, key_path;
	int lock;

	/* Other processes that look for a pair here wait until it is closed. */
	lock = file_lock_dir(dir, 0700);
	if (lock == -1 && errno == EWOULDBLOCK)
		why_set(why,
		    "%s: another process holds its lock (flock) and did not "
		    "give it up: lsof or fuser -v name it",
		    dir);
	else if (lock == -1)
		why_errno(why, dir);
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

enum cert_pair
cert_pair(const char *dir, const char *const *names, size_t n_names,
    struct cert **c, struct sign_key **key, struct why *why)
{
	*c = NULL;
	*key = NULL;
	return pair_settle_in(dir, names, n_names, c, key, why);
}

enum cert_pair
cert_pair_find(
    const char *dir, const char *name, struct cert **c, struct why *why)
{
	*c = NULL;
	return pair_settle_in(dir, &name, 1, c, NULL, why);
}
