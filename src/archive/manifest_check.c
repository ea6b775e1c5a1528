/* SPDX-License-Identifier: ISC */
/* What several entries are to each other, and who signed them all. */
#include <assert.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "archive/manifest.h"
#include "proto/request.h"
#include "util/why.h"

/* A path that begins with another path, one after the other, is longer by a
 * byte at least. */
enum { PREFIXES_MAX = REQUEST_URI_MAX };

/* Entries that the last one begins with, bytes compared, the longest on top.
 * Whatever begins with a path follows it, before all that does not: so nothing
 * that was taken off is ever wanted again. "a", "a.b", "a/b" come in this
 * order: looking at the one before is not enough. */
struct prefixes {
	const char *path[PREFIXES_MAX];
	size_t len[PREFIXES_MAX];
	size_t n;
};

/* Puts path on top; true when one beneath it is a directory of its. Only the
 * one on top can be: for one further down it was reported. */
static bool
is_beneath(struct prefixes *p, const char *path)
{
	size_t len = strlen(path);
	bool found = false;

	assert(len > 0);
	while (
	    p->n > 0 && strncmp(path, p->path[p->n - 1], p->len[p->n - 1]) != 0)
		p->n--;
	if (p->n > 0)
		found = path[p->len[p->n - 1]] == '/';
	assert(p->n < PREFIXES_MAX);
	p->path[p->n] = path;
	p->len[p->n++] = len;
	return found;
}

const char *
manifest_order_fault(const struct manifest *m, size_t *at)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct prefixes prefixes = { .n = 0 };
	struct buf url;

	for (size_t i = 0; i < m->n; i++) {
		const char *path = m->entry[i].path;
		int order = i == 0 ? 1 : strcmp(path, m->entry[i - 1].path);

		*at = i;
		buf_wrap(&url, memory, sizeof(memory));
		if (order == 0)
			return "listed twice";
		if (order < 0)
			return "not in the order of bytes";
		if (is_beneath(&prefixes, path))
			return "beneath a path that is a file";
		if (!manifest_url(m->origin, path, &url))
			return "too long for a URL of the origin";
	}
	return NULL;
}

/* -------------------------------------------------------------- folding */

/* The character at the front of *s, which is taken off; 0 at the end. */
static uint32_t
take_folded(struct slice *s, locale_t locale)
{
	uint32_t rune = 0;
	size_t n = slice_rune(*s, &rune);

	if (s->len == 0)
		return 0;
	*s = slice_skip(*s, n > 0 ? n : 1);
	if (rune >= 'A' && rune <= 'Z')
		return rune + ('a' - 'A');
	if (rune < 0x80 || locale == (locale_t)0)
		return rune;
	return (uint32_t)towlower_l((wint_t)rune, locale);
}

static int
compare_folded(const char *a, const char *b, locale_t locale)
{
	struct slice x = slice_str(a), y = slice_str(b);
	uint32_t left, right;

	do {
		left = take_folded(&x, locale);
		right = take_folded(&y, locale);
	} while (left == right && left != 0);
	return left < right ? -1 : left > right;
}

static int
compare_paths(const void *a, const void *b, void *locale)
{
	const char *const *x = a, *const *y = b;
	int order = compare_folded(*x, *y, (locale_t)locale);

	return order != 0 ? order : strcmp(*x, *y);
}

void
manifest_folded(const struct manifest *m,
    void (*handle)(void *arg, const char *a, const char *b), void *arg)
{
	const char **path = calloc(m->n + 1, sizeof(*path));
	locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);

	if (path == NULL)
		goto out;
	for (size_t i = 0; i < m->n; i++)
		path[i] = m->entry[i].path;
	qsort_r(path, m->n, sizeof(*path), compare_paths, locale);
	for (size_t i = 1; i < m->n; i++)
		if (compare_folded(path[i - 1], path[i], locale) == 0)
			handle(arg, path[i - 1], path[i]);
out:
	if (locale != (locale_t)0)
		freelocale(locale);
	free(path);
}

/* ------------------------------------------------------------ signature */

/* Whose signature it is; NULL and why: nobody's that is known. */
static const struct keyring_key *
signer_find(const struct keyring *ring,
    const uint8_t signature[SIGNIFY_SIGNATURE_SIZE], struct slice message,
    struct why *why)
{
	char number[SIGNIFY_NUMBER_TEXT];
	bool known = false;

	for (size_t i = 0; i < ring->n; i++) {
		enum signify_result result =
		    signify_verify(&ring->key[i].key, signature, message);

		if (result == SIGNIFY_GOOD)
			return &ring->key[i];
		known = known || result == SIGNIFY_BAD;
	}
	signify_number_text(signature + SIGNIFY_NUMBER_AT, number);
	if (known)
		why_set(why, "the signature is wrong (key %s)", number);
	else
		keyring_distrust(ring, number, "is not trusted here", why);
	return NULL;
}

enum manifest_result
manifest_open(struct slice text, const struct keyring *ring,
    const struct keyring_key **signer, struct manifest *out, struct why *why)
{
	uint8_t signature[SIGNIFY_SIGNATURE_SIZE];
	const struct keyring_key *by;
	struct slice name, message;

	if (text.len > MANIFEST_MAX) {
		why_set(why, "longer than 16 MiB");
		return MANIFEST_UNSIGNED;
	}
	if (!signify_split(text, &name, signature, &message)) {
		why_set(why, "not a signed manifest");
		return MANIFEST_UNSIGNED;
	}
	by = signer_find(ring, signature, message, why);
	if (by == NULL)
		return MANIFEST_UNSIGNED;
	if (!manifest_parse(message, out, why))
		return MANIFEST_UNSOUND;
	if (out->key_name[0] != '\0' &&
	    !slice_equal(name, slice_str(out->key_name))) {
		why_set(why, "line 1 does not name the key that "
			     "signed-with does");
		manifest_fini(out);
		return MANIFEST_UNSIGNED;
	}
	digest_sha256(message, out->digest);
	if (signer != NULL)
		*signer = by;
	return MANIFEST_GOOD;
}
