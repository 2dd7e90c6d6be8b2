/*
 * flight - from a miss to an accepted answer.
 *
 * A waiter is answered by an accepted answer only; one that was refused goes to nobody. A replica's refused
 * answer is asked of the primary at once; a primary's (an event came between its read and now) again at once,
 * and after that once per tick until the waiters' time is over. When the database does not answer, what is
 * still there serves for a while (cache_resurrect()).
 */

#include "gateway/cache/flight.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/cache/inside.h"

enum {
    IMMEDIATE_RETRIES = 2
};

/* Waiters and what they get, told after every lock is gone. */
struct verdict {
    struct cache_waiter *waiters;
    enum cache_status status;
    const struct cache_value *value; /* a reference of ours */
};

void flights_init(struct flights *flights)
{
    memset(flights, 0, sizeof(*flights));
    pthread_mutex_init(&flights->mutex, NULL);
    list_init(&flights->queue);
    list_init(&flights->resting);
}

void flights_fini(struct flights *flights)
{
    for (size_t i = 0; i < FLIGHT_BUCKETS; i++) {
        while (flights->buckets[i] != NULL) {
            struct cache_flight *flight = flights->buckets[i];
            flights->buckets[i] = flight->next;
            free(flight);
        }
    }
    pthread_mutex_destroy(&flights->mutex);
}

static struct cache_flight **bucket_of(struct flights *flights, const struct digest *digest)
{
    return &flights->buckets[digest_hash(digest) % FLIGHT_BUCKETS];
}

/* A flight that a request beginning now may join: begun in this generation, its key not purged since. */
static struct cache_flight *find_joinable(struct cache *cache, const struct digest *digest)
{
#ifdef MUTANT_NO_SINGLE_FLIGHT
    return NULL;
#endif
    uint64_t generation = atomic_load_explicit(&cache->generation, memory_order_acquire);
    struct cache_flight *flight = *bucket_of(&cache->flights, digest);
    while (flight != NULL && !(digest_equal(&flight->ask.digest, digest) && !flight->outdated &&
                               flight->generation == generation))
        flight = flight->next;
    return flight;
}

static enum cache_source first_source(struct cache *cache, const struct digest *digest, int64_t now_us)
{
    struct fences *fences = &cache->fences;
    if (!cache->options.has_replica)
        return CACHE_FROM_PRIMARY;
    if (fences->replica_after != NULL &&
        (now_us < atomic_load_explicit(&fences->replica_after[fence_slot(digest)], memory_order_acquire) ||
         now_us < atomic_load_explicit(&fences->replica_after[FENCE_SLOTS], memory_order_acquire)))
        return CACHE_FROM_PRIMARY;
    return CACHE_FROM_REPLICA;
}

/* Under the mutex. */
static struct cache_flight *flight_new(struct cache *cache, const struct cache_ask *ask)
{
    struct cache_flight *flight = mem_zalloc(sizeof(*flight) + ask->key.len + 1);
    struct cache_flight **bucket = bucket_of(&cache->flights, &ask->digest);
    int64_t now_us = cache_now_us(cache);
    memcpy(flight->key, ask->key.at, ask->key.len);
    flight->ask = *ask;
    flight->ask.key.at = flight->key;
    flight->ask.value.at = flight->key + (ask->value.at - ask->key.at);
    flight->generation = atomic_load_explicit(&cache->generation, memory_order_acquire);
    flight->epoch = atomic_load_explicit(&cache->epoch, memory_order_acquire); /* before the fence */
    flight->fence =
        fence_of_key(&cache->fences, &ask->digest, ask->type); /* before the source: avoid_replica() */
    flight->source = first_source(cache, &ask->digest, now_us);
    flight->began_us = now_us;
    flight->next = *bucket;
    *bucket = flight;
    cache->flights.count++;
    return flight;
}

/* Under the mutex. true: load it now, outside. */
static bool enter_queue(struct cache *cache, struct cache_flight *flight)
{
    struct flights *flights = &cache->flights;
    if (flights->running < cache->options.max_flights) {
        flights->running++;
        flight->state = FLIGHT_RUNNING;
        flight->asked_us = cache_now_us(cache);
        return true;
    }
    flights->queued++;
    flight->state = FLIGHT_QUEUED;
    list_add_last(&flights->queue, &flight->queue);
    return false;
}

static void load(struct cache *cache, struct cache_flight *flight)
{
    cache->options.load(cache->options.arg, flight, &flight->ask, flight->source);
}

static bool is_full(const struct cache *cache)
{
    return cache->flights.running >= cache->options.max_flights &&
           cache->flights.queued >= cache->options.max_queued;
}

static void add_waiter(struct cache_waiter **list, struct cache_waiter *waiter)
{
    waiter->next = *list;
    waiter->link = list;
    if (waiter->next != NULL)
        waiter->next->link = &waiter->next;
    *list = waiter;
}

