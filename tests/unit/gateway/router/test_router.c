/*
 * What the data-plane reference says in section 1, row by row.
 */

#include "routes.h"

#include <stdio.h>

enum {
    NO_ROUTE = 0 /* routes are numbered from 1 */
};

struct table {
    struct router *router;
    struct routed *routes[8];
    unsigned count;
};

static void table_add(struct table *table, const char *json)
{
    struct routed *routed = routes_make(table->count + 1, json);
    if (table->router == NULL)
        table->router = router_new();
    assert_true(routes_change(&table->router, NULL, routed));
    table->routes[table->count++] = routed;
}

static void table_clear(struct table *table)
{
    for (unsigned i = 0; i < table->count; i++)
        routed_unref(table->routes[i]);
    router_unref(table->router);
    *table = (struct table){0};
}

static unsigned winner(const struct table *table, const struct router_query *query)
{
    struct router_match match;
    return router_match(table->router, query, &match) ? routes_number(match.route) : NO_ROUTE;
}

/* One route; does it match a GET of the path at the host? */
static bool matches(const char *json, const char *host, const char *path)
{
    struct table table = {0};
    const struct router_query query = {.method = STR("GET"), .host = str_of(host), .path = str_of(path)};
    table_add(&table, json);
    bool found = winner(&table, &query) != NO_ROUTE;
    table_clear(&table);
    return found;
}

static const struct {
    const char *route, *host;
    bool match;
} hosts[] = {
    {"{'hosts':['api.acme.test']}", "api.acme.test", true},
    {"{'hosts':['api.acme.test']}", "api.acme.test:9999", true},
    {"{'hosts':['api.acme.test']}", "x.api.acme.test", false},
    {"{'hosts':['api.acme.test:81']}", "api.acme.test:81", true},
    {"{'hosts':['api.acme.test:81']}", "api.acme.test", false},
    {"{'hosts':['api.acme.test:81']}", "api.acme.test:82", false},
    {"{'hosts':['*.acme.test']}", "a.acme.test", true},
    {"{'hosts':['*.acme.test']}", "a.b.acme.test", true},
    {"{'hosts':['*.acme.test']}", "a.b.acme.test:81", true},
    {"{'hosts':['*.acme.test']}", "acme.test", false},
    {"{'hosts':['*.acme.test']}", "a.acme.test.org", false},
    {"{'hosts':['*.acme.test:81']}", "a.acme.test:81", true},
    {"{'hosts':['*.acme.test:81']}", "a.acme.test", false},
    {"{'hosts':['api.*']}", "api.acme.test", true},
    {"{'hosts':['api.*']}", "api.x", true},
    {"{'hosts':['api.*']}", "api.x:81", true},
    {"{'hosts':['api.*']}", "api", false},
    {"{'hosts':['api.*']}", "my.api.x", false},
    {"{'hosts':['api.*:81']}", "api.x:81", true},
    {"{'hosts':['api.*:81']}", "api.x", false},
    /* Letters without case; a port is digits behind the first colon; no Host matches no hosts. */
    {"{'hosts':['API.acme.Test']}", "api.ACME.test", true},
    {"{'hosts':['api.acme.test']}", "api.acme.test:8x", false},
    {"{'hosts':['[::1]']}", "[::1]", true},
    {"{'hosts':['a.test','b.test']}", "b.test", true},
    {"{'hosts':['a.test']}", NULL, false},
    {"{'paths':['/']}", NULL, true},
};

static void hosts_match_as_in_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(hosts); i++)
        if (matches(hosts[i].route, hosts[i].host, "/") != hosts[i].match)
            fail_msg("%s and host %s", hosts[i].route, hosts[i].host);
}

