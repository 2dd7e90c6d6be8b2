/*
 * Writes: what is stored, which events go with it, and what each refusal says.
 */

#include "database.h"

#include "gateway/store/errors.h"

static const char full_service[] =
    "{\"created_at\":1795400100,\"updated_at\":1795400101,\"name\":\"billing\",\"retries\":5,\"protocol\":"
    "\"https\","
    "\"host\":\"billing.test\",\"port\":443,\"path\":null,\"connect_timeout\":60000,\"write_timeout\":"
    "2147483646,"
    "\"read_timeout\":1,\"tags\":[\"a b\",\"q\\\"uo,te\\\\\",\"{x}\",\"\xc3\xa9\"],\"enabled\":true}";

static const char full_route[] =
    "{\"created_at\":32503680000,\"name\":\"r\",\"protocols\":[\"http\",\"https\"],\"methods\":null,"
    "\"hosts\":[],"
    "\"paths\":[\"~/v[0-9]+$\",\"/a b\"],\"headers\":{\"x-v\":[\"1\",\"2\"],\"x-w\":[]},\"strip_path\":false,"
    "\"regex_priority\":-7,\"service\":null}";

static const char full_plugin[] =
    "{\"name\":\"rate-limiting\",\"instance_name\":null,\"route\":null,\"service\":null,\"consumer\":null,"
    "\"config\":{\"minute\":10,\"share\":0.1,\"big\":4294967296,\"nothing\":null,\"nested\":{\"list\":[1,"
    "\"a\",null],"
    "\"empty\":{}}},\"protocols\":[\"http\"],\"enabled\":true,\"tags\":null}";

/* What the first document has, the second has too. */
static void assert_holds(const cJSON *part, const cJSON *whole)
{
    const cJSON *member;

    cJSON_ArrayForEach(member, part)
    {
        const cJSON *other = cJSON_GetObjectItemCaseSensitive(whole, member->string);
        if (!cJSON_Compare(member, other, true))
            fail_msg("%s: %s is not %s", member->string, cJSON_Print(other), cJSON_Print(member));
    }
}

static void round_trip(struct database *database, const struct schema *schema, const char *json)
{
    cJSON *document = entity(json);

    must_change(database, schema, NULL, document);
    cJSON *found = must_find(database, schema, "id", text_of(document, "id"));
    assert_holds(document, found);
    assert_int_equal(cJSON_GetArraySize(found), schema->field_count + (schema->has_ttl ? 2 : 0));
    for (size_t i = 0; i < schema->field_count; i++)
        assert_string_equal(cJSON_GetArrayItem(found, (int)i)->string, schema->fields[i].name);
    cJSON_Delete(found);
    cJSON_Delete(document);
}

static void a_document_comes_back_as_it_was_written(void **state)
{
    round_trip(*state, &service_schema, full_service);
    round_trip(*state, &route_schema, full_route);
    round_trip(*state, &plugin_setting_schema, full_plugin);
    round_trip(*state, &consumer_schema, "{\"username\":\"ann\",\"custom_id\":null,\"tags\":[]}");
}

static void an_update_replaces_every_field(void **state)
{
    struct database *database = *state;
    cJSON *old = entity(full_service);

    must_change(database, &service_schema, NULL, old);
    cJSON *new = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(new, "id", text_of(old, "id"));
    (void)cJSON_AddStringToObject(new, "host", "other.test");
    must_change(database, &service_schema, old, new);
    cJSON *found = must_find(database, &service_schema, "id", text_of(old, "id"));
    assert_holds(new, found);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(found, "name")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(found, "tags")));
    cJSON_Delete(found);
    cJSON_Delete(new);
    cJSON_Delete(old);
}

static int64_t events_at(struct database *database, uint64_t position)
{
    char sql[128];

    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM cluster_log WHERE pos = %llu",
                   (unsigned long long)position);
    return database_number(database, sql);
}

static int64_t head(struct database *database)
{
    return database_number(database, "SELECT max(pos) FROM cluster_log");
}

