/*
 * Versions: what changes them and what does not; and conditions on them, as clients write them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/version.h"
#include "gateway/http/header.h"
#include "gateway/model/entities.h"
#include "gateway/model/schema.h"

static const struct digest_salt salt = {{1, 2, 3}};
static const struct schema mortal = {.name = "mortals", .has_ttl = true};

static struct digest version(const struct schema *schema, const char *json)
{
    cJSON *document = cJSON_Parse(json);
    struct digest made;

    assert_non_null(document);
    version_of(&salt, schema, document, &made);
    cJSON_Delete(document);
    return made;
}

static bool same(const char *one, const char *other)
{
    struct digest a = version(&service_schema, one);
    struct digest b = version(&service_schema, other);

    return digest_equal(&a, &b);
}

static void the_order_of_members_and_nulls_mean_nothing(void **state)
{
    (void)state;
    assert_true(same("{\"a\":1,\"b\":{\"c\":2,\"d\":[1,2]}}", "{\"b\":{\"d\":[1,2],\"c\":2},\"a\":1}"));
    assert_true(same("{\"a\":1,\"b\":null}", "{\"a\":1}"));
    assert_true(same("{\"a\":1}", "{\"a\":1.0}"));
    assert_true(same("{\"a\":\"\\u00e9\"}", "{\"a\":\"\xc3\xa9\"}"));
}

static void every_value_means_something(void **state)
{
    static const char *const documents[] = {
        "{}",
        "{\"a\":1}",
        "{\"a\":2}",
        "{\"b\":1}",
        "{\"a\":\"1\"}",
        "{\"a\":true}",
        "{\"a\":false}",
        "{\"a\":[1]}",
        "{\"a\":[]}",
        "{\"a\":{}}",
        "{\"a\":[null]}",
        "{\"a\":[1,2]}",
        "{\"a\":[2,1]}",
        "{\"a\":[12]}",
        "{\"a\":[[1],2]}",
        "{\"a\":\"x\",\"b\":\"y\"}",
        "{\"a\":\"x1:b1:y\"}",
        "{\"a\":{\"b\":\"x\"}}",
        "{\"a\":9007199254740991}",
        "{\"a\":9007199254740990}",
        "{\"a\":0.1}",
        "{\"a\":0.10000000000000002}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(documents); i++)
        for (size_t k = 0; k < COUNT(documents); k++)
            if (same(documents[i], documents[k]) != (i == k))
                fail_msg("%s and %s", documents[i], documents[k]);
}

static void kinds_and_databases_differ(void **state)
{
    static const struct digest_salt other_salt = {{3, 2, 1}};
    struct digest one = version(&service_schema, "{\"a\":1}");
    struct digest other = version(&route_schema, "{\"a\":1}");
    cJSON *document = cJSON_Parse("{\"a\":1}");

    (void)state;
    assert_false(digest_equal(&one, &other));
    version_of(&other_salt, &service_schema, document, &other);
    assert_false(digest_equal(&one, &other));
    cJSON_Delete(document);
}

static void seconds_left_are_no_change_but_the_instant_is(void **state)
{
    struct digest first = version(&mortal, "{\"ttl\":10,\"expires_at\":1764100000.123456}");
    struct digest later = version(&mortal, "{\"ttl\":9,\"expires_at\":1764100000.123456}");
    struct digest other = version(&mortal, "{\"ttl\":10,\"expires_at\":1764100000.123457}");

    (void)state;
    assert_true(digest_equal(&first, &later));
    assert_false(digest_equal(&first, &other));
    assert_false(same("{\"ttl\":10}", "{\"ttl\":9}")); /* a field like any other where there is no ttl */
}

static void a_tag_is_quoted_hexadecimal(void **state)
{
    struct digest digest = {{0x00, 0x0f, 0xf0, 0xff}};
    char text[VERSION_TEXT_SIZE];

    (void)state;
    version_format(&digest, text);
    assert_string_equal(text, "\"000ff0ff000000000000000000000000\"");
}

/* ---- conditions ---- */

static bool read_lines(const char *name, const char *const values[2], struct version_condition *condition,
                       char problem[VERSION_PROBLEM_SIZE])
{
    struct header lines[3];
    struct headers headers = {.at = lines, .count = 1};

    lines[0] = (struct header){STR("x-else"), STR("\"")};
    for (size_t i = 0; i < 2 && values[i] != NULL; i++)
        lines[headers.count++] = (struct header){str_of(name), str_of(values[i])};
    return version_read(&headers, condition, problem);
}

static bool reads(const char *value)
{
    const char *const values[2] = {value};
    struct version_condition condition;
    char problem[VERSION_PROBLEM_SIZE] = "";
    bool ok = read_lines("if-match", values, &condition, problem);

    assert_int_equal(ok, problem[0] == '\0');
    assert_int_equal(ok && condition.match.is_given, ok);
    assert_false(ok && condition.none_match.is_given);
    return ok;
}

