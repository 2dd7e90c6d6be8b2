/*
 * Paths, queries and what pages are asked for.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/paging.h"
#include "admin/path.h"
#include "admin/reply.h"
#include "admin/status_unit.h"
#include "admin/url.h"
#include "gateway/base/mem.h"
#include "gateway/model/entities.h"

static bool matches(const char *text, const char *form)
{
    struct path path;
    bool yes = path_parse(str_of(text), &path) && path_matches(&path, form);

    path_fini(&path);
    return yes;
}

static void literals_and_parameters_match(void **state)
{
    (void)state;
    assert_true(matches("/", "/"));
    assert_true(matches("/services", "/services"));
    assert_true(matches("/schemas/plugins/x", "/schemas/plugins/{name}"));
    assert_true(matches("/schemas/a/validate", "/schemas/{name}/validate"));
    assert_false(matches("/schemas", "/schemas/{name}"));
    assert_false(matches("/schemas/a/b", "/schemas/{name}"));
    assert_false(matches("/Services", "/services"));
}

static void one_slash_at_the_end_is_tolerated(void **state)
{
    (void)state;
    assert_true(matches("/services/", "/services"));
    assert_false(matches("//services", "/services"));
    assert_false(matches("/services//", "/services"));
    assert_false(matches("services", "/services"));
    assert_false(matches("", "/"));
    assert_false(matches("/a/b/c/d/e/f", "/"));
}

static void segments_are_decoded_and_kept_as_sent(void **state)
{
    struct path path;

    (void)state;
    assert_true(path_parse(STR("/services/a%2Fb+c%zz"), &path));
    assert_int_equal(path.count, 2);
    assert_true(str_equal(path.raw[1], STR("a%2Fb+c%zz")));
    assert_true(str_equal(path.segments[1], STR("a/b c%zz")));
    path_fini(&path);
}

static void escaping_keeps_what_may_stay(void **state)
{
    struct buf buf = {0};

    (void)state;
    url_escape(&buf, STR("a b/:\xc3\xa9"), ":");
    assert_string_equal(buf.at, "a%20b%2F:%C3%A9");
    buf_fini(&buf);
}

static void arguments_are_decoded_in_order(void **state)
{
    struct query_string query;

    (void)state;
    assert_true(query_string_parse(STR("a=1&b&c=%26&&a=2"), &query));
    assert_int_equal(query.count, 4);
    assert_true(str_equal(query_string_find(&query, "a")->value, STR("1")));
    assert_int_equal(query_string_count(&query, "a"), 2);
    assert_null(query_string_find(&query, "b")->value.at);
    assert_true(str_equal(query_string_find(&query, "c")->value, STR("&")));
    assert_null(query_string_find(&query, "d"));
    query_string_fini(&query);
    assert_true(query_string_parse(STR_NONE, &query));
    assert_int_equal(query.count, 0);
    query_string_fini(&query);
}

/* NULL when the page is fine; otherwise the answer's body, which the caller frees. */
static char *page_problem(const char *text, const struct schema *schema, struct paging *paging)
{
    struct query_string query;
    struct answer answer = {0};
    char *body = NULL;

    assert_true(query_string_parse(str_of(text), &query));
    if (!paging_read(&query, schema, paging, &answer)) {
        assert_int_equal(answer.status, 400);
        body = mem_strdup(answer.body);
    }
    answer_fini(&answer);
    query_string_fini(&query);
    return body;
}

static void is_problem(const char *text, const char *expected)
{
    struct paging paging;
    char *body = page_problem(text, &consumer_schema, &paging);

    assert_non_null(body);
    assert_string_equal(body, expected);
    free(body);
}

static void sizes_are_checked(void **state)
{
    static const char number[] =
        "{\"code\":9,\"name\":\"invalid size\",\"message\":\"size must be a number\"}";
    static const char range[] =
        "{\"code\":9,\"name\":\"invalid size\",\"message\":\"size must be an integer between 1 and 1000\"}";
    struct paging paging;

    (void)state;
    assert_null(page_problem("", &consumer_schema, &paging));
    assert_int_equal(paging.size, 100);
    assert_null(page_problem("size=7", &consumer_schema, &paging));
    assert_int_equal(paging.size, 7);
    is_problem("size=x", number);
    is_problem("size=", number);
    is_problem("size", number);
    is_problem("size=1&size=2", number);
    is_problem("size=0", range);
    is_problem("size=1001", range);
    is_problem("size=1.5", range);
}

