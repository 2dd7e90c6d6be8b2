/*
 * Reads: single documents, pages, filters, and rows in the view of a batch.
 */

#include "database.h"

#include <time.h>

static struct store_page must_list(struct database *database, const struct store_page_query *query)
{
    struct store_page page = {0};
    struct store_error error = {0};

    if (!store_list(&database->session, query, &page, &error))
        fail_msg("%s", error.err.text);
    return page;
}

static void page_fini(struct store_page *page)
{
    cJSON_Delete(page->documents);
    free(page->next_offset);
}

static int count_of(struct database *database, const struct store_page_query *query)
{
    struct store_page page = must_list(database, query);
    int count = cJSON_GetArraySize(page.documents);

    page_fini(&page);
    return count;
}

static void make_consumers(struct database *database, int count)
{
    char sql[512];

    (void)snprintf(sql, sizeof(sql),
                   "ALTER TABLE consumers DISABLE TRIGGER freshet_guard;"
                   "INSERT INTO consumers (id, username) SELECT gen_random_uuid(), 'c' || i FROM "
                   "generate_series(1, %d) i;"
                   "ALTER TABLE consumers ENABLE TRIGGER freshet_guard",
                   count);
    free(database_script(database, sql));
}

static void pages_follow_each_other_without_gap_or_repetition(void **state)
{
    struct database *database = *state;
    struct store_page_query query = {.schema = &consumer_schema, .size = 10};
    char last[UUID_TEXT_SIZE] = "";
    char *offset = NULL;
    int seen = 0, pages = 0;

    make_consumers(database, 25);
    do {
        query.offset = str_of(offset);
        struct store_page page = must_list(database, &query);
        const cJSON *document;
        cJSON_ArrayForEach(document, page.documents)
        {
            assert_true(strcmp(text_of(document, "id"), last) > 0);
            (void)snprintf(last, sizeof(last), "%s", text_of(document, "id"));
            seen++;
        }
        pages++;
        free(offset);
        offset = page.next_offset;
        cJSON_Delete(page.documents);
    } while (offset != NULL);
    assert_int_equal(seen, 25);
    assert_int_equal(pages, 3);
}

static void a_page_that_ends_exactly_is_the_last(void **state)
{
    struct database *database = *state;
    const struct store_page_query query = {.schema = &consumer_schema, .size = 10};

    make_consumers(database, 10);
    struct store_page page = must_list(database, &query);
    assert_int_equal(cJSON_GetArraySize(page.documents), 10);
    assert_null(page.next_offset);
    page_fini(&page);
}

static void assert_bad_offset(struct database *database, const char *offset, const char *text)
{
    const struct store_page_query query = {.schema = &consumer_schema, .size = 10, .offset = str_of(offset)};
    struct store_page page;
    struct store_error error = {0};

    assert_false(store_list(&database->session, &query, &page, &error));
    assert_int_equal(error.failure, STORE_BAD_OFFSET);
    assert_string_equal(error.err.text, text);
    store_error_fini(&error);
}

static void a_bad_offset_is_said_to_be_one(void **state)
{
    assert_bad_offset(*state, "x", "'x' is not a valid offset: bad base64 encoding");
    assert_bad_offset(*state, "WyJ4Il0", "'WyJ4Il0' is not a valid offset: bad json encoding");
}

static void tags_filter_by_all_or_by_any(void **state)
{
    struct database *database = *state;
    cJSON *both = entity("{\"username\":\"ann\",\"tags\":[\"a\",\"b,\\\"c\"]}");
    cJSON *one = entity("{\"username\":\"bob\",\"tags\":[\"a\"]}");
    cJSON *none = entity("{\"username\":\"cid\"}");
    const struct str tags[] = {STR("a"), STR("b,\"c")};
    const struct str empty[] = {STR("a"), STR("")};
    const struct str broken[] = {STR("\xff")};
    struct store_page_query query = {.schema = &consumer_schema, .size = 10, .tags = tags, .tag_count = 2};

    must_change(database, &consumer_schema, NULL, both);
    must_change(database, &consumer_schema, NULL, one);
    must_change(database, &consumer_schema, NULL, none);
    assert_int_equal(count_of(database, &query), 1);
    query.any_tag = true;
    assert_int_equal(count_of(database, &query), 2);
    query.tag_count = 0;
    assert_int_equal(count_of(database, &query), 3);
    query = (struct store_page_query){.schema = &consumer_schema, .size = 10, .tags = empty, .tag_count = 2};
    assert_int_equal(count_of(database, &query), 0);
    query = (struct store_page_query){.schema = &consumer_schema, .size = 10, .tags = broken, .tag_count = 1};
    assert_int_equal(count_of(database, &query), 0);
    cJSON_Delete(none);
    cJSON_Delete(one);
    cJSON_Delete(both);
}

