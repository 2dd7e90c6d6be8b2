/*
 * lookup - from a plugin's question to the keyed cache and back, without blocking the loop.
 *
 *     chain_lookup() --miss--> cache_fill() ... on_done(), any thread --message--> on_answer(), our loop
 *
 * A wait and its message live on the heap, because the request can end while they are under way. Whoever
 * comes second frees: chain_end() if the fill could still be cancelled, otherwise the message, which then
 * finds that nobody asks any more. Every answer is kept for the request: the phase that is run again sees the
 * same one, and failures, which the cache does not keep, end there too.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/chain/miss_limit.h"
#include "gateway/chain/span.h"
#include "gateway/chain/state.h"
#include "gateway/io/loop.h"
#include "gateway/model/schema.h"

struct lookup_wait {
    struct cache_waiter waiter;
    struct loop_message message;
    struct loop *loop;
    struct chain *chain; /* NULL: the request has ended. thread: the loop's */
    struct span *span;   /* NULL: none; lives as long as the chain */
    struct digest digest;
    bool is_guess; /* by the client: it pays when there is nothing */
    /* Written by on_done() before the message is posted. */
    enum cache_status status;
    const struct cache_value *value;
};

/* Its texts are in the exchange's memory. false: too long or with a NUL inside, so no row can have it. */
static bool make_ask(const struct chain *chain, const struct schema *schema, int lookup, struct str value,
                     struct cache_ask *ask)
{
    size_t name_len = strlen(schema->name);
    /* Six colons, and the column's name where a value looks like an id. */
    size_t more = name_len + strlen(schema->lookups[lookup].field) + 6 + sizeof(DEFAULT_WORKSPACE) - 1;

    if (value.len == 0 || value.len > CACHE_KEY_MAX - more || memchr(value.at, '\0', value.len) != NULL)
        return false;
    value = exchange_copy(chain->exchange, value); /* with a NUL behind it */
    /* A buffer in storage of ours: it has room for all that is added, so it neither grows nor is freed. */
    struct buf key = {.at = exchange_alloc(chain->exchange, value.len + more + 1),
                      .capacity = value.len + more + 1};
    schema_lookup_key(&key, schema, lookup, value.at);
    *ask = (struct cache_ask){
        .key = buf_str(&key),
        .value = {key.at + name_len + 1, value.len},
        .type = schemas_number(chain->world->schemas, schema),
        .lookup = (uint8_t)lookup,
    };
    digest_make(&chain->world->salt, ask->key, &ask->digest);
    return true;
}

static const struct lookup_result *find_result(const struct chain_state *state, const struct digest *digest)
{
    const struct lookup_result *result = state->results;

    while (result != NULL && !digest_equal(&result->digest, digest))
        result = result->next;
    return result;
}

/* Takes over the reference. */
static const struct lookup_result *keep_result(struct chain *chain, const struct digest *digest,
                                               enum cache_status status, const struct cache_value *value)
{
    struct chain_state *state = chain_state_of(chain);
    struct lookup_result *result = exchange_alloc(chain->exchange, sizeof(*result));

    *result = (struct lookup_result){state->results, *digest, status, value};
    state->results = result;
    return result;
}

/*
 * A client that keeps asking for what does not exist is not to keep the database busy. Lists cost nothing:
 * what belongs to somebody who has been found is no guess, whether it is there or not.
 */
static bool may_load(const struct chain *chain)
{
    const struct miss_limit *limit = chain->world->miss_limit;

    if (limit == NULL || chain->client_address.at == NULL ||
        miss_limit_allows(limit, chain->client_address, clock_now_us(chain->world->clock)))
        return true;
    metrics_add(METRIC_FILLS_RATE_LIMITED, 1);
    return false;
}

static void charge(const struct chain *chain)
{
    if (chain->world->miss_limit != NULL && chain->client_address.at != NULL)
        miss_limit_charge(chain->world->miss_limit, chain->client_address, clock_now_us(chain->world->clock));
}

