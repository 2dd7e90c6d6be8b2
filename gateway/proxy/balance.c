/*
 * balance - see balance.h.
 *
 *     resolver_generation()  ->  names looked up  ->  members  ->  balancer
 *
 * The generation is read first: what DNS says later moves it, and the set is looked at again. A set that
 * turns out to have the same members shares the balancer of the one before, so that cursors go on where they
 * are.
 */

#include "gateway/proxy/balance.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/network.h"
#include "gateway/base/pmap.h"
#include "gateway/dns/resolver.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/flip.h"
#include "gateway/proxy/snapshot.h"

enum {
    UNUSED_MS = 60000, /* what nobody has asked for since is let go */
    SWEEP_MS = 20000,
    DNS_TYPE_A = 1, /* as on the wire */
    DNS_TYPE_AAAA = 28,
};

/* A set as it is shared. */
struct shared_set {
    struct balance_set set; /* first: balance_host() */
    _Atomic uint32_t refs;
    struct balance *balance;
    uint64_t version;    /* of the upstream */
    uint64_t generation; /* of the resolver */
    bool is_checked;     /* some health check was on */
    bool has_names;
    const char **names; /* by entry of the balancer, of those that an SRV record names; NULL: none does */
};

/* The newest set of an upstream. Counted by the map of the balance, under its mutex. */
struct current {
    struct shared_set *shared;
    int64_t used_ms;
};

struct balance {
    struct resolver *resolver;
    struct peer_table *peers;
    pthread_mutex_t mutex;
    struct pmap *current; /* id of an upstream -> struct current */
};

/* What a loop has of an upstream. */
struct held {
    struct shared_set *shared;
    struct balancer_cursor *cursor;
    int64_t used_ms;
};

struct balance_loop {
    struct balance *balance;
    struct loop *loop;
    struct pmap *held; /* id of an upstream -> struct held */
    struct random_sequence random;
    struct timer sweep;
};

/* ---- sets ---- */