static void remove_waiter(struct cache_waiter *waiter)
{
    *waiter->link = waiter->next;
    if (waiter->next != NULL)
        waiter->next->link = waiter->link;
}

static void join(struct cache *cache, struct cache_flight *flight, struct cache_waiter *waiter)
{
    waiter->flight = flight;
    waiter->until_us = cache_now_us(cache) + cache->options.fill_deadline_ms * 1000;
    add_waiter(&flight->waiters, waiter);
    flight->joined++;
}

void cache_fill(struct cache *cache, const struct cache_ask *ask, struct cache_waiter *waiter)
{
    struct flights *flights = &cache->flights;
    bool now = false;
    pthread_mutex_lock(&flights->mutex);
    struct cache_flight *flight = find_joinable(cache, &ask->digest);
    if (flight == NULL && (is_full(cache) || ask->key.len > CACHE_KEY_MAX)) {
        join(cache, &flights->turned_away, waiter);
    } else {
        bool is_new = flight == NULL;
        if (is_new)
            flight = flight_new(cache, ask);
        join(cache, flight, waiter);
        now = is_new && enter_queue(cache, flight);
    }
    pthread_mutex_unlock(&flights->mutex);
    if (now)
        load(cache, flight);
}

void flight_refresh(struct cache *cache, const struct cache_ask *ask)
{
    struct flights *flights = &cache->flights;
    struct cache_flight *flight = NULL;
    pthread_mutex_lock(&flights->mutex);
    /* In the background nothing is queued: those who wait go first. */
    if (find_joinable(cache, &ask->digest) == NULL && flights->running < cache->options.max_flights &&
        ask->key.len <= CACHE_KEY_MAX) {
        flight = flight_new(cache, ask);
        (void)enter_queue(cache, flight);
    }
    pthread_mutex_unlock(&flights->mutex);
    if (flight != NULL)
        load(cache, flight);
}

bool cache_cancel(struct cache *cache, struct cache_waiter *waiter)
{
    struct flights *flights = &cache->flights;
    pthread_mutex_lock(&flights->mutex);
    struct cache_flight *flight = waiter->flight;
    if (flight != NULL) {
        remove_waiter(waiter);
        waiter->flight = NULL;
    }
    pthread_mutex_unlock(&flights->mutex);
    return flight != NULL;
}

/* Under the mutex: from here on cache_cancel() says that on_done is on its way. */
static struct cache_waiter *detach_waiters(struct cache_flight *flight)
{
    struct cache_waiter *waiters = flight->waiters;
    for (struct cache_waiter *waiter = waiters; waiter != NULL; waiter = waiter->next)
        waiter->flight = NULL;
    flight->waiters = NULL;
    return waiters;
}

static void tell(const struct verdict *verdict)
{
    for (struct cache_waiter *waiter = verdict->waiters, *next; waiter != NULL; waiter = next) {
        next = waiter->next;
        waiter->on_done(waiter, verdict->status, cache_value_ref(verdict->value));
    }
    cache_value_unref(verdict->value);
}

/* Under the mutex. */
static void remove_flight(struct flights *flights, struct cache_flight *flight)
{
    struct cache_flight **link = bucket_of(flights, &flight->ask.digest);
    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
    flights->count--;
}

/* Under the mutex: one has landed; the oldest in the queue that somebody still waits for is next. */
static struct cache_flight *next_in_queue(struct cache *cache)
{
    struct flights *flights = &cache->flights;
    flights->running--;
    for (struct list *first = list_take_first(&flights->queue); first != NULL;
         first = list_take_first(&flights->queue)) {
        struct cache_flight *flight = CONTAINER_OF(first, struct cache_flight, queue);
        flights->queued--;
        if (flight->waiters != NULL) {
            (void)enter_queue(cache, flight);
            return flight;
        }
        remove_flight(flights, flight);
        free(flight);
    }
    return NULL;
}

/* Under the mutex: takes the flight out of everything. Who asks from here on begins another. */
static struct cache_flight *leave(struct cache *cache, struct cache_flight *flight, struct verdict *verdict)
{
    verdict->waiters = detach_waiters(flight);
    remove_flight(&cache->flights, flight);
    return next_in_queue(cache);
}

static void finish(struct cache *cache, struct cache_flight *flight, const struct verdict *verdict,
                   struct cache_flight *next)
{
    free(flight);
    tell(verdict);
    if (next != NULL)
        load(cache, next);
}

/*
 * The answer was accepted: the waiters hear it, the flight's place goes to the next. false: it has been
 * superseded since it was tested, and a waiter may have joined after that; nothing has happened.
 */
