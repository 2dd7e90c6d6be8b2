/*
 * shared - what plugins leave for each other, for the log, and for themselves, in one request: short lists,
 * the last first.
 */

#include "gateway/chain/chain.h"

struct chain_shared {
    struct chain_shared *next;
    struct str name, value;
};

void chain_share(struct chain *chain, struct str name, struct str value)
{
    struct chain_shared *shared = exchange_alloc(chain->exchange, sizeof(*shared));

    *shared = (struct chain_shared){chain->shared, name, value};
    chain->shared = shared;
}

struct str chain_find_shared(const struct chain *chain, struct str name)
{
    for (const struct chain_shared *shared = chain->shared; shared != NULL; shared = shared->next)
        if (str_equal(shared->name, name))
            return shared->value;
    return STR_NONE;
}

struct chain_kept {
    struct chain_kept *next;
    const void *owner;
    void *value;
};

void chain_keep(struct chain *chain, const void *owner, void *value)
{
    struct chain_kept *kept = exchange_alloc(chain->exchange, sizeof(*kept));

    *kept = (struct chain_kept){chain->kept, owner, value};
    chain->kept = kept;
}

void chain_on_end(struct chain *chain, struct chain_end *end)
{
    end->next = chain->ends;
    chain->ends = end;
}

void *chain_kept(const struct chain *chain, const void *owner)
{
    for (const struct chain_kept *kept = chain->kept; kept != NULL; kept = kept->next)
        if (kept->owner == owner)
            return kept->value;
    return NULL;
}