static void tags_are_a_list_with_one_kind_of_separator(void **state)
{
    static const char syntax[] =
        "{\"code\":11,\"name\":\"invalid options\",\"message\":\"invalid option (tags: invalid "
        "filter syntax)\",\"options\":{\"tags\":\"invalid filter syntax\"}}";
    struct paging paging;

    (void)state;
    assert_null(page_problem("tags=a,b", &consumer_schema, &paging));
    assert_int_equal(paging.tag_count, 2);
    assert_false(paging.any_tag);
    assert_null(page_problem("tags=a/b/c", &consumer_schema, &paging));
    assert_int_equal(paging.tag_count, 3);
    assert_true(paging.any_tag);
    assert_null(page_problem("tags=", &consumer_schema, &paging));
    assert_int_equal(paging.tag_count, 0);
    assert_null(page_problem("tags=a,", &consumer_schema, &paging));
    assert_int_equal(paging.tag_count, 2);
    is_problem("tags=a,b/c", syntax);
    is_problem("tags=%ff", syntax);
    is_problem("tags=%01", syntax);
    is_problem("tags=1,2,3,4,5,6", "{\"code\":11,\"name\":\"invalid options\",\"message\":\"invalid option "
                                   "(tags: cannot query more than "
                                   "5 tags)\",\"options\":{\"tags\":\"cannot query more than 5 tags\"}}");
}

static void consumers_can_be_searched_by_custom_id(void **state)
{
    struct paging paging;

    (void)state;
    assert_null(page_problem("custom_id=7", &service_schema, &paging));
    assert_null(paging.match_field);
    assert_null(page_problem("custom_id=7", &consumer_schema, &paging));
    assert_string_equal(paging.match_field, "custom_id");
    is_problem("custom_id=", "{\"message\":\"custom_id must be an unempty string\"}");
    is_problem("custom_id", "{\"message\":\"custom_id must be an unempty string\"}");
}

static void the_gui_decides_the_origin(void **state)
{
    (void)state;
    assert_true(str_equal(reply_origin(NULL, STR_NONE), STR("*")));
    assert_true(str_equal(reply_origin("", STR("http://a")), STR("http://a")));
    assert_true(
        str_equal(reply_origin("https://gui.test:8002/x?y", STR("http://a")), STR("https://gui.test:8002")));
}

static void memory_is_written_in_the_unit_asked_for(void **state)
{
    static const struct {
        const char *query;
        const char *expected;
    } cases[] = {
        {"", "\"5.00 MiB\""},         {"unit=k", "\"5120.00 KiB\""},     {"unit=B", "5242880"},
        {"scale=3", "\"5.000 MiB\""}, {"unit=g&scale=1", "\"0.0 GiB\""},
    };
    struct answer answer = {0};
    struct status_unit unit;
    struct query_string query;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(query_string_parse(str_of(cases[i].query), &query));
        assert_true(status_unit_read(&query, &unit, &answer));
        query_string_fini(&query);
        cJSON *json = status_unit_bytes(&unit, 5 << 20);
        char *text = cJSON_PrintUnformatted(json);
        assert_string_equal(text, cases[i].expected);
        free(text);
        cJSON_Delete(json);
    }
    assert_true(query_string_parse(STR("unit=V"), &query));
    assert_false(status_unit_read(&query, &unit, &answer));
    assert_string_equal(answer.body, "{\"message\":\"invalid unit 'V' (expected 'k/K', 'm/M', or 'g/G')\"}");
    query_string_fini(&query);
    answer_fini(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_and_parameters_match),
        cmocka_unit_test(one_slash_at_the_end_is_tolerated),
        cmocka_unit_test(segments_are_decoded_and_kept_as_sent),
        cmocka_unit_test(escaping_keeps_what_may_stay),
        cmocka_unit_test(arguments_are_decoded_in_order),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(tags_are_a_list_with_one_kind_of_separator),
        cmocka_unit_test(consumers_can_be_searched_by_custom_id),
        cmocka_unit_test(the_gui_decides_the_origin),
        cmocka_unit_test(memory_is_written_in_the_unit_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
