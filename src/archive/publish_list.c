/* SPDX-License-Identifier: ISC */
/* The manifest of what is published: made, or taken as it was signed
 * elsewhere. */
#include <stdio.h>
#include <string.h>

#include "archive/publish_internal.h"

enum { DAY_S = 24 * 60 * 60, DIFFERENCES_MAX = 5 };

/* Of this release, without its entries. */
static struct manifest
head(const struct publish *p)
{
	const struct publish_options *o = p->o;
	const struct signify_key *next = publish_successor(p);
	struct manifest m = {
		.serial = p->next_serial,
		.created = o->created,
		.final = o->final,
		.refresh = o->final
			       ? 0
			       : o->created + (int64_t)o->refresh_days * DAY_S,
		.has_next_key = next != NULL,
	};

	memcpy(m.origin, p->origin_url, sizeof(m.origin));
	if (next != NULL)
		m.next_key = *next;
	(void)snprintf(m.key_name, sizeof(m.key_name), "%s", o->key_name);
	return m;
}

/* False when memory is short or there are too many. */
static bool
add_files(const struct publish *p, struct manifest *m)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct publish_file *f = &p->file[i];

		if (!manifest_add(m, f->digest, slice_str(f->path)))
			return false;
		m->bytes += f->size;
		if (f->size > m->largest)
			m->largest = f->size;
	}
	m->files = m->n;
	return true;
}

enum publish_result
publish_make_list(struct publish *p, struct report *r)
{
	struct manifest m = head(p);
	struct why why;
	bool ok = false;

	/* Read again as a mirror will: what does not pass is not published. */
	if (p->n > MANIFEST_FILES_MAX)
		why_set(&why, "%zu files, and a manifest lists %d", p->n,
		    MANIFEST_FILES_MAX);
	else if (!add_files(p, &m))
		why_memory(&why);
	else if (!manifest_format(&m, &p->list))
		why_set(&why, "the list would have more than %d MiB",
		    MANIFEST_MAX >> 20);
	else
		ok = manifest_parse(buf_view(&p->list), &p->after, &why);
	manifest_fini(&m);
	if (ok)
		p->plan.after = &p->after;
	else
		report_add(r, REPORT_ERROR, p->o->src, 0,
		    "no manifest can be made of it: %s", why.text);
	return ok ? PUBLISH_GOOD : PUBLISH_REFUSED;
}

struct reporting {
	struct report *r;
	unsigned n;
};

static void
difference_report(void *arg, enum change change, const char *path)
{
	struct reporting *t = arg;

	if (++t->n <= DIFFERENCES_MAX)
		report_add(t->r, REPORT_ERROR, NULL, 0,
		    "since the list was written: %s %s", change_text(change),
		    path);
}

/* Whether what was signed is what would be now, but for what its maker chose. */
static bool
is_ours(const struct publish *p, const struct manifest *m, struct report *r)
{
	const struct manifest *own = &p->after;
	struct reporting t = { .r = r };
	struct changes c;

	if (m->serial != own->serial) {
		report_add(r, REPORT_ERROR, NULL, 0,
		    "the signed list is of serial %llu, and the next one is "
		    "%llu",
		    (unsigned long long)m->serial,
		    (unsigned long long)own->serial);
		return false;
	}
	if (strcmp(m->origin, own->origin) != 0) {
		report_add(r, REPORT_ERROR, NULL, 0, "the signed list is of %s",
		    m->origin);
		return false;
	}
	c = changes_between(m, own, difference_report, &t);
	if (changes_none(&c) && m->bytes == own->bytes &&
	    m->largest == own->largest)
		return true;
	report_add(r, REPORT_ERROR, NULL, 0,
	    "the signed list is not of what the folder holds now: write and "
	    "sign another (--unsigned)");
	return false;
}

enum publish_result
publish_take_sealed(struct publish *p, struct report *r)
{
	struct signify_key keys[STATE_KEYS_MAX];
	const struct publish_options *o = p->o;
	struct manifest m = { 0 };
	size_t n = 0, which = 0;
	struct slice part;
	struct why why;
	bool ok;

	if (o->sealed.len == 0)
		return PUBLISH_GOOD;
	if (o->key != NULL)
		keys[n++] = *o->key;
	for (size_t i = 0; i < p->state.n_keys && o->key == NULL; i++)
		if (!p->state.key[i].retired)
			keys[n++] = p->state.key[i].key;
	ok = manifest_open(o->sealed, keys, n, &which, &m, &part, &why) ==
	     MANIFEST_GOOD;
	if (!ok)
		report_add(
		    r, REPORT_ERROR, NULL, 0, "the signed list: %s", why.text);
	if (!ok)
		return PUBLISH_REFUSED;
	p->signer = keys[which];
	if (!is_ours(p, &m, r)) {
		manifest_fini(&m);
		return PUBLISH_REFUSED;
	}
	manifest_fini(&p->after);
	p->after = m;
	buf_reset(&p->list);
	return buf_put(&p->list, part) ? publish_accept_sealed(p, r)
				       : PUBLISH_LOCAL;
}

enum publish_result
publish_seal(struct publish *p, struct report *r)
{
	const struct publish_options *o = p->o;
	bool ok;

	if (o->sealed.len > 0) {
		ok = buf_put(&p->sealed, o->sealed);
	} else {
		p->signer = *o->key;
		ok = signify_sign(o->secret, o->key_name, buf_view(&p->list),
			 &p->sealed) &&
		     buf_put(&p->sealed, buf_view(&p->list));
	}
	if (ok)
		return PUBLISH_GOOD;
	report_add(r, REPORT_ERROR, NULL, 0,
	    "the list cannot be signed: memory is short, or it is longer than "
	    "%d MiB",
	    MANIFEST_MAX >> 20);
	return PUBLISH_LOCAL;
}
