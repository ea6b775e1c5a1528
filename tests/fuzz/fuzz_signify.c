/* SPDX-License-Identifier: ISC */
/* The input is an embedded signature, a public and a secret key's file, each in
 * turn. What is taken is written again as it came, but for comments. */
#include <assert.h>
#include <string.h>

#include "archive/manifest.h"
#include "tls/signify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct keyring ring = {
	.key = { { .key = { .number = "12345678" } } },
	.n = 1,
};

static void
try_signature(struct slice text)
{
	uint8_t signature[SIGNIFY_SIGNATURE_SIZE];
	struct slice name, message;
	struct manifest m;
	struct why why = { "" };

	assert(manifest_open(text, &ring, NULL, &m, &why) != MANIFEST_GOOD);
	assert(why.text[0] != '\0');
	if (!signify_split(text, &name, signature, &message))
		return;
	assert(signify_name(name));
	assert(name.ptr > text.ptr && name.ptr + name.len < message.ptr);
	assert(message.ptr + message.len == text.ptr + text.len);
	assert(signify_verify(&ring.key[0].key, signature, message) !=
	       SIGNIFY_GOOD);
	memcpy(signature + 2, ring.key[0].key.number,
	    sizeof(ring.key[0].key.number));
	assert(signify_verify(&ring.key[0].key, signature, message) !=
	       SIGNIFY_GOOD);
}

static void
try_public(struct slice text)
{
	struct signify_key key, again;
	char memory[SIGNIFY_PUBLIC_TEXT];
	struct buf out;

	if (!signify_key_parse(text, &key))
		return;
	buf_wrap(&out, memory, sizeof(memory));
	assert(signify_key_text(&key, &out));
	assert(memmem(text.ptr, text.len, out.ptr, out.len) != NULL);
	assert(signify_key_parse(buf_view(&out), &again));
	assert(signify_key_equal(&key, &again));
}

/* What a secret key signs, its public key verifies. */
static void
try_secret(struct slice text)
{
	uint8_t signature[SIGNIFY_SIGNATURE_SIZE];
	char memory[SIGNIFY_SECRET_MAX];
	struct signify_secret *s;
	struct slice name, message;
	struct signify_key key;
	struct buf out;
	struct why why = { "" };

	s = signify_secret_parse(text, &why);
	assert((s == NULL) == (why.text[0] != '\0'));
	if (s == NULL)
		return;
	signify_public(s, &key);
	buf_wrap(&out, memory, sizeof(memory));
	assert(signify_sign(s, "k", SLICE("x"), &out) && buf_str(&out, "x"));
	assert(signify_split(buf_view(&out), &name, signature, &message));
	assert(signify_verify(&key, signature, message) == SIGNIFY_GOOD);
	signify_secret_free(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);

	try_signature(text);
	try_public(text);
	try_secret(text);
	return 0;
}
