/* SPDX-License-Identifier: ISC */
/* What a host serves, against the manifest that it serves. */
#include <stdio.h>

#include "archive/fetcher.h"
#include "archive/verify_internal.h"

enum { TRIES = 2 };

struct visit {
	struct verify *v;
	struct fetcher fetcher;
	struct source source;
};

static bool
put_digest(void *arg, struct slice bytes)
{
	digest_add(arg, bytes);
	return true;
}

/* One file; a second time when the network failed it, and we are not to wait for
 * longer than we do. */
static enum fetcher_result
fetch_file(struct visit *x, size_t i, bool *same, struct why *why)
{
	const struct manifest_entry *e = &x->v->manifest.entry[i];
	enum fetcher_result result = FETCHER_FAILED;
	uint8_t got[DIGEST_SIZE];
	struct digest d;
	const struct fetcher_file wanted = { .path = e->path,
		.max = x->v->manifest.largest,
		.body = put_digest,
		.arg = &d };
	bool cut;

	for (int try = 0; try < TRIES && result == FETCHER_FAILED &&
			  !source_is_out(&x->source);
	     try++) {
		digest_init(&d);
		result =
		    fetcher_get(&x->fetcher, &x->source, &wanted, &cut, why);
		*same = digest_end(&d, got) && digest_equal(got, e->digest);
		if (result == FETCHER_DONE && cut && !*same)
			result = FETCHER_FAILED;
	}
	return result;
}

/* What the answer for an entry comes to; false: go no further. */
static bool
visit_judge(struct verify *v, size_t i, enum fetcher_result result, bool same)
{
	switch (result) {
	case FETCHER_DONE:
		if (!same)
			verify_fault(v, i, VERIFY_CHANGED);
		return true;
	case FETCHER_TOO_LONG:
		verify_fault(v, i, VERIFY_CHANGED);
		return true;
	case FETCHER_ABSENT:
	case FETCHER_DENIED:
		verify_fault(v, i, VERIFY_MISSING);
		return true;
	case FETCHER_FAILED:
	case FETCHER_STOPPED:
	case FETCHER_DISTRUSTED:
	case FETCHER_GOING:
		break;
	}
	return false;
}

static enum result
check_files(struct visit *x, struct why *why)
{
	struct verify *v = x->v;
	bool same = false, all = true;
	enum fetcher_result got;
	struct why said;

	for (size_t i = 0; all && i < v->manifest.n; i++) {
		got = fetch_file(x, i, &same, &said);
		all = visit_judge(v, i, got, same);
		if (!all)
			why_set(why,
			    "%s: %s; %zu of %zu files were not looked at",
			    v->manifest.entry[i].path, said.text,
			    v->manifest.n - i, v->manifest.n);
	}
	if (!all && verify_conclude(v) == RESULT_GOOD)
		return RESULT_FAILED;
	return verify_conclude(v);
}

static enum result
visit_fetch_manifest(struct visit *x, bool *cut, struct why *why)
{
	switch (
	    fetcher_manifest(&x->fetcher, &x->source, &x->v->text, cut, why)) {
	case FETCHER_DONE:
		return RESULT_GOOD;
	case FETCHER_STOPPED:
		return RESULT_LOCAL;
	case FETCHER_TOO_LONG:
	case FETCHER_ABSENT:
	case FETCHER_DENIED:
		return RESULT_REFUSED;
	case FETCHER_FAILED:
	case FETCHER_DISTRUSTED:
	case FETCHER_GOING:
		break;
	}
	return RESULT_FAILED;
}

static enum result
visit_open_manifest(struct visit *x, struct why *why)
{
	enum result result;
	struct verify *v = x->v;
	bool cut;

	buf_init(&v->text, MANIFEST_MAX);
	result = visit_fetch_manifest(x, &cut, why);
	if (result != RESULT_GOOD) {
		why_at(why, "%s" MANIFEST_PATH, x->source.base);
		return result;
	}
	result = verify_open(v, MANIFEST_PATH, why);
	/* The rest may come another time. */
	if (result == RESULT_REFUSED && cut) {
		why_set(
		    why, "%s; no close_notify came: it may be cut", why->text);
		result = RESULT_FAILED;
	}
	return result;
}

enum result
verify_host(struct verify *v, const char *base, struct why *why)
{
	enum result result = RESULT_LOCAL;
	struct visit x = { .v = v };

	if (v->ring.n == 0)
		return RESULT_USAGE;
	(void)snprintf(x.source.base, sizeof(x.source.base), "%s", base);
	if (fetcher_open(&x.fetcher, why)) {
		result = visit_open_manifest(&x, why);
		if (result == RESULT_GOOD)
			result = check_files(&x, why);
	}
	fetcher_close(&x.fetcher);
	return result;
}
