/*
 * group - writes that share a transaction: each has its own position and its own fate.
 *
 * The first writer stands still inside its body until the others have queued behind it, so that they join it.
 */

#include "database.h"

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/store/errors.h"
#include "gateway/store/group.h"

enum {
    MOST = 6,
    QUEUE_MS = 60 /* for a thread to get from its start into the queue */
};

struct writer {
    struct database *database;
    struct group *group;
    struct store_session session;
    store_body_fn body;
    cJSON *consumer;
    int runs;
    atomic_bool has_begun; /* its body runs */
    atomic_bool *may_go;   /* NULL: at once */
    struct outbox_receipt receipt;
    struct store_error error;
    bool ok;
    pthread_t thread;
};

static void pause_ms(int64_t ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&pause, NULL);
}

/* ---- bodies ---- */

static void stand(struct writer *writer)
{
    writer->runs++;
    atomic_store(&writer->has_begun, true);
    while (writer->may_go != NULL && !atomic_load(writer->may_go))
        pause_ms(1);
}

static bool insert(struct store_session *session, void *arg, struct store_error *error)
{
    struct writer *writer = arg;

    bool ok = store_insert(session, &consumer_schema, writer->consumer, error);
    stand(writer);
    return ok;
}

static bool insert_and_regret(struct store_session *session, void *arg, struct store_error *error)
{
    (void)insert(session, arg, error);
    return false;
}

static bool only_look(struct store_session *session, void *arg, struct store_error *error)
{
    struct writer *writer = arg;
    cJSON *found = NULL;

    stand(writer);
    bool ok = store_find(session, &consumer_schema, "username", STR("ann"), STORE_READ, &found, error);
    cJSON_Delete(found);
    return ok;
}

static bool say_nothing(struct store_session *session, void *arg, struct store_error *error)
{
    (void)session;
    (void)error;
    stand(arg);
    return false;
}

static bool update(struct store_session *session, void *arg, struct store_error *error)
{
    struct writer *writer = arg;
    cJSON *old = NULL;

    stand(writer);
    if (!store_find(session, &consumer_schema, "id", str_of(text_of(writer->consumer, "id")),
                    STORE_FOR_UPDATE, &old, error))
        return false;
    bool ok = store_update(session, &consumer_schema, old, writer->consumer, error);
    cJSON_Delete(old);
    return ok;
}

static bool run_sql(struct store_session *session, const char *sql, struct store_error *error)
{
    const struct pg_statement statement = {.sql = sql};
    struct bus_err err;
    PGresult *result = NULL;

    if (!session_query(session, &statement, &result, &err))
        return store_error_from(error, &err);
    PQclear(result);
    return true;
}

/* The guard refuses the COMMIT, whoever else is in it. */
static bool forget_the_event(struct store_session *session, void *arg, struct store_error *error)
{
    return insert(session, arg, error) &&
           run_sql(session, "INSERT INTO services (id) VALUES (gen_random_uuid())", error);
}

static bool lose_connection(struct store_session *session, void *arg, struct store_error *error)
{
    struct writer *writer = arg;

    stand(writer);
    free(database_script(writer->database, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                                           " WHERE application_name = 'test' AND pid <> pg_backend_pid()"));
    return store_insert(session, &consumer_schema, writer->consumer, error);
}

/* ---- writers ---- */

static void *write_one(void *arg)
{
    struct writer *writer = arg;

    writer->ok = store_transact(&writer->session, writer->body, writer, &writer->receipt, &writer->error);
    return NULL;
}

static void start(struct writer *writer)
{
    session_init(&writer->session, NULL, &writer->database->store_options);
    writer->session.group = writer->group;
    assert_int_equal(pthread_create(&writer->thread, NULL, write_one, writer), 0);
}

static void finish(struct writer *writer)
{
    session_fini(&writer->session);
    store_error_fini(&writer->error);
    cJSON_Delete(writer->consumer);
    writer->consumer = NULL;
}

static cJSON *consumer(const char *name)
{
    cJSON *made = entity("{}");

    (void)cJSON_AddStringToObject(made, "username", name);
    return made;
}

/* Writer 0 stands in its body, the others wait behind it in their order; it may go when *go is set. */
static struct group *queue_up(struct database *database, struct writer *writers, size_t count,
                              atomic_bool *go)
{
    struct group *group = group_new();

    writers[0].may_go = go;
    for (size_t i = 0; i < count; i++) {
        writers[i].database = database;
        writers[i].group = group;
        start(&writers[i]);
        while (i == 0 && !atomic_load(&writers[0].has_begun))
            pause_ms(1);
        pause_ms(i == 0 ? 0 : QUEUE_MS / (int64_t)count);
    }
    return group;
}

static void join(const struct writer *writer)
{
    assert_int_equal(pthread_join(writer->thread, NULL), 0);
}

