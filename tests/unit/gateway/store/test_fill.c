/*
 * Fills: batches, their position, and what no row and no database look like.
 */

#include "database.h"

#include <pthread.h>

#include "gateway/base/metrics.h"

enum {
    MANY = 100
};

/* Fills that are on their way, and how many have come back. */
struct flight {
    pthread_mutex_t lock;
    pthread_cond_t landed;
    int left;
};

struct tracked {
    struct store_fill fill;
    struct flight *flight;
};

static void land(struct store_fill *fill)
{
    struct tracked *tracked = CONTAINER_OF(fill, struct tracked, fill);

    pthread_mutex_lock(&tracked->flight->lock);
    tracked->flight->left--;
    pthread_cond_signal(&tracked->flight->landed);
    pthread_mutex_unlock(&tracked->flight->lock);
}

static struct flight flight = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void send_as(struct store *store, const struct schema *schema, struct tracked *tracked, int lookup,
                    struct str value)
{
    tracked->flight = &flight;
    tracked->fill.schema = schema;
    tracked->fill.lookup = lookup;
    tracked->fill.value = value;
    tracked->fill.on_done = land;
    pthread_mutex_lock(&flight.lock);
    flight.left++;
    pthread_mutex_unlock(&flight.lock);
    store_fill(store, &tracked->fill);
}

static void send(struct store *store, struct tracked *tracked, int lookup, struct str value)
{
    send_as(store, &credential_schema, tracked, lookup, value);
}

static void wait_for_all(void)
{
    pthread_mutex_lock(&flight.lock);
    while (flight.left > 0)
        pthread_cond_wait(&flight.landed, &flight.lock);
    pthread_mutex_unlock(&flight.lock);
}

static struct store *open_store(struct database *database, int threads, const struct pg_options *replica)
{
    struct store_options options = database->store_options;
    struct store *store;
    struct err err = {0};

    options.fill_threads = threads;
    options.job_threads = 1;
    if (replica != NULL)
        options.replica = *replica;
    if (!store_open(&options, &store, &err))
        fail_msg("%s", err.text);
    return store;
}

/* Credentials k0 ... of one consumer. */
static void make_credentials(struct database *database, int count)
{
    cJSON *consumer = entity("{\"username\":\"ann\"}");

    must_change(database, &consumer_schema, NULL, consumer);
    for (int i = 0; i < count; i++) {
        char json[64];
        (void)snprintf(json, sizeof(json), "{\"key\":\"k%d\"}", i);
        cJSON *credential = entity_of(json, "consumer", consumer);
        must_change(database, &credential_schema, NULL, credential);
        cJSON_Delete(credential);
    }
    cJSON_Delete(consumer);
}

static void assert_head(struct database *database, const struct tracked *tracked)
{
    assert_false(tracked->fill.failed);
    assert_int_equal(tracked->fill.position, database_number(database, "SELECT max(pos) FROM cluster_log"));
    assert_int_equal(tracked->fill.tag,
                     database_number(database, "SELECT tag FROM cluster_log ORDER BY pos DESC LIMIT 1"));
}

static void a_fill_brings_the_object_and_the_head_of_the_log(void **state)
{
    struct database *database = *state;
    struct tracked found = {0}, missing = {0}, by_id = {0};

    make_credentials(database, 2);
    struct store *store = open_store(database, 2, NULL);
    send(store, &found, 0, STR("k1"));
    send(store, &missing, 0, STR("k7"));
    wait_for_all();
    assert_head(database, &found);
    assert_head(database, &missing);
    assert_null(missing.fill.object);
    assert_non_null(found.fill.object);
    assert_int_equal(found.fill.bytes, strlen(found.fill.object));

    cJSON *document = cJSON_Parse(found.fill.object);
    assert_string_equal(text_of(document, "key"), "k1");
    char id[UUID_TEXT_SIZE];
    (void)snprintf(id, sizeof(id), "%s", text_of(document, "id"));
    for (char *c = id; *c != '\0'; c++)
        *c = (char)(*c >= 'a' && *c <= 'f' ? *c - 'a' + 'A' : *c);
    send(store, &by_id, 1, str_of(id));
    wait_for_all();
    assert_head(database, &by_id);
    assert_string_equal(by_id.fill.object, found.fill.object);
    cJSON_Delete(document);
    cJSON_free(found.fill.object);
    cJSON_free(by_id.fill.object);
    store_close(store);
}

