/*
 * store - threads, their queue, and the order of changes made at the same time.
 */

#include "database.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    WRITERS = 8,
    WRITES = 25
};

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    int done;
};

static struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};

static void gate_set(bool open)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = open;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void gate_count(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.done++;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void gate_wait_for(int done)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.done < done)
        pthread_cond_wait(&gate.changed, &gate.lock);
    gate.done = 0;
    pthread_mutex_unlock(&gate.lock);
}

static void stand_at_the_gate(struct store_session *session, void *arg)
{
    (void)session;
    (void)arg;
    pthread_mutex_lock(&gate.lock);
    while (!gate.open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    gate_count();
}

static struct store *open_store(const struct database *database, int threads, int queue)
{
    struct store_options options = database->store_options;
    struct store *store;
    struct err err = {0};

    options.job_threads = threads;
    options.max_queued_jobs = queue;
    if (!store_open(&options, &store, &err))
        fail_msg("%s", err.text);
    return store;
}

static void a_full_queue_refuses(void **state)
{
    struct store *store = open_store(*state, 1, 2);
    int accepted = 0;

    gate_set(false);
    while (store_submit(store, stand_at_the_gate, NULL))
        accepted++;
    assert_in_range(accepted, 2, 3);
    gate_set(true);
    gate_wait_for(accepted);
    assert_true(store_submit(store, stand_at_the_gate, NULL));
    gate_wait_for(1);
    store_close(store);
}

struct outcome {
    bool found;
    enum store_failure failure;
};

static void ask(struct store_session *session, void *arg)
{
    struct outcome *outcome = arg;
    struct store_error error = {0};

    outcome->found = store_ping(session, &error);
    outcome->failure = error.failure;
    store_error_fini(&error);
}

static void *close_store(void *arg)
{
    store_close(arg);
    return NULL;
}

static void jobs_that_wait_when_the_store_closes_fail(void **state)
{
    struct store *store = open_store(*state, 1, 10);
    struct outcome outcome = {.found = true};
    pthread_t closer;

    gate_set(false);
    assert_true(store_submit(store, stand_at_the_gate, NULL));
    assert_true(store_submit(store, ask, &outcome));
    assert_int_equal(pthread_create(&closer, NULL, close_store, store), 0);
    /* The first job may end only when the store is closing: then a further job is refused. */
    while (store_submit(store, stand_at_the_gate, NULL))
        database_pause();
    gate_set(true);
    assert_int_equal(pthread_join(closer, NULL), 0);
    gate.done = 0;
    assert_false(outcome.found);
    assert_int_equal(outcome.failure, STORE_UNAVAILABLE);
}

/* Positions that writers got, to be compared with the log. */
static uint64_t positions[WRITERS * WRITES];
static atomic_int position_count;
static atomic_int failures;

static bool insert_consumer(struct store_session *session, void *arg, struct store_error *error)
{
    return store_insert(session, &consumer_schema, arg, error);
}

static void write_many(struct store_session *session, void *arg)
{
    (void)arg;
    for (int i = 0; i < WRITES; i++) {
        struct uuid id;
        char text[UUID_TEXT_SIZE];
        struct outbox_receipt receipt;
        struct store_error error = {0};
        cJSON *consumer = cJSON_CreateObject();
        uuid_make(&id);
        (void)cJSON_AddStringToObject(consumer, "id", uuid_format(&id, text));
        (void)cJSON_AddStringToObject(consumer, "username", text);
        if (store_transact(session, insert_consumer, consumer, &receipt, &error))
            positions[atomic_fetch_add(&position_count, 1)] = receipt.position;
        else
            atomic_fetch_add(&failures, 1);
        store_error_fini(&error);
        cJSON_Delete(consumer);
    }
    gate_count();
}

static int by_size(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

static void write_at_once(struct database *database, bool together)
{
    struct database other = *database;

    other.store_options.commits_together = together;
    struct store *store = open_store(&other, WRITERS, WRITERS);
    position_count = 0;
    int64_t before = database_number(database, "SELECT max(pos) FROM cluster_log");
    for (int i = 0; i < WRITERS; i++)
        assert_true(store_submit(store, write_many, NULL));
    gate_wait_for(WRITERS);
    assert_int_equal(failures, 0);
    assert_int_equal(position_count, WRITERS * WRITES);
    qsort(positions, WRITERS * WRITES, sizeof(positions[0]), by_size);
    for (int i = 0; i < WRITERS * WRITES; i++)
        assert_int_equal(positions[i], (uint64_t)before + 1 + (uint64_t)i);
    assert_int_equal(database_number(database, "SELECT count(*) FROM consumers"), WRITERS * WRITES);
    store_close(store);
}

static void writers_at_the_same_time_get_positions_without_gaps(void **state)
{
    write_at_once(*state, /* together= */ false);
}

static void those_who_commit_together_get_positions_without_gaps(void **state)
{
    struct database *database = *state;
    int64_t before = database_number(database, "SELECT count(DISTINCT xmin::text) FROM cluster_log");

    write_at_once(database, /* together= */ true);
    assert_true(database_number(database, "SELECT count(DISTINCT xmin::text) FROM cluster_log") - before <
                WRITERS * WRITES);
}

/* Two that lock the same two rows, each beginning with another. */
struct crossing {
    pthread_barrier_t *both_hold_one;
    const cJSON *first, *second;
    int runs;
    bool done;
};

static bool lock_and_update(struct store_session *session, const cJSON *consumer, struct store_error *error)
{
    cJSON *old = NULL;

    if (!store_find(session, &consumer_schema, "id", str_of(text_of(consumer, "id")), STORE_FOR_UPDATE, &old,
                    error))
        return false;
    bool updated = store_update(session, &consumer_schema, old, consumer, error);
    cJSON_Delete(old);
    return updated;
}

static bool cross_body(struct store_session *session, void *arg, struct store_error *error)
{
    struct crossing *crossing = arg;

    if (!lock_and_update(session, crossing->first, error))
        return false;
    if (crossing->runs++ == 0)
        (void)pthread_barrier_wait(crossing->both_hold_one);
    return lock_and_update(session, crossing->second, error);
}

static void cross(struct store_session *session, void *arg)
{
    struct crossing *crossing = arg;
    struct outbox_receipt receipt;
    struct store_error error = {0};

    crossing->done = store_transact(session, cross_body, crossing, &receipt, &error);
    store_error_fini(&error);
    gate_count();
}

static void two_changes_that_lock_each_other_out_both_succeed(void **state)
{
    struct database *database = *state;
    cJSON *ann = entity("{\"username\":\"ann\"}");
    cJSON *bob = entity("{\"username\":\"bob\"}");
    pthread_barrier_t barrier;

    must_change(database, &consumer_schema, NULL, ann);
    must_change(database, &consumer_schema, NULL, bob);
    struct store *store = open_store(database, 2, 10);
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    struct crossing one = {.both_hold_one = &barrier, .first = ann, .second = bob};
    struct crossing other = {.both_hold_one = &barrier, .first = bob, .second = ann};
    assert_true(store_submit(store, cross, &one));
    assert_true(store_submit(store, cross, &other));
    gate_wait_for(2);
    assert_true(one.done);
    assert_true(other.done);
    assert_in_range(one.runs + other.runs, 3, 6); /* the victim may be one once more */
    store_close(store);
    (void)pthread_barrier_destroy(&barrier);
    cJSON_Delete(bob);
    cJSON_Delete(ann);
}

static void without_a_database_a_job_learns_so(void **state)
{
    struct database elsewhere = *(struct database *)*state;
    struct outcome outcome = {.found = true};

    elsewhere.store_options.primary.port = 1;
    struct store *store = open_store(&elsewhere, 1, 10);
    assert_true(store_submit(store, ask, &outcome));
    gate_set(true);
    assert_true(store_submit(store, stand_at_the_gate, NULL));
    gate_wait_for(1);
    assert_false(outcome.found);
    assert_int_equal(outcome.failure, STORE_UNAVAILABLE);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_full_queue_refuses, database_clear),
        cmocka_unit_test_setup(jobs_that_wait_when_the_store_closes_fail, database_clear),
        cmocka_unit_test_setup(writers_at_the_same_time_get_positions_without_gaps, database_clear),
        cmocka_unit_test_setup(those_who_commit_together_get_positions_without_gaps, database_clear),
        cmocka_unit_test_setup(two_changes_that_lock_each_other_out_both_succeed, database_clear),
        cmocka_unit_test_setup(without_a_database_a_job_learns_so, database_clear),
    };

    return cmocka_run_group_tests(tests, database_group_setup, database_group_teardown);
}
