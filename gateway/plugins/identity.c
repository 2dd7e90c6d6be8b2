/*
 * identity - see identity.h.
 */

#include "gateway/plugins/identity.h"

enum {
    CREDENTIAL_LOOKUP = 0, /* of schemas of credentials */
    CONSUMER_BY_ID = 0     /* of consumer_schema */
};

static enum identity identity_of(enum cache_status status)
{
    switch (status) {
    case CACHE_HIT:
        return IDENTITY_KNOWN;
    case CACHE_MISS:
        return IDENTITY_AWAITED;
    case CACHE_NEGATIVE:
        return IDENTITY_UNKNOWN;
    case CACHE_FAILED:
    case CACHE_BUSY:
        break;
    }
    return IDENTITY_UNDECIDED;
}

bool identity_is_settled(const struct chain *chain, const char *anonymous)
{
    return anonymous != NULL && chain->credential != NULL;
}

enum identity identity_find(struct chain *chain, const struct schema *schema, struct str value,
                            const void **credential)
{
    return identity_of(chain_lookup(chain, schema, CREDENTIAL_LOOKUP, value, credential));
}

enum identity identity_take(struct chain *chain, const struct uuid *consumer, const void *credential,
                            struct str identifier)
{
    const void *found;
    char id[UUID_TEXT_SIZE];
    enum identity identity = identity_of(
        chain_lookup(chain, &consumer_schema, CONSUMER_BY_ID, str_of(uuid_format(consumer, id)), &found));

    if (identity == IDENTITY_KNOWN)
        chain_authenticate(chain, found, credential, identifier);
    return identity;
}

static enum plugin_result pass_as(struct chain *chain, const char *anonymous)
{
    const struct consumer *consumer;
    enum identity identity = identity_of(chain_find_consumer(chain, str_of(anonymous), &consumer));

    if (identity == IDENTITY_UNKNOWN)
        return PLUGIN_FAILED;
    if (identity == IDENTITY_KNOWN)
        chain_authenticate(chain, consumer, NULL, STR_NONE);
    return identity_settle(chain, identity, NULL);
}

enum plugin_result identity_settle(struct chain *chain, enum identity identity, const char *anonymous)
{
    switch (identity) {
    case IDENTITY_KNOWN:
        return PLUGIN_NEXT;
    case IDENTITY_AWAITED:
        return PLUGIN_WAIT;
    case IDENTITY_UNKNOWN:
        return anonymous != NULL ? pass_as(chain, anonymous) : PLUGIN_FAILED;
    case IDENTITY_UNDECIDED:
        break;
    }
    enum plugin_result result = chain_answer_error(chain, 503, NULL);
    headers_set(&chain->answer.headers, STR("Retry-After"), STR("1"));
    return result;
}

bool identity_is_preflight(const struct chain *chain)
{
    return str_equal(exchange_request(chain->exchange)->method, STR("OPTIONS"));
}
