/* SPDX-License-Identifier: ISC */
/* What a host serves, against the manifest that it serves. */
#include <stdlib.h>
#include <string.h>

#include "archive/pull.h"
#include "archive/verify_internal.h"

enum { TRIES = 2, MS = 1000 };

static bool
put_text(void *arg, struct slice bytes)
{
	return buf_put(arg, bytes);
}

static bool
put_digest(void *arg, struct slice bytes)
{
	digest_add(arg, bytes);
	return true;
}

/* One file; a second time when the network failed it. */
static enum pull_result
pull_file(struct pull *p, struct verify *v, const char *base, size_t i,
    bool *same, struct buf *why)
{
	const struct manifest_entry *e = &v->manifest.entry[i];
	enum pull_result result = PULL_LATER;
	uint8_t got[DIGEST_SIZE];
	struct digest d;

	for (int try = 0; try < TRIES && result == PULL_LATER; try++) {
		buf_reset(why);
		digest_init(&d);
		result = pull(p, base, e->path, v->manifest.largest,
		    pull_file_ms(v->manifest.largest), put_digest, &d, why);
		*same = digest_end(&d, got) && digest_equal(got, e->digest);
		if (result == PULL_CUT && !*same) {
			(void)buf_str(why, "no close_notify came: it was cut");
			result = PULL_LATER;
		}
	}
	return result;
}

/* What the answer for an entry comes to; false: go no further. */
static bool
judge(struct verify *v, size_t i, enum pull_result result, bool same)
{
	switch (result) {
	case PULL_DONE:
	case PULL_CUT:
		if (!same)
			verify_fault(v, i, VERIFY_CHANGED);
		return true;
	case PULL_TOO_LONG:
		verify_fault(v, i, VERIFY_CHANGED);
		return true;
	case PULL_NONE:
		verify_fault(v, i, VERIFY_MISSING);
		return true;
	case PULL_LATER:
	case PULL_STOPPED:
		break;
	}
	return false;
}

static enum verify_result
check_files(struct verify *v, struct pull *p, const char *base, struct buf *why)
{
	bool same = false, all = true;
	enum pull_result got;
	struct buf said;

	buf_init(&said, VERIFY_WHY_MAX / 2);
	for (size_t i = 0; all && i < v->manifest.n; i++) {
		got = pull_file(p, v, base, i, &same, &said);
		all = judge(v, i, got, same);
		if (!all)
			(void)buf_printf(why,
			    "%s: %.*s; %zu of %zu files were not looked at",
			    v->manifest.entry[i].path,
			    SLICE_ARGS(buf_view(&said)), v->manifest.n - i,
			    v->manifest.n);
	}
	buf_fini(&said);
	if (!all && verify_conclude(v) == VERIFY_GOOD)
		return VERIFY_LATER;
	return verify_conclude(v);
}

static enum verify_result
pull_manifest(
    struct verify *v, struct pull *p, const char *base, struct buf *why)
{
	enum verify_result result;
	enum pull_result got;
	struct buf said;

	buf_init(&v->text, MANIFEST_MAX);
	buf_init(&said, VERIFY_WHY_MAX / 2);
	got = pull(p, base, MANIFEST_PATH, MANIFEST_MAX,
	    (uint64_t)PULL_MANIFEST_S * MS, put_text, &v->text, &said);
	if (got != PULL_DONE && got != PULL_CUT)
		(void)buf_printf(why, "%s" MANIFEST_PATH ": %.*s", base,
		    SLICE_ARGS(buf_view(&said)));
	buf_fini(&said);
	switch (got) {
	case PULL_DONE:
	case PULL_CUT:
		break;
	case PULL_STOPPED:
		return VERIFY_LOCAL;
	case PULL_LATER:
		return VERIFY_LATER;
	case PULL_TOO_LONG:
	case PULL_NONE:
		return VERIFY_REFUSED;
	}
	result = verify_open(v, MANIFEST_PATH, why);
	/* The rest may come another time. */
	if (result == VERIFY_REFUSED && got == PULL_CUT) {
		(void)buf_str(why, "; no close_notify came: it may be cut");
		result = VERIFY_LATER;
	}
	return result;
}

enum verify_result
verify_host(struct verify *v, const char *base, struct buf *why)
{
	enum verify_result result = VERIFY_LOCAL;
	struct pull p;

	if (v->n_keys == 0)
		return VERIFY_KEYLESS;
	if (pull_init(&p, why)) {
		result = pull_manifest(v, &p, base, why);
		if (result == VERIFY_GOOD)
			result = check_files(v, &p, base, why);
	}
	pull_fini(&p);
	return result;
}
