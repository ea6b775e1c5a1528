/* SPDX-License-Identifier: ISC */
/* Arrays that grow by one element at a time, and circular doubly linked lists
 * threaded through their members. Depends on libc alone. */
#ifndef UTIL_LIST_H
#define UTIL_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* items, which holds n elements of size bytes, with room for one more: the new
 * address, to be freed with free(3). NULL when out of memory; items is then
 * still valid. Room is made whenever n is 0 or a power of two, so that nobody
 * has to store it: every growth of an array has to go through here. */
void *array_grow(void *items, size_t n, size_t size);

/* Both the head and, inside each member, the link. */
struct list {
	struct list *prev;
	struct list *next;
};

/* The structure of the given type whose field is at link. */
#define LIST_ENTRY(link, type, field)                                          \
	((type *)(void *)((char *)(link)-offsetof(type, field)))

/* for (l = head->next; l != head; l = l->next): the body must not unlink l. */
#define LIST_EACH(l, head)                                                     \
	for ((l) = (head)->next; (l) != (head); (l) = (l)->next)

/* An empty list, or a link that is on none. */
void list_init(struct list *l);
bool list_empty(const struct list *head);

/* Adds at the end. link must be on no list. */
void list_append(struct list *head, struct list *link);

/* Takes link off whatever list it is on, if any. */
void list_remove(struct list *link);

#endif
