/*
 * Windows in the database: what is added is read, in one round trip; rows that are over go; no event is owed.
 */

#include "database.h"

#include "gateway/store/usage_rows.h"

static const struct uuid nil = {{0}};
static const struct uuid some = {{7}};

static struct usage window(const char *identity, const char *period, const struct uuid *route, uint64_t count)
{
    return (struct usage){.identity = str_of(identity),
                          .period = str_of(period),
                          .route = *route,
                          .service = nil,
                          .starts_s = 1795600000,
                          .ends_s = 4000000000,
                          .count = count};
}

static enum usage_rows_outcome exchange(struct database *database, const struct usage *adds, size_t add_count,
                                        struct usage *reads, size_t read_count)
{
    struct err err = {0};
    enum usage_rows_outcome outcome =
        usage_rows_exchange(&database->session, adds, add_count, reads, read_count, &err);

    if (outcome != USAGE_ROWS_DONE)
        print_message("%s\n", err.text);
    return outcome;
}

static void what_is_added_is_read(void **state)
{
    struct database *database = *state;
    const struct usage adds[] = {window("a", "minute", &nil, 2), window("a", "minute", &nil, 3),
                                 window("a", "hour", &nil, 1), window("a", "minute", &some, 7),
                                 window("\xc3\xa9\"\\' {},\n", "video:day", &nil, 9)};
    struct usage reads[] = {window("nobody", "minute", &nil, 99),
                            window("a", "minute", &nil, 0),
                            window("a", "minute", &some, 0),
                            window("a", "hour", &nil, 0),
                            window("\xc3\xa9\"\\' {},\n", "video:day", &nil, 0),
                            window("a", "minute", &nil, 0)};
    const uint64_t expected[] = {0, 5, 7, 1, 9, 5};

    assert_int_equal(exchange(database, adds, COUNT(adds), reads, COUNT(reads)), USAGE_ROWS_DONE);
    for (size_t i = 0; i < COUNT(reads); i++)
        assert_int_equal(reads[i].count, expected[i]);
    assert_int_equal(exchange(database, adds, 1, reads + 1, 1), USAGE_ROWS_DONE);
    assert_int_equal(reads[1].count, 7);
    assert_int_equal(exchange(database, adds, 1, NULL, 0), USAGE_ROWS_DONE);
    assert_int_equal(exchange(database, NULL, 0, reads + 1, 1), USAGE_ROWS_DONE);
    assert_int_equal(reads[1].count, 9);
}

static void another_window_is_another_row(void **state)
{
    struct database *database = *state;
    struct usage add = window("w", "minute", &nil, 1);
    struct usage read = add;

    read.starts_s += 60;
    assert_int_equal(exchange(database, &add, 1, &read, 1), USAGE_ROWS_DONE);
    assert_int_equal(read.count, 0);
}

static void what_is_over_is_swept_in_pieces(void **state)
{
    struct database *database = *state;
    struct usage adds[5];
    struct usage kept = window("kept", "year", &nil, 1);

    for (size_t i = 0; i < COUNT(adds); i++) {
        adds[i] = window("old", "second", &nil, 1);
        adds[i].starts_s += (int64_t)i;
        adds[i].ends_s = adds[i].starts_s + 1;
        if (adds[i].ends_s > 1700000000)
            adds[i].ends_s = 1700000000;
    }
    assert_int_equal(exchange(database, adds, COUNT(adds), NULL, 0), USAGE_ROWS_DONE);
    assert_int_equal(exchange(database, &kept, 1, NULL, 0), USAGE_ROWS_DONE);
    assert_int_equal(usage_rows_sweep(&database->session, 3), 3);
    assert_int_equal(usage_rows_sweep(&database->session, 3), 2);
    assert_int_equal(usage_rows_sweep(&database->session, 3), 0);
    assert_int_equal(exchange(database, NULL, 0, &kept, 1), USAGE_ROWS_DONE);
    assert_int_equal(kept.count, 1);
}

static void what_the_database_refuses_may_not_be_said_again(void **state)
{
    struct database *database = *state;
    struct usage add = window("big", "minute", &nil, INT64_MAX);

    assert_int_equal(exchange(database, &add, 1, NULL, 0), USAGE_ROWS_DONE);
    assert_int_equal(exchange(database, &add, 1, NULL, 0), USAGE_ROWS_UNKNOWN);
}

static void without_a_connection_nothing_was_said(void **state)
{
    struct database *database = *state;
    struct store_options options = database->store_options;
    struct usage add = window("a", "minute", &nil, 1);
    struct store_session session;
    struct err err = {0};

    options.primary.host = "/nowhere";
    session_init(&session, NULL, &options);
    assert_int_equal(usage_rows_exchange(&session, &add, 1, NULL, 0, &err), USAGE_ROWS_NOT_SENT);
    session.refused = true;
    assert_int_equal(usage_rows_exchange(&session, &add, 1, NULL, 0, &err), USAGE_ROWS_NOT_SENT);
    session_fini(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_is_read),
        cmocka_unit_test(another_window_is_another_row),
        cmocka_unit_test(what_is_over_is_swept_in_pieces),
        cmocka_unit_test(what_the_database_refuses_may_not_be_said_again),
        cmocka_unit_test(without_a_connection_nothing_was_said),
    };
    return cmocka_run_group_tests(tests, database_group_setup, database_group_teardown);
}