/* Hexadecimal digests of the texts, one after the other, as the log has them. */
static char *digests_of(struct database *database, const char *first, const char *second)
{
    struct buf hex = {0};
    const char *const keys[] = {first, second};

    for (size_t i = 0; i < COUNT(keys) && keys[i] != NULL; i++) {
        struct digest digest;
        digest_make(&database->store_options.salt, str_of(keys[i]), &digest);
        for (size_t k = 0; k < sizeof(digest.bytes); k++)
            buf_printf(&hex, "%02x", digest.bytes[k]);
    }
    return buf_take(&hex);
}

static void an_event_names_the_keys_of_both_versions(void **state)
{
    struct database *database = *state;
    cJSON *consumer = entity("{\"username\":\"ann\"}");
    cJSON *old = entity_of("{\"key\":\"first\"}", "consumer", consumer);
    const uint8_t(*keys)[16];

    must_change(database, &consumer_schema, NULL, consumer);
    must_change(database, &credential_schema, NULL, old);
    cJSON *new = cJSON_Duplicate(old, true);
    cJSON_ReplaceItemInObject(new, "key", cJSON_CreateString("second"));
    must_change(database, &credential_schema, old, new);
    assert_int_equal(store_committed_keys(&database->session, &keys), 2);

    char *logged =
        database_script(database, "SELECT kind || ' ' || entity || ' ' || id || ' ' || encode(keys, 'hex')"
                                  " FROM cluster_log ORDER BY pos DESC LIMIT 1");
    char *digests = digests_of(database, "keyauth_credentials:first", "keyauth_credentials:second");
    char *expected = mem_printf("1 keyauth_credentials %s %s", text_of(old, "id"), digests);
    assert_string_equal(logged, expected);
    free(expected);
    free(digests);
    free(logged);

    /* A key that stays is named once. */
    must_change(database, &credential_schema, new, new);
    assert_int_equal(store_committed_keys(&database->session, &keys), 1);
    cJSON_Delete(new);
    cJSON_Delete(old);
    cJSON_Delete(consumer);
}

static void the_receipt_is_the_place_in_the_log(void **state)
{
    struct database *database = *state;
    cJSON *consumer = entity("{\"username\":\"ann\"}");
    struct outbox_receipt receipt;
    struct store_error error = {0};

    int64_t before = head(database);
    assert_true(change(database, &consumer_schema, NULL, consumer, &receipt, &error));
    assert_int_equal(receipt.position, before + 1);
    assert_int_equal(receipt.position, head(database));
    assert_int_equal(receipt.tag,
                     database_number(database, "SELECT tag FROM cluster_log ORDER BY pos DESC LIMIT 1"));
    char *origin = database_script(database, "SELECT origin FROM cluster_log ORDER BY pos DESC LIMIT 1");
    assert_string_equal(origin, "09090900-0000-0000-0000-000000000000");
    free(origin);
    cJSON_Delete(consumer);
}

static bool write_and_change_ones_mind(struct store_session *session, void *arg, struct store_error *error)
{
    assert_true(store_insert(session, &consumer_schema, arg, error));
    return false;
}

static void a_rollback_leaves_neither_row_nor_event(void **state)
{
    struct database *database = *state;
    cJSON *consumer = entity("{\"username\":\"ann\"}");
    struct outbox_receipt receipt;
    struct store_error error = {0};
    const uint8_t(*keys)[16];

    int64_t before = head(database);
    assert_false(store_transact(&database->session, write_and_change_ones_mind, consumer, &receipt, &error));
    assert_int_equal(error.failure, STORE_OK);
    assert_int_equal(head(database), before);
    assert_int_equal(store_committed_keys(&database->session, &keys), 0);
    assert_null(must_find(database, &consumer_schema, "username", "ann"));
    cJSON_Delete(consumer);
}

static bool only_read(struct store_session *session, void *arg, struct store_error *error)
{
    cJSON *document = NULL;

    return store_find(session, &consumer_schema, "username", str_of(arg), STORE_FOR_UPDATE, &document,
                      error) &&
           document == NULL;
}

