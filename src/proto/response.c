/* SPDX-License-Identifier: ISC */
#include "proto/response.h"

#include <assert.h>
#include <stddef.h>

static bool
meta_is_valid(struct slice meta)
{
	uint32_t rune;

	if (meta.len > RESPONSE_META_MAX ||
	    slice_starts(meta, SLICE("\xef\xbb\xbf")) ||
	    slice_starts(meta, SLICE(" "))) /* exactly one SP before it */
		return false;
	while (meta.len > 0) {
		size_t n = slice_rune(meta, &rune);

		if (n == 0 || rune < 0x20 || (rune >= 0x7f && rune <= 0x9f))
			return false;
		meta = slice_skip(meta, n);
	}
	return true;
}

enum status
response_header(struct buf *out, enum status code, struct slice meta)
{
	bool redirect =
	    code == STATUS_REDIRECT || code == STATUS_REDIRECT_PERMANENT;
	bool ok;

	assert(status_known((int)code));
	if (meta.len == 0 || !meta_is_valid(meta)) {
		code = redirect ? STATUS_NOT_FOUND : STATUS_TEMPORARY_FAILURE;
		meta = slice_str(status_text(code));
	}
	buf_reset(out);
	ok = buf_byte(out, (uint8_t)('0' + code / 10)) &&
	     buf_byte(out, (uint8_t)('0' + code % 10)) && buf_byte(out, ' ') &&
	     buf_put(out, meta) && buf_str(out, "\r\n");
	assert(ok);
	(void)ok;
	return code;
}

bool
response_parse(struct slice line, int *code, struct slice *meta)
{
	int tens, units;

	if (line.len < 2)
		return false;
	tens = line.ptr[0] - '0';
	units = line.ptr[1] - '0';
	if (tens < 1 || tens > 6 || units < 0 || units > 9)
		return false;
	line = slice_skip(line, 2);
	if (line.len > 0 && line.ptr[0] != ' ')
		return false;
	*meta = slice_skip(line, line.len > 0 ? 1 : 0);
	*code = tens * 10 + units;
	/* "20 " without a type is text/gemini to old servers. */
	return meta_is_valid(*meta) &&
	       (meta->len > 0 || tens >= 4 || (tens == 2 && line.len > 0));
}

/* Takes the text up to the next ';' that is not inside quotes off *rest. */
static struct slice
type_next_part(struct slice *rest)
{
	bool quoted = false;
	size_t i = 0;
	struct slice part;

	for (; i < rest->len && (quoted || rest->ptr[i] != ';'); i++) {
		if (quoted && rest->ptr[i] == '\\' && i + 1 < rest->len)
			i++; /* a quoted-pair */
		else if (rest->ptr[i] == '"')
			quoted = !quoted;
	}
	part = slice_head(*rest, i);
	*rest = slice_skip(*rest, i < rest->len ? i + 1 : i);
	return slice_trim(part);
}

static bool
type_has_parameter(struct slice parameters, struct slice name)
{
	while (parameters.len > 0) {
		struct slice key, value;
		struct slice part = type_next_part(&parameters);

		slice_cut(part, '=', &key, &value);
		if (slice_equal_nocase(slice_trim(key), name))
			return true;
	}
	return false;
}

static bool
type_put_lang(struct buf *out, struct slice lang)
{
	bool several = slice_find(lang, ',', NULL);

	return buf_str(out, several ? "; lang=\"" : "; lang=") &&
	       buf_put(out, lang) && (!several || buf_byte(out, '"'));
}

static bool
type_put_charset(struct buf *out, struct slice charset)
{
	return buf_str(out, "; charset=") && buf_put(out, charset);
}

bool
response_type(
    struct buf *out, struct slice type, struct slice lang, struct slice charset)
{
	size_t start = out->len;
	struct slice rest = type;
	struct slice media = type_next_part(&rest);
	bool ok = buf_put(out, type);

	if (lang.len > 0 && slice_equal_nocase(media, SLICE("text/gemini")) &&
	    !type_has_parameter(rest, SLICE("lang")))
		ok = ok && type_put_lang(out, lang);
	if (charset.len > 0 && media.len > 5 &&
	    slice_equal_nocase(slice_head(media, 5), SLICE("text/")) &&
	    !type_has_parameter(rest, SLICE("charset")))
		ok = ok && type_put_charset(out, charset);
	if (!ok)
		buf_truncate(out, start);
	return ok;
}

/* NULL for a code that is not ours: status_known() uses this table, too. */
static const char *
status_row_text(int code)
{
	switch (code) {
	case STATUS_INPUT:
		return "Input";
	case STATUS_SENSITIVE_INPUT:
		return "Sensitive input";
	case STATUS_SUCCESS:
		return "application/octet-stream";
	case STATUS_REDIRECT:
	case STATUS_REDIRECT_PERMANENT:
		return "/";
	case STATUS_TEMPORARY_FAILURE:
		return "Temporary failure";
	case STATUS_UNAVAILABLE:
		return "Server unavailable";
	case STATUS_CGI_ERROR:
		return "CGI error";
	case STATUS_PROXY_ERROR:
		return "Proxy error";
	case STATUS_SLOW_DOWN:
		return "1"; /* seconds to wait: an integer */
	case STATUS_FAILURE:
		return "Permanent failure";
	case STATUS_NOT_FOUND:
		return "Not found";
	case STATUS_GONE:
		return "Gone";
	case STATUS_PROXY_REFUSED:
		return "Not served here";
	case STATUS_BAD_REQUEST:
		return "Bad request";
	case STATUS_CERTIFICATE_REQUIRED:
		return "Client certificate required";
	case STATUS_CERTIFICATE_NOT_AUTHORISED:
		return "Client certificate not authorised";
	case STATUS_CERTIFICATE_NOT_VALID:
		return "Client certificate not valid";
	default:
		return NULL;
	}
}

bool
status_known(int code)
{
	return status_row_text(code) != NULL;
}

const char *
status_text(enum status code)
{
	const char *text = status_row_text((int)code);

	return text != NULL ? text : "No status";
}

bool
status_is_redirect(enum status code)
{
	return code == STATUS_REDIRECT || code == STATUS_REDIRECT_PERMANENT;
}
