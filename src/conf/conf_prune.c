/* SPDX-License-Identifier: ISC */
/* What is left of a capsule.conf with mistakes. */
#include "conf/conf_internal.h"

#include <string.h>

static void
list_prune(const struct option *o, struct conf_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++)
		if (text_is_good(o, &list->item[i]))
			list->item[kept++] = list->item[i];
	/* With nothing left it is not the empty list that somebody wrote. */
	if (kept < list->n && kept == 0)
		list->set = false;
	list->n = kept;
}

/* False when base is a group that lacks a text which it must have. */
static bool
members_prune(const char *prefix, void *base)
{
	const struct option *o = NULL;
	bool whole = true;

	while ((o = option_next(o, prefix, OPTION_CAPSULE)) != NULL) {
		void *field = option_field(o, base);

		if (o->type == OPTION_TEXT) {
			struct conf_text *text = field;

			if (!text_is_good(o, text))
				text->text = NULL;
			whole = whole && !(o->required && text->text == NULL);
		} else if (o->type == OPTION_LIST) {
			list_prune(o, field);
		}
	}
	return whole;
}

/* How many of the groups are whole, which are then the first. */
static size_t
groups_prune(const char *name, void *base)
{
	const struct option *o = option_find(name);
	char prefix[OPTION_NAME_MAX];
	size_t kept = 0;

	option_prefix(o, prefix);
	for (size_t i = 0; i < element_count(o, base); i++) {
		void *element = element_at(o, base, i);

		if (!members_prune(prefix, element))
			continue;
		if (kept != i)
			memcpy(element_at(o, base, kept), element, o->size);
		kept++;
	}
	return kept;
}

void
content_prune(struct conf_content *content)
{
	(void)members_prune("", content);
	content->n_paths = groups_prune("paths", content);
	content->n_redirects = groups_prune("redirects", content);
}