static void reading_alone_takes_no_position(void **state)
{
    struct database *database = *state;
    struct outbox_receipt receipt = {.position = 7};
    struct store_error error = {0};
    char nobody[] = "nobody";

    int64_t before = head(database);
    assert_true(store_transact(&database->session, only_read, nobody, &receipt, &error));
    assert_int_equal(receipt.position, 0);
    assert_int_equal(head(database), before);
}

/* A change that must fail; returns why. The key as text is the caller's. */
static enum store_failure failure_of(struct database *database, const struct schema *schema, const cJSON *old,
                                     const cJSON *new, char **key, const struct schema **other)
{
    struct outbox_receipt receipt;
    struct store_error error = {0};

    int64_t before = head(database);
    assert_false(change(database, schema, old, new, &receipt, &error));
    assert_int_equal(head(database), before);
    enum store_failure failure = error.failure;
    *key = error.key != NULL ? cJSON_PrintUnformatted(error.key) : NULL;
    *other = error.other;
    store_error_fini(&error);
    return failure;
}

static void a_taken_id_is_a_primary_key_failure(void **state)
{
    struct database *database = *state;
    cJSON *consumer = entity("{\"id\":\"0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\",\"username\":\"ann\"}");
    const struct schema *other;
    char *key;

    must_change(database, &consumer_schema, NULL, consumer);
    cJSON_ReplaceItemInObject(consumer, "username", cJSON_CreateString("bob"));
    assert_int_equal(failure_of(database, &consumer_schema, NULL, consumer, &key, &other), STORE_PRIMARY_KEY);
    assert_string_equal(key, "{\"id\":\"0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\"}");
    free(key);
    cJSON_Delete(consumer);
}

static void a_taken_value_names_its_field(void **state)
{
    struct database *database = *state;
    cJSON *ann = entity("{\"username\":\"ann\",\"custom_id\":\"7\"}");
    cJSON *bob = entity("{\"username\":\"bob\",\"custom_id\":\"7\"}");
    cJSON *cid = entity("{\"username\":\"cid\"}");
    cJSON *renamed = cJSON_Duplicate(cid, true);
    const struct schema *other;
    char *key;

    must_change(database, &consumer_schema, NULL, ann);
    must_change(database, &consumer_schema, NULL, cid);
    assert_int_equal(failure_of(database, &consumer_schema, NULL, bob, &key, &other), STORE_UNIQUE);
    assert_string_equal(key, "{\"custom_id\":\"7\"}");
    free(key);
    cJSON_ReplaceItemInObject(renamed, "username", cJSON_CreateString("ann"));
    assert_int_equal(failure_of(database, &consumer_schema, cid, renamed, &key, &other), STORE_UNIQUE);
    assert_string_equal(key, "{\"username\":\"ann\"}");
    free(key);
    cJSON_Delete(renamed);
    cJSON_Delete(cid);
    cJSON_Delete(bob);
    cJSON_Delete(ann);
}

static void the_same_plugin_clashes_on_the_same_scope_only(void **state)
{
    struct database *database = *state;
    cJSON *service = entity("{\"host\":\"a.test\"}");
    cJSON *global = entity("{\"name\":\"cors\",\"config\":{}}");
    cJSON *scoped = entity_of("{\"name\":\"cors\",\"config\":{}}", "service", service);
    const struct schema *other;
    char *key;

    must_change(database, &service_schema, NULL, service);
    must_change(database, &plugin_setting_schema, NULL, global);
    must_change(database, &plugin_setting_schema, NULL, scoped);
    cJSON *again = entity_of("{\"name\":\"cors\",\"config\":{}}", "service", service);
    assert_int_equal(failure_of(database, &plugin_setting_schema, NULL, again, &key, &other), STORE_UNIQUE);
    cJSON *named = cJSON_Parse(key);
    assert_int_equal(cJSON_GetArraySize(named), 4);
    assert_string_equal(text_of(named, "name"), "cors");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(named, "route")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(named, "consumer")));
    assert_string_equal(text_of(cJSON_GetObjectItem(named, "service"), "id"), text_of(service, "id"));
    cJSON_Delete(named);
    free(key);
    cJSON *second_global = entity("{\"name\":\"cors\",\"config\":{}}");
    assert_int_equal(failure_of(database, &plugin_setting_schema, NULL, second_global, &key, &other),
                     STORE_UNIQUE);
    free(key);
    cJSON_Delete(second_global);
    cJSON_Delete(again);
    cJSON_Delete(scoped);
    cJSON_Delete(global);
    cJSON_Delete(service);
}