static void what_waits_travels_in_one_statement(void **state)
{
    struct database *database = *state;
    struct pg_session *blocker = pg_session_new(&database->options);
    struct tracked first = {0}, many[MANY] = {0};
    char keys[MANY][16];
    struct bus_err err = {0};

    make_credentials(database, 10);
    struct store *store = open_store(database, 1, NULL);
    /* While the first fill waits for the table, the others queue up. */
    assert_true(pg_session_command(blocker, "BEGIN", 5000, &err));
    assert_true(
        pg_session_command(blocker, "LOCK TABLE keyauth_credentials IN ACCESS EXCLUSIVE MODE", 5000, &err));
    int64_t before = metrics_read(METRIC_FILL_STATEMENTS);
    send(store, &first, 0, STR("k0"));
    while (database_number(database,
                           "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == 0)
        database_pause();
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%d", i);
        send(store, &many[i], 0, str_of(keys[i]));
    }
    assert_true(pg_session_command(blocker, "ROLLBACK", 5000, &err));
    wait_for_all();
    assert_int_equal(metrics_read(METRIC_FILL_STATEMENTS) - before, 2);
    for (int i = 0; i < MANY; i++) {
        assert_head(database, &many[i]);
        assert_int_equal(many[i].fill.object != NULL, i < 10);
        cJSON_free(many[i].fill.object);
    }
    cJSON_free(first.fill.object);
    pg_session_free(blocker);
    store_close(store);
}

static void values_no_row_can_have_do_not_disturb_others(void **state)
{
    struct database *database = *state;
    struct tracked good = {0}, broken = {0}, cut = {0}, no_uuid = {0}, quoted = {0};

    make_credentials(database, 1);
    struct store *store = open_store(database, 1, NULL);
    send(store, &broken, 0, STR("\xff\xfe"));
    send(store, &cut, 0, (struct str){"k0\0", 3});
    send(store, &no_uuid, 1, STR("k0"));
    send(store, &quoted, 0, STR("\"},{\\'"));
    send(store, &good, 0, STR("k0"));
    wait_for_all();
    assert_head(database, &broken);
    assert_head(database, &cut);
    assert_head(database, &no_uuid);
    assert_head(database, &quoted);
    assert_null(broken.fill.object);
    assert_null(cut.fill.object);
    assert_null(no_uuid.fill.object);
    assert_null(quoted.fill.object);
    assert_non_null(good.fill.object);
    cJSON_free(good.fill.object);
    store_close(store);
}

static void a_row_whose_time_is_over_is_no_row(void **state)
{
    struct database *database = *state;
    struct tracked tracked = {0};

    make_credentials(database, 1);
    free(database_script(database, "ALTER TABLE keyauth_credentials DISABLE TRIGGER freshet_guard;"
                                   "UPDATE keyauth_credentials SET expires_at = now();"
                                   "ALTER TABLE keyauth_credentials ENABLE TRIGGER freshet_guard"));
    struct store *store = open_store(database, 1, NULL);
    send(store, &tracked, 0, STR("k0"));
    wait_for_all();
    assert_head(database, &tracked);
    assert_null(tracked.fill.object);
    store_close(store);
}

static void without_a_replica_the_primary_answers(void **state)
{
    struct database *database = *state;
    struct pg_options nowhere = database->options;
    struct tracked none = {0}, dead = {0};

    make_credentials(database, 1);
    struct store *store = open_store(database, 1, NULL);
    none.fill.from_replica = true;
    send(store, &none, 0, STR("k0"));
    wait_for_all();
    assert_non_null(none.fill.object);
    cJSON_free(none.fill.object);
    store_close(store);

    /* One that does not answer is tried once and then left alone. */
    nowhere.port = 1;
    store = open_store(database, 1, &nowhere);
    int64_t before = metrics_read(METRIC_FILL_STATEMENTS);
    for (int i = 0; i < 3; i++) {
        dead.fill.from_replica = true;
        send(store, &dead, 0, STR("k0"));
        wait_for_all();
        assert_non_null(dead.fill.object);
        cJSON_free(dead.fill.object);
    }
    assert_int_equal(metrics_read(METRIC_FILL_STATEMENTS) - before, 4);
    store_close(store);
}

static void a_replica_without_the_log_is_not_asked_for_it(void **state)
{
    struct database *database = *state;
    struct database other = *database;
    struct tracked from_replica = {0}, from_primary = {0};

    make_credentials(database, 1);
    other.store_options.replica_without_log = true;
    struct store *store = open_store(&other, 1, &database->options);
    from_replica.fill.from_replica = true;
    send(store, &from_replica, 0, STR("k0"));
    send(store, &from_primary, 0, STR("k0"));
    wait_for_all();
    assert_false(from_replica.fill.failed);
    assert_int_equal(from_replica.fill.position, 0);
    assert_string_equal(from_replica.fill.object, from_primary.fill.object);
    assert_head(database, &from_primary);
    cJSON_free(from_replica.fill.object);
    cJSON_free(from_primary.fill.object);
    store_close(store);
}

static void an_empty_log_is_a_failure(void **state)
{
    struct database *database = *state;
    struct tracked tracked = {0};

    make_credentials(database, 1);
    struct store *store = open_store(database, 1, NULL);
    free(database_script(database, "CREATE TABLE kept AS SELECT * FROM cluster_log; TRUNCATE cluster_log"));
    send(store, &tracked, 0, STR("k0"));
    wait_for_all();
    free(database_script(database, "INSERT INTO cluster_log SELECT * FROM kept; DROP TABLE kept"));
    assert_true(tracked.fill.failed);
    assert_null(tracked.fill.object);
    store_close(store);
}

static void closing_fails_what_waits(void **state)
{
    struct database *database = *state;
    struct pg_options nowhere = database->options;
    struct tracked many[MANY] = {0};
    struct database elsewhere = *database;

    nowhere.port = 1;
    elsewhere.store_options.primary = nowhere;
    struct store *store = open_store(&elsewhere, 1, NULL);
    for (int i = 0; i < MANY; i++)
        send(store, &many[i], i % 2, STR("k0"));
    store_close(store);
    wait_for_all();
    for (int i = 0; i < MANY; i++)
        assert_true(many[i].fill.failed);
}

static void fills_in_a_view_see_the_state_of_the_view(void **state)
{
    struct database *database = *state;
    struct bus_err bus_err;
    struct err err = {0};
    struct store_fill fills[2] = {
        {.schema = &credential_schema, .value = STR("k0")},
        {.schema = &credential_schema, .value = STR("k1")},
    };

    fills[0].next = &fills[1];
    make_credentials(database, 1);
    struct pg_session *view = pg_session_new(&database->options);
    assert_true(pg_session_command(view, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 5000, &bus_err));
    assert_true(store_view_fills(view, fills, &err));
    int64_t head = database_number(database, "SELECT max(pos) FROM cluster_log");
    assert_int_equal(fills[0].position, head);
    assert_non_null(fills[0].object);
    assert_null(fills[1].object);
    cJSON_free(fills[0].object);
    fills[0].object = NULL;
    /* Committed after the view was opened: neither the rows nor the position are in it. */
    cJSON *consumer = entity("{\"username\":\"bob\"}");
    must_change(database, &consumer_schema, NULL, consumer);
    cJSON *credential = entity_of("{\"key\":\"k1\"}", "consumer", consumer);
    must_change(database, &credential_schema, NULL, credential);
    assert_true(store_view_fills(view, fills, &err));
    assert_int_equal(fills[1].position, head);
    assert_null(fills[1].object);
    cJSON_free(fills[0].object);
    pg_session_free(view);
    cJSON_Delete(credential);
    cJSON_Delete(consumer);
}

/* All credentials of a consumer as one object; of no row there is none, and of one that is no id neither. */
static void a_list_is_all_rows_with_the_value(void **state)
{
    struct schema list = credential_schema;
    struct database *database = *state;
    struct tracked found = {0}, none = {0}, nonsense = {0};
    char owner[UUID_TEXT_SIZE];

    list.lookups[0] = (struct lookup){.field = "consumer", .is_list = true};
    make_credentials(database, 3);
    cJSON *one = must_find(database, &credential_schema, "key", "k1");
    (void)snprintf(owner, sizeof(owner), "%s",
                   text_of(cJSON_GetObjectItemCaseSensitive(one, "consumer"), "id"));
    struct store *store = open_store(database, 1, NULL);
    send_as(store, &list, &found, 0, str_of(owner));
    send_as(store, &list, &none, 0, STR("5b1e0000-0000-4000-8000-0000000000aa"));
    send_as(store, &list, &nonsense, 0, STR("no id"));
    wait_for_all();
    assert_head(database, &found);
    assert_head(database, &none);
    assert_null(none.fill.object);
    assert_false(nonsense.fill.failed);
    assert_null(nonsense.fill.object);
    cJSON *rows = cJSON_Parse(found.fill.object);
    assert_true(cJSON_IsArray(rows));
    assert_int_equal(cJSON_GetArraySize(rows), 3);
    cJSON_Delete(rows);
    cJSON_free(found.fill.object);
    cJSON_Delete(one);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_fill_brings_the_object_and_the_head_of_the_log, database_clear),
        cmocka_unit_test_setup(what_waits_travels_in_one_statement, database_clear),
        cmocka_unit_test_setup(values_no_row_can_have_do_not_disturb_others, database_clear),
        cmocka_unit_test_setup(a_row_whose_time_is_over_is_no_row, database_clear),
        cmocka_unit_test_setup(without_a_replica_the_primary_answers, database_clear),
        cmocka_unit_test_setup(a_replica_without_the_log_is_not_asked_for_it, database_clear),
        cmocka_unit_test_setup(an_empty_log_is_a_failure, database_clear),
        cmocka_unit_test_setup(closing_fails_what_waits, database_clear),
        cmocka_unit_test_setup(a_list_is_all_rows_with_the_value, database_clear),
        cmocka_unit_test_setup(fills_in_a_view_see_the_state_of_the_view, database_clear),
    };

    return cmocka_run_group_tests(tests, database_group_setup, database_group_teardown);
}
