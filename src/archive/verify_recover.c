/* SPDX-License-Identifier: ISC */
/* A good copy of a corrupt manifest, from the archive next to it or from a
 * source that a mirror knows; and what is not corrupt, though it does not open.
 * */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/verify_internal.h"
#include "os/file.h"

enum { NUMBER_AT = 2 }; /* of the key, in a signature */

/* ----------------------------------------------------------- whom to ask */

bool
verify_others_open(
    struct verify_others *o, const struct verify_scan *x, struct why *why)
{
	const struct state *st = x->state;

	*o = (struct verify_others){ 0 };
	if (st->upstream[0] != '\0')
		sources_add(&o->sources, st->upstream);
	sources_add_known(&o->sources, x->store, st);
	return fetcher_open(&o->fetcher, why);
}

void
verify_others_close(struct verify_others *o)
{
	fetcher_close(&o->fetcher);
}

bool
verify_fetch(struct verify_others *o, struct source *s, struct buf *text,
    struct why *why)
{
	bool cut;

	buf_fini(text);
	buf_init(text, MANIFEST_MAX);
	return fetcher_manifest(&o->fetcher, s, text, &cut, why) ==
	       FETCHER_DONE;
}

/* ------------------------------------------------------------ what it is */

bool
verify_is_serial(const struct verify_scan *x, uint64_t serial, const char *what,
    struct why *why)
{
	uint8_t signature[SIGNIFY_SIGNATURE_SIZE], digest[DIGEST_SIZE];
	const struct manifest *m = &x->v->manifest;
	struct slice name, text;

	if (m->serial != serial)
		return why_set(why, "%s holds serial %" PRIu64 ", not %" PRIu64,
		    what, m->serial, serial);
	if (x->state->origin[0] != '\0' &&
	    strcmp(x->state->origin, m->origin) != 0)
		return why_set(why, "%s is of %s, the store of %s", what,
		    m->origin, x->state->origin);
	if (serial != x->state->serial)
		return true;
	if (!signify_split(buf_view(&x->v->text), &name, signature, &text))
		return false;
	digest_sha256(text, digest);
	if (digest_equal(digest, x->state->manifest))
		return true;
	return why_set(why,
	    "%s: serial %" PRIu64 " is not the one that this store mirrored: "
	    "there are two of that number",
	    what, serial);
}

/* Whether the key made the signature, rot in the latter apart. */
static bool
may_have_signed(const struct signify_key *k,
    const uint8_t signature[SIGNIFY_SIGNATURE_SIZE], struct slice message)
{
	uint8_t other[SIGNIFY_SIGNATURE_SIZE];

	memcpy(other, signature, sizeof(other));
	memcpy(other + NUMBER_AT, k->number, SIGNIFY_NUMBER_SIZE);
	return memcmp(other, signature, sizeof(other)) == 0 ||
	       signify_verify(k, other, message) == SIGNIFY_GOOD;
}

/* The bytes are those that the store took over, by none of the keys that we know. */
static bool
is_strangers(const struct verify_scan *x, struct slice text)
{
	uint8_t signature[SIGNIFY_SIGNATURE_SIZE], digest[DIGEST_SIZE];
	const struct state *st = x->state;
	struct slice name, message;

	if (!signify_split(text, &name, signature, &message))
		return false;
	digest_sha256(message, digest);
	if (!digest_equal(digest, st->manifest))
		return false;
	for (size_t i = 0; i < x->v->ring.n; i++)
		if (may_have_signed(&x->v->ring.key[i].key, signature, message))
			return false;
	for (size_t i = 0; i < st->ring.n; i++)
		if (may_have_signed(&st->ring.key[i].key, signature, message))
			return false;
	return true;
}

bool
verify_is_foreign(
    const struct verify_scan *x, struct slice text, struct why *why)
{
	struct manifest m;

	if (!verify_open_older(x, text, &m))
		return is_strangers(x, text);
	manifest_fini(&m);
	why_set(why, "%s: the store knows it, but it was not given", why->text);
	return true;
}

/* v->text, opened, when it is the one that was asked for. */
static bool
is_it(struct verify_scan *x, uint64_t serial, const char *what, struct why *why)
{
	if (verify_open(x->v, what, why) != RESULT_GOOD)
		return false;
	if (verify_is_serial(x, serial, what, why))
		return true;
	manifest_fini(&x->v->manifest);
	x->v->opened = false;
	free(x->v->mark);
	x->v->mark = NULL;
	return false;
}

/* -------------------------------------------------------------- where from */

static enum result
judge_archived(struct verify_scan *x, uint64_t serial, struct why *why)
{
	if (is_it(x, serial, MANIFEST_ARCHIVE, why))
		return RESULT_GOOD;
	return verify_is_foreign(x, buf_view(&x->v->text), why) ? RESULT_REFUSED
								: RESULT_FAILED;
}

/* RESULT_FAILED: nothing is here; RESULT_REFUSED and why: it takes another key. */
static enum result
recover_here(struct verify_scan *x, uint64_t serial, struct why *why)
{
	enum result result = RESULT_FAILED;
	int fd = -1, release = store_release_fd(x->store, serial);
	struct stat st;

	if (release != -1 && file_open_beneath(release, MANIFEST_ARCHIVE, &fd,
				 &st) == FILE_OPENED) {
		if (verify_extract(x->v, fd, why) == RESULT_GOOD)
			result = judge_archived(x, serial, why);
		(void)close(fd);
	}
	if (release != -1)
		(void)close(release);
	if (result != RESULT_REFUSED)
		why_clear(why);
	return result;
}

/* What is wrong with each is said. */
static bool
recover_there(struct verify_scan *x, struct verify_others *o, uint64_t serial,
    struct why *why)
{
	struct why one;

	for (size_t i = 0; i < o->sources.n; i++) {
		struct source *s = &o->sources.at[i];

		if (!verify_fetch(o, s, &x->v->text, &one))
			why_at(&one, "%s", s->base);
		else if (is_it(x, serial, s->base, &one))
			return true;
		why_set(why, "%s%s%s", why->text, i > 0 ? "; " : "", one.text);
	}
	return false;
}

enum result
verify_recover(struct verify_scan *x, uint64_t serial, struct why *why)
{
	enum result result;
	struct verify_others o;
	bool found;

	why_clear(why);
	result = recover_here(x, serial, why);
	if (result != RESULT_FAILED)
		return result;
	result = RESULT_LOCAL;
	if (verify_others_open(&o, x, why)) {
		found = recover_there(x, &o, serial, why);
		result = found ? RESULT_GOOD : RESULT_FAILED;
	}
	verify_others_close(&o);
	if (result == RESULT_GOOD)
		why_clear(why);
	/* What is newer than all that was ever here mends this too. */
	if (result == RESULT_FAILED)
		why_set(why,
		    "%s%sno copy of " MANIFEST_PATH " of serial %" PRIu64
		    " is available: %s",
		    why->text, why->text[0] != '\0' ? "; " : "", serial,
		    serial >= x->state->serial
			? "run carnation mirror"
			: "carnation rollback leads to other releases");
	return result;
}
