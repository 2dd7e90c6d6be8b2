/*
 * Many threads at once. A pretended database holds a version per key and a log position; an invalidation is
 * applied after the commit, as the bus does, and from then on nobody may see an older version. Meant for
 * TSan, and for the orders that a simulator with one thread cannot produce.
 */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tests/unit/gateway/cache/rig.h"

enum {
    KEYS = 16,
    READERS = 3,
    LOADERS = 2,
    COMMITS = 4000, /* and as many loads */
    PIPE = 256
};

struct object {
    int key;
    uint64_t version; /* position of the commit that wrote it */
};

struct pipe_item {
    struct cache_flight *flight;
    int key;
};

static struct {
    struct cache *cache;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    uint64_t position;       /* of the last commit */
    uint64_t versions[KEYS]; /* 0: there is no such row */
    uint64_t
        absent_before[KEYS]; /* the last position before which there was none; UINT64_MAX: there is none */
    struct pipe_item pipe[PIPE];
    size_t first, count;
    _Atomic uint64_t owed[KEYS]; /* what everybody must see by now: position of the last applied event */
    _Atomic bool stopping;       /* readers */
    bool closing;                /* loaders; under lock */
    _Atomic int stale, loads, waits, reading;
} world;

static void load(void *arg, struct cache_flight *flight, const struct cache_ask *ask,
                 enum cache_source source)
{
    (void)arg;
    (void)source;
    pthread_mutex_lock(&world.lock);
    assert_true(world.count < PIPE);
    world.pipe[(world.first + world.count++) % PIPE] = (struct pipe_item){flight, ask->lookup};
    pthread_cond_signal(&world.filled);
    pthread_mutex_unlock(&world.lock);
}

static enum cache_judgement judge(void *arg, uint64_t position, int64_t tag, enum cache_source source)
{
    (void)arg;
    (void)tag;
    (void)source;
    return position % 64 == 63 ? CACHE_PASS : CACHE_ACCEPT;
}

/* A server thread of the database: reads position and row in one snapshot, answers later. */
static void *run_loader(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&world.lock);
    for (;;) {
        while (world.count == 0 && !world.closing)
            pthread_cond_wait(&world.filled, &world.lock);
        if (world.count == 0)
            break;
        struct pipe_item item = world.pipe[world.first++ % PIPE];
        world.count--;
        struct cache_answer answer = {.position = world.position, .bytes = sizeof(struct object)};
        if (world.versions[item.key] != 0) {
            struct object *object = mem_alloc(sizeof(*object));
            *object = (struct object){item.key, world.versions[item.key]};
            answer.object = object;
        }
        pthread_mutex_unlock(&world.lock);
        atomic_fetch_add(&world.loads, 1);
        cache_fill_done(world.cache, item.flight, &answer);
        pthread_mutex_lock(&world.lock);
    }
    pthread_mutex_unlock(&world.lock);
    return NULL;
}

/* Commits, then applies the event; now and then a restart instead, as after a rewritten history. */
static void *run_writer(void *arg)
{
    uint64_t seed = 7;
    (void)arg;
    for (int i = 0; i < COMMITS || atomic_load(&world.loads) < COMMITS; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        int key = (int)(seed >> 33) % KEYS;
        pthread_mutex_lock(&world.lock);
        uint64_t position = ++world.position;
        bool remove = (seed >> 60) % 4 == 0;
        if (!remove && world.versions[key] == 0)
            world.absent_before[key] = position;
        if (remove)
            world.absent_before[key] = UINT64_MAX;
        world.versions[key] = remove ? 0 : position;
        pthread_mutex_unlock(&world.lock);
        struct digest digest = rig_digest(key);
        if (i % 500 == 499) {
            cache_freeze(world.cache);
            cache_restart(world.cache, position);
        } else if (i % 50 == 49) {
            cache_invalidate_all(world.cache, position);
        } else {
            cache_invalidate(world.cache, &digest, position);
        }
        atomic_store(&world.owed[key], position);
        if (i % 97 == 0)
            cache_purge(world.cache);
        if (i % 31 == 0)
            cache_suspect(world.cache, &digest, position + 1, position);
        if (i % 62 == 0)
            cache_clear_suspicions(world.cache);
        cache_tick(world.cache);
        sched_yield();
    }
    return NULL;
}

struct patient {
    struct cache_waiter super;
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool done;
    enum cache_status status;
    const struct cache_value *value;
};

