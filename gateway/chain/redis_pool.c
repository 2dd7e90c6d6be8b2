/*
 * redis_pool - see redis_pool.h. Links are few, as many as settings name different servers: a list will do.
 */

#include "gateway/chain/redis_pool.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/base/random.h"
#include "gateway/chain/redis_link.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer.h"

enum {
    LINKS_MAX = 64,
    SWEEP_MS = 10 * 1000,
    IDLE_MS = 60 * 1000
};

struct redis_pool {
    struct redis_pool_options options;
    struct random_sequence chance;
    struct redis_link *links[LINKS_MAX];
    size_t link_count;
    struct timer sweep; /* runs while there are links */
};

static void drop(struct redis_pool *pool, size_t number)
{
    struct redis_link *link = pool->links[number];

    pool->links[number] = pool->links[--pool->link_count];
    redis_link_free(link);
}

static void on_sweep(struct timer *timer)
{
    struct redis_pool *pool = CONTAINER_OF(timer, struct redis_pool, sweep);
    int64_t old_ms = loop_now_ms(pool->options.loop) - IDLE_MS;

    for (size_t i = pool->link_count; i-- > 0;)
        if (redis_link_is_idle(pool->links[i]) && redis_link_used_at_ms(pool->links[i]) < old_ms)
            drop(pool, i);
    if (pool->link_count > 0)
        timer_start(pool->options.loop, timer, SWEEP_MS, on_sweep);
}

/* NULL: there are too many. */
static struct redis_link *find_link(struct redis_pool *pool, const struct redis_target *target)
{
    for (size_t i = 0; i < pool->link_count; i++)
        if (digest_equal(redis_link_digest(pool->links[i]), &target->digest))
            return pool->links[i];
    if (pool->link_count == LINKS_MAX) /* no other is closed for it: we may be inside one's answer */
        return NULL;
    struct redis_link *link = redis_link_new(&pool->options, &pool->chance, target);
    pool->links[pool->link_count++] = link;
    if (!timer_is_running(&pool->sweep))
        timer_start(pool->options.loop, &pool->sweep, SWEEP_MS, on_sweep);
    return link;
}

struct redis_pool *redis_pool_new(const struct redis_pool_options *options)
{
    struct redis_pool *pool = mem_zalloc(sizeof(*pool));

    pool->options = *options;
    random_seed(&pool->chance, random_u64());
    return pool;
}

void redis_pool_free(struct redis_pool *pool)
{
    if (pool == NULL)
        return;
    timer_stop(&pool->sweep);
    while (pool->link_count > 0)
        drop(pool, pool->link_count - 1);
    free(pool);
}

bool redis_pool_send(struct redis_pool *pool, const struct redis_target *target, const struct str *words,
                     size_t word_count, struct redis_command *command)
{
    struct redis_link *link = find_link(pool, target);

    return link != NULL && redis_link_send(link, words, word_count, command);
}
