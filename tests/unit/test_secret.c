/* SPDX-License-Identifier: ISC */
#include "check.h"

#include "util/secret.h"

/* In two halves, so that a search for keys finds none here. */
#define BEGIN(of, block)                                                       \
	"-----BEGIN " of "PRIVATE "                                            \
	"KEY" block "-----"
#define BODY "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg"

struct row {
	const char *what;
	const char *bytes;
	bool secret;
};

static const struct row rows[] = {
	{ "nothing", "", false },
	{ "PKCS#8", BEGIN("", "") "\n" BODY "\n-----END PRIVATE KEY-----\n",
	    true },
	{ "CRLF", BEGIN("", "") "\r\n" BODY "\r\n", true },
	{ "EC", BEGIN("EC ", "") "\n" BODY, true },
	{ "RSA", BEGIN("RSA ", "") "\n" BODY, true },
	{ "OpenSSH", BEGIN("OPENSSH ", "") "\n" BODY, true },
	{ "PGP", BEGIN("PGP ", " BLOCK") "\nVersion: 1\n\n" BODY, true },
	{ "encrypted the old way",
	    BEGIN("RSA ",
		"") "\n"
		    "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n" BODY,
	    true },
	{ "blank header", BEGIN("", "") "\n\n" BODY "\n", true },
	{ "indented, in the middle of a page",
	    "# Page\n\n  " BEGIN("", "") "\n  " BODY "\n", true },
	{ "after a mention",
	    BEGIN("", "") "\nand so on\n" BEGIN("", "") "\n" BODY, true },
	{ "a certificate", "-----BEGIN CERTIFICATE-----\n" BODY, false },
	{ "a public key", "-----BEGIN PUBLIC KEY-----\n" BODY, false },
	{ "a page that mentions one",
	    "It begins with\n" BEGIN("", "") "\n"
					     "and then base64 follows.\n",
	    false },
	{ "a mention, then words, then base64",
	    BEGIN("", "") "\nand then\n" BODY, false },
	{ "a mention at the end", BEGIN("", "") "", false },
	{ "a mention and blank lines",
	    BEGIN("", "") "\n\n\n\n\n\n\n\n\n\n\n" BODY, false },
	{ "too short a body", BEGIN("", "") "\nMIGHAgEA\n", false },
	{ "inside a line", "x " BEGIN("", "") "\n" BODY, false },
	{ "signify, secret",
	    "untrusted comment: signify secret key\n"
	    "RWRCSwAAACoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	    "AAAAAAAAAAAAAAAA=\n",
	    true },
	{ "signify, public",
	    "untrusted comment: signify public key\n"
	    "RWQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
	    false },
	{ "signify, a mention", "a secret key begins with\nRWRCS\n", false },
};

static void
test_spotted(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(
		    secret_spotted(slice_str(rows[i].bytes)) == rows[i].secret,
		    rows[i].what);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_spotted) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
