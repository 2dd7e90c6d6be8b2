/*
 * Bodies with very many parts: each of these took hours while looking through what came before was allowed
 * once per part. The deadline of the test program is the judge.
 */

#include "bodies.h"
#include "gateway/model/place.h"
#include "gateway/model/repeated.h"

enum {
    MANY = 200000
};

/* "[1,2,3,...]", each number twice, or objects with it. */
static cJSON *many_elements(bool objects)
{
    cJSON *array = cJSON_CreateArray();
    for (int i = 0; i < MANY; i++) {
        cJSON *element = objects ? cJSON_CreateObject() : cJSON_CreateNumber(i / 2);
        if (objects)
            cJSON_AddNumberToObject(element, "a", i / 2);
        cJSON_AddItemToArray(array, element);
    }
    return array;
}

static void a_set_of_anything_loses_what_is_repeated(void **state)
{
    (void)state;
    for (int objects = 0; objects < 2; objects++) {
        cJSON *set = many_elements(objects == 1);
        cJSON_InsertItemInArray(set, 0, cJSON_CreateString("0"));
        repeated_elements_drop(set);
        assert_int_equal(cJSON_GetArraySize(set), MANY / 2 + 1);
        cJSON_Delete(set);
    }
    cJSON *mixed = parse("[2,\"a\",1,null,{\"b\":[]},2,\"2\",null,{\"b\":[]},true,\"a\",1.0]");
    repeated_elements_drop(mixed);
    assert_json(mixed, "[2,\"a\",1,null,{\"b\":[]},\"2\",true]");
    cJSON_Delete(mixed);
}

static void unknown_members_of_a_change_are_merged(void **state)
{
    (void)state;
    cJSON *stored = accepted(NULL, &consumer_schema, "{\"username\":\"ann\",\"tags\":[\"a\"]}");
    cJSON *change = parse("{\"username\":\"bob\"}");
    struct violations violations = {0};
    char name[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "a%d", i);
        cJSON_AddNumberToObject(change, name, i);
    }
    cJSON_AddStringToObject(change, "custom_id", "7");
    document_merge(&consumer_schema, NULL, stored, change);
    assert_string_equal(document_text(stored, "username"), "bob");
    assert_string_equal(document_text(stored, "custom_id"), "7");
    assert_int_equal(cJSON_GetArraySize(stored), consumer_schema.field_count + MANY);
    assert_false(complete(NULL, &consumer_schema, DOCUMENT_UPDATE, stored, &violations));
    violations_fini(&violations);
    cJSON_Delete(change);
    cJSON_Delete(stored);
}

static void a_mistake_at_the_end_of_a_long_list_is_told(void **state)
{
    struct violations violations = {0};
    struct place place = {.depth = 0};
    (void)state;
    place_push(&place, "config");
    place_push(&place, "key_names");
    place_push_position(&place, MANY);
    violations_put(&violations, &place, "expected a string");
    char *message = violations_message(&violations);
    assert_non_null(strstr(message, "null,\n  \"expected a string\"\n}"));
    free(message);
    violations_fini(&violations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_of_anything_loses_what_is_repeated),
        cmocka_unit_test(unknown_members_of_a_change_are_merged),
        cmocka_unit_test(a_mistake_at_the_end_of_a_long_list_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
