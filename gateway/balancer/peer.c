/*
 * peer - see peer.h. A hash table of chains, doubled as it fills.
 *
 * A reference is counted without the mutex. The count leaves 0 only in peer_get(), under the mutex, and a
 * request begins only with a reference, so what the sweep finds at 0 and without requests stays so while it
 * holds the mutex.
 */

#include "gateway/balancer/peer.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <xxhash.h>

#include "gateway/base/mem.h"
#include "gateway/base/random.h"

enum {
    FIRST_BUCKETS = 64,
    PEER_IN_USE = -1
};

struct peer_table {
    _Atomic uint64_t generation;
    uint64_t seed; /* addresses come from DNS, which may be a stranger's */
    pthread_mutex_t mutex;
    struct peer **buckets; /* this and the rest: under the mutex */
    size_t bucket_count;   /* a power of two */
    size_t count;
};

/* ---- addresses ---- */

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* RFC 4291, section 2.5.5.2 */

bool peer_address_read(const struct sockaddr *from, struct peer_address *address)
{
    const struct sockaddr_in *four = (const void *)from;
    const struct sockaddr_in6 *six = (const void *)from;

    if (from->sa_family == AF_INET) {
        memcpy(address->bytes, mapped, sizeof(mapped));
        memcpy(address->bytes + sizeof(mapped), &four->sin_addr, sizeof(four->sin_addr));
        memcpy(address->port, &four->sin_port, sizeof(address->port));
        return true;
    }
    if (from->sa_family != AF_INET6)
        return false;
    memcpy(address->bytes, &six->sin6_addr, sizeof(address->bytes));
    memcpy(address->port, &six->sin6_port, sizeof(address->port));
    return true;
}

socklen_t peer_address_write(const struct peer_address *address, struct sockaddr_storage *to)
{
    struct sockaddr_in *four = (void *)to;
    struct sockaddr_in6 *six = (void *)to;

    memset(to, 0, sizeof(*to));
    if (memcmp(address->bytes, mapped, sizeof(mapped)) == 0) {
        four->sin_family = AF_INET;
        memcpy(&four->sin_addr, address->bytes + sizeof(mapped), sizeof(four->sin_addr));
        memcpy(&four->sin_port, address->port, sizeof(address->port));
        return sizeof(*four);
    }
    six->sin6_family = AF_INET6;
    memcpy(&six->sin6_addr, address->bytes, sizeof(address->bytes));
    memcpy(&six->sin6_port, address->port, sizeof(address->port));
    return sizeof(*six);
}

/* ---- one peer ---- */

struct peer *peer_ref(struct peer *peer)
{
    atomic_fetch_add_explicit(&peer->refs, 1, memory_order_relaxed);
    return peer;
}

void peer_unref(struct peer *peer)
{
    /* Release, pairs with the acquire in is_unused(): what we did to it is done before it is freed. */
    uint32_t before = atomic_fetch_sub_explicit(&peer->refs, 1, memory_order_release);
    assert(before > 0);
}

void peer_begin(struct peer *peer)
{
    atomic_fetch_add_explicit(&peer->connections, 1, memory_order_relaxed);
}

void peer_end(struct peer *peer)
{
    /* Release: as in peer_unref(). */
    uint32_t before = atomic_fetch_sub_explicit(&peer->connections, 1, memory_order_release);
    assert(before > 0);
}

/* Release, pairs with the acquire in peer_table_generation(): who sees the number sees the flip. */
static void announce(struct peer *peer)
{
    atomic_fetch_add_explicit(peer->generation, 1, memory_order_release);
}

bool peer_report(struct peer *peer, const struct health_limits *limits, enum health_outcome outcome)
{
    bool flipped = health_report(&peer->health, limits, outcome);

    if (flipped)
        announce(peer);
    return flipped;
}

bool peer_set_health(struct peer *peer, bool healthy)
{
    bool flipped = health_set(&peer->health, healthy);

    if (flipped)
        announce(peer);
    return flipped;
}

void peer_answered(struct peer *peer, int64_t took_us, int64_t now_ms)
{
    mean_add(&peer->response, took_us > 0 ? (float)took_us : 1, now_ms);
}

/* ---- all of them ---- */

