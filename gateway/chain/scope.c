/*
 * scope - a persistent map from (plugin, route, service, consumer) to the configuration for just that, and
 * per plugin which kinds of combination exist at all, so that a request looks up only what can be there.
 */

#include "gateway/chain/scope.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/digest.h"
#include "gateway/base/mem.h"
#include "gateway/base/pmap.h"
#include "gateway/base/random.h"

enum {
    PLUGINS_MAX = 64,
    HAS_ROUTE = 1,
    HAS_SERVICE = 2,
    HAS_CONSUMER = 4,
    COMBINATIONS = 8
};

/* Most specific first (data-plane reference, 9.2). */
static const unsigned char precedence[COMBINATIONS] = {
    HAS_ROUTE | HAS_SERVICE | HAS_CONSUMER,
    HAS_ROUTE | HAS_CONSUMER,
    HAS_SERVICE | HAS_CONSUMER,
    HAS_ROUTE | HAS_SERVICE,
    HAS_CONSUMER,
    HAS_ROUTE,
    HAS_SERVICE,
    0,
};

struct scope_index {
    uint32_t refs;
    const struct plugin *const *plugins;
    size_t plugin_count;
    uint64_t present, span_readers; /* bits of plugins */
    struct pmap *instances;
    uint32_t counts[PLUGINS_MAX][COMBINATIONS];
};

static void ref_instance(void *instance)
{
    (void)plugin_instance_ref(instance);
}

static void unref_instance(void *instance)
{
    plugin_instance_unref(instance);
}

static const struct pmap_values instances = {ref_instance, unref_instance};

static struct digest_salt salt;
static pthread_once_t salt_once = PTHREAD_ONCE_INIT;

static void make_salt(void)
{
    random_bytes(&salt, sizeof(salt));
}

struct wanted {
    uint8_t number;
    uint8_t combination;
    uint8_t ids[3 * sizeof(struct uuid)];
};

/* Parts that the combination does not have are zero. */
static void make_key(size_t number, unsigned combination, const struct uuid *const ids[3], struct digest *key)
{
    struct wanted wanted = {.number = (uint8_t)number, .combination = (uint8_t)combination};
    for (unsigned i = 0; i < 3; i++)
        if ((combination >> i & 1) != 0)
            memcpy(wanted.ids + i * sizeof(struct uuid), ids[i]->bytes, sizeof(struct uuid));
    digest_make(&salt, (struct str){(const char *)&wanted, sizeof(wanted)}, key);
}

static unsigned combination_of(const struct plugin_instance *instance)
{
    return (uuid_is_nil(&instance->route) ? 0U : HAS_ROUTE) |
           (uuid_is_nil(&instance->service) ? 0U : HAS_SERVICE) |
           (uuid_is_nil(&instance->consumer) ? 0U : HAS_CONSUMER);
}

static size_t number_of(const struct scope_index *index, const struct plugin *plugin)
{
    size_t number = 0;
    while (number < index->plugin_count && index->plugins[number] != plugin)
        number++;
    return number;
}

struct scope_index *scope_new(const struct plugin *const *plugins, size_t count)
{
    (void)pthread_once(&salt_once, make_salt);
    struct scope_index *index = mem_zalloc(sizeof(*index));
    index->refs = 1;
    index->plugins = plugins;
    index->plugin_count = count < PLUGINS_MAX ? count : PLUGINS_MAX;
    for (size_t i = 0; i < index->plugin_count; i++)
        index->span_readers |= (uint64_t)plugins[i]->reads_spans << i;
    return index;
}

/* In or out; in place, on an index that nobody else has yet. */
static void change(struct scope_index *index, struct plugin_instance *instance, bool in)
{
    size_t number = number_of(index, instance->plugin);
    if (number == index->plugin_count)
        return;
    unsigned combination = combination_of(instance);
    const struct uuid *const ids[3] = {&instance->route, &instance->service, &instance->consumer};
    struct digest key;
    make_key(number, combination, ids, &key);
    if (!in && pmap_find(index->instances, key.bytes) != instance)
        return;
    size_t before = pmap_count(index->instances);
    pmap_set(&index->instances, &instances, key.bytes, in ? instance : NULL);
    bool is_new = pmap_count(index->instances) != before;
    if (is_new && in)
        index->counts[number][combination]++;
    else if (is_new)
        index->counts[number][combination]--;
    uint32_t left = 0;
    for (unsigned i = 0; i < COMBINATIONS; i++)
        left += index->counts[number][i];
    uint64_t bit = UINT64_C(1) << number;
    index->present = left > 0 ? index->present | bit : index->present & ~bit;
}

struct scope_index *scope_change(const struct scope_index *index, struct plugin_instance *old,
                                 struct plugin_instance *new)
{
    struct scope_index *next = mem_alloc(sizeof(*next));
    *next = *index;
    next->refs = 1;
    (void)pmap_ref(next->instances);
    if (old != NULL)
        change(next, old, false);
    if (new != NULL)
        change(next, new, true);
    return next;
}

struct scope_index *scope_ref(struct scope_index *index)
{
    index->refs++;
    return index;
}

void scope_unref(struct scope_index *index)
{
    if (index == NULL || --index->refs > 0)
        return;
    pmap_unref(index->instances, &instances);
    free(index);
}

uint64_t scope_present(const struct scope_index *index)
{
    return index->present;
}

bool scope_reads_spans(const struct scope_index *index)
{
    return (index->present & index->span_readers) != 0;
}

const struct plugin *scope_plugin(const struct scope_index *index, size_t number)
{
    return number < index->plugin_count ? index->plugins[number] : NULL;
}

const struct plugin_instance *scope_find(const struct scope_index *index, size_t number,
                                         const struct uuid *route, const struct uuid *service,
                                         const struct uuid *consumer)
{
    const struct uuid *const ids[3] = {route, service, consumer};
    unsigned there = (route != NULL ? HAS_ROUTE : 0U) | (service != NULL ? HAS_SERVICE : 0U) |
                     (consumer != NULL ? HAS_CONSUMER : 0U);
    for (unsigned i = 0; i < COMBINATIONS; i++) {
        unsigned combination = precedence[i];
        if (index->counts[number][combination] == 0 || (combination & ~there) != 0)
            continue;
        struct digest key;
        make_key(number, combination, ids, &key);
        const struct plugin_instance *instance = pmap_find(index->instances, key.bytes);
        if (instance != NULL)
            return instance;
    }
    return NULL;
}
