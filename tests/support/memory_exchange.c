/*
 * memory_exchange - see memory_exchange.h.
 */

#include "tests/support/memory_exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/chain/scope.h"
#include "gateway/io/loop.h"
#include "gateway/model/document.h"

/* ---- the loop ---- */

struct call {
    struct loop_message message;
    void (*run)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t returned;
    bool done;
};

static void on_call(struct loop_message *message)
{
    struct call *call = CONTAINER_OF(message, struct call, message);

    call->run(call->arg);
    pthread_mutex_lock(&call->lock);
    call->done = true;
    pthread_cond_signal(&call->returned);
    pthread_mutex_unlock(&call->lock);
}

static void call_on_loop(struct memory_world *world, void (*run)(void *arg), void *arg)
{
    struct call call = {.message = {.run = on_call}, .run = run, .arg = arg};

    pthread_mutex_init(&call.lock, NULL);
    pthread_cond_init(&call.returned, NULL);
    loop_post(world->loop, &call.message);
    pthread_mutex_lock(&call.lock);
    while (!call.done)
        pthread_cond_wait(&call.returned, &call.lock);
    pthread_mutex_unlock(&call.lock);
    pthread_cond_destroy(&call.returned);
    pthread_mutex_destroy(&call.lock);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

/* ---- the database ---- */

static void on_load(void *arg, struct cache_flight *flight, const struct cache_ask *ask,
                    enum cache_source source)
{
    struct memory_world *world = arg;

    (void)source;
    pthread_mutex_lock(&world->lock);
    assert(world->load_count < MEMORY_LOADS_MAX && ask->key.len < sizeof(world->loads[0].key));
    world->loads[world->load_count].flight = flight;
    memcpy(world->loads[world->load_count].key, ask->key.at, ask->key.len);
    world->loads[world->load_count].key[ask->key.len] = '\0';
    world->load_count++;
    world->load_total++;
    pthread_mutex_unlock(&world->lock);
}

static enum cache_judgement accept_all(void *arg, uint64_t position, int64_t tag, enum cache_source source)
{
    (void)arg;
    (void)position;
    (void)tag;
    (void)source;
    return CACHE_ACCEPT;
}

struct match {
    const char *wanted;
    bool found;
};

static void compare_key(void *arg, int lookup, struct str key)
{
    struct match *match = arg;

    (void)lookup;
    match->found = match->found || str_equal(key, str_of(match->wanted));
}

static void fill(struct memory_world *world, const char *key, struct cache_answer *answer)
{
    cJSON *found = cJSON_CreateArray();
    const struct schema *schema = NULL;
    struct err err;

    for (size_t i = 0; i < world->row_count; i++) {
        const struct memory_row *row = &world->rows[i];
        struct match match = {.wanted = key};
        row->schema->cache_keys(row->schema, row->document, compare_key, &match);
        if (!match.found)
            continue;
        schema = row->schema;
        (void)cJSON_AddItemReferenceToArray(found, row->document);
    }
    answer->release = schema != NULL ? schema->release : NULL;
    if (schema != NULL)
        answer->failed = !schema->decode(schema->lookups[0].is_list ? found : found->child, &answer->object,
                                         &answer->bytes, &err);
    cJSON_Delete(found);
}

size_t memory_world_waiting_loads(struct memory_world *world)
{
    pthread_mutex_lock(&world->lock);
    size_t count = world->load_count;
    pthread_mutex_unlock(&world->lock);
    return count;
}

/* The load that has waited longest; what the loop asks for meanwhile waits behind it. */
static struct cache_flight *take_load(struct memory_world *world, char **key)
{
    pthread_mutex_lock(&world->lock);
    struct cache_flight *flight = world->loads[0].flight;
    *key = mem_strdup(world->loads[0].key);
    world->load_count--;
    memmove(&world->loads[0], &world->loads[1], world->load_count * sizeof(world->loads[0]));
    pthread_mutex_unlock(&world->lock);
    return flight;
}

void memory_world_answer(struct memory_world *world, enum memory_database database)
{
    for (size_t left = memory_world_waiting_loads(world); left > 0; left--) {
        struct cache_answer answer = {.failed = database == MEMORY_DATABASE_FAILS, .position = 1, .tag = 1};
        char *key = NULL;
        struct cache_flight *flight = take_load(world, &key);
        if (!answer.failed)
            fill(world, key, &answer);
        cache_fill_done(world->cache, flight, &answer);
        free(key);
    }
    call_on_loop(world, do_nothing, NULL);
}

/* ---- the world ---- */

void memory_world_open(struct memory_world *world, const struct plugin *const *plugins, size_t count)
{
    struct err err;

    *world = (struct memory_world){.schemas = schemas_new(), .scope = scope_new(plugins, count)};
    pthread_mutex_init(&world->lock, NULL);
    schemas_add_core(world->schemas);
    for (size_t i = 0; i < count; i++) {
        schemas_add_plugin(world->schemas, &plugins[i]->schema);
        for (const struct schema *const *entity = plugins[i]->entities; entity != NULL && *entity != NULL;
             entity++)
            schemas_add(world->schemas, *entity);
    }
    const struct cache_options options = {
        .max_bytes = 1 << 20,
        .max_flights = 8,
        .max_queued = 8,
        .fill_deadline_ms = 2000,
        .clock = clock_system(),
        .load = on_load,
        .judge = accept_all,
        .release = free,
        .arg = world,
    };
    cache_open(&options, &world->cache);
    if (!loop_open("memory", &world->loop, &err) || !loop_start(world->loop, NULL, NULL, &err))
        abort();
    world->chain_world = (struct chain_world){
        .cache = world->cache,
        .schemas = world->schemas,
        .salt = {{7}},
        .clock = clock_system(),
        .node_id = "0b5ac2d0-0000-4000-8000-000000000001",
        .host_name = "memory",
    };
}

void memory_world_close(struct memory_world *world)
{
    while (memory_world_waiting_loads(world) > 0)
        memory_world_answer(world, MEMORY_DATABASE_FAILS);
    loop_stop(world->loop);
    loop_join(world->loop);
    loop_close(world->loop);
    cache_close(world->cache);
    scope_unref(world->scope);
    schemas_free(world->schemas);
    for (size_t i = 0; i < world->row_count; i++)
        cJSON_Delete(world->rows[i].document);
    pthread_mutex_destroy(&world->lock);
}

void memory_world_add_row(struct memory_world *world, const struct schema *schema, const char *json)
{
    cJSON *document = cJSON_Parse(json);

    assert(document != NULL && world->row_count < MEMORY_ROWS_MAX);
    world->rows[world->row_count++] = (struct memory_row){schema, document};
}

void memory_world_configure(struct memory_world *world, const struct plugin *plugin, const char *config,
                            const struct uuid *route, const struct uuid *consumer)
{
    struct plugin_setting setting = {.enabled = true, .config = cJSON_Parse(config)};
    struct err err;

    assert(setting.config != NULL);
    if (plugin->schema.config != NULL)
        document_fill_config(&plugin->schema, setting.config);
    if (route != NULL)
        setting.route = *route;
    if (consumer != NULL)
        setting.consumer = *consumer;
    uuid_make(&setting.id);
    struct plugin_instance *instance = plugin_instance_new(plugin, &setting, &err);
    assert(instance != NULL);
    struct scope_index *next = scope_change(world->scope, NULL, instance);
    scope_unref(world->scope);
    plugin_instance_unref(instance);
    world->scope = next;
    cJSON_Delete(setting.config);
}

/* ---- exchanges ---- */

static void add_headers(struct exchange *exchange, const char *lines)
{
    struct str rest = str_of(lines);

    while (rest.len > 0) {
        size_t end = str_find(rest, '\n', 0);
        struct str line = str_part(rest, 0, end != SIZE_MAX ? end : rest.len);
        size_t colon = str_find(line, ':', 0);
        assert(colon != SIZE_MAX);
        headers_add(&exchange_request(exchange)->headers, str_part(line, 0, colon),
                    str_trim(str_part(line, colon + 1, line.len)));
        rest = str_part(rest, end != SIZE_MAX ? end + 1 : rest.len, rest.len);
    }
}

struct memory_exchange *memory_exchange_new(struct memory_world *world, const char *method,
                                            const char *target, const char *headers, const char *body)
{
    struct memory_exchange *made = mem_zalloc(sizeof(*made));
    struct str whole = str_of(target);
    size_t mark = str_find(whole, '?', 0);
    const struct exchange_request request = {
        .method = str_of(method),
        .target = whole,
        .path = str_part(whole, 0, mark != SIZE_MAX ? mark : whole.len),
        .query = mark != SIZE_MAX ? str_part(whole, mark + 1, whole.len) : STR_NONE,
        .host = STR("example.com:8000"),
        .version = 0x101,
        .body = str_of(body),
        .local_port = 8000,
    };

    made->world = world;
    made->exchange = exchange_recorder_new(world->loop, &request);
    add_headers(made->exchange, headers);
    made->chain = (struct chain){
        .world = &world->chain_world,
        .scope = world->scope,
        .exchange = made->exchange,
        .request_id = STR("0123456789abcdef0123456789abcdef"),
    };
    chain_start(&made->chain);
    return made;
}

static void end(void *arg)
{
    struct memory_exchange *exchange = arg;

    chain_end(&exchange->chain);
    exchange_recorder_free(exchange->exchange);
}

void memory_exchange_free(struct memory_exchange *exchange)
{
    call_on_loop(exchange->world, end, exchange);
    free(exchange);
}

static void go_on(struct chain *chain, void *arg)
{
    struct memory_exchange *exchange = arg;

    exchange->runs++;
    exchange->result = chain_access(chain, go_on, exchange);
}

static void begin(void *arg)
{
    struct memory_exchange *exchange = arg;

    go_on(&exchange->chain, exchange);
}

enum chain_result memory_exchange_access(struct memory_exchange *exchange)
{
    call_on_loop(exchange->world, begin, exchange);
    return exchange->result;
}

enum chain_result memory_exchange_finish(struct memory_exchange *exchange)
{
    enum chain_result result = memory_exchange_access(exchange);

    while (result == CHAIN_WAIT) {
        memory_world_answer(exchange->world, MEMORY_DATABASE_WORKS);
        result = exchange->result;
    }
    return result;
}

static struct str value_in(const struct headers *headers, const char *name)
{
    const struct header *header = headers_find(headers, str_of(name));

    return header != NULL ? header->value : STR_NONE;
}

struct str memory_exchange_header(const struct memory_exchange *exchange, const char *name)
{
    return value_in(&exchange_request(exchange->exchange)->headers, name);
}

struct str memory_exchange_answer_header(const struct memory_exchange *exchange, const char *name)
{
    return value_in(&exchange->chain.answer.headers, name);
}