static void a_reference_to_nothing_names_field_and_schema(void **state)
{
    struct database *database = *state;
    cJSON *nobody = entity("{\"id\":\"0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\"}");
    cJSON *route = entity_of("{\"paths\":[\"/\"]}", "service", nobody);
    const struct schema *other;
    char *key;

    assert_int_equal(failure_of(database, &route_schema, NULL, route, &key, &other), STORE_FOREIGN_KEY);
    assert_string_equal(key, "{\"service\":{\"id\":\"0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\"}}");
    assert_ptr_equal(other, &service_schema);
    free(key);
    cJSON_Delete(route);
    cJSON_Delete(nobody);
}

static void a_service_with_routes_stays(void **state)
{
    struct database *database = *state;
    cJSON *service = entity("{\"host\":\"a.test\"}");
    cJSON *route = entity_of("{\"paths\":[\"/\"]}", "service", service);
    cJSON *plugin = entity_of("{\"name\":\"cors\",\"config\":{}}", "service", service);
    const struct schema *other;
    char *key;

    must_change(database, &service_schema, NULL, service);
    must_change(database, &route_schema, NULL, route);
    must_change(database, &plugin_setting_schema, NULL, plugin);
    assert_int_equal(failure_of(database, &service_schema, service, NULL, &key, &other), STORE_REFERENCED);
    assert_null(key);
    assert_ptr_equal(other, &route_schema);
    assert_int_equal(database_number(database, "SELECT count(*) FROM plugins"), 1);
    cJSON_Delete(plugin);
    cJSON_Delete(route);
    cJSON_Delete(service);
}

static void deleting_names_every_row_that_goes_along(void **state)
{
    struct database *database = *state;
    cJSON *consumer = entity("{\"username\":\"ann\"}");
    cJSON *plugin = entity_of("{\"name\":\"cors\",\"config\":{}}", "consumer", consumer);
    const uint8_t(*keys)[16];

    must_change(database, &consumer_schema, NULL, consumer);
    must_change(database, &plugin_setting_schema, NULL, plugin);
    for (int i = 0; i < 3; i++) {
        char json[64];
        (void)snprintf(json, sizeof(json), "{\"key\":\"k%d\",\"ttl\":%d}", i, i == 2 ? 1000 : 0);
        cJSON *credential = entity_of(json, "consumer", consumer);
        must_change(database, &credential_schema, NULL, credential);
        cJSON_Delete(credential);
    }
    uint64_t position = must_change(database, &consumer_schema, consumer, NULL);
    assert_int_equal(events_at(database, position), 5);
    assert_true(store_committed_keys(&database->session, &keys) >= 3);
    char *logged = database_script(database, "SELECT string_agg(entity, ' ' ORDER BY entity) FROM cluster_log"
                                             " WHERE pos = (SELECT max(pos) FROM cluster_log)");
    assert_string_equal(logged,
                        "consumers keyauth_credentials keyauth_credentials keyauth_credentials plugins");
    free(logged);
    assert_int_equal(database_number(database, "SELECT count(*) FROM keyauth_credentials"), 0);
    cJSON_Delete(plugin);
    cJSON_Delete(consumer);
}