static void tell_patient(struct cache_waiter *super, enum cache_status status,
                         const struct cache_value *value)
{
    struct patient *patient = (struct patient *)super;
    pthread_mutex_lock(&patient->lock);
    patient->done = true;
    patient->status = status;
    patient->value = value;
    pthread_cond_signal(&patient->told);
    pthread_mutex_unlock(&patient->lock);
}

/* true: told. false: cancelled before. */
static bool wait_for_it(struct patient *patient)
{
    if (atomic_fetch_add(&world.waits, 1) % 16 == 0 && cache_cancel(world.cache, &patient->super))
        return false;
    pthread_mutex_lock(&patient->lock);
    while (!patient->done)
        pthread_cond_wait(&patient->told, &patient->lock);
    pthread_mutex_unlock(&patient->lock);
    return true;
}

/* What was seen must have been so at `owed` or later. */
static void check(int key, uint64_t owed, enum cache_status status, const struct cache_value *value)
{
    if (status == CACHE_HIT) {
        const struct object *object = cache_value_object(value);
        if (object->key != key || object->version < owed)
            atomic_fetch_add(&world.stale, 1);
    } else if (status == CACHE_NEGATIVE) {
        pthread_mutex_lock(&world.lock);
        if (world.absent_before[key] <= owed)
            atomic_fetch_add(&world.stale, 1);
        pthread_mutex_unlock(&world.lock);
    }
    cache_value_unref(value);
}

static void *run_reader(void *arg)
{
    uint64_t seed = (uintptr_t)arg;
    char text[40];
    while (!atomic_load(&world.stopping)) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        int key = (int)(seed >> 33) % KEYS;
        struct cache_ask ask;
        const struct cache_value *value = NULL;
        rig_ask(key, &ask, text);
        ask.lookup = (uint8_t)key;
        uint64_t owed = atomic_load(&world.owed[key]);
        enum cache_status status = cache_get(world.cache, &ask, &value);
        if (status != CACHE_MISS) {
            check(key, owed, status, value);
            continue;
        }
        struct patient patient = {.super.on_done = tell_patient,
                                  .lock = PTHREAD_MUTEX_INITIALIZER,
                                  .told = PTHREAD_COND_INITIALIZER};
        cache_fill(world.cache, &ask, &patient.super);
        if (wait_for_it(&patient))
            check(key, owed, patient.status, patient.value);
    }
    atomic_fetch_sub(&world.reading, 1);
    return NULL;
}

static void nobody_sees_what_an_applied_event_has_replaced(void **state)
{
    pthread_t writer, readers[READERS], loaders[LOADERS];
    struct cache_options options = {
        .max_bytes = 1 << 20,
        .ttl_ms = 5,
        .negative_ttl_ms = 5,
        .resurrect_ms = 1,
        .max_flights = 8,
        .max_queued = 8,
        .fill_deadline_ms = 60000,
        .clock = clock_system(),
        .seed = 3,
        .load = load,
        .judge = judge,
        .release = free,
    };
    (void)state;
    for (size_t i = 0; i < KEYS; i++)
        world.absent_before[i] = UINT64_MAX;
    atomic_store(&world.reading, READERS);
    pthread_mutex_init(&world.lock, NULL);
    pthread_cond_init(&world.filled, NULL);
    cache_open(&options, &world.cache);
    for (size_t i = 0; i < LOADERS; i++)
        assert_int_equal(pthread_create(&loaders[i], NULL, run_loader, NULL), 0);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, run_reader, (void *)(i + 1)), 0);
    assert_int_equal(pthread_create(&writer, NULL, run_writer, NULL), 0);
    pthread_join(writer, NULL);
    atomic_store(&world.stopping, true);
    while (atomic_load(&world.reading) > 0) {
        cache_tick(world.cache); /* those who were turned away, and loads that rest */
        sched_yield();
    }
    for (size_t i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    pthread_mutex_lock(&world.lock);
    world.closing = true;
    pthread_cond_broadcast(&world.filled);
    pthread_mutex_unlock(&world.lock);
    for (size_t i = 0; i < LOADERS; i++)
        pthread_join(loaders[i], NULL);
    assert_int_equal(atomic_load(&world.stale), 0);
    assert_true(atomic_load(&world.loads) >= COMMITS);
    cache_close(world.cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_sees_what_an_applied_event_has_replaced)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
