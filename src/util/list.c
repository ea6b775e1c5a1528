/* SPDX-License-Identifier: ISC */
#include "util/list.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

void *
array_grow(void *items, size_t n, size_t size)
{
	if ((n & (n - 1)) != 0)
		return items;
	if (n > SIZE_MAX / 2 / size)
		return NULL;
	return realloc(items, (n == 0 ? 1 : 2 * n) * size);
}

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
