/*
 * Lines that belong to one connection (data-plane reference, 5.5).
 */

#include "requests.h"

#include "gateway/proxy/hop_by_hop.h"

/* The names that are left, in order, separated by blanks. */
static void expect_left(const char *lines, const char *wanted)
{
    struct buf text = {0}, left = {0};
    buf_printf(&text, "GET / HTTP/1.1\n%s", lines);
    struct exchange *exchange = test_exchange("10.0.0.1", text.at);
    struct headers *headers = &exchange_request(exchange)->headers;
    hop_by_hop_drop_named(headers);
    for (size_t i = 0; i < headers->count; i++)
        buf_printf(&left, "%s%.*s", i > 0 ? " " : "", STR_ARG(headers->at[i].name));
    expect_str(buf_str(&left), wanted);
    buf_fini(&text);
    buf_fini(&left);
    exchange_recorder_free(exchange);
}

static void what_connection_names_goes_no_further(void **state)
{
    (void)state;
    expect_left("A: 1\nConnection: b\nB: 2\nC: 3\n", "A Connection C");
    expect_left("B: 2\nConnection: X-One , x-TWO\nX-One: 1\nX-Two: 2\nx-one: 3\n", "B Connection");
    expect_left("A: 1\nB: 2\nConnection: a\nconnection: b\n", "Connection connection");
    expect_left("A: 1\nConnection: ,, ,\ta\t,,\n", "Connection");
    expect_left("A: 1\nB: 2\n", "A B");
    expect_left("A: 1\nConnection:\n", "A Connection");
}

static void what_connection_means_by_itself_names_nothing(void **state)
{
    (void)state;
    expect_left("Connection: close\nClose: 1\n", "Connection Close");
    expect_left("Connection: Keep-Alive\nKeep-Alive: 1\n", "Connection Keep-Alive");
    expect_left("Connection: TE, Upgrade\nTE: trailers\n", "Connection TE");
}

static void connection_may_name_itself(void **state)
{
    (void)state;
    expect_left("A: 1\nConnection: connection, b\nB: 2\n", "A");
}

static void a_name_that_is_not_there_does_not_matter(void **state)
{
    (void)state;
    expect_left("A: 1\nConnection: b, a b, \"a\"\n", "A Connection");
}

static void thousands_of_names_are_all_looked_at(void **state)
{
    struct buf lines = {0};
    (void)state;
    buf_add_text(&lines, "A63: 1\nA4999: 1\nA5000: 1\na63: 2\nConnection: ");
    for (size_t i = 0; i < 5000; i++)
        buf_printf(&lines, "a%zu,", i);
    buf_add_text(&lines, "\nConnection: b\nB: 1\n");
    expect_left(lines.at, "A5000 Connection Connection");
    buf_fini(&lines);
}

static void words_of_a_list_are_found_without_case_and_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        bool found;
    } cases[] = {
        {"trailers", true},
        {"Trailers", true},
        {"gzip, trailers", true},
        {"gzip,trailers;q=0.5", true},
        {" trailers ; q=1 ,x", true},
        {"trailer", false},
        {"trailers2", false},
        {"gzip;trailers", false},
        {"", false},
        {",", false},
        {"x trailers", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (hop_by_hop_mentions(str_of(cases[i].list), STR("trailers")) != cases[i].found)
            fail_msg("'%s'", cases[i].list);
    assert_false(hop_by_hop_mentions(STR_NONE, STR("trailers")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_connection_names_goes_no_further),
        cmocka_unit_test(what_connection_means_by_itself_names_nothing),
        cmocka_unit_test(connection_may_name_itself),
        cmocka_unit_test(a_name_that_is_not_there_does_not_matter),
        cmocka_unit_test(thousands_of_names_are_all_looked_at),
        cmocka_unit_test(words_of_a_list_are_found_without_case_and_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
