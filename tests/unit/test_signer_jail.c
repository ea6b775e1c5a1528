/* SPDX-License-Identifier: ISC */
/* The process with the keys among the few system calls it keeps. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/sandbox.h"
#include "support/apart.h"
#include "support/tree.h"
#include "tls/provider_keyd.h"
#include "tls/signing.h"
#include "tls/signing_wire.h"
#include "util/clock.h"

enum { RESEED_S = 1, LONG_ENOUGH_MS = 2500 };

/* OpenSSL takes new randomness from the kernel once an hour: the system call
 * for it comes long after the start, when all tests have passed. Here it is a
 * second. */
static bool
reseed_often(EVP_RAND_CTX *random)
{
	time_t interval = RESEED_S;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_time_t(
		    OSSL_DRBG_PARAM_RESEED_TIME_INTERVAL, &interval),
		OSSL_PARAM_construct_end(),
	};

	return random != NULL && EVP_RAND_CTX_set_params(random, params) == 1;
}

static bool
reseed_all_often(void)
{
	return reseed_often(RAND_get0_primary(NULL)) &&
	       reseed_often(RAND_get0_public(NULL)) &&
	       reseed_often(RAND_get0_private(NULL));
}

static bool
jail(void)
{
	struct sandbox_state state;
	struct why why;

	return reseed_all_often() &&
	       sandbox_enter(SANDBOX_KEYD, NULL, 0, &state, &why);
}

/* One that lacks only what the hourly reseeding needs. */
static bool
jail_without_random(void)
{
	struct sock_filter rows[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = { .len = 4, .filter = rows };

	return reseed_all_often() &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* Input of a TLS 1.2 signature: X25519. */
static struct slice
input_make(void)
{
	static uint8_t input[64 + 4 + 32];

	memcpy(input + 64, "\3\0\35\40", 4);
	return slice_of(input, sizeof(input));
}

struct place {
	EVP_PKEY *key;
	struct cert *cert;
	struct apart apart;
};

static void
place_open(struct place *p, const char *kind, bool (*prepare)(void))
{
	static char path[PATH_MAX];
	static const char *const paths[1] = { path };

	snprintf(path, sizeof(path), "%s", tree_path("x.key"));
	p->key = apart_make_key(kind);
	p->cert = apart_write_pair(p->key, path, "one.test");
	apart_open(&p->apart);
	apart_start(&p->apart, paths, &p->cert, 1, prepare);
	apart_wait(&p->apart);
	signing_attach(p->apart.ours[1]);
}

static void
place_close(struct place *p)
{
	signing_attach(-1);
	apart_close(&p->apart);
	cert_free(&p->cert);
	EVP_PKEY_free(p->key);
}

/* Signs for so long, or until the process has ended: its wait status, else
 * -1. */
static int
place_sign(const struct place *p, enum signing_scheme scheme,
    enum signing_digest digest, uint64_t ms)
{
	uint64_t begin = clock_ms();
	uint8_t out[SIGNING_SIGNATURE_MAX];
	size_t signatures = 0;
	int status;

	do {
		if (signing_sign(
			0, scheme, digest, input_make(), out, sizeof(out)) > 0)
			signatures++;
		if (waitpid(p->apart.pid, &status, WNOHANG) != 0)
			return status;
	} while (signatures == 0 || clock_ms() - begin < ms);
	return -1;
}

static void
test_signs_over_the_hour(void **state)
{
	static const struct {
		const char *kind;
		enum signing_scheme scheme;
		enum signing_digest digest;
	} rows[] = {
		{ "P-256", SIGNING_ECDSA, SIGNING_SHA256 },
		{ "RSA", SIGNING_RSA_PSS, SIGNING_SHA384 },
		{ "RSA", SIGNING_RSA_PKCS1, SIGNING_SHA512 },
		{ "ED25519", SIGNING_EDDSA, SIGNING_NO_DIGEST },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct place p;

		place_open(&p, rows[i].kind, jail);
		check_row(place_sign(&p, rows[i].scheme, rows[i].digest,
			      i == 0 ? LONG_ENOUGH_MS : 1) == -1,
		    rows[i].kind);
		place_close(&p);
	}
}

/* What the test above would see if the jail did not let it be. */
static void
test_dies_without_random(void **state)
{
	struct place p;
	int status;

	(void)state;
	if (prctl(PR_GET_SECCOMP) == -1)
		skip();
	place_open(&p, "P-256", jail_without_random);
	do
		status = place_sign(
		    &p, SIGNING_ECDSA, SIGNING_SHA256, LONG_ENOUGH_MS);
	while (status == -1);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	p.apart.pid = 0;
	place_close(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signs_over_the_hour),
		cmocka_unit_test(test_dies_without_random),
	};

	return cmocka_run_group_tests(tests, tree_set_up, tree_tear_down);
}
