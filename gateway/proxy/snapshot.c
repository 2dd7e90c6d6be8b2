/*
 * snapshot - published by one pointer, pinned by plain counters of each loop.
 *
 * Retiring a snapshot sends each loop a message. A loop that handles it has seen the new pointer (the queue's
 * mutex orders the two), so it will never pin the old one again; it answers at once, or with its last unpin.
 * The last answer puts the snapshot on the list of the dead, which the bus thread sweeps: counts inside
 * routers and maps are not atomic.
 */

#include "gateway/proxy/snapshot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/base/pmap.h"
#include "gateway/chain/scope.h"
#include "gateway/http/tls_authority.h"
#include "gateway/http/tls_identity.h"
#include "gateway/io/loop.h"
#include "gateway/model/entities.h"
#include "gateway/model/schema.h"
#include "gateway/router/router.h"

struct snapshot_reader {
    struct loop_message retire;
    struct snapshot_place *place;
    struct snapshot *snapshot;
    uint32_t pins;
    bool retired;
};

struct snapshot_place {
    struct loop *const *loops;
    size_t loop_count;
    _Atomic(struct snapshot *) current;
    uint64_t published;
    struct snapshot *alive; /* bus thread: every snapshot that is not freed */
    pthread_mutex_t mutex;  /* of dead */
    struct snapshot *dead;
};

static void ref_service(void *value)
{
    ((struct shared_service *)value)->refs++;
}

static void unref_service(void *value)
{
    struct shared_service *shared = value;
    if (--shared->refs > 0)
        return;
    hop_fini(&shared->hop);
    service_schema.release(shared->service);
    free(shared);
}

static void ref_route(void *value)
{
    (void)routed_ref(value);
}

static void unref_route(void *value)
{
    routed_unref(value);
}

static void ref_group(void *value)
{
    (void)pmap_ref(value);
}

static void unref_group(void *value)
{
    pmap_unref(value, &snapshot_routes);
}

static void ref_plugin(void *value)
{
    (void)plugin_instance_ref(value);
}

static void unref_plugin(void *value)
{
    plugin_instance_unref(value);
}

static void ref_row(void *value)
{
    ((struct shared_row *)value)->refs++;
}

static void unref_row(void *value)
{
    struct shared_row *row = value;
    if (--row->refs > 0)
        return;
    row->schema->release(row->object);
    free(row);
}

static void ref_targets(void *value)
{
    (void)pmap_ref(value);
}

static void unref_targets(void *value)
{
    pmap_unref(value, &snapshot_rows);
}

static void ref_balanced(void *value)
{
    ((struct balanced *)value)->refs++;
}

static void unref_balanced(void *value)
{
    struct balanced *balanced = value;
    if (--balanced->refs > 0)
        return;
    unref_row(balanced->row);
    pmap_unref(balanced->targets, &snapshot_rows);
    free(balanced);
}

static void ref_identity(void *value)
{
    (void)tls_identity_ref(value);
}

static void unref_identity(void *value)
{
    tls_identity_unref(value);
}

static void ref_authority(void *value)
{
    (void)tls_authority_ref(value);
}

static void unref_authority(void *value)
{
    tls_authority_unref(value);
}

const struct pmap_values snapshot_rows = {ref_row, unref_row};
const struct pmap_values snapshot_upstreams = {ref_balanced, unref_balanced};
const struct pmap_values snapshot_target_groups = {ref_targets, unref_targets};
const struct pmap_values snapshot_services = {ref_service, unref_service};
const struct pmap_values snapshot_routes = {ref_route, unref_route};
const struct pmap_values snapshot_groups = {ref_group, unref_group};
const struct pmap_values snapshot_identities = {ref_identity, unref_identity};
const struct pmap_values snapshot_authorities = {ref_authority, unref_authority};
const struct pmap_values snapshot_failing = {0};
const struct pmap_values snapshot_versions = {0};
const struct pmap_values snapshot_plugins = {ref_plugin, unref_plugin};

struct shared_service *shared_service_new(struct service *service)
{
    struct shared_service *shared = mem_zalloc(sizeof(*shared));
    shared->refs = 1;
    shared->service = service;
    hop_init(&shared->hop, service);
    return shared;
}

struct shared_row *shared_row_new(const struct schema *schema, void *object)
{
    struct shared_row *row = mem_alloc(sizeof(*row));
    *row = (struct shared_row){.refs = 1, .schema = schema, .object = object};
    return row;
}

const struct target *shared_target(const struct shared_row *row)
{
    return row->object;
}

const struct sni *shared_sni(const struct shared_row *row)
{
    return row->object;
}

/* Names are public and their number is small: the salt has nothing to hide. */
void balanced_name_key(struct str name, struct digest *key)
{
    static const struct digest_salt salt = {{0}};
    digest_make(&salt, name, key);
}

struct balanced *balanced_new(struct shared_row *upstream, struct pmap *targets, uint64_t version)
{
    struct balanced *balanced = mem_zalloc(sizeof(*balanced));
    balanced->refs = 1;
    balanced->row = upstream;
    ref_row(upstream);
    balanced->upstream = upstream->object;
    balanced->targets = pmap_ref(targets);
    balanced->version = version;
    balanced_name_key(str_of(balanced->upstream->name), &balanced->name_key);
    return balanced;
}

const struct balanced *snapshot_find_balanced(const struct snapshot *snapshot, const struct digest *name_key)
{
    return pmap_find(snapshot->upstream_names, name_key->bytes);
}

