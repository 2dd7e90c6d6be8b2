/*
 * shared - what plugins leave for each other, and for the log, in one request: a short list, the last first.
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
