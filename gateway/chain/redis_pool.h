#pragma once

/*
 * redis_pool - the connections of one loop to the Redis servers that plugins name: one each, on which all
 * that the loop asks is pipelined. What the requests of a turn ask leaves together at its end.
 *
 * Nothing waits for a server that is gone: after a failure commands are refused at once until a connection
 * stands again, which is tried for behind their backs, less and less often, as long as anybody asks. A
 * command whose answer was lost is not said again: it may have been done.
 *
 * Bounded: connections, commands that wait for an answer, bytes that wait to be sent, an answer's length.
 *
 * Threads: the loop's. on_reply never comes from inside redis_pool_send().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/list.h"
#include "gateway/base/str.h"
#include "gateway/chain/redis_reply.h"
#include "gateway/http/client.h"

struct redis_pool;
struct redis_target;
struct resolver;

struct redis_pool_options {
    struct loop *loop;
    struct client_pool *clients; /* lends TLS contexts and lives longer */
    struct client_tls tls;       /* whom redis_ssl_verify believes */
    struct resolver *resolver;
};

struct redis_pool *redis_pool_new(const struct redis_pool_options *options);
/* What waits hears that there is no answer. */
void redis_pool_free(struct redis_pool *pool);

/* Embedded by the caller; it stays until on_reply. */
struct redis_command {
    struct list link;    /* the pool's */
    int64_t asked_at_ms; /* the pool's */
    size_t wanted;       /* how many numbers the answer has, at most REDIS_NUMBERS_MAX */
    /* Integers, texts of integers, and 0 for what is not there. NULL: no answer, or another one. */
    void (*on_reply)(struct redis_command *command, const int64_t *numbers);
};

/* false: it cannot be said now, and on_reply does not come. */
bool redis_pool_send(struct redis_pool *pool, const struct redis_target *target, const struct str *words,
                     size_t word_count, struct redis_command *command) MUST_CHECK;
