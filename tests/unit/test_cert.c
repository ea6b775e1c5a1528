/* SPDX-License-Identifier: ISC */
#include "tls/cert.h"

#include <openssl/bn.h>
#include <openssl/x509v3.h>
#include <sys/wait.h>

#include "os/file.h"
#include "support/tree.h"
#include "tls/internal.h"

#define LONG_LABEL "a23456789012345678901234567890"
#define LONG_HOST LONG_LABEL "." LONG_LABEL "." LONG_LABEL ".test"

static struct cert *
make(const char *const *names, size_t n)
{
	struct sign_key *key = sign_key_generate();
	struct cert *c = cert_make(key, names, n);

	assert_non_null(c);
	sign_key_free(&key);
	return c;
}

/* What cert.h promises of a certificate that we make. */
static void
test_made(void **state)
{
	static const char *const names[] = { "example.test", "www.example.test",
		"192.0.2.1", "::1" };
	struct cert *c = make(names, 4);
	X509 *x = c->leaf;
	int critical;
	BASIC_CONSTRAINTS *constraints =
	    X509_get_ext_d2i(x, NID_basic_constraints, &critical, NULL);
	GENERAL_NAMES *san =
	    X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

	(void)state;
	assert_int_equal(X509_get_version(x), X509_VERSION_3);
	assert_non_null(constraints);
	assert_true(critical);
	assert_false(constraints->ca);
	assert_int_equal(sk_GENERAL_NAME_num(san), 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(sk_GENERAL_NAME_value(san, i)->type,
		    i < 2 ? GEN_DNS : GEN_IPADD);
	assert_int_equal(X509_get_signature_nid(x), NID_ecdsa_with_SHA256);
	assert_int_equal(X509_self_signed(x, 1), 1);
	assert_int_equal(cert_not_before(c), 1577836800); /* 2020-01-01 */
	assert_int_equal(cert_not_after(c), 4102444799);  /* 2099-12-31 */
	assert_int_equal(X509_get0_notAfter(x)->type, V_ASN1_GENERALIZEDTIME);
	assert_int_equal(X509_get0_notBefore(x)->type, V_ASN1_UTCTIME);
	BASIC_CONSTRAINTS_free(constraints);
	GENERAL_NAMES_free(san);
	cert_free(&c);
	cert_free(&c);
}

static void
test_serial(void **state)
{
	static const char *const name = "example.test";
	struct cert *c[2] = { make(&name, 1), make(&name, 1) };
	const ASN1_INTEGER *serial[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		serial[i] = X509_get0_serialNumber(c[i]->leaf);
		assert_int_equal(
		    serial[i]->type, V_ASN1_INTEGER); /* not _NEG_ */
		assert_int_equal(serial[i]->length, 16);
		assert_true(serial[i]->data[0] < 0x80);
	}
	assert_int_not_equal(ASN1_INTEGER_cmp(serial[0], serial[1]), 0);
	cert_free(&c[0]);
	cert_free(&c[1]);
}

static void
test_names(void **state)
{
	static const struct {
		const char *rule;
		const char *names[3];
		const char *list;
		const char *yes;
		const char *no;
	} rows[] = {
		{ "alias in the SAN", { "a.test", "b.test" },
		    "a.test\nb.test\n", "b.test", "c.test" },
		{ "case does not count", { "a.test" }, "a.test\n", "A.Test",
		    "aa.test" },
		{ "A-labels", { "xn--caf-dma.test" }, "xn--caf-dma.test\n",
		    "xn--caf-dma.test", "caf.test" },
		{ "an address first is the CN too", { "192.0.2.1", "a.test" },
		    "192.0.2.1\na.test\n", "192.0.2.1", "192.0.2.2" },
		{ "an address later", { "a.test", "192.0.2.1" },
		    "a.test\n192.0.2.1\n", "192.0.2.1", "192.0.2.10" },
		{ "an address alone", { "::1" }, "::1\n", "::1", "::2" },
		{ "an address by its bytes", { "2001:db8::1" }, "2001:db8::1\n",
		    "2001:DB8:0::1", "2001:db8::10" },
		{ "no address where none is a host", { "a.test" }, "a.test\n",
		    "a.test", "192.0.2.1" },
		{ "a wildcard covers one label", { "a.test", "*.a.test" },
		    "a.test\n*.a.test\n", "x.a.test", "x.y.a.test" },
		{ "too long for a CN, still in the SAN", { LONG_HOST },
		    LONG_HOST "\n", LONG_HOST, "a.test" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t n = 0;
		struct cert *c;
		struct buf list;

		while (n < 3 && rows[i].names[n] != NULL)
			n++;
		c = make(rows[i].names, n);
		buf_init(&list, 4096);
		assert_true(cert_list_names(c, &list));
		assert_string_equal(buf_cstr(&list), rows[i].list);
		check_row(cert_names(c, rows[i].yes), rows[i].rule);
		check_row(!cert_names(c, rows[i].no), rows[i].rule);
		buf_fini(&list);
		cert_free(&c);
	}
}

/* RFC 5280 4.2.1.6: without a subject the SAN is critical. */
static void
test_without_a_name(void **state)
{
	static const char *const name = LONG_HOST;
	struct cert *c = make(&name, 1);
	int critical = 0;
	GENERAL_NAMES *san =
	    X509_get_ext_d2i(c->leaf, NID_subject_alt_name, &critical, NULL);

	(void)state;
	assert_true(critical);
	assert_int_equal(
	    X509_NAME_entry_count(X509_get_subject_name(c->leaf)), 0);
	assert_int_equal(X509_self_signed(c->leaf, 1), 1);
	GENERAL_NAMES_free(san);
	cert_free(&c);
}

/* What others put into their names is not let loose on a terminal. */
static void
test_hostile_names(void **state)
{
	static const char *const names[] = { "a\x1b[31m\n.test" };
	struct cert *c = make(names, 1);
	struct buf list;

	(void)state;
	buf_init(&list, 4096);
	assert_true(cert_list_names(c, &list));
	assert_string_equal(buf_cstr(&list), "a\\x1b[31m\\x0a.test\n");
	buf_fini(&list);
	cert_free(&c);
}

static void
test_digests(void **state)
{
	static const char *const name = "a.test";
	struct sign_key *key = sign_key_generate();
	struct cert *c[2] = { cert_make(key, &name, 1),
		cert_make(key, &name, 1) };
	uint8_t a[CERT_DIGEST_SIZE], b[CERT_DIGEST_SIZE];
	char text[CERT_FINGERPRINT_SIZE];

	(void)state;
	cert_digest(c[0], a);
	cert_digest(c[1], b);
	assert_memory_not_equal(a, b, sizeof(a));
	cert_spki_digest(c[0], a);
	cert_spki_digest(c[1], b);
	assert_memory_equal(a, b, sizeof(a));
	memset(a, 0xa5, sizeof(a));
	cert_fingerprint(a, text);
	assert_int_equal(strlen(text), 95);
	assert_memory_equal(text, "A5:A5:", 6);
	cert_free(&c[0]);
	cert_free(&c[1]);
	sign_key_free(&key);
}

static void
test_pem(void **state)
{
	static const char *const name = "a.test";
	struct cert *c = make(&name, 1);
	struct cert *back;
	char path[PATH_MAX];
	uint8_t a[CERT_DIGEST_SIZE], b[CERT_DIGEST_SIZE];
	struct buf pem;
	struct why why;

	(void)state;
	snprintf(path, sizeof(path), "%s/chain.pem", tree_path(""));
	buf_init(&pem, 65536);
	for (int i = 0; i < 3; i++) /* a chain of any certificates */
		assert_true(cert_pem(c, &pem));
	assert_true(file_write(path, buf_view(&pem), 0644));
	back = cert_load(path, &why);
	assert_non_null(back);
	assert_int_equal(sk_X509_num(back->chain), 2);
	cert_digest(c, a);
	cert_digest(back, b);
	assert_memory_equal(a, b, sizeof(a));
	cert_free(&back);
	assert_true(file_write(path, SLICE("no certificate"), 0644));
	assert_null(cert_load(path, &why));
	assert_non_null(strstr(why.text, "no PEM certificate found"));
	why_clear(&why);
	assert_null(cert_load("/nonexistent/a.crt", &why));
	assert_non_null(strstr(why.text, "No such file"));
	buf_fini(&pem);
	cert_free(&c);
}

/* The digest of what cert_pair gave, or NULL. */
static const uint8_t *
pair(const char *where, const char *const *names, size_t n, enum cert_pair want,
    struct why *why)
{
	static uint8_t digest[CERT_DIGEST_SIZE];
	struct cert *c;
	struct sign_key *key;

	why_clear(why);
	assert_int_equal(cert_pair(where, names, n, &c, &key, why), want);
	assert_int_equal(c != NULL, want != CERT_PAIR_FAILED);
	assert_int_equal(key != NULL, want != CERT_PAIR_FAILED);
	assert_int_equal(why->text[0] != '\0', want == CERT_PAIR_FAILED);
	if (c == NULL)
		return NULL;
	assert_true(cert_matches(c, key));
	cert_digest(c, digest);
	cert_free(&c);
	sign_key_free(&key);
	return digest;
}

/* What cert_pair_find says of the pair of name. */
static enum cert_pair
find(const char *where, const char *name, struct why *why)
{
	struct cert *c, *copy;
	enum cert_pair found;
	uint8_t a[CERT_DIGEST_SIZE], b[CERT_DIGEST_SIZE];

	why_clear(why);
	found = cert_pair_find(where, name, &c, why);
	assert_int_equal(c != NULL, found == CERT_PAIR_FOUND);
	assert_int_equal(why->text[0] != '\0', found == CERT_PAIR_FAILED);
	if (c == NULL)
		return found;
	cert_chain_digest(c, a);
	copy = cert_copy(c);
	cert_free(&c);
	cert_chain_digest(copy, b);
	assert_memory_equal(a, b, sizeof(a));
	cert_free(&copy);
	return found;
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void
test_pair(void **state)
{
	static const char *const names[] = { "a.test", "b.test" };
	char where[PATH_MAX / 2], crt[PATH_MAX], key[PATH_MAX], saved[PATH_MAX];
	uint8_t first[CERT_DIGEST_SIZE];
	struct why why;

	(void)state;
	snprintf(where, sizeof(where), "%s/new/certs", tree_path(""));
	snprintf(crt, sizeof(crt), "%s/a.test.crt", where);
	snprintf(key, sizeof(key), "%s/a.test.key", where);
	snprintf(saved, sizeof(saved), "%s/saved", where);
	umask(0);
	assert_int_equal(find(where, "a.test", &why), CERT_PAIR_MISSING);
	memcpy(
	    first, pair(where, names, 2, CERT_PAIR_MADE, &why), sizeof(first));
	assert_int_equal(mode_of(where), 0700);
	assert_int_equal(mode_of(key), 0600);
	assert_int_equal(mode_of(crt), 0644);
	/* Never touched again, whatever the names now are. */
	assert_memory_equal(
	    first, pair(where, names, 1, CERT_PAIR_FOUND, &why), sizeof(first));

	/* A half pair is never completed. */
	assert_int_equal(rename(key, saved), 0);
	pair(where, names, 2, CERT_PAIR_FAILED, &why);
	assert_non_null(strstr(why.text, "a.test.key is missing"));
	assert_int_equal(find(where, "a.test", &why), CERT_PAIR_FAILED);
	assert_non_null(strstr(why.text, "a.test.key is missing"));
	assert_int_equal(access(key, F_OK), -1);
	assert_int_equal(rename(saved, key), 0);
	assert_int_equal(rename(crt, saved), 0);
	pair(where, names, 2, CERT_PAIR_FAILED, &why);
	assert_non_null(strstr(why.text, "a.test.crt is missing"));
	assert_int_equal(access(crt, F_OK), -1);

	/* Nor one whose halves do not belong together. */
	pair(where, names + 1, 1, CERT_PAIR_MADE, &why);
	snprintf(saved, sizeof(saved), "%s/b.test.crt", where);
	assert_int_equal(rename(saved, crt), 0);
	pair(where, names, 2, CERT_PAIR_FAILED, &why);
	assert_non_null(strstr(why.text, "does not match certificate"));
	/* Of the key this one knows nothing. */
	assert_int_equal(find(where, "a.test", &why), CERT_PAIR_FOUND);

	pair("/proc/certs", names, 1, CERT_PAIR_FAILED, &why);
	pair("/dev/null", names, 1, CERT_PAIR_FAILED, &why);
}

/* Several first starts at once end with one pair. */
static void
test_pair_race(void **state)
{
	static const char *const name = "race.test";
	enum { RACERS = 8 };
	char where[PATH_MAX];
	uint8_t digest[RACERS][CERT_DIGEST_SIZE];
	struct why why;
	int out[2], made = 0;

	(void)state;
	snprintf(where, sizeof(where), "%s/race", tree_path(""));
	assert_int_equal(pipe(out), 0);
	for (int i = 0; i < RACERS; i++)
		if (fork() == 0) {
			struct cert *c;
			struct sign_key *key;
			enum cert_pair p =
			    cert_pair(where, &name, 1, &c, &key, &why);

			if (p == CERT_PAIR_FAILED)
				_exit(2);
			cert_digest(c, digest[0]);
			if (write(out[1], digest[0], CERT_DIGEST_SIZE) == -1)
				_exit(2);
			_exit(p == CERT_PAIR_MADE);
		}
	for (int i = 0; i < RACERS; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status));
		assert_in_range(WEXITSTATUS(status), 0, 1);
		made += WEXITSTATUS(status);
		assert_int_equal(read(out[0], digest[i], CERT_DIGEST_SIZE),
		    CERT_DIGEST_SIZE);
		assert_memory_equal(digest[i], digest[0], CERT_DIGEST_SIZE);
	}
	assert_int_equal(made, 1);
	close(out[0]);
	close(out[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_serial),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_without_a_name),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_pem),
		cmocka_unit_test(test_pair),
		cmocka_unit_test(test_pair_race),
	};

	return cmocka_run_group_tests(tests, tree_set_up, tree_tear_down);
}