static void a_nested_list_has_the_parents_children_only(void **state)
{
    struct database *database = *state;
    cJSON *service = entity("{\"host\":\"a.test\"}");
    cJSON *inside = entity_of("{\"paths\":[\"/a\"]}", "service", service);
    cJSON *outside = entity("{\"paths\":[\"/b\"]}");
    struct store_page_query query = {.schema = &route_schema, .size = 10, .parent_field = "service"};

    must_change(database, &service_schema, NULL, service);
    must_change(database, &route_schema, NULL, inside);
    must_change(database, &route_schema, NULL, outside);
    assert_true(uuid_from_str(str_of(text_of(service, "id")), &query.parent));
    struct store_page page = must_list(database, &query);
    assert_int_equal(cJSON_GetArraySize(page.documents), 1);
    const cJSON *found = cJSON_GetArrayItem(page.documents, 0);
    assert_string_equal(text_of(found, "id"), text_of(inside, "id"));
    assert_string_equal(text_of(cJSON_GetObjectItem(found, "service"), "id"), text_of(service, "id"));
    page_fini(&page);
    cJSON_Delete(outside);
    cJSON_Delete(inside);
    cJSON_Delete(service);
}

static void a_field_can_be_matched(void **state)
{
    struct database *database = *state;
    cJSON *ann = entity("{\"username\":\"ann\",\"custom_id\":\"0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11\"}");
    struct store_page_query query = {.schema = &consumer_schema, .size = 10, .match_field = "custom_id"};

    must_change(database, &consumer_schema, NULL, ann);
    query.match_value = str_of(text_of(ann, "custom_id"));
    assert_int_equal(count_of(database, &query), 1);
    query.match_value = STR("8");
    assert_int_equal(count_of(database, &query), 0);
    query.match_value = STR("\xff");
    assert_int_equal(count_of(database, &query), 0);
    cJSON_Delete(ann);
}

static void a_value_that_cannot_be_stored_finds_nothing(void **state)
{
    struct database *database = *state;
    struct store_error error = {0};
    cJSON *document = NULL;

    assert_null(must_find(database, &consumer_schema, "id", "not-a-uuid"));
    assert_null(must_find(database, &consumer_schema, "username", "\xff\xfe"));
    assert_true(store_find(&database->session, &consumer_schema, "username", (struct str){"a\0b", 3},
                           STORE_READ, &document, &error));
    assert_null(document);
}

static void plugin_names_are_told_once_each(void **state)
{
    struct database *database = *state;
    struct store_error error = {0};
    cJSON *names = NULL;

    free(database_script(database,
                         "ALTER TABLE plugins DISABLE TRIGGER freshet_guard;"
                         "INSERT INTO plugins (id, name, service_id) VALUES (gen_random_uuid(), 'b', NULL),"
                         " (gen_random_uuid(), 'a', NULL);"
                         "ALTER TABLE plugins ENABLE TRIGGER freshet_guard"));
    assert_true(store_plugin_names(&database->session, &names, &error));
    char *text = cJSON_PrintUnformatted(names);
    assert_string_equal(text, "[\"a\",\"b\"]");
    free(text);
    cJSON_Delete(names);
    assert_true(store_ping(&database->session, &error));
}

struct counted {
    int rows;
    char last[UUID_TEXT_SIZE];
    int stop_at;
};

static bool count_row(void *arg, const cJSON *document, struct err *err)
{
    struct counted *counted = arg;

    if (strcmp(text_of(document, "id"), counted->last) <= 0)
        return err_set(err, ERR_INTERNAL, "out of order");
    (void)snprintf(counted->last, sizeof(counted->last), "%s", text_of(document, "id"));
    counted->rows++;
    return counted->rows != counted->stop_at || err_set(err, ERR_INVALID, "enough");
}

static struct pg_session *open_view(struct database *database)
{
    struct pg_session *view = pg_session_new(&database->options);
    struct bus_err err = {0};

    assert_true(pg_session_command(view, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 5000, &err));
    return view;
}

