#pragma once

/*
 * state - what a walk keeps between its turns: where it stands, what it found, what it waits for. For this
 * folder only. Home: the exchange's memory, made when the first thing has to be kept.
 *
 * Threads: the request's loop.
 */

#include "gateway/chain/chain.h"

struct lookup_wait;
struct span;

/* An answer of the cache, kept so that a repeated phase finds it again; a value in it is pinned. */
struct lookup_result {
    struct lookup_result *next;
    struct digest digest;
    enum cache_status status;
    const struct cache_value *value; /* a reference; NULL unless CACHE_HIT */
};

enum chain_phase {
    CHAIN_REWRITE, /* `number` is the next whose rewrite runs */
    CHAIN_ACCESS,  /* `number` is the next whose access runs; `applying` holds those before */
    CHAIN_OVER,    /* access has run or will not run */
};

struct chain_state {
    enum chain_phase phase;
    size_t number;
    bool was_routed; /* access has begun: configurations other than global ones apply */
    void (*resume)(struct chain *chain, void *arg);
    void *resume_arg;
    struct lookup_result *results;
    struct lookup_wait *wait; /* NULL: nothing is awaited from the cache */
    /* In order of priority: whose header_filter and log run. Room for all that are present. */
    const struct plugin_instance **applying;
    size_t applying_count;
    struct span *span; /* of a plugin that waits; NULL: none */
};

/* The chain's; made if there is none. */
struct chain_state *chain_state_of(struct chain *chain);
/* lookup.c: forgets a wait and lets go of pins. */
void lookup_end(struct chain_state *state, struct cache *cache);