/* Writers 1.. join the transaction of writer 0; returns when all have their outcome. */
static void write_together(struct database *database, struct writer *writers, size_t count)
{
    atomic_bool go = false;
    struct group *group = queue_up(database, writers, count, &go);

    atomic_store(&go, true);
    for (size_t i = 0; i < count; i++)
        join(&writers[i]);
    group_free(group);
}

static int64_t head(struct database *database)
{
    return database_number(database, "SELECT max(pos) FROM cluster_log");
}

/* Transactions that have appended above `position`. */
static int64_t transactions_above(struct database *database, int64_t position)
{
    char sql[128];

    (void)snprintf(sql, sizeof(sql), "SELECT count(DISTINCT xmin::text) FROM cluster_log WHERE pos > %lld",
                   (long long)position);
    return database_number(database, sql);
}

/* The log says at the writer's position what the writer did, and nothing else. */
static void assert_own_position(struct database *database, const struct writer *writer)
{
    char sql[256];

    assert_true(writer->ok);
    (void)snprintf(sql, sizeof(sql),
                   "SELECT count(*) FROM cluster_log WHERE pos = %llu AND NOT (n = 1 AND tag = %lld AND "
                   "id = '%s')",
                   (unsigned long long)writer->receipt.position, (long long)writer->receipt.tag,
                   text_of(writer->consumer, "id"));
    assert_int_equal(database_number(database, sql), 0);
    assert_true(writer->receipt.position != 0);
}

static int64_t consumers(struct database *database, const char *name)
{
    char sql[128];

    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM consumers WHERE username = '%s'", name);
    return database_number(database, sql);
}

/* ---- facts ---- */

static void members_of_a_group_have_positions_of_their_own(void **state)
{
    struct database *database = *state;
    struct writer writers[3] = {{.body = insert, .consumer = consumer("ann")},
                                {.body = insert, .consumer = consumer("bob")},
                                {.body = insert, .consumer = consumer("cat")}};
    int64_t before = head(database);

    write_together(database, writers, 3);
    assert_int_equal(transactions_above(database, before), 1);
    for (size_t i = 0; i < 3; i++) {
        assert_own_position(database, &writers[i]);
        assert_int_equal(writers[i].receipt.position, before + 1 + (int64_t)i);
        assert_int_equal(writers[i].runs, 1);
    }
    assert_true(writers[0].receipt.tag != writers[1].receipt.tag);
    assert_true(writers[1].receipt.tag != writers[2].receipt.tag);
    for (size_t i = 0; i < 3; i++)
        finish(&writers[i]);
}

static void whoever_fails_fails_alone(void **state)
{
    struct database *database = *state;
    struct writer writers[MOST] = {{.body = insert, .consumer = consumer("ann")},
                                   {.body = insert, .consumer = consumer("ann")},
                                   {.body = say_nothing, .consumer = consumer("nobody")},
                                   {.body = insert_and_regret, .consumer = consumer("eve")},
                                   {.body = only_look, .consumer = consumer("looker")},
                                   {.body = insert, .consumer = consumer("bob")}};
    int64_t before = head(database);

    write_together(database, writers, MOST);
    assert_int_equal(transactions_above(database, before), 1);
    assert_int_equal(head(database), before + 2);
    assert_own_position(database, &writers[0]);
    assert_own_position(database, &writers[5]);
    assert_int_equal(writers[5].receipt.position, before + 2);
    assert_false(writers[1].ok);
    assert_int_equal(writers[1].error.failure, STORE_UNIQUE);
    for (size_t i = 2; i < 4; i++) {
        assert_false(writers[i].ok);
        assert_int_equal(writers[i].error.failure, STORE_OK);
    }
    assert_true(writers[4].ok);
    assert_int_equal(writers[4].receipt.position, 0);
    assert_int_equal(consumers(database, "eve"), 0);
    assert_int_equal(consumers(database, "bob"), 1);
    for (size_t i = 0; i < MOST; i++)
        finish(&writers[i]);
}

static void after_a_first_that_fails_the_others_commit(void **state)
{
    struct database *database = *state;
    struct writer writers[3] = {{.body = insert_and_regret, .consumer = consumer("eve")},
                                {.body = insert, .consumer = consumer("ann")},
                                {.body = insert_and_regret, .consumer = consumer("mallory")}};
    int64_t before = head(database);

    write_together(database, writers, 3);
    assert_false(writers[0].ok);
    assert_own_position(database, &writers[1]);
    assert_false(writers[2].ok);
    assert_int_equal(head(database), before + 1);
    assert_int_equal(database_number(database, "SELECT count(*) FROM consumers"), 1);
    for (size_t i = 0; i < 3; i++)
        finish(&writers[i]);
}

