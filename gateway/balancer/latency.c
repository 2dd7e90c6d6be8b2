/*
 * latency - of two peers drawn at random the one with the smaller (mean response time / weight).
 *
 * Not the best of all: every loop would send everything there until its mean has risen. A mean decays while
 * nothing is added, so the slower of two is asked again now and then. A peer that is new among others begins
 * with the average of theirs, and as long as nothing is known of a peer it is neither better nor worse.
 */

#include "gateway/balancer/inside.h"

static void begin_with_average(const struct balancer *balancer, int64_t now_ms)
{
    double sum = 0;
    size_t known = 0;

    for (size_t i = 0; i < balancer->count; i++) {
        float mean_us = mean_at(&balancer->entries[i].peer->response, now_ms);
        sum += (double)mean_us;
        known += mean_us > 0;
    }
    if (known == 0 || known == balancer->count)
        return;
    for (size_t i = 0; i < balancer->count; i++)
        mean_begin(&balancer->entries[i].peer->response, (float)(sum / (double)known), now_ms);
}

/* What is known lives in the peers; there is nothing else to plan. */
static void *plan(const struct balancer *balancer, int64_t now_ms)
{
    begin_with_average(balancer, now_ms);
    return NULL;
}

/* The place in usable[] of a peer that was not tried, from `at` on; BALANCER_NONE: there is none. */
static size_t find_untried(const struct balancer_cursor *cursor, const struct balancer_query *query,
                           size_t at)
{
    for (size_t left = cursor->usable_count; left > 0; left--) {
        at %= cursor->usable_count;
        if (!was_tried(cursor, query, cursor->usable[at]))
            return at;
        at++;
    }
    return BALANCER_NONE;
}

static bool is_better(const struct balancer_entry *a, const struct balancer_entry *b,
                      const struct balancer_query *query)
{
    float a_us = mean_at(&a->peer->response, query->now_ms);
    float b_us = mean_at(&b->peer->response, query->now_ms);

    if (a_us <= 0 || b_us <= 0)
        return draw(query->random, 2) == 0;
    return a_us * (float)b->weight < b_us * (float)a->weight;
}

static size_t pick(struct balancer_cursor *cursor, const struct balancer_query *query)
{
    const struct balancer_entry *entries = cursor->balancer->entries;
    uint32_t count = (uint32_t)cursor->usable_count;
    size_t one = find_untried(cursor, query, draw(query->random, count));

    if (one == BALANCER_NONE)
        return BALANCER_NONE;
    /* Any of the others; when there is none, the way around ends at the same. */
    size_t other = find_untried(cursor, query, one + 1 + draw(query->random, count - 1));
    bool takes_other = is_better(&entries[cursor->usable[other]], &entries[cursor->usable[one]], query);
    return cursor->usable[takes_other ? other : one];
}

const struct algorithm latency = {
    .plan = plan,
    .pick = pick,
};
