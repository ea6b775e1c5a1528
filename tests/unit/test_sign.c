/* SPDX-License-Identifier: ISC */
#include "tls/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "os/file.h"

static char path[] = "/tmp/test_sign.XXXXXX";

static int
set_up(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd == -1 ? -1 : close(fd);
}

static int
tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

/* NULL on success, else the reason. */
static const char *
load(struct buf *why)
{
	struct sign_key *k;

	buf_reset(why);
	k = sign_key_load(path, why);
	if (k == NULL)
		return buf_cstr(why);
	assert_int_equal(why->len, 0);
	sign_key_free(&k);
	assert_null(k);
	sign_key_free(&k);
	return NULL;
}

static void
test_round_trip(void **state)
{
	uint8_t text[512];
	struct sign_key *k = sign_key_generate();
	struct buf pem, why;

	(void)state;
	buf_init(&pem, 4096);
	buf_wrap(&why, text, sizeof(text));
	assert_non_null(k);
	assert_true(sign_key_pem(k, &pem));
	assert_true(
	    slice_starts(buf_view(&pem), SLICE("-----BEGIN PRIVATE KEY-----")));
	assert_true(file_write(path, buf_view(&pem), 0600));
	assert_null(load(&why));
	/* A certificate may lie in the same file, before the key. */
	buf_reset(&pem);
	assert_true(buf_str(&pem, "-----BEGIN CERTIFICATE-----\nAAAA\n"
				  "-----END CERTIFICATE-----\n"));
	assert_true(sign_key_pem(k, &pem));
	assert_true(file_write(path, buf_view(&pem), 0600));
	assert_null(load(&why));
	/* All of it or nothing. */
	buf_fini(&pem);
	buf_init(&pem, 100);
	assert_false(sign_key_pem(k, &pem));
	assert_int_equal(pem.len, 0);
	buf_fini(&pem);
	sign_key_free(&k);
}

static void
test_other_keys(void **state)
{
	static const char *const how[] = { "-algorithm RSA -pkeyopt bits:2048",
		"-algorithm ED25519",
		"-algorithm EC -pkeyopt ec_paramgen_curve:P-384" };
	uint8_t text[512];
	struct buf why;

	(void)state;
	buf_wrap(&why, text, sizeof(text));
	for (size_t i = 0; i < sizeof(how) / sizeof(*how); i++) {
		char command[256];

		snprintf(command, sizeof(command),
		    "openssl genpkey %s -out %s 2>/dev/null", how[i], path);
		assert_int_equal(system(command), 0);
		check_row(load(&why) == NULL, how[i]);
	}
}

static void
test_refused(void **state)
{
	static const struct {
		const char *rule;
		const char *content;
		const char *want;
	} rows[] = {
		{ "empty", "", "holds no PEM private key" },
		{ "no key", "=> gemini://localhost/\n",
		    "holds no PEM private key" },
		{ "cut",
		    "-----BEGIN PRIVATE KEY-----\nMIGH\n"
		    "-----END PRIVATE KEY-----\n",
		    "holds no PEM private key" },
		{ "encrypted, and nobody is asked",
		    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
		    "MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBCxKFMYP+"
		    "F5U79"
		    "Y\n-----END ENCRYPTED PRIVATE KEY-----\n",
		    "holds no PEM private key" },
	};
	uint8_t text[512];
	struct buf why;

	(void)state;
	buf_wrap(&why, text, sizeof(text));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_true(file_write(path, slice_str(rows[i].content), 0600));
		check_row(load(&why) != NULL, rows[i].rule);
		check_row(
		    strstr(buf_cstr(&why), rows[i].want) != NULL, rows[i].rule);
	}
	{
		char command[256];

		snprintf(command, sizeof(command),
		    "openssl genpkey -algorithm EC -pkeyopt "
		    "ec_paramgen_curve:P-256 -aes256 -pass pass:x -out %s "
		    "2>/dev/null",
		    path);
		assert_int_equal(system(command), 0);
		assert_non_null(strstr(load(&why), "encrypted"));
	}
	buf_reset(&why);
	assert_null(sign_key_load("/nonexistent/x.key", &why));
	assert_string_equal(
	    buf_cstr(&why), "/nonexistent/x.key: No such file or directory");
}

static void
test_private(void **state)
{
	static const struct {
		mode_t mode;
		bool want;
	} rows[] = {
		{ 0600, true },
		{ 0400, true },
		{ 0640, true },
		{ 0644, false },
		{ 0604, false },
		{ 0620, false },
		{ 0601, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(chmod(path, rows[i].mode), 0);
		assert_int_equal(sign_key_file_is_private(path), rows[i].want);
	}
	assert_true(sign_key_file_is_private("/nonexistent/x.key"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_other_keys),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_private),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