static void on_answer(struct loop_message *message)
{
    struct lookup_wait *wait = CONTAINER_OF(message, struct lookup_wait, message);
    struct chain *chain = wait->chain;

    if (chain == NULL) {
        cache_value_unref(wait->value);
        free(wait);
        return;
    }
    chain->state->wait = NULL;
    span_end(wait->span);
    if (wait->status == CACHE_NEGATIVE && wait->is_guess)
        charge(chain);
    (void)keep_result(chain, &wait->digest, wait->status, wait->value);
    free(wait);
    chain_resume(chain);
}

/* Any thread. */
static void on_done(struct cache_waiter *waiter, enum cache_status status, const struct cache_value *value)
{
    struct lookup_wait *wait = CONTAINER_OF(waiter, struct lookup_wait, waiter);

    wait->status = status;
    wait->value = value;
    loop_post(wait->loop, &wait->message);
}

static void start_wait(struct chain *chain, const struct cache_ask *ask, const struct schema *schema,
                       bool is_guess)
{
    struct chain_state *state = chain_state_of(chain);
    struct lookup_wait *wait = mem_zalloc(sizeof(*wait));

    assert(state->wait == NULL); /* a plugin that is told to wait has to return */
    wait->waiter.on_done = on_done;
    wait->message.run = on_answer;
    wait->loop = exchange_loop(chain->exchange);
    wait->chain = chain;
    wait->digest = ask->digest;
    wait->is_guess = is_guess;
    wait->span = span_begin(chain, SPAN_DB_QUERY, str_of(schema->name));
    state->wait = wait;
    cache_fill(chain->world->cache, ask, &wait->waiter);
}

void lookup_end(struct chain_state *state, struct cache *cache)
{
    struct lookup_wait *wait = state->wait;

    state->wait = NULL;
    if (wait != NULL && cache_cancel(cache, &wait->waiter))
        free(wait);
    else if (wait != NULL)
        wait->chain = NULL;
    for (struct lookup_result *result = state->results; result != NULL; result = result->next)
        cache_value_unref(result->value);
    state->results = NULL;
}

enum cache_status chain_lookup(struct chain *chain, const struct schema *schema, int lookup, struct str value,
                               const void **object)
{
    struct cache_ask ask;

    *object = NULL;
    if (!make_ask(chain, schema, lookup, value, &ask))
        return CACHE_NEGATIVE;
    const struct lookup_result *result = find_result(chain_state_of(chain), &ask.digest);
    if (result == NULL) {
        const struct cache_value *found = NULL;
        enum cache_status status = cache_get(chain->world->cache, &ask, &found);
        bool is_guess = !schema->lookups[lookup].is_list;
        if (status == CACHE_MISS && (!is_guess || may_load(chain))) {
            start_wait(chain, &ask, schema, is_guess);
            return CACHE_MISS;
        }
        if (status == CACHE_MISS)
            status = CACHE_BUSY;
        result = keep_result(chain, &ask.digest, status, found);
    }
    if (result->status == CACHE_HIT)
        *object = cache_value_object(result->value);
    return result->status;
}

enum cache_status chain_find_consumer(struct chain *chain, struct str id_or_username,
                                      const struct consumer **consumer)
{
    enum {
        BY_ID, /* as in consumer_schema.lookups */
        BY_USERNAME
    };
    struct uuid id;
    const void *object = NULL;
    enum cache_status status = CACHE_NEGATIVE;

    if (uuid_from_str(id_or_username, &id)) {
        char text[UUID_TEXT_SIZE]; /* one spelling of an id, one entry */
        status = chain_lookup(chain, &consumer_schema, BY_ID, str_of(uuid_format(&id, text)), &object);
    }
    if (status == CACHE_NEGATIVE)
        status = chain_lookup(chain, &consumer_schema, BY_USERNAME, id_or_username, &object);
    *consumer = object;
    return status;
}
