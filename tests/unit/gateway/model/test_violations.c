/*
 * The tree of what is wrong, its sentence, and keys in messages (Admin API reference 1.8, 1.9).
 */

#include "bodies.h"
#include "gateway/model/place.h"

static void assert_message(const struct violations *violations, const char *expected)
{
    char *message = violations_message(violations);
    assert_string_equal(message, expected);
    free(message);
}

static void one_violation_is_singular(void **state)
{
    struct violations violations = {0};
    (void)state;
    assert_false(violations_any(&violations));
    violations_add(&violations, "host", "required field missing");
    assert_true(violations_any(&violations));
    assert_json(violations.fields, "{\"host\":\"required field missing\"}");
    assert_message(&violations, "schema violation (host: required field missing)");
    violations_fini(&violations);
    assert_false(violations_any(&violations));
}

static void the_entity_comes_first_then_names_in_order(void **state)
{
    struct violations violations = {0};
    (void)state;
    violations_add(&violations, "z", "%s", "last");
    violations_add(&violations, "a", "first %d", 1);
    violations_add(&violations, NULL, "whole");
    violations_add(&violations, "@entity", "whole again");
    assert_message(&violations, "4 schema violations (whole; whole again; a: first 1; z: last)");
    assert_json(violations.fields,
                "{\"z\":\"last\",\"a\":\"first 1\",\"@entity\":[\"whole\",\"whole again\"]}");
    violations_fini(&violations);
}

static void lists_have_null_for_what_is_right(void **state)
{
    struct violations violations = {0};
    (void)state;
    violations_add(&violations, "paths.3", "three");
    violations_add(&violations, "paths.1", "one");
    assert_json(violations.fields, "{\"paths\":[\"one\",null,\"three\"]}");
    assert_message(&violations, "2 schema violations (paths.1: one; paths.3: three)");
    violations_fini(&violations);
}

static void depth_is_written_as_a_table(void **state)
{
    struct violations violations = {0};
    (void)state;
    violations_add(&violations, "healthchecks.active.healthy.interval", "too \"long\"");
    violations_add(&violations, "healthchecks.active.type", "expected one of: tcp");
    violations_add(&violations, "healthchecks.active.@entity", "whole");
    violations_add(&violations, "healthchecks.active.a-b", "odd");
    assert_message(&violations,
                   "schema violation (healthchecks.active: {\n  [\"@entity\"] = {\n    \"whole\"\n  },\n  "
                   "[\"a-b\"] = \"odd\",\n  healthy = {\n    interval = [[too \"long\"]]\n  },\n  type = "
                   "\"expected one of: tcp\"\n})");
    violations_fini(&violations);
}

static void the_first_word_about_a_field_stands(void **state)
{
    struct violations violations = {0};
    (void)state;
    violations_add(&violations, "a", "first");
    violations_add(&violations, "a", "second");
    violations_add(&violations, "a.b", "below a text");
    violations_add(&violations, "a.1", "below a text");
    violations_add(&violations, "list.2", "two");
    violations_add(&violations, "list.name", "a member of a list");
    violations_add(&violations, "record.name", "named");
    violations_add(&violations, "record.1", "a position of a record");
    violations_add(&violations, "list.@entity", "of a list");
    assert_json(violations.fields,
                "{\"a\":\"first\",\"list\":[null,\"two\"],\"record\":{\"name\":\"named\"}}");
    assert_int_equal(violations.count, 9);
    violations_fini(&violations);
}

static void names_of_clients_are_not_taken_apart(void **state)
{
    struct violations violations = {0};
    struct place place = {.depth = 0};
    (void)state;
    place_push(&place, "config");
    place_push(&place, "a.b.1");
    violations_put(&violations, &place, "unknown field");
    place_pop(&place);
    place_push(&place, "7");
    violations_put(&violations, &place, "unknown field");
    assert_json(violations.fields, "{\"config\":{\"a.b.1\":\"unknown field\",\"7\":\"unknown field\"}}");
    assert_non_null(violations_find(&violations, &place));
    place_pop(&place);
    place_push(&place, "8");
    assert_null(violations_find(&violations, &place));
    violations_fini(&violations);
}

static void texts_become_utf8(void **state)
{
    struct violations violations = {0};
    (void)state;
    violations_add(&violations, "a", "caf\xc3\xa9 \xed\xa0\x80 \xff\xc3");
    assert_json(violations.fields, "{\"a\":\"caf\xc3\xa9 ??? ??\"}");
    violations_fini(&violations);
}

static void long_texts_are_whole(void **state)
{
    struct violations violations = {0};
    char text[2001];
    (void)state;
    memset(text, 'x', 2000);
    text[2000] = '\0';
    violations_add(&violations, "a", "%s", text);
    assert_string_equal(document_text(violations.fields, "a"), text);
    violations_fini(&violations);
}

static void assert_key(const char *key, const char *expected)
{
    cJSON *value = parse(key);
    char *text = key_text(value);
    assert_string_equal(text, expected);
    free(text);
    cJSON_Delete(value);
}

static void keys_are_one_line_and_sorted(void **state)
{
    (void)state;
    assert_key("{\"name\":\"a\"}", "{name=\"a\"}");
    assert_key("{\"service\":null,\"name\":\"cors\",\"consumer\":null,\"route\":{\"id\":\"6f\"}}",
               "{consumer=null,name=\"cors\",route={id=\"6f\"},service=null}");
    assert_key("{\"a-b\":1,\"1a\":true}", "{[\"1a\"]=true,[\"a-b\"]=1}");
    assert_key("{\"a\":\"x\\\"y\",\"b\":\"\\\\\",\"c\":\"\\n\"}", "{a=[[x\"y]],b=[[\\]],c=[[\n]]}");
    assert_key("{}", "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_violation_is_singular),
        cmocka_unit_test(the_entity_comes_first_then_names_in_order),
        cmocka_unit_test(lists_have_null_for_what_is_right),
        cmocka_unit_test(depth_is_written_as_a_table),
        cmocka_unit_test(the_first_word_about_a_field_stands),
        cmocka_unit_test(names_of_clients_are_not_taken_apart),
        cmocka_unit_test(texts_become_utf8),
        cmocka_unit_test(long_texts_are_whole),
        cmocka_unit_test(keys_are_one_line_and_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
