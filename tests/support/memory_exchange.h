#pragma once

/*
 * memory_exchange - requests without sockets through chains of plugins, over a real cache and a real loop
 * whose database is the test: loads wait until memory_world_answer().
 *
 * Threads: the test's. What has to run on the loop is sent there and waited for.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/chain/chain.h"
#include "gateway/http/exchange_recorder.h"

struct loop;
struct plugin;
struct scope_index;

enum {
    MEMORY_LOADS_MAX = 16,
    MEMORY_ROWS_MAX = 16
};

struct memory_row {
    const struct schema *schema;
    cJSON *document;
};

struct memory_world {
    struct chain_world chain_world;
    struct cache *cache;
    struct schemas *schemas;
    struct scope_index *scope;
    struct loop *loop;
    pthread_mutex_t lock;
    struct { /* thread: any, under lock */
        struct cache_flight *flight;
        char key[CACHE_KEY_MAX + 1];
    } loads[MEMORY_LOADS_MAX];
    size_t load_count;
    size_t load_total; /* since the beginning */
    struct memory_row rows[MEMORY_ROWS_MAX];
    size_t row_count;
};

/* `plugins` in descending priority, for ever. */
void memory_world_open(struct memory_world *world, const struct plugin *const *plugins, size_t count);
void memory_world_close(struct memory_world *world);
/* A row the database has; json is a complete document. */
void memory_world_add_row(struct memory_world *world, const struct schema *schema, const char *json);
/* A configuration of a plugin; what is not in `config` has its default. Scope: of these, NULL is any. */
void memory_world_configure(struct memory_world *world, const struct plugin *plugin, const char *config,
                            const struct uuid *route, const struct uuid *consumer);
size_t memory_world_waiting_loads(struct memory_world *world);
enum memory_database {
    MEMORY_DATABASE_WORKS,
    MEMORY_DATABASE_FAILS
};
/* Answers the loads that wait now, oldest first, and returns when the loop has seen the answers. */
void memory_world_answer(struct memory_world *world, enum memory_database database);

struct memory_exchange {
    struct memory_world *world;
    struct exchange *exchange;
    struct chain chain;
    enum chain_result result; /* of the last chain_access() */
    int runs;                 /* of chain_access() */
};

/* target with its query; headers "Name: value\nName: value"; body NULL: none. */
struct memory_exchange *memory_exchange_new(struct memory_world *world, const char *method,
                                            const char *target, const char *headers, const char *body);
/* Ends the exchange. */
void memory_exchange_free(struct memory_exchange *exchange);
/* Runs access; it goes on by itself when it is resumed. */
enum chain_result memory_exchange_access(struct memory_exchange *exchange);
/* Access, with the database answering, until it does not wait any more. */
enum chain_result memory_exchange_finish(struct memory_exchange *exchange);
/* Value of a header as the upstream would get it; at == NULL: none. */
struct str memory_exchange_header(const struct memory_exchange *exchange, const char *name);
/* Value of a header of the answer being made. */
struct str memory_exchange_answer_header(const struct memory_exchange *exchange, const char *name);