static void a_row_whose_time_is_over_gives_its_key_back(void **state)
{
    struct database *database = *state;
    cJSON *consumer = entity("{\"username\":\"ann\"}");
    cJSON *first = entity_of("{\"key\":\"k\",\"ttl\":1000}", "consumer", consumer);
    cJSON *second = entity_of("{\"key\":\"k\"}", "consumer", consumer);

    must_change(database, &consumer_schema, NULL, consumer);
    must_change(database, &credential_schema, NULL, first);
    cJSON *found = must_find(database, &credential_schema, "key", "k");
    int ttl = cJSON_GetObjectItem(found, "ttl")->valueint;
    assert_in_range(ttl, 990, 1000);
    cJSON_Delete(found);
    free(database_script(database, "ALTER TABLE keyauth_credentials DISABLE TRIGGER freshet_guard;"
                                   "UPDATE keyauth_credentials SET expires_at = now() - interval '1 second';"
                                   "ALTER TABLE keyauth_credentials ENABLE TRIGGER freshet_guard"));
    assert_null(must_find(database, &credential_schema, "key", "k"));
    uint64_t position = must_change(database, &credential_schema, NULL, second);
    assert_int_equal(events_at(database, position), 2);
    found = must_find(database, &credential_schema, "key", "k");
    assert_string_equal(text_of(found, "id"), text_of(second, "id"));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(found, "ttl")));
    cJSON_Delete(found);
    cJSON_Delete(second);
    cJSON_Delete(first);
    cJSON_Delete(consumer);
}

static void writing_the_time_left_back_does_not_shorten_it(void **state)
{
    struct database *database = *state;
    cJSON *consumer = entity("{\"username\":\"ann\"}");
    cJSON *credential = entity_of("{\"key\":\"k\",\"ttl\":1000}", "consumer", consumer);

    must_change(database, &consumer_schema, NULL, consumer);
    must_change(database, &credential_schema, NULL, credential);
    char *before = database_script(database, "SELECT expires_at FROM keyauth_credentials");
    cJSON *found = must_find(database, &credential_schema, "key", "k");
    must_change(database, &credential_schema, found, found);
    char *after = database_script(database, "SELECT expires_at FROM keyauth_credentials");
    assert_string_equal(before, after);
    free(after);
    cJSON *forever = cJSON_Duplicate(found, true);
    cJSON_ReplaceItemInObject(forever, "ttl", cJSON_CreateNull());
    must_change(database, &credential_schema, found, forever);
    assert_int_equal(database_number(database, "SELECT count(expires_at) FROM keyauth_credentials"), 0);
    free(before);
    cJSON_Delete(forever);
    cJSON_Delete(found);
    cJSON_Delete(credential);
    cJSON_Delete(consumer);
}

/* BEGIN, the statement, COMMIT: which the guard must refuse. */
static void assert_guarded(struct pg_session *session, const char *sql)
{
    struct bus_err err = {0};

    assert_true(pg_session_command(session, "BEGIN", 5000, &err));
    assert_true(pg_session_command(session, sql, 5000, &err));
    assert_false(pg_session_command(session, "COMMIT", 5000, &err));
    assert_string_equal(err.constraint, "freshet_guard");
}

static void a_row_without_an_event_cannot_be_committed(void **state)
{
    struct database *database = *state;
    struct pg_session *session = pg_session_new(&database->options);
    cJSON *consumer = entity("{\"username\":\"ann\"}");

    must_change(database, &consumer_schema, NULL, consumer);
    assert_guarded(session, "INSERT INTO services (id) VALUES (gen_random_uuid())");
    assert_guarded(session, "UPDATE consumers SET custom_id = 'x'");
    assert_guarded(session, "DELETE FROM consumers");
    /* An event of the same transaction, but for another row. */
    assert_guarded(session,
                   "WITH e AS (INSERT INTO cluster_log (pos, n, tag, at, kind, entity, id)"
                   " SELECT max(pos) + 1, 1, 1, now(), 1, 'services', gen_random_uuid() FROM cluster_log)"
                   " INSERT INTO services (id) VALUES (gen_random_uuid())");
    assert_int_equal(database_number(database, "SELECT count(*) FROM services"), 0);
    assert_int_equal(database_number(database, "SELECT count(*) FROM consumers WHERE custom_id IS NULL"), 1);
    pg_session_free(session);
    cJSON_Delete(consumer);
}

static bool always_collide(struct store_session *session, void *arg, struct store_error *error)
{
    const struct pg_statement statement = {
        .sql = "DO 'BEGIN RAISE EXCEPTION ''x'' USING ERRCODE = ''40P01''; END'"};
    struct bus_err err;
    PGresult *result = NULL;
    int *runs = arg;

    ++*runs;
    if (!session_query(session, &statement, &result, &err))
        return store_error_from(error, &err);
    PQclear(result);
    return true;
}

