/* SPDX-License-Identifier: ISC */
/* A circular doubly linked list threaded through its members.
 * Depends on libc alone. */
#ifndef UTIL_LIST_H
#define UTIL_LIST_H

#include <stdbool.h>
#include <stddef.h>

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