static bool land(struct cache *cache, struct cache_flight *flight, struct verdict *verdict,
                 const struct arrival *arrival)
{
    struct flights *flights = &cache->flights;
    struct cache_flight *next = NULL;
    pthread_mutex_lock(&flights->mutex);
#if defined(MUTANT_LAND_UNTESTED) || defined(MUTANT_JOIN_ANY)
    bool good = true;
    (void)arrival;
#else
    bool good = cache_test_arrival(cache, arrival) == ARRIVAL_TAKEN;
#endif
    if (good)
        next = leave(cache, flight, verdict);
    pthread_mutex_unlock(&flights->mutex);
    if (good)
        finish(cache, flight, verdict, next);
    return good;
}

/* Nobody may join between the look at what is left and the waiters hearing of it: so they are taken off
 * first. */
static void give_up(struct cache *cache, struct cache_flight *flight)
{
    struct flights *flights = &cache->flights;
    struct verdict verdict = {0};
#ifdef MUTANT_GIVE_UP_EARLY
    verdict.status = cache_resurrect(cache, &flight->ask.digest, &verdict.value);
#endif
    pthread_mutex_lock(&flights->mutex);
    struct cache_flight *next = leave(cache, flight, &verdict);
    pthread_mutex_unlock(&flights->mutex);
#ifndef MUTANT_GIVE_UP_EARLY
    verdict.status = cache_resurrect(cache, &flight->ask.digest, &verdict.value);
#endif
    finish(cache, flight, &verdict, next);
}

/* Refused or failed: where to ask now, or when. */
static void retry(struct cache *cache, struct cache_flight *flight)
{
    struct flights *flights = &cache->flights;
    if (flight->source == CACHE_FROM_REPLICA || flight->refusals < IMMEDIATE_RETRIES) {
        flight->refusals += flight->source == CACHE_FROM_PRIMARY ? 1 : 0;
        flight->source = CACHE_FROM_PRIMARY;
        load(cache, flight);
        return;
    }
    struct verdict nobody = {0};
    struct cache_flight *next = NULL;
    pthread_mutex_lock(&flights->mutex);
    bool wanted = flight->waiters != NULL;
    if (wanted) {
        flight->state = FLIGHT_RESTING;
        list_add_last(&flights->resting, &flight->queue);
    } else {
        next = leave(cache, flight, &nobody);
    }
    pthread_mutex_unlock(&flights->mutex);
    /* Not given up: the database has answered, so nothing old may stand in. */
    if (!wanted)
        finish(cache, flight, &nobody, next);
}

/* Position and tag of the answer against the history this node follows. false: refused. */
static bool judge(struct cache *cache, const struct cache_flight *flight, const struct cache_answer *answer,
                  bool *keep)
{
    *keep = true;
    /* A replica without the log proves nothing by position; that nothing was invalidated since is tested on
     * arrival. */
    if (flight->source == CACHE_FROM_REPLICA && cache->options.delay_gate)
        return true;
#ifdef MUTANT_POS_ONLY_FILL
    return true;
#endif
    switch (cache->options.judge(cache->options.arg, answer->position, answer->tag, flight->source)) {
    case CACHE_ACCEPT:
        return true;
    case CACHE_PASS:
        *keep = false;
        return true;
    case CACHE_CONTRADICTS:
        metrics_add(METRIC_FILLS_REFUSED_TAG, 1);
        return false;
    case CACHE_OLD:
    default:
        metrics_add(METRIC_FILLS_REFUSED_GATE, 1);
        return false;
    }
}

/* An accepted answer as it goes in. Whether the flight is outdated and how many wait is known under the
 * mutex. */
static struct arrival describe_arrival(struct cache *cache, struct cache_flight *flight,
                                       const struct cache_answer *answer, const struct cache_value *value,
                                       uint64_t epoch)
{
    bool by_position = flight->source == CACHE_FROM_PRIMARY || !cache->options.delay_gate;
    struct arrival arrival = {
        .ask = &flight->ask,
        .value = value,
        .bytes = answer->bytes,
        .asof = by_position ? answer->position : flight->fence,
        .epoch = by_position ? epoch : flight->epoch,
        .generation = flight->generation,
        .from_replica = flight->source == CACHE_FROM_REPLICA && by_position,
        .load_us = cache_now_us(cache) - flight->asked_us,
    };
#ifdef MUTANT_LATE_EPOCH
    arrival.epoch = epoch;
#endif
#ifdef MUTANT_UNGATED_REPLICA
    arrival.from_replica = false;
    if (flight->source == CACHE_FROM_REPLICA && arrival.asof < flight->fence)
        arrival.asof = flight->fence;
#endif
    pthread_mutex_lock(&cache->flights.mutex);
    arrival.suspect = flight->outdated;
    arrival.key_purges = atomic_load_explicit(&cache->key_purges, memory_order_acquire);
    arrival.wanted_twice = flight->joined > 1;
    pthread_mutex_unlock(&cache->flights.mutex);
    return arrival;
}

