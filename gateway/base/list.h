#pragma once

/*
 * list - a doubly linked list whose links live inside the members.
 *
 * The head is a link too; an empty list points at itself. A member that is in no list has next == NULL, so
 * that list_remove() may be called twice. Threads: the list's owner.
 */

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *previous;
};

#define list_each(position, head)                                                                            \
    /* NOLINTNEXTLINE(bugprone-macro-parentheses): `position` is the name of a variable */                   \
    for (struct list *position = (head)->next; position != (head); position = position->next)

static inline void list_init(struct list *head)
{
    head->next = head;
    head->previous = head;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline bool list_is_linked(const struct list *link)
{
    return link->next != NULL;
}

static inline void list_add_last(struct list *head, struct list *link)
{
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

static inline void list_add_first(struct list *head, struct list *link)
{
    list_add_last(head->next, link);
}

static inline void list_remove(struct list *link)
{
    if (link->next == NULL)
        return;
    link->next->previous = link->previous;
    link->previous->next = link->next;
    link->next = NULL;
    link->previous = NULL;
}

/* The first member, unlinked, or NULL. */
static inline struct list *list_take_first(struct list *head)
{
    struct list *first = head->next;

    if (first == head)
        return NULL;
    list_remove(first);
    return first;
}
