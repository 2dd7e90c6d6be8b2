#pragma once

/*
 * by_hand - sets the health of a target's peers as some node has said. Names that have no address yet are
 * waited for, a while.
 *
 * Threads: one loop.
 */

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"

struct balance_loop;
struct health_word;
struct snapshot;

struct by_hand {
    struct list waiting; /* words about names without an address */
    size_t count;
};

void by_hand_init(struct by_hand *by_hand);
void by_hand_fini(struct by_hand *by_hand);
/* A target that is not in the snapshot has gone: nothing is to be set. */
void by_hand_set(struct by_hand *by_hand, const struct snapshot *snapshot, struct balance_loop *at,
                 const struct health_word *word, int64_t now_ms);
/* Now and then: have the names that are waited for got an address? */
void by_hand_retry(struct by_hand *by_hand, const struct snapshot *snapshot, struct balance_loop *at,
                   int64_t now_ms);
