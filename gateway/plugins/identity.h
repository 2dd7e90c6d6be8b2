#pragma once

/*
 * identity - what all plugins have in common that ask who sends a request: from a credential to its consumer,
 * both from the keyed cache, and what becomes of those who are nobody (data-plane reference, 9.4).
 *
 *     if (identity_is_settled(chain, settings->anonymous))
 *         return PLUGIN_NEXT;
 *     enum identity identity = ...identity_find() ... identity_take()...;
 *     if (identity == IDENTITY_UNKNOWN && settings->anonymous == NULL)
 *         return an answer of the plugin's own;
 *     return identity_settle(chain, identity, settings->anonymous);
 *
 * Without a clear answer from the database nobody passes, not even as the anonymous consumer.
 *
 * Threads: the request's loop.
 */

#include "gateway/chain/chain.h"

enum identity {
    IDENTITY_KNOWN,     /* a credential, or its consumer, has been found */
    IDENTITY_UNKNOWN,   /* nobody */
    IDENTITY_AWAITED,   /* the phase will run again */
    IDENTITY_UNDECIDED, /* the database gave no answer */
};

/* Has somebody before authenticated, and is one of several enough? anonymous NULL: no, each has to. */
bool identity_is_settled(const struct chain *chain, const char *anonymous);
/* By the schema's first look-up. KNOWN: *credential, until the chain ends. */
enum identity identity_find(struct chain *chain, const struct schema *schema, struct str value,
                            const void **credential) MUST_CHECK;
/* The request is now its consumer's. `identifier` is told to the upstream; it lives as long as the chain. */
enum identity identity_take(struct chain *chain, const struct uuid *consumer, const void *credential,
                            struct str identifier) MUST_CHECK;
/* The end of the phase. UNKNOWN: passes as `anonymous`, an id or a username; one that names nobody is a
 * failure of ours. */
enum plugin_result identity_settle(struct chain *chain, enum identity identity, const char *anonymous);
/* Is it an OPTIONS request, which browsers send without credentials? */
bool identity_is_preflight(const struct chain *chain);
