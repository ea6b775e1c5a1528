/* SPDX-License-Identifier: ISC */
/* What OpenSSL hands out, as text (internal.h). */
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tls/internal.h"

bool
tls_pem_take(BIO *bio, bool written, struct buf *out)
{
	char *pem;
	long len;

	if (written) {
		len = BIO_get_mem_data(bio, &pem);
		written = len > 0 && buf_put(out, slice_of(pem, (size_t)len));
	}
	BIO_free(bio); /* wipes its memory */
	return written;
}

bool
tls_explain(struct why *why, const char *format, ...)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);
	char text[WHY_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	ERR_clear_error();
	if (code != 0 && reason != NULL)
		return why_set(why, "%s: %s", text, reason);
	return why_set(why, "%s", text);
}

enum found { FOUND_NOTHING, FOUND_CERTIFICATE, FOUND_KEY, FOUND_PKCS12 };

static bool
text_has(struct slice text, struct slice part)
{
	return text.len > 0 &&
	       memmem(text.ptr, text.len, part.ptr, part.len) != NULL;
}

static enum found
pem_find(struct slice text)
{
	bool certificate = text_has(text, SLICE("-----BEGIN CERTIFICATE-----"));
	bool key = text_has(text, SLICE("PRIVATE KEY-----"));

	if (certificate == key)
		return FOUND_NOTHING;
	return key ? FOUND_KEY : FOUND_CERTIFICATE;
}

static enum found
der_find(struct slice bytes)
{
	const unsigned char *at[4] = { bytes.ptr, bytes.ptr, bytes.ptr,
		bytes.ptr };
	long n = (long)bytes.len;
	X509 *x = d2i_X509(NULL, &at[0], n);
	PKCS12 *p12 = x != NULL ? NULL : d2i_PKCS12(NULL, &at[1], n);
	bool more = x == NULL && p12 == NULL;
	EVP_PKEY *key = more ? d2i_AutoPrivateKey(NULL, &at[2], n) : NULL;
	/* A key with a passphrase. */
	X509_SIG *hidden = more ? d2i_X509_SIG(NULL, &at[3], n) : NULL;
	enum found found = x != NULL                       ? FOUND_CERTIFICATE
			   : p12 != NULL                   ? FOUND_PKCS12
			   : key != NULL || hidden != NULL ? FOUND_KEY
							   : FOUND_NOTHING;

	X509_free(x);
	PKCS12_free(p12);
	EVP_PKEY_free(key);
	X509_SIG_free(hidden);
	ERR_clear_error();
	return found;
}

/* Appends a name as a shell reads it: within ' ' nothing but ' ends it. */
static void
put_quoted(struct buf *out, const char *name)
{
	buf_byte(out, '\'');
	for (; *name != '\0'; name++)
		buf_str(out, *name == '\'' ? "'\\''" : (char[]){ *name, '\0' });
}

/* The command that makes PEM of a file, which a shell may read. */
static void
explain_der(struct why *why, const char *path, enum found found)
{
	static const char *const commands[] = {
		[FOUND_CERTIFICATE] = "x509 -inform DER",
		[FOUND_KEY] = "pkey -inform DER",
		[FOUND_PKCS12] = "pkcs12 -nodes",
	};
	bool plain =
	    path[strcspn(path, " \t\n\"'$&();<>|*?#`\\[]{}~!")] == '\0';
	const char *quote = plain ? "" : "'";
	uint8_t bytes[WHY_MAX];
	struct slice name = slice_str(path);
	struct buf out;

	buf_wrap(&out, bytes, sizeof(bytes));
	if (!plain) {
		put_quoted(&out, path);
		name = buf_view(&out);
	}
	why_set(why,
	    "%s: %s, not PEM; convert it: openssl %s -in %.*s%s "
	    "-out %.*s.pem%s",
	    path, found == FOUND_PKCS12 ? "PKCS#12" : "DER", commands[found],
	    SLICE_ARGS(name), quote, SLICE_ARGS(name), quote);
}

void
tls_explain_file(
    struct why *why, const char *path, struct slice bytes, const char *wanted)
{
	bool want_key = strcmp(wanted, "private key") == 0;
	enum found der = der_find(bytes);
	enum found found = der != FOUND_NOTHING ? der : pem_find(bytes);

	if (found == (want_key ? FOUND_CERTIFICATE : FOUND_KEY))
		why_set(why, "%s: a %s, not a %s", path,
		    want_key ? "certificate" : "private key", wanted);
	else if (der != FOUND_NOTHING)
		explain_der(why, path, der);
	else
		why_set(why, "%s: no PEM %s found", path, wanted);
}

bool
tls_chain_order(const struct cert *c, const struct sign_key *key,
    const char *place, const char *whose, struct why *why)
{
	for (int i = 0; c->chain != NULL && i < sk_X509_num(c->chain); i++)
		if (sign_key_is_of(key, sk_X509_value(c->chain, i)))
			return why_set(why,
			    "%s: %s own certificate must come first in its "
			    "file: it is number %d",
			    place, whose, i + 2);
	return true;
}

bool
tls_pair_matches(const struct cert *c, const struct sign_key *key,
    const char *name, const char *crt, const char *key_path, struct why *why)
{
	if (cert_matches(c, key))
		return true;
	if (!tls_chain_order(
		c, key, crt != NULL ? crt : name, "the capsule's", why))
		return false;
	if (crt != NULL)
		return why_set(why,
		    "private key %s does not match certificate %s; restore "
		    "the right one",
		    key_path, crt);
	return why_set(
	    why, "%s: the private key does not match the certificate", name);
}
