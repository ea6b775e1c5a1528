/* SPDX-License-Identifier: ISC */
#include "util/list.h"

#include <assert.h>

void
list_init(struct list *l)
{
	l->prev = l->next = l;
}

bool
list_empty(const struct list *head)
{
	return head->next == head;
}

void
list_append(struct list *head, struct list *link)
{
	assert(list_empty(link));
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

void
list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}