/* Acquire: see peer_unref(). References first: without one no request begins. */
static bool is_unused(const struct peer *peer)
{
    return atomic_load_explicit(&peer->refs, memory_order_acquire) == 0 &&
           atomic_load_explicit(&peer->connections, memory_order_acquire) == 0;
}

struct peer_table *peer_table_new(void)
{
    struct peer_table *table = mem_zalloc(sizeof(*table));

    table->seed = random_u64();
    pthread_mutex_init(&table->mutex, NULL);
    table->bucket_count = FIRST_BUCKETS;
    table->buckets = mem_zalloc(FIRST_BUCKETS * sizeof(struct peer *));
    return table;
}

static void free_chain(struct peer *peer)
{
    while (peer != NULL) {
        struct peer *next = peer->next;
        assert(is_unused(peer));
        free(peer);
        peer = next;
    }
}

void peer_table_free(struct peer_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->bucket_count; i++)
        free_chain(table->buckets[i]);
    free(table->buckets);
    pthread_mutex_destroy(&table->mutex);
    free(table);
}

static struct peer **bucket_of(const struct peer_table *table, const struct uuid *upstream,
                               const struct peer_address *address)
{
    uint8_t key[sizeof(*upstream) + sizeof(*address)];

    memcpy(key, upstream, sizeof(*upstream));
    memcpy(key + sizeof(*upstream), address, sizeof(*address));
    return &table->buckets[XXH64(key, sizeof(key), table->seed) & (table->bucket_count - 1)];
}

static void push(struct peer_table *table, struct peer *peer)
{
    struct peer **bucket = bucket_of(table, &peer->upstream, &peer->address);

    peer->next = *bucket;
    *bucket = peer;
}

static void grow(struct peer_table *table)
{
    struct peer **old = table->buckets;
    size_t old_count = table->bucket_count;

    table->bucket_count *= 2;
    table->buckets = mem_zalloc(table->bucket_count * sizeof(struct peer *));
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct peer *peer = old[i];
            old[i] = peer->next;
            push(table, peer);
        }
    }
    free(old);
}

static struct peer *add(struct peer_table *table, const struct uuid *upstream,
                        const struct peer_address *address)
{
    struct peer *peer = mem_zalloc(sizeof(*peer));

    if (table->count == table->bucket_count)
        grow(table);
    peer->generation = &table->generation;
    peer->upstream = *upstream;
    peer->address = *address;
    push(table, peer);
    table->count++;
    return peer;
}

struct peer *peer_get(struct peer_table *table, const struct uuid *upstream,
                      const struct peer_address *address)
{
    pthread_mutex_lock(&table->mutex);
    struct peer *peer = *bucket_of(table, upstream, address);
    while (peer != NULL &&
           (!uuid_equal(&peer->upstream, upstream) || memcmp(&peer->address, address, sizeof(*address)) != 0))
        peer = peer->next;
    if (peer == NULL)
        peer = add(table, upstream, address);
    peer->idle_since_ms = PEER_IN_USE;
    (void)peer_ref(peer);
    pthread_mutex_unlock(&table->mutex);
    return peer;
}

uint64_t peer_table_generation(const struct peer_table *table)
{
    return atomic_load_explicit(&table->generation, memory_order_acquire);
}

static bool is_forgotten(struct peer *peer, int64_t now_ms)
{
    if (!is_unused(peer))
        return false;
    if (peer->idle_since_ms == PEER_IN_USE)
        peer->idle_since_ms = now_ms;
    return now_ms - peer->idle_since_ms >= PEER_MEMORY_MS;
}

/* Returns how many went. */
static size_t sweep_chain(struct peer **link, int64_t now_ms)
{
    size_t gone = 0;

    while (*link != NULL) {
        struct peer *peer = *link;
        if (!is_forgotten(peer, now_ms)) {
            link = &peer->next;
            continue;
        }
        *link = peer->next;
        free(peer);
        gone++;
    }
    return gone;
}

void peer_table_sweep(struct peer_table *table, int64_t now_ms)
{
    pthread_mutex_lock(&table->mutex);
    for (size_t i = 0; i < table->bucket_count; i++)
        table->count -= sweep_chain(&table->buckets[i], now_ms);
    pthread_mutex_unlock(&table->mutex);
}

size_t peer_table_count(struct peer_table *table)
{
    pthread_mutex_lock(&table->mutex);
    size_t count = table->count;
    pthread_mutex_unlock(&table->mutex);
    return count;
}
