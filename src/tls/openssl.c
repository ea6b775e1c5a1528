/* SPDX-License-Identifier: ISC */
/* What OpenSSL hands out, as text (internal.h). */
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>

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