static void make_routes(struct database *database, int count)
{
    char sql[1024];

    (void)snprintf(
        sql, sizeof(sql),
        "ALTER TABLE routes DISABLE TRIGGER freshet_guard;"
        "INSERT INTO routes (id, name, protocols, methods, hosts, paths, headers, https_redirect_status_code,"
        " regex_priority, strip_path, preserve_host, request_buffering, response_buffering, tags, created_at,"
        " updated_at) SELECT gen_random_uuid(), 'route-' || i, '{http,https}', '{GET,POST}',"
        " ARRAY['h' || i || '.example.test'], ARRAY['/v1/r' || i], '{\"x-a\":[\"1\"]}', 426, 0, true, false,"
        " true, true, '{a,b}', 1795400100, 1795400100 FROM generate_series(1, %d) i;"
        "ALTER TABLE routes ENABLE TRIGGER freshet_guard",
        count);
    free(database_script(database, sql));
}

static void a_view_streams_every_row_once(void **state)
{
    struct database *database = *state;
    struct counted counted = {0}, stopped = {.stop_at = 1500};
    struct timespec start, end;
    struct err err = {0};

    make_routes(database, 10000);
    struct pg_session *view = open_view(database);
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    if (!store_view_all(view, &route_schema, count_row, &counted, &err))
        fail_msg("%s", err.text);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    assert_int_equal(counted.rows, 10000);
    print_message("10000 routes in %.0f ms\n",
                  (double)(end.tv_sec - start.tv_sec) * 1e3 + (double)(end.tv_nsec - start.tv_nsec) / 1e6);

    /* A callback that has enough ends it, and the view can still be used. */
    assert_false(store_view_all(view, &route_schema, count_row, &stopped, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_true(store_view_all(view, &service_schema, count_row, &stopped, &err));
    pg_session_free(view);
}

static bool count_any(void *arg, const cJSON *document, struct err *err)
{
    int *count = arg;

    (void)err;
    ++*count;
    return text_of(document, "id") != NULL;
}

static void a_view_finds_the_ids_that_exist(void **state)
{
    struct database *database = *state;
    cJSON *ann = entity("{\"username\":\"ann\"}");
    cJSON *bob = entity("{\"username\":\"bob\"}");
    struct uuid *ids = mem_zalloc(2500 * sizeof(*ids));
    struct err err = {0};
    int count = 0;

    must_change(database, &consumer_schema, NULL, ann);
    struct pg_session *view = open_view(database);
    for (size_t i = 0; i < 2500; i++)
        uuid_make(&ids[i]);
    assert_true(uuid_from_str(str_of(text_of(ann, "id")), &ids[3]));
    assert_true(uuid_from_str(str_of(text_of(bob, "id")), &ids[2400]));
    assert_true(store_view_ids(view, &consumer_schema, ids, 2500, count_any, &count, &err));
    assert_int_equal(count, 1);
    /* Committed after the view was opened: not in it. */
    must_change(database, &consumer_schema, NULL, bob);
    count = 0;
    assert_true(store_view_ids(view, &consumer_schema, ids, 2500, count_any, &count, &err));
    assert_int_equal(count, 1);
    assert_true(store_view_ids(view, &consumer_schema, ids, 0, count_any, &count, &err));
    assert_int_equal(count, 1);
    pg_session_free(view);
    free(ids);
    cJSON_Delete(bob);
    cJSON_Delete(ann);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(pages_follow_each_other_without_gap_or_repetition, database_clear),
        cmocka_unit_test_setup(a_page_that_ends_exactly_is_the_last, database_clear),
        cmocka_unit_test_setup(a_bad_offset_is_said_to_be_one, database_clear),
        cmocka_unit_test_setup(tags_filter_by_all_or_by_any, database_clear),
        cmocka_unit_test_setup(a_nested_list_has_the_parents_children_only, database_clear),
        cmocka_unit_test_setup(a_field_can_be_matched, database_clear),
        cmocka_unit_test_setup(a_value_that_cannot_be_stored_finds_nothing, database_clear),
        cmocka_unit_test_setup(plugin_names_are_told_once_each, database_clear),
        cmocka_unit_test_setup(a_view_streams_every_row_once, database_clear),
        cmocka_unit_test_setup(a_view_finds_the_ids_that_exist, database_clear),
    };

    return cmocka_run_group_tests(tests, database_group_setup, database_group_teardown);
}