static void lists_are_read_as_the_standard_writes_them(void **state)
{
    static const char *const good[] = {
        "*",
        " * ",
        "\"a\"",
        "W/\"a\"",
        "\"a\",\"b\"",
        "\"a\" , W/\"b\"\t",
        ",,\"a\",, ,\"b\",",
        "\"\"", /* an empty one */
        "\"\xc3\xa9\"",
        "\"a,b\", \"c\"",
    };
    static const char *const bad[] = {
        "",         " ",        ",",       "a",       "\"",  "\"a", "a\"",      "\"a\" \"b\"", "\"a\"\"b\"",
        "*,*",      "*,\"a\"",  "\"a\",*", "w/\"a\"", "W/a", "W/",  "W/ \"a\"", "\"a\";\"b\"", "\"a b\"",
        "\"a\tb\"", "\"\x7f\"", "'a'",     "\"a\"x",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        if (!reads(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (reads(bad[i]))
            fail_msg("taken: %s", bad[i]);
}

static void lines_of_one_name_are_one_list(void **state)
{
    static const char one[] = "\"00000000000000000000000000000001\"";
    static const char two[] = "\"00000000000000000000000000000002\"";
    struct version_condition condition;
    char problem[VERSION_PROBLEM_SIZE];

    (void)state;
    assert_true(read_lines("If-None-Match", (const char *const[2]){one, two}, &condition, problem));
    assert_int_equal(condition.none_match.count, 2);
    assert_int_equal(condition.none_match.at[1].digest.bytes[15], 2);
    assert_false(read_lines("If-None-Match", (const char *const[2]){one, "*"}, &condition, problem));
    assert_false(read_lines("If-None-Match", (const char *const[2]){"*", one}, &condition, problem));
    assert_string_equal(
        problem, "If-None-Match: expected * or a list of entity tags in double quotes, as ETag has them");
    assert_true(read_lines("If-None-Match", (const char *const[2]){NULL}, &condition, problem));
    assert_false(condition.none_match.is_given);
}

static void a_list_is_bounded(void **state)
{
    struct buf list = {0};
    struct version_condition condition;
    char problem[VERSION_PROBLEM_SIZE];

    (void)state;
    for (int i = 0; i < VERSION_TAGS_MAX; i++)
        buf_printf(&list, "%s\"%032x\"", i > 0 ? "," : "", (unsigned)i);
    assert_true(reads(list.at));
    assert_false(read_lines("if-match", (const char *const[2]){list.at, "\"short\""}, &condition, problem));
    assert_string_equal(problem, "If-Match: at most 32 entity tags are looked at");
    buf_fini(&list);
}

static enum version_verdict judge(const char *match, const char *none_match, const struct digest *there)
{
    struct header lines[2];
    struct headers headers = {.at = lines};
    struct version_condition condition;
    char problem[VERSION_PROBLEM_SIZE];

    if (match != NULL)
        lines[headers.count++] = (struct header){STR("If-Match"), str_of(match)};
    if (none_match != NULL)
        lines[headers.count++] = (struct header){STR("If-None-Match"), str_of(none_match)};
    assert_true(version_read(&headers, &condition, problem));
    return version_judge(&condition, there);
}

static void conditions_are_judged(void **state)
{
    static const char own[] = "\"0a000000000000000000000000000000\"";
    static const char weak[] = "W/\"0a000000000000000000000000000000\"";
    static const char other[] = "\"0b000000000000000000000000000000\"";
    static const char both[] = "\"0b000000000000000000000000000000\", \"0a000000000000000000000000000000\"";
    static const char upper[] = "\"0A000000000000000000000000000000\"";
    const struct digest there = {{0x0a}};
    static const struct {
        const char *match, *none_match;
        enum version_verdict found, missing;
    } rows[] = {
        {NULL, NULL, VERSION_FITS, VERSION_FITS},        {"*", NULL, VERSION_FITS, VERSION_DIFFERS},
        {own, NULL, VERSION_FITS, VERSION_DIFFERS},      {both, NULL, VERSION_FITS, VERSION_DIFFERS},
        {other, NULL, VERSION_DIFFERS, VERSION_DIFFERS}, {weak, NULL, VERSION_DIFFERS, VERSION_DIFFERS},
        {upper, NULL, VERSION_DIFFERS, VERSION_DIFFERS}, {"\"0a\"", NULL, VERSION_DIFFERS, VERSION_DIFFERS},
        {NULL, "*", VERSION_IS_KNOWN, VERSION_FITS},     {NULL, own, VERSION_IS_KNOWN, VERSION_FITS},
        {NULL, weak, VERSION_IS_KNOWN, VERSION_FITS},    {NULL, other, VERSION_FITS, VERSION_FITS},
        {own, own, VERSION_IS_KNOWN, VERSION_DIFFERS},   {other, other, VERSION_DIFFERS, VERSION_DIFFERS},
        {own, other, VERSION_FITS, VERSION_DIFFERS},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (judge(rows[i].match, rows[i].none_match, &there) != rows[i].found)
            fail_msg("row %zu, found", i);
        if (judge(rows[i].match, rows[i].none_match, NULL) != rows[i].missing)
            fail_msg("row %zu, missing", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_members_and_nulls_mean_nothing),
        cmocka_unit_test(every_value_means_something),
        cmocka_unit_test(kinds_and_databases_differ),
        cmocka_unit_test(seconds_left_are_no_change_but_the_instant_is),
        cmocka_unit_test(a_tag_is_quoted_hexadecimal),
        cmocka_unit_test(lists_are_read_as_the_standard_writes_them),
        cmocka_unit_test(lines_of_one_name_are_one_list),
        cmocka_unit_test(a_list_is_bounded),
        cmocka_unit_test(conditions_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