static struct shared_set *shared_ref(struct shared_set *shared)
{
    atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

static bool is_watched(const struct balance_target *target)
{
    return target->name != BALANCE_ADDRESS;
}

static void shared_unref(struct shared_set *shared)
{
    /* Release: what was read of it was read before. Acquire: the last one sees that of all others. */
    if (atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct balance_set *set = &shared->set;
    for (size_t i = 0; i < set->target_count; i++) {
        if (is_watched(&set->targets[i]))
            resolver_unwatch(shared->balance->resolver, str_of(set->targets[i].host));
        free(set->targets[i].text);
        free(set->targets[i].host);
    }
    free(set->targets);
    free((void *)shared->names);
    balancer_unref(set->balancer);
    free(shared);
}

/* ---- making one ---- */

struct making {
    struct shared_set *shared;
    const struct resolver_answer **answers; /* by target; NULL: numeric or not known */
    struct balancer_member *members;
    const char **names; /* by member: of an SRV record; NULL: the target's */
    size_t count, room;
};

static void add_member(struct making *making, const struct sockaddr_storage *address, int port, int weight,
                       size_t target, const char *name)
{
    struct sockaddr_storage whole = *address;
    struct balancer_member member = {.weight = (uint32_t)weight, .target = (uint32_t)target};

    network_set_port(&whole, port);
    if (!peer_address_read((const struct sockaddr *)&whole, &member.address))
        return;
    if (making->count == making->room) {
        making->room = making->room * 2 + 8;
        making->members = mem_realloc(making->members, making->room * sizeof(*making->members));
        making->names = mem_realloc((void *)making->names, making->room * sizeof(*making->names));
    }
    making->names[making->count] = name;
    making->members[making->count++] = member;
}

/* A weight of 0 stays: such a target takes nothing, whatever a record says. */
static void add_answer(struct making *making, size_t number, const struct resolver_answer *answer)
{
    struct balance_target *target = &making->shared->set.targets[number];

    target->dns_type = answer != NULL ? answer->type : 0;
    target->name = answer == NULL      ? BALANCE_UNKNOWN
                   : answer->count > 0 ? BALANCE_RESOLVED
                                       : BALANCE_UNRESOLVED;
    for (size_t i = 0; answer != NULL && i < answer->count; i++) {
        const struct resolver_address *found = &answer->addresses[i];
        bool has_weight = found->weight > 0 && target->weight > 0;
        add_member(making, &found->at, found->port > 0 ? found->port : target->port,
                   has_weight ? found->weight : target->weight, number, found->name);
    }
}

static bool add_target(void *arg, const uint8_t key[16], void *value)
{
    struct making *making = arg;
    struct balance_set *set = &making->shared->set;
    const struct target *from = shared_target(value);
    struct sockaddr_storage address;

    (void)key;
    set->targets[set->target_count++] = (struct balance_target){
        .id = from->id,
        .text = mem_strdup(from->target),
        .host = mem_strdup(from->host),
        .port = from->port,
        .weight = from->weight,
        .name = network_address(str_of(from->host), &address) ? BALANCE_ADDRESS : BALANCE_UNKNOWN,
    };
    return true;
}

static int order_targets(const void *a, const void *b)
{
    const struct balance_target *one = a;
    const struct balance_target *other = b;

    return uuid_order(&one->id, &other->id);
}

static void resolve(struct making *making)
{
    struct shared_set *shared = making->shared;
    struct balance_set *set = &shared->set;

    for (size_t i = 0; i < set->target_count; i++) {
        const struct balance_target *target = &set->targets[i];
        struct sockaddr_storage address;
        if (!is_watched(target)) {
            if (network_address(str_of(target->host), &address))
                add_member(making, &address, target->port, target->weight, i, NULL);
            set->targets[i].dns_type = address.ss_family == AF_INET ? DNS_TYPE_A : DNS_TYPE_AAAA;
            continue;
        }
        shared->has_names = true;
        resolver_watch(shared->balance->resolver, str_of(target->host));
        making->answers[i] = resolver_find(shared->balance->resolver, str_of(target->host), RESOLVER_TARGET);
        add_answer(making, i, making->answers[i]);
    }
}

/* Names in answers go with the answers: those that are wanted are found again behind the balancer's entries.
 */
static void keep_names(struct making *making)
{
    struct balance_set *set = &making->shared->set;
    size_t count;
    const struct balancer_entry *entries = balancer_entries(set->balancer, &count);
    size_t bytes = count * sizeof(char *);

    for (size_t i = 0; i < making->count; i++)
        bytes += making->names[i] != NULL ? strlen(making->names[i]) + 1 : 0;
    making->shared->names = mem_zalloc(bytes);
    char *to = (char *)(making->shared->names + count);
    for (size_t i = 0; i < making->count; i++) {
        for (size_t k = 0; making->names[i] != NULL && k < count; k++) {
            if (entries[k].target != making->members[i].target ||
                memcmp(&entries[k].peer->address, &making->members[i].address,
                       sizeof(making->members[i].address)) != 0)
                continue;
            size_t size = strlen(making->names[i]) + 1;
            making->shared->names[k] = memcpy(to, making->names[i], size);
            to += size;
            break;
        }
    }
}

void balance_heal(const struct balanced *balanced, const struct balance_set *set, const char *cause)
{
    size_t count;
    const struct balancer_entry *entries = balancer_entries(set->balancer, &count);

    for (size_t i = 0; i < count; i++)
        if (peer_set_health(entries[i].peer, /* healthy= */ true))
            flip_tell(&(struct flip){balanced, entries[i].peer, &set->targets[entries[i].target].id, cause});
}

/* before: the set so far, or NULL. A reference for the caller. */
static struct shared_set *make(struct balance *balance, const struct balanced *balanced, uint64_t generation,
                               const struct shared_set *before, int64_t now_ms)
{
    const struct upstream *upstream = balanced->upstream;
    size_t room = pmap_count(balanced->targets);
    struct shared_set *shared = mem_zalloc(sizeof(*shared));
    struct making making = {.shared = shared, .answers = mem_zalloc((room + 1) * sizeof(*making.answers))};

    atomic_init(&shared->refs, 1);
    shared->balance = balance;
    shared->version = balanced->version;
    shared->generation = generation;
    shared->is_checked = upstream_probes(upstream) || upstream_watches(upstream);
    shared->set.targets = mem_zalloc((room + 1) * sizeof(*shared->set.targets));
    pmap_each(balanced->targets, add_target, &making);
    qsort(shared->set.targets, shared->set.target_count, sizeof(*shared->set.targets), order_targets);
    resolve(&making);
    const struct balancer_spec spec = {
        .table = balance->peers,
        .upstream = upstream->id,
        .balancing = upstream->balancing,
        .slots = (uint32_t)upstream->slots,
        .threshold = upstream->threshold,
        .members = making.members,
        .count = making.count,
    };
    bool is_same = before != NULL && balancer_is_made_of(before->set.balancer, &spec);
    shared->set.address_count = making.count;
    shared->set.balancer = is_same ? balancer_ref(before->set.balancer) : balancer_new(&spec, now_ms);
    if (upstream->use_srv_name)
        keep_names(&making);
    /* Whom checks have left out that nobody makes any more: nothing else would bring him back. */
    if (before != NULL && before->is_checked && !shared->is_checked) {
        balance_heal(balanced, &before->set, "checks switched off");
        balance_heal(balanced, &shared->set, "checks switched off");
    }
    for (size_t i = 0; i < shared->set.target_count; i++)
        resolver_answer_unref(making.answers[i]);
    free((void *)making.answers);
    free(making.members);
    free((void *)making.names);
    return shared;
}

/* ---- sharing ---- */

static void free_current(void *value)
{
    struct current *current = value;

    shared_unref(current->shared);
    free(current);
}

static const struct pmap_values current_values = {NULL, free_current};

/* A request that was parked may have an older snapshot: what is newer serves it as well. */
static bool serves(const struct shared_set *shared, uint64_t version, uint64_t generation)
{
    return shared->version > version ||
           (shared->version == version && (!shared->has_names || shared->generation == generation));
}

/* The newest that was made of it; a reference for the caller, NULL: none. */
static struct shared_set *newest(struct balance *balance, const struct uuid *upstream, int64_t now_ms)
{
    pthread_mutex_lock(&balance->mutex);
    struct current *current = pmap_find(balance->current, upstream->bytes);
    struct shared_set *shared = current != NULL ? shared_ref(current->shared) : NULL;
    if (current != NULL)
        current->used_ms = now_ms;
    pthread_mutex_unlock(&balance->mutex);
    return shared;
}

/* Unless another loop has gone on meanwhile: versions and generations only grow. */
static void publish(struct balance *balance, const struct uuid *upstream, struct shared_set *shared,
                    int64_t now_ms)
{
    struct shared_set *old = shared_ref(shared);

    pthread_mutex_lock(&balance->mutex);
    struct current *current = pmap_find(balance->current, upstream->bytes);
    if (current == NULL) {
        current = mem_zalloc(sizeof(*current));
        current->shared = old;
        old = NULL;
        pmap_set(&balance->current, &current_values, upstream->bytes, current);
    } else if (shared->version > current->shared->version ||
               (shared->version == current->shared->version &&
                shared->generation >= current->shared->generation)) {
        struct shared_set *replaced = current->shared;
        current->shared = old;
        old = replaced;
    }
    current->used_ms = now_ms;
    pthread_mutex_unlock(&balance->mutex);
    if (old != NULL)
        shared_unref(old); /* which asks the resolver: not under our mutex */
}

/* A reference for the caller. */
static struct shared_set *share(struct balance *balance, const struct balanced *balanced, bool again,
                                uint64_t generation, int64_t now_ms)
{
    struct shared_set *before = newest(balance, &balanced->upstream->id, now_ms);

    if (!again && before != NULL && serves(before, balanced->version, generation))
        return before;
    struct shared_set *made = make(balance, balanced, generation, before, now_ms);
    if (before != NULL)
        shared_unref(before);
    publish(balance, &balanced->upstream->id, made, now_ms);
    return made;
}

struct balance *balance_new(struct resolver *resolver)
{
    struct balance *balance = mem_zalloc(sizeof(*balance));

    balance->resolver = resolver;
    balance->peers = peer_table_new();
    pthread_mutex_init(&balance->mutex, NULL);
    return balance;
}

void balance_free(struct balance *balance)
{
    if (balance == NULL)
        return;
    pmap_unref(balance->current, &current_values);
    peer_table_free(balance->peers);
    pthread_mutex_destroy(&balance->mutex);
    free(balance);
}

struct sweep {
    int64_t since_ms;
    uint8_t key[16];
    bool found;
};

static bool find_unused(void *arg, const uint8_t key[16], void *value)
{
    struct sweep *sweep = arg;
    const struct current *current = value;

    sweep->found = current->used_ms < sweep->since_ms;
    if (sweep->found)
        memcpy(sweep->key, key, sizeof(sweep->key));
    return !sweep->found;
}

/* One at a time: what is let go asks the resolver, and that is not done under the mutex. */
static bool sweep_one(struct balance *balance, int64_t now_ms)
{
    struct sweep sweep = {.since_ms = now_ms - UNUSED_MS};
    struct shared_set *shared = NULL;

    pthread_mutex_lock(&balance->mutex);
    pmap_each(balance->current, find_unused, &sweep);
    if (sweep.found) {
        const struct current *current = pmap_find(balance->current, sweep.key);
        shared = shared_ref(current->shared); /* outlives the map's */
        pmap_set(&balance->current, &current_values, sweep.key, NULL);
    }
    pthread_mutex_unlock(&balance->mutex);
    if (shared != NULL)
        shared_unref(shared);
    return sweep.found;
}

void balance_sweep(struct balance *balance, int64_t now_ms)
{
    while (sweep_one(balance, now_ms)) {
    }
    peer_table_sweep(balance->peers, now_ms);
}

/* ---- on a loop ---- */

static void free_held(void *value)
{
    struct held *held = value;

    cursor_free(held->cursor);
    shared_unref(held->shared);
    free(held);
}

static const struct pmap_values held_values = {NULL, free_held};

static bool find_unheld(void *arg, const uint8_t key[16], void *value)
{
    struct sweep *sweep = arg;
    const struct held *held = value;

    sweep->found = held->used_ms < sweep->since_ms;
    if (sweep->found)
        memcpy(sweep->key, key, sizeof(sweep->key));
    return !sweep->found;
}

static void on_sweep(struct timer *timer)
{
    struct balance_loop *at = CONTAINER_OF(timer, struct balance_loop, sweep);
    struct sweep sweep = {.since_ms = loop_now_ms(at->loop) - UNUSED_MS};

    do {
        sweep.found = false;
        pmap_each(at->held, find_unheld, &sweep);
        if (sweep.found)
            pmap_set(&at->held, &held_values, sweep.key, NULL);
    } while (sweep.found);
    timer_start(at->loop, &at->sweep, SWEEP_MS, on_sweep);
}

struct balance_loop *balance_attach(struct balance *balance, struct loop *loop)
{
    struct balance_loop *at = mem_zalloc(sizeof(*at));

    at->balance = balance;
    at->loop = loop;
    random_seed(&at->random, random_u64());
    timer_start(loop, &at->sweep, SWEEP_MS, on_sweep);
    return at;
}

void balance_detach(struct balance_loop *at)
{
    if (at == NULL)
        return;
    timer_stop(&at->sweep);
    pmap_unref(at->held, &held_values);
    free(at);
}

/* Takes `shared` over. A cursor over the same balancer goes on. */
static void hold(struct balance_loop *at, struct held *held, struct shared_set *shared)
{
    if (held->shared != NULL)
        shared_unref(held->shared);
    held->shared = shared;
    if (held->cursor != NULL && cursor_balancer(held->cursor) == shared->set.balancer)
        return;
    cursor_free(held->cursor);
    held->cursor = cursor_new(shared->set.balancer, &at->random);
}

const struct balance_set *balance_find(struct balance_loop *at, const struct balanced *balanced, bool again,
                                       struct balancer_cursor **cursor)
{
    uint64_t generation = resolver_generation(at->balance->resolver);
    int64_t now_ms = loop_now_ms(at->loop);
    struct held *held = pmap_find(at->held, balanced->upstream->id.bytes);

    if (held == NULL) {
        held = mem_zalloc(sizeof(*held));
        pmap_set(&at->held, &held_values, balanced->upstream->id.bytes, held);
    }
    if (again || held->shared == NULL || !serves(held->shared, balanced->version, generation))
        hold(at, held, share(at->balance, balanced, again, generation, now_ms));
    held->used_ms = now_ms;
    *cursor = held->cursor;
    return &held->shared->set;
}

bool balance_keep(struct balance_loop *at, const struct uuid *upstream)
{
    struct balance *balance = at->balance;

    pthread_mutex_lock(&balance->mutex);
    struct current *current = pmap_find(balance->current, upstream->bytes);
    if (current != NULL)
        current->used_ms = loop_now_ms(at->loop);
    pthread_mutex_unlock(&balance->mutex);
    return current != NULL;
}

uint64_t balance_generation(const struct balance_loop *at)
{
    return resolver_generation(at->balance->resolver);
}

struct str balance_awaited(const struct balance_set *set)
{
    for (size_t i = 0; set->address_count == 0 && i < set->target_count; i++)
        if (set->targets[i].name == BALANCE_UNKNOWN)
            return str_of(set->targets[i].host);
    return STR_NONE;
}

struct str balance_host(const struct balance_set *set, const struct balancer_entry *entry)
{
    /* The first member is the set. */
    const struct shared_set *shared = (const void *)set;
    size_t count;
    const struct balancer_entry *entries = balancer_entries(set->balancer, &count);
    const char *name = shared->names != NULL ? shared->names[entry - entries] : NULL;

    return str_of(name != NULL ? name : set->targets[entry->target].host);
}