static const struct {
    const char *route, *path;
    bool match;
} paths[] = {
    {"{'paths':['/shop']}", "/shop", true},
    {"{'paths':['/shop']}", "/shop/1", true},
    {"{'paths':['/shop']}", "/shopping", true},
    {"{'paths':['/shop']}", "/sho", false},
    {"{'paths':['/shop']}", "/Shop", false},
    {"{'paths':['/a','/b']}", "/b", true},
    {"{'paths':['/a.b(c)+']}", "/a.b(c)+/d", true}, /* a plain prefix without the '~' */
    {"{'paths':['/a.b(c)+']}", "/axbcc", false},
    {"{'paths':['~/v\\\\d+']}", "/v12/x", true},
    {"{'paths':['~/v\\\\d+']}", "/a/v12", false},
    {"{'paths':['~/v\\\\d+$']}", "/v12/x", false},
    {"{'paths':['~/V']}", "/v", false},
    /* The alternation trap. */
    {"{'paths':['~/a|/b']}", "/x/b", true},
    {"{'paths':['~/a|/b']}", "/x/a", false},
    {"{'paths':['~/(a|b)']}", "/x/b", false},
    {"{'paths':['~/(a|b)']}", "/b", true},
    /* What a pattern may begin with, however it is written. */
    {"{'paths':['~/users/(a|b)/c']}", "/users/b/c", true},
    {"{'paths':['~/ab?/c']}", "/a/c", true},
    {"{'paths':['~/ab*']}", "/a", true},
    {"{'paths':['~/ab{0}c']}", "/ac", true},
    {"{'paths':['~/caf\xc3\xa9?s']}", "/cafs", true},
    {"{'paths':['~/x[|]y']}", "/x|y", true},
    {"{'paths':['~/x[]|]y|/z']}", "/q/z", true},
    {"{'paths':['~/x\\\\(|/z']}", "/q/z", true},
    {"{'paths':['~/x\\\\Q(\\\\E|/z']}", "/q/z", true},
    {"{'paths':['~/x(?#()|/z']}", "/q/z", true},
    {"{'paths':['~/x[[:alpha:]]|/z']}", "/q/z", true},
    {"{'paths':['~/x[\\\\]|]|/z']}", "/q/z", true},
    {"{'paths':['~/x(?i)Y']}", "/xy", true},
    {"{'paths':['~(?i)/X']}", "/x", true},
    /* Not UTF-8. */
    {"{'paths':['/']}", "/\xff", false},
    {"{'paths':['~/.']}", "/\xff", false},
    {"{'paths':['~/.$']}", "/\xc3\xa9", true},
};

static void paths_match_as_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++)
        if (matches(paths[i].route, "h", paths[i].path) != paths[i].match)
            fail_msg("%s and path %s", paths[i].route, paths[i].path);
}

/* The worked examples of 1.4, and one tie of each kind. */
static const struct {
    const char *a, *b;
    unsigned winner;
} ranks[] = {
    {"{'paths':['/v1/users']}", "{'hosts':['api.acme.test'],'paths':['/']}", 2},
    {"{'hosts':['*.acme.test'],'paths':['/v1/users']}", "{'hosts':['api.acme.test'],'paths':['/v1']}", 2},
    {"{'paths':['~/v1']}", "{'paths':['/v1/users']}", 1},
    {"{'paths':['~/v1'],'regex_priority':0}", "{'paths':['~/v1/users$'],'regex_priority':5}", 2},
    {"{'hosts':['api.acme.test']}", "{'paths':['/v1/users']}", 1},
    {"{'methods':['GET'],'paths':['/']}", "{'hosts':['api.acme.test']}", 1},
    {"{'headers':{'x':['1']},'paths':['/v1']}", "{'headers':{'x':['1'],'y':['2']},'paths':['/']}", 2},
    {"{'protocols':['https'],'paths':['/v1/users']}", "{'protocols':['http'],'paths':['/v1']}", 1},
    /* One wildcard among the hosts is a wildcard. */
    {"{'hosts':['api.acme.test','*.x'],'paths':['/v1/users']}", "{'hosts':['api.*','api.acme.test']}", 1},
    {"{'hosts':['api.acme.test','*.x'],'paths':['/v1/users']}", "{'hosts':['api.acme.test'],'paths':['/']}",
     2},
    /* A route with several paths is several routes. */
    {"{'paths':['/','/v1/users']}", "{'paths':['/v1']}", 1},
    {"{'paths':['/v1/users','~/nothing']}", "{'paths':['~/v1']}", 2},
    /* regex_priority is nothing to a prefix. */
    {"{'paths':['/v1'],'regex_priority':9}", "{'paths':['/v1/users']}", 2},
    /* Ties: the older, then the smaller id. */
    {"{'paths':['/v1'],'created_at':5}", "{'paths':['/v1'],'created_at':4}", 2},
    {"{'paths':['/v1'],'created_at':5}", "{'paths':['/v1'],'created_at':5}", 1},
    {"{'paths':['~/v1/users'],'created_at':5}", "{'paths':['~/v1'],'created_at':4}", 2},
};

static void the_better_rank_wins_in_whatever_order_routes_come(void **state)
{
    static const struct router_header headers[] = {{STR("x"), STR("1")}, {STR("y"), STR("2")}};
    const struct router_query query = {.method = STR("GET"),
                                       .host = STR("api.acme.test"),
                                       .path = STR("/v1/users"),
                                       .headers = headers,
                                       .header_count = COUNT(headers)};
    (void)state;
    for (size_t i = 0; i < COUNT(ranks); i++) {
        struct table table = {0};
        table_add(&table, ranks[i].a);
        assert_int_equal(winner(&table, &query), 1);
        table_add(&table, ranks[i].b);
        if (winner(&table, &query) != ranks[i].winner)
            fail_msg("row %zu: %s and %s", i, ranks[i].a, ranks[i].b);
        assert_true(routes_change(&table.router, table.routes[0], NULL));
        assert_int_equal(winner(&table, &query), 2);
        assert_true(routes_change(&table.router, NULL, table.routes[0]));
        assert_int_equal(winner(&table, &query), ranks[i].winner);
        table_clear(&table);
    }
}