static void a_deadlock_runs_the_body_again_three_times(void **state)
{
    struct database *database = *state;
    struct outbox_receipt receipt;
    struct store_error error = {0};
    int runs = 0;

    assert_false(store_transact(&database->session, always_collide, &runs, &receipt, &error));
    assert_int_equal(error.failure, STORE_CONFLICT);
    assert_int_equal(runs, 4);
}

static void end_other_sessions(struct database *database)
{
    free(database_script(database, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                                   " WHERE application_name = 'test' AND pid <> pg_backend_pid()"));
}

static void a_connection_that_died_in_between_is_replaced(void **state)
{
    struct database *database = *state;
    cJSON *consumer = entity("{\"username\":\"ann\"}");

    assert_null(must_find(database, &consumer_schema, "username", "ann"));
    end_other_sessions(database);
    assert_null(must_find(database, &consumer_schema, "username", "ann"));
    end_other_sessions(database);
    must_change(database, &consumer_schema, NULL, consumer);
    cJSON_Delete(consumer);
}

struct loser {
    struct database *database;
    cJSON *first, *second;
};

static bool lose_connection(struct store_session *session, void *arg, struct store_error *error)
{
    struct loser *loser = arg;

    assert_true(store_insert(session, &consumer_schema, loser->first, error));
    end_other_sessions(loser->database);
    return store_insert(session, &consumer_schema, loser->second, error);
}

static void a_connection_lost_inside_leaves_nothing_behind(void **state)
{
    struct database *database = *state;
    struct loser loser = {database, entity("{\"username\":\"ann\"}"), entity("{\"username\":\"bob\"}")};
    struct outbox_receipt receipt;
    struct store_error error = {0};

    int64_t before = head(database);
    assert_false(store_transact(&database->session, lose_connection, &loser, &receipt, &error));
    assert_int_equal(error.failure, STORE_UNAVAILABLE);
    assert_int_equal(head(database), before);
    assert_int_equal(database_number(database, "SELECT count(*) FROM consumers"), 0);
    must_change(database, &consumer_schema, NULL, loser.first);
    cJSON_Delete(loser.second);
    cJSON_Delete(loser.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_document_comes_back_as_it_was_written, database_clear),
        cmocka_unit_test_setup(an_update_replaces_every_field, database_clear),
        cmocka_unit_test_setup(an_event_names_the_keys_of_both_versions, database_clear),
        cmocka_unit_test_setup(the_receipt_is_the_place_in_the_log, database_clear),
        cmocka_unit_test_setup(a_rollback_leaves_neither_row_nor_event, database_clear),
        cmocka_unit_test_setup(reading_alone_takes_no_position, database_clear),
        cmocka_unit_test_setup(a_taken_id_is_a_primary_key_failure, database_clear),
        cmocka_unit_test_setup(a_taken_value_names_its_field, database_clear),
        cmocka_unit_test_setup(the_same_plugin_clashes_on_the_same_scope_only, database_clear),
        cmocka_unit_test_setup(a_reference_to_nothing_names_field_and_schema, database_clear),
        cmocka_unit_test_setup(a_service_with_routes_stays, database_clear),
        cmocka_unit_test_setup(deleting_names_every_row_that_goes_along, database_clear),
        cmocka_unit_test_setup(a_row_whose_time_is_over_gives_its_key_back, database_clear),
        cmocka_unit_test_setup(writing_the_time_left_back_does_not_shorten_it, database_clear),
        cmocka_unit_test_setup(a_row_without_an_event_cannot_be_committed, database_clear),
        cmocka_unit_test_setup(a_deadlock_runs_the_body_again_three_times, database_clear),
        cmocka_unit_test_setup(a_connection_that_died_in_between_is_replaced, database_clear),
        cmocka_unit_test_setup(a_connection_lost_inside_leaves_nothing_behind, database_clear),
    };

    return cmocka_run_group_tests(tests, database_group_setup, database_group_teardown);
}
