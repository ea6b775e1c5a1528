/* SPDX-License-Identifier: ISC */
#include "server/hello.h"

enum {
	RECORD_HEADER = 5,  /* type, version, length (RFC 8446 5.1) */
	MESSAGE_HEADER = 4, /* type, length (RFC 8446 4) */
	CLIENT_HELLO = 1,
};

size_t
hello_needs(struct slice seen)
{
	size_t at = 0, got = 0, message = MESSAGE_HEADER;
	uint8_t header[MESSAGE_HEADER];

	while (got < message) {
		const uint8_t *record = seen.ptr + at;
		size_t len, there;

		if (seen.len - at < RECORD_HEADER)
			return at + RECORD_HEADER + (message - got);
		len = (size_t)record[3] << 8 | record[4];
		if (len == 0)
			return HELLO_MAX + 1; /* RFC 8446 5.1 forbids it */
		if (record[0] != HELLO_RECORD)
			return at;
		at += RECORD_HEADER;
		there = seen.len - at < len ? seen.len - at : len;
		for (size_t i = 0; i < there && got + i < sizeof(header); i++)
			header[got + i] = seen.ptr[at + i];
		if (got < sizeof(header) && got + there >= sizeof(header)) {
			if (header[0] != CLIENT_HELLO)
				return at;
			message += (size_t)header[1] << 16 |
				   (size_t)header[2] << 8 | header[3];
		}
		at += len;
		got += len;
		if (there < len)
			break;
	}
	return got < message ? at + RECORD_HEADER + (message - got) : at;
}