/* true: the flight is over. false: the answer was refused and goes to nobody; `value` is still ours. */
static bool accept_answer(struct cache *cache, struct cache_flight *flight, const struct cache_answer *answer,
                          const struct cache_value *value)
{
    struct verdict verdict = {.status = value != NULL ? CACHE_HIT : CACHE_NEGATIVE, .value = value};
    bool keep;
    uint64_t epoch = atomic_load_explicit(&cache->epoch, memory_order_acquire);
    if (!judge(cache, flight, answer, &keep))
        return false;
    struct arrival arrival = describe_arrival(cache, flight, answer, value, epoch);
    arrival.store = keep;
    enum arrival_result result = cache_arrive(cache, &arrival);
#ifdef MUTANT_JOIN_ANY
    result = ARRIVAL_TAKEN;
#endif
    if (result == ARRIVAL_TAKEN && land(cache, flight, &verdict, &arrival))
        return true;
    metrics_add(result == ARRIVAL_BEHIND_GATE ? METRIC_FILLS_REFUSED_GATE : METRIC_FILLS_REFUSED_FENCE, 1);
    return false;
}

void cache_fill_done(struct cache *cache, struct cache_flight *flight, const struct cache_answer *answer)
{
    metrics_add(flight->source == CACHE_FROM_PRIMARY ? METRIC_FILLS_PRIMARY : METRIC_FILLS_REPLICA, 1);
    metrics_add(METRIC_FILLS_FAILED, answer->failed ? 1 : 0);
    if (answer->failed && flight->source == CACHE_FROM_PRIMARY) {
        give_up(cache, flight);
        return;
    }
    if (answer->failed) {
        retry(cache, flight);
        return;
    }
    const struct cache_value *value = answer->object != NULL ? cache_value_of(cache, answer) : NULL;
    if (accept_answer(cache, flight, answer, value))
        return;
    cache_value_unref(value);
    retry(cache, flight);
}

void flights_outdate(struct cache *cache, const struct digest *digest)
{
    struct flights *flights = &cache->flights;
    pthread_mutex_lock(&flights->mutex);
    for (struct cache_flight *flight = *bucket_of(flights, digest); flight != NULL; flight = flight->next)
        if (digest_equal(&flight->ask.digest, digest))
            flight->outdated = true;
    pthread_mutex_unlock(&flights->mutex);
}

/* Under the mutex: those whose time is over, as a list of their own. */
static struct cache_waiter *take_late(struct cache_flight *flight, int64_t now_us)
{
    struct cache_waiter *late = NULL;
    for (struct cache_waiter *waiter = flight->waiters, *next; waiter != NULL; waiter = next) {
        next = waiter->next;
        if (waiter->until_us > now_us)
            continue;
        remove_waiter(waiter);
        waiter->flight = NULL;
        add_waiter(&late, waiter);
    }
    return late;
}

/* Under the mutex: late waiters, one list per flight, whose digest is in `digests`. */
static size_t collect_late(struct cache *cache, struct digest *digests, struct verdict *late, size_t limit)
{
    struct flights *flights = &cache->flights;
    int64_t now_us = cache_now_us(cache);
    size_t count = 0;
    for (size_t i = 0; i < FLIGHT_BUCKETS; i++) {
        for (struct cache_flight *flight = flights->buckets[i]; flight != NULL && count < limit;
             flight = flight->next) {
            late[count].waiters = take_late(flight, now_us);
            if (late[count].waiters != NULL)
                digests[count++] = flight->ask.digest;
        }
    }
    return count;
}

void cache_tick(struct cache *cache)
{
    enum {
        AT_ONCE = 256
    };
    struct flights *flights = &cache->flights;
    struct digest digests[AT_ONCE];
    struct verdict late[AT_ONCE] = {0};
    struct list resting;
    list_init(&resting);
    pthread_mutex_lock(&flights->mutex);
    struct verdict turned_away = {.waiters = detach_waiters(&flights->turned_away), .status = CACHE_BUSY};
    size_t count = flights->count > 0 ? collect_late(cache, digests, late, AT_ONCE) : 0;
    for (struct list *one = list_take_first(&flights->resting); one != NULL;
         one = list_take_first(&flights->resting)) {
        CONTAINER_OF(one, struct cache_flight, queue)->state = FLIGHT_RUNNING;
        list_add_last(&resting, one);
    }
    pthread_mutex_unlock(&flights->mutex);
    tell(&turned_away);
    for (size_t i = 0; i < count; i++) {
        late[i].status = cache_resurrect(cache, &digests[i], &late[i].value);
        tell(&late[i]);
    }
    for (struct list *one = list_take_first(&resting); one != NULL; one = list_take_first(&resting))
        load(cache, CONTAINER_OF(one, struct cache_flight, queue));
}
