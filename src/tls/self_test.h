/* SPDX-License-Identifier: ISC */
/* Whether what servers use in place of OpenSSL's own gives the same results, in
 * this process, with this OpenSSL, on this processor. Internal to this folder.
 * Depends on ctx, tickets, OpenSSL. */
#ifndef TLS_SELF_TEST_H
#define TLS_SELF_TEST_H

#include <openssl/types.h>
#include <stdbool.h>

/* Each compares a servers' context with the default one. */
bool self_test_key_schedule(OSSL_LIB_CTX *servers);
bool self_test_key_pair(OSSL_LIB_CTX *servers);

/* Whether servers has what a TLS context needs. */
bool self_test_context(OSSL_LIB_CTX *servers);

/* Whether a connection that resumes another from a table works as it should; for
 * TLS_PART_SESSIONS. */
bool self_test_sessions(void);

#endif