const struct shared_service *snapshot_find_service(const struct snapshot *snapshot, const struct uuid *id)
{
    return pmap_find(snapshot->services, id->bytes);
}

const struct service *snapshot_service(const struct snapshot *snapshot, const struct uuid *id)
{
    const struct shared_service *shared = snapshot_find_service(snapshot, id);
    return shared != NULL ? shared->service : NULL;
}

struct snapshot_place *snapshot_place_new(struct loop *const *loops, size_t count)
{
    struct snapshot_place *place = mem_zalloc(sizeof(*place));
    place->loops = loops;
    place->loop_count = count;
    pthread_mutex_init(&place->mutex, NULL);
    return place;
}

void snapshot_free(struct snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    router_unref(snapshot->router);
    pmap_unref(snapshot->services, &snapshot_services);
    pmap_unref(snapshot->groups, &snapshot_groups);
    pmap_unref(snapshot->routes, &snapshot_routes);
    pmap_unref(snapshot->plugins, &snapshot_plugins);
    pmap_unref(snapshot->upstream_names, &snapshot_upstreams);
    pmap_unref(snapshot->upstreams, &snapshot_upstreams);
    pmap_unref(snapshot->target_groups, &snapshot_target_groups);
    pmap_unref(snapshot->targets, &snapshot_rows);
    pmap_unref(snapshot->certificates, &snapshot_identities);
    pmap_unref(snapshot->server_names, &snapshot_rows);
    pmap_unref(snapshot->snis, &snapshot_rows);
    pmap_unref(snapshot->authorities, &snapshot_authorities);
    scope_unref(snapshot->scope);
    pmap_unref(snapshot->failing, &snapshot_failing);
    for (size_t i = 0; i < SNAPSHOT_KINDS; i++)
        pmap_unref(snapshot->versions[i], &snapshot_versions);
    free(snapshot->readers);
    free(snapshot);
}

void snapshot_place_free(struct snapshot_place *place)
{
    if (place == NULL)
        return;
    while (place->alive != NULL) {
        struct snapshot *snapshot = place->alive;
        place->alive = snapshot->next_alive;
        snapshot_free(snapshot);
    }
    pthread_mutex_destroy(&place->mutex);
    free(place);
}

const struct snapshot *snapshot_pin(struct snapshot_place *place, size_t loop_number)
{
    const struct snapshot *snapshot = atomic_load_explicit(&place->current, memory_order_acquire);
    if (snapshot != NULL)
        snapshot->readers[loop_number].pins++;
    return snapshot;
}

/* One of those who may touch it will not do so any more. */
static void answer(struct snapshot_place *place, struct snapshot *snapshot)
{
    /* Release: what this loop read was read before. Acquire: the last one sees that of all others. */
    if (atomic_fetch_sub_explicit(&snapshot->unanswered, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_lock(&place->mutex);
    snapshot->next_dead = place->dead;
    place->dead = snapshot;
    pthread_mutex_unlock(&place->mutex);
}

void snapshot_unpin(struct snapshot_place *place, size_t loop_number, const struct snapshot *snapshot)
{
    struct snapshot_reader *reader = &snapshot->readers[loop_number];
    reader->pins--;
    if (reader->pins == 0 && reader->retired)
        answer(place, reader->snapshot);
}

static void retire(struct loop_message *message)
{
    struct snapshot_reader *reader = CONTAINER_OF(message, struct snapshot_reader, retire);
    reader->retired = true;
    if (reader->pins == 0)
        answer(reader->place, reader->snapshot);
}

void snapshot_sweep(struct snapshot_place *place)
{
    pthread_mutex_lock(&place->mutex);
    struct snapshot *dead = place->dead;
    place->dead = NULL;
    pthread_mutex_unlock(&place->mutex);
    while (dead != NULL) {
        struct snapshot *snapshot = dead;
        dead = snapshot->next_dead;
        struct snapshot **link = &place->alive;
        while (*link != snapshot)
            link = &(*link)->next_alive;
        *link = snapshot->next_alive;
        snapshot_free(snapshot);
    }
}

/* Whoever has the message has the new pointer. The place answers last, for when there are no loops. */
static void retire_everywhere(struct snapshot_place *place, struct snapshot *old)
{
    for (size_t i = 0; i < place->loop_count; i++)
        loop_post(place->loops[i], &old->readers[i].retire);
    answer(place, old);
}

void snapshot_publish(struct snapshot_place *place, struct snapshot *next)
{
    next->number = ++place->published;
    next->readers = mem_zalloc(place->loop_count * sizeof(struct snapshot_reader));
    for (size_t i = 0; i < place->loop_count; i++) {
        next->readers[i].place = place;
        next->readers[i].snapshot = next;
        next->readers[i].retire.run = retire;
    }
    atomic_store_explicit(&next->unanswered, place->loop_count + 1, memory_order_relaxed);
    next->next_alive = place->alive;
    place->alive = next;
    /* Release, pairs with the acquire in snapshot_pin(): all of `next` is visible to who finds it. */
    struct snapshot *old = atomic_exchange_explicit(&place->current, next, memory_order_acq_rel);
    metrics_add(METRIC_SNAPSHOTS, 1);
    metrics_add(METRIC_ROW_ERRORS,
                (int64_t)pmap_count(next->failing) - (old != NULL ? (int64_t)pmap_count(old->failing) : 0));
    if (old != NULL)
        retire_everywhere(place, old);
    snapshot_sweep(place);
}

const struct snapshot *snapshot_newest(struct snapshot_place *place)
{
    return atomic_load_explicit(&place->current, memory_order_acquire);
}
