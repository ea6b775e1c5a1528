/* SPDX-License-Identifier: ISC */
#include "archive/publish.h"

#include <assert.h>
#include <stdlib.h>

#include "archive/publish_internal.h"

struct publish *
publish_new(const struct publish_options *o)
{
	struct publish *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->o = o;
	buf_init(&p->atom, FEED_MAX);
	buf_init(&p->copy, COPY_MAX);
	buf_init(&p->list, MANIFEST_MAX);
	buf_init(&p->sealed, MANIFEST_MAX);
	return p;
}

void
publish_free(struct publish **pointer)
{
	struct publish *p = *pointer;

	*pointer = NULL;
	if (p == NULL)
		return;
	free(p->loss);
	inventory_fini(&p->last_pages);
	publish_root_close(&p->last);
	manifest_fini(&p->after);
	manifest_fini(&p->before);
	buf_fini(&p->sealed);
	buf_fini(&p->list);
	free(p->file);
	buf_fini(&p->copy);
	buf_fini(&p->atom);
	inventory_omissions_fini(&p->left);
	inventory_fini(&p->pages);
	publish_root_close(&p->root);
	store_close(&p->store);
	free(p);
}

/* One after the other, until one is not good. */
static enum result
publish_steps(
    struct publish *p, struct report *r, publish_stage *const *stages, size_t n)
{
	enum result result = RESULT_GOOD;

	for (size_t i = 0; i < n && result == RESULT_GOOD; i++)
		result = stages[i](p, r);
	return result;
}

enum result
publish_prepare(struct publish *p, struct report *r)
{
	static publish_stage *const stages[] = {
		publish_open_store,
		publish_read_last,
		publish_accept_key,
		publish_open_source,
		publish_list_pages,
		publish_stamp_files,
		publish_lint,
		publish_make_files,
		publish_hash_files,
		publish_check_reached,
		publish_find_serial,
		publish_make_list,
		publish_check_links,
		publish_take_sealed,
		publish_find_losses,
	};

	return publish_steps(p, r, stages, sizeof(stages) / sizeof(stages[0]));
}

const struct publish_plan *
publish_plan(const struct publish *p)
{
	return &p->plan;
}

struct slice
publish_list(const struct publish *p)
{
	return buf_view(&p->list);
}

enum result
publish_commit(struct publish *p, struct report *r)
{
	static publish_stage *const stages[] = {
		publish_seal,
		publish_make_store,
		publish_store_files,
		publish_release,
	};

	assert(!p->o->look_only && p->plan.after != NULL);
	return publish_steps(p, r, stages, sizeof(stages) / sizeof(stages[0]));
}