static void methods_are_exact(void **state)
{
    struct table table = {0};
    struct router_query query = {.method = STR("GET"), .path = STR("/")};
    (void)state;
    table_add(&table, "{'methods':['POST','GET']}");
    assert_int_equal(winner(&table, &query), 1);
    query.method = STR("PUT");
    assert_int_equal(winner(&table, &query), NO_ROUTE);
    query.method = STR("get");
    assert_int_equal(winner(&table, &query), NO_ROUTE);
    table_clear(&table);
}

static const struct {
    const char *route;
    struct router_header sent[2];
    bool match;
} headers[] = {
    {"{'headers':{'X_Kind':['A','b']}}", {{STR("x-kind"), STR("B")}}, true},
    {"{'headers':{'x-kind':['a']}}", {{STR("X_Kind"), STR("A")}}, true},
    {"{'headers':{'x-kind':['a']}}", {{STR("x-kind"), STR("a, b")}}, false},
    {"{'headers':{'x-kind':['a']}}", {{STR("x-kind"), STR("c")}, {STR("x-kind"), STR("a")}}, true},
    {"{'headers':{'x-kind':['a']}}", {{STR("x-kin"), STR("a")}}, false},
    {"{'headers':{'x-kind':['a']}}", {{STR("x-kinds"), STR("a")}}, false},
    {"{'headers':{'x':['1'],'y':['2']}}", {{STR("x"), STR("1")}}, false},
    {"{'headers':{'x':['1'],'y':['2']}}", {{STR("y"), STR("2")}, {STR("x"), STR("1")}}, true},
    {"{'headers':{'x':['~*v\\\\D$']}}", {{STR("x"), STR("a-Vz")}}, true},
    {"{'headers':{'x':['~*v\\\\D$']}}", {{STR("x"), STR("a-v1")}}, false},
    {"{'headers':{'x':['1'],'y':['n','~*^A']}}", {{STR("x"), STR("1")}, {STR("y"), STR("abc")}}, true},
};

static void headers_match_as_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(headers); i++) {
        struct table table = {0};
        const struct router_query query = {.method = STR("GET"),
                                           .path = STR("/"),
                                           .headers = headers[i].sent,
                                           .header_count = headers[i].sent[1].name.at != NULL ? 2 : 1};
        table_add(&table, headers[i].route);
        if ((winner(&table, &query) != NO_ROUTE) != headers[i].match)
            fail_msg("row %zu: %s", i, headers[i].route);
        table_clear(&table);
    }
}

static void server_names_are_a_condition_of_tls_only(void **state)
{
    struct table table = {0};
    struct router_query query = {.method = STR("GET"), .path = STR("/")};
    (void)state;
    table_add(&table, "{'snis':['a.test','b.test.'],'protocols':['https']}");
    assert_int_equal(winner(&table, &query), 1);
    query.tls = true;
    assert_int_equal(winner(&table, &query), NO_ROUTE);
    query.server_name = STR("A.test.");
    assert_int_equal(winner(&table, &query), 1);
    query.server_name = STR("b.test");
    assert_int_equal(winner(&table, &query), 1);
    query.server_name = STR("x.a.test");
    assert_int_equal(winner(&table, &query), NO_ROUTE);
    table_clear(&table);
}

static void ask_path(const struct table *table, const char *path, struct router_match *match)
{
    const struct router_query query = {.method = STR("GET"), .path = str_of(path)};
    assert_true(router_match(table->router, &query, match));
}

static void a_match_says_which_path_and_how_much_of_it(void **state)
{
    struct table table = {0};
    struct router_match match;
    (void)state;
    table_add(&table, "{'paths':['/a','/a/b','~/x/(?<id>\\\\d+)/(y)?','~/w']}");
    ask_path(&table, "/a/bc", &match);
    assert_int_equal(match.path_index, 1);
    assert_int_equal(match.matched_length, 4);
    assert_int_equal(match.capture_count, 0);
    ask_path(&table, "/x/12/z", &match);
    assert_int_equal(match.path_index, 2);
    assert_int_equal(match.matched_length, 6);
    assert_int_equal(match.capture_count, 3);
    assert_true(str_equal(match.captures[0].value, STR("/x/12/")));
    assert_true(str_equal(match.captures[1].value, STR("12")));
    assert_true(str_equal(match.captures[1].name, STR("id")));
    assert_null(match.captures[2].value.at);
    ask_path(&table, "/wide", &match);
    assert_int_equal(match.path_index, 3);
    assert_int_equal(match.capture_count, 0); /* no group 1 */
    table_clear(&table);
    table_add(&table, "{'methods':['GET']}");
    ask_path(&table, "/", &match);
    assert_int_equal(match.path_index, SIZE_MAX);
    assert_int_equal(match.matched_length, 0);
    table_clear(&table);
}

