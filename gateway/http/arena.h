#pragma once

/*
 * arena - the memory of one exchange: a block that is handed out from its start and given back whole.
 *
 * A loop keeps the blocks of exchanges that have ended, the last one on top: the next exchange finds its
 * memory still in the processor's cache. (libh2o's pools take 4 KiB chunks, of which a thread keeps 16.)
 *
 * Threads: the loop's.
 */

#include <stddef.h>

enum {
    ARENA_BYTES = 8 * 1024, /* a request with thirty header lines, and its answer */
};

/* Zero is an empty one. */
struct arena_stock {
    struct arena *spare;
    size_t count;
};

struct arena {
    struct arena *next; /* in the stock */
    size_t used;
    _Alignas(16) char bytes[ARENA_BYTES];
};

/* An empty arena; the caller's until arena_give(). */
struct arena *arena_take(struct arena_stock *stock);
void arena_give(struct arena_stock *stock, struct arena *arena);
/* Frees what is kept. */
void arena_stock_fini(struct arena_stock *stock);

/* Aligned for anything. NULL: it does not fit. */
static inline void *arena_alloc(struct arena *arena, size_t size)
{
    void *memory = arena->bytes + arena->used;

    if (size > ARENA_BYTES - arena->used)
        return NULL;
    /* Both are multiples of 16, so the sum stays within. */
    arena->used += (size + 15) & ~(size_t)15;
    return memory;
}