static void who_waits_for_a_stranger_does_not_hold_the_others_up(void **state)
{
    struct database *database = *state;
    struct pg_session *stranger = pg_session_new(&database->options);
    cJSON *locked = consumer("locked");
    struct writer writers[3] = {{.body = insert, .consumer = consumer("ann")},
                                {.body = update, .consumer = cJSON_Duplicate(locked, true)},
                                {.body = insert, .consumer = consumer("bob")}};
    atomic_bool go = false;
    struct bus_err err;

    must_change(database, &consumer_schema, NULL, locked);
    assert_true(pg_session_command(stranger, "BEGIN", 1000, &err));
    assert_true(pg_session_command(stranger, "SELECT FROM consumers FOR UPDATE", 1000, &err));
    struct group *group = queue_up(database, writers, 3, &go);
    atomic_store(&go, true);
    join(&writers[0]);
    join(&writers[2]);
    assert_own_position(database, &writers[0]);
    assert_own_position(database, &writers[2]);
    assert_true(pg_session_command(stranger, "ROLLBACK", 1000, &err));
    join(&writers[1]);
    assert_own_position(database, &writers[1]);
    assert_int_equal(writers[1].runs, 2);
    group_free(group);
    pg_session_free(stranger);
    for (size_t i = 0; i < 3; i++)
        finish(&writers[i]);
    cJSON_Delete(locked);
}

static void a_commit_refused_for_one_is_tried_again_by_each(void **state)
{
    struct database *database = *state;
    struct writer writers[3] = {{.body = insert, .consumer = consumer("ann")},
                                {.body = forget_the_event, .consumer = consumer("eve")},
                                {.body = insert, .consumer = consumer("bob")}};
    int64_t before = head(database);

    write_together(database, writers, 3);
    assert_own_position(database, &writers[0]);
    assert_own_position(database, &writers[2]);
    assert_false(writers[1].ok);
    assert_int_equal(writers[1].error.failure, STORE_REJECTED);
    assert_int_equal(head(database), before + 2);
    assert_int_equal(consumers(database, "eve"), 0);
    for (size_t i = 0; i < 3; i++)
        finish(&writers[i]);
}

/* What it saw, and what made it fail, has not happened. */
static void who_failed_because_of_one_whose_commit_fails_tries_again(void **state)
{
    struct database *database = *state;
    struct writer writers[2] = {{.body = forget_the_event, .consumer = consumer("ann")},
                                {.body = insert, .consumer = consumer("ann")}};

    write_together(database, writers, 2);
    assert_false(writers[0].ok);
    assert_own_position(database, &writers[1]);
    assert_int_equal(writers[1].runs, 2);
    for (size_t i = 0; i < 2; i++)
        finish(&writers[i]);
}

static void a_lost_connection_fails_all_and_changes_nothing(void **state)
{
    struct database *database = *state;
    struct writer writers[3] = {{.body = insert, .consumer = consumer("ann")},
                                {.body = insert, .consumer = consumer("bob")},
                                {.body = lose_connection, .consumer = consumer("cat")}};
    int64_t before = head(database);

    write_together(database, writers, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_false(writers[i].ok);
        assert_int_equal(writers[i].error.failure, STORE_UNAVAILABLE);
    }
    assert_int_equal(head(database), before);
    assert_int_equal(database_number(database, "SELECT count(*) FROM consumers"), 0);
    for (size_t i = 0; i < 3; i++)
        finish(&writers[i]);
}

static void a_leader_that_takes_long_is_not_waited_for(void **state)
{
    struct database *database = *state;
    struct writer writers[2] = {{.body = insert, .consumer = consumer("ann")},
                                {.body = insert, .consumer = consumer("bob")}};
    int64_t before = head(database);
    atomic_bool go = false;
    struct group *group = queue_up(database, writers, 2, &go);

    join(&writers[1]);
    assert_own_position(database, &writers[1]);
    assert_int_equal(writers[1].receipt.position, before + 1);
    atomic_store(&go, true);
    join(&writers[0]);
    assert_own_position(database, &writers[0]);
    group_free(group);
    for (size_t i = 0; i < 2; i++)
        finish(&writers[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(members_of_a_group_have_positions_of_their_own, database_clear),
        cmocka_unit_test_setup(whoever_fails_fails_alone, database_clear),
        cmocka_unit_test_setup(after_a_first_that_fails_the_others_commit, database_clear),
        cmocka_unit_test_setup(who_waits_for_a_stranger_does_not_hold_the_others_up, database_clear),
        cmocka_unit_test_setup(a_commit_refused_for_one_is_tried_again_by_each, database_clear),
        cmocka_unit_test_setup(who_failed_because_of_one_whose_commit_fails_tries_again, database_clear),
        cmocka_unit_test_setup(a_lost_connection_fails_all_and_changes_nothing, database_clear),
        cmocka_unit_test_setup(a_leader_that_takes_long_is_not_waited_for, database_clear),
    };

    return cmocka_run_group_tests(tests, database_group_setup, database_group_teardown);
}