static void captures_end_at_sixteen(void **state)
{
    struct table table = {0};
    struct router_match match;
    (void)state;
    table_add(&table, "{'paths':['~/(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)']}");
    ask_path(&table, "/abcdefghijklmnopqr", &match);
    assert_int_equal(match.capture_count, ROUTER_MAX_CAPTURES);
    assert_true(str_equal(match.captures[15].value, STR("o")));
    assert_int_equal(match.matched_length, 19);
    table_clear(&table);
}

static void a_pattern_that_does_not_end_is_given_up(void **state)
{
    char path[64] = "/";
    (void)state;
    memset(path + 1, 'a', 60);
    path[61] = '!';
    assert_false(matches("{'paths':['~/(a+)+$']}", "h", path));
}

static void a_long_path_does_not_get_past_its_pattern(void **state)
{
    static char path[8000] = "/";
    (void)state;
    memset(path + 1, 'a', sizeof(path) - 2);
    assert_true(matches("{'paths':['~/(a|b|ab)+$']}", "h", path));
    assert_true(matches("{'paths':['~/(((a|b)|(b|c))x?)+$']}", "h", path));
}

static void a_pattern_that_does_not_compile_changes_nothing(void **state)
{
    struct table table = {0};
    const struct router_query query = {.method = STR("GET"), .path = STR("/a")};
    struct router_match match;
    (void)state;
    table_add(&table, "{'paths':['/a']}");
    struct routed *bad = routes_make(7, "{'paths':['/a/b','~/a(']}");
    struct routed *worse = routes_make(8, "{'headers':{'x':['1','~*(']}}");
    assert_false(routes_change(&table.router, table.routes[0], bad));
    assert_false(routes_change(&table.router, table.routes[0], worse));
    assert_int_equal(router_count(table.router), 1);
    assert_true(router_match(table.router, &query, &match));
    assert_int_equal(routes_number(match.route), 1);
    assert_int_equal(bad->refs, 1);
    routed_unref(bad);
    routed_unref(worse);
    table_clear(&table);
}

static void a_router_holds_its_routes_and_lets_go_of_them(void **state)
{
    struct routed *first = routes_make(1, "{'hosts':['a.test','*.b.test'],'paths':['/a','/b']}");
    struct routed *second = routes_make(2, "{'paths':['/a']}");
    struct router *empty = router_new();
    struct router *one = router_ref(empty);
    (void)state;
    assert_true(routes_change(&one, NULL, first));
    struct router *two = router_ref(one);
    assert_true(routes_change(&two, first, second));
    assert_int_equal(router_count(empty), 0);
    assert_int_equal(router_count(one), 1);
    assert_int_equal(router_count(two), 1);
    assert_true(first->refs > 1);
    router_unref(one);
    assert_int_equal(first->refs, 1);
    assert_true(second->refs > 1);
    router_unref(two);
    assert_int_equal(second->refs, 1);
    router_unref(empty);
    router_unref(NULL);
    routed_unref(first);
    routed_unref(second);
    routed_unref(NULL);
}

static void what_was_never_in_is_not_taken_out(void **state)
{
    struct table table = {0};
    struct routed *stranger = routes_make(2, "{'paths':['/a']}");
    (void)state;
    table_add(&table, "{'paths':['/a']}");
    assert_true(routes_change(&table.router, stranger, NULL));
    assert_int_equal(router_count(table.router), 1);
    routed_unref(stranger);
    table_clear(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_match_as_in_the_table),
        cmocka_unit_test(paths_match_as_described),
        cmocka_unit_test(the_better_rank_wins_in_whatever_order_routes_come),
        cmocka_unit_test(methods_are_exact),
        cmocka_unit_test(headers_match_as_described),
        cmocka_unit_test(server_names_are_a_condition_of_tls_only),
        cmocka_unit_test(a_match_says_which_path_and_how_much_of_it),
        cmocka_unit_test(captures_end_at_sixteen),
        cmocka_unit_test(a_pattern_that_does_not_end_is_given_up),
        cmocka_unit_test(a_long_path_does_not_get_past_its_pattern),
        cmocka_unit_test(a_pattern_that_does_not_compile_changes_nothing),
        cmocka_unit_test(a_router_holds_its_routes_and_lets_go_of_them),
        cmocka_unit_test(what_was_never_in_is_not_taken_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
