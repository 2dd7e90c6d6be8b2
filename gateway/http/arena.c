/*
 * arena - see arena.h. With the address sanitizer nothing is kept, so that it sees who comes too late.
 */

#include "gateway/http/arena.h"

#include <stdlib.h>

#include "gateway/base/mem.h"

#ifndef __has_feature /* gcc; clang knows sanitizers by it */
#define __has_feature(what) 0
#endif

enum {
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
    MOST_KEPT = 0,
#else
    MOST_KEPT = 256, /* 2 MiB a loop */
#endif
};

struct arena *arena_take(struct arena_stock *stock)
{
    struct arena *arena = stock->spare;

    if (arena != NULL) {
        stock->spare = arena->next;
        stock->count--;
    } else {
        arena = mem_alloc(sizeof(*arena));
    }
    arena->used = 0;
    return arena;
}

void arena_give(struct arena_stock *stock, struct arena *arena)
{
    if (stock->count + 1 > MOST_KEPT) {
        free(arena);
        return;
    }
    arena->next = stock->spare;
    stock->spare = arena;
    stock->count++;
}

void arena_stock_fini(struct arena_stock *stock)
{
    while (stock->spare != NULL) {
        struct arena *arena = stock->spare;

        stock->spare = arena->next;
        free(arena);
    }
    stock->count = 0;
}
