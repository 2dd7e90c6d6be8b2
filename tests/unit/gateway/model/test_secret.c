#include "gateway/model/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/model/schema.h"

static void what_is_a_reference(void **state)
{
    (void)state;
    assert_true(secret_is_reference("{vault://env/a}"));
    assert_false(secret_is_reference("{vault://env/a"));
    assert_false(secret_is_reference("vault://env/a}"));
    assert_false(secret_is_reference(""));
    assert_false(secret_is_reference(NULL));
}

static void references_are_resolved(void **state)
{
    static const struct {
        const char *reference, *value; /* NULL: not to be had */
    } rows[] = {
        {"{vault://env/test-secret}", "s3cret"},
        {"{vault://env/TEST_SECRET}", "s3cret"},
        {"{vault://env/test-json/password}", "p w"},
        {"{vault://env/test-json/port}", "5432"},
        {"{vault://env/test-json/on}", "true"},
        {"{vault://env/test-json/deep}", NULL},
        {"{vault://env/test-json/none}", NULL},
        {"{vault://env/test-secret/a}", NULL},
        {"{vault://env/not-there}", NULL},
        {"{vault://other/test-secret}", NULL},
        {"{vault://env}", NULL},
        {"{vault://}", NULL},
        {"{vault:///}", NULL},
    };

    (void)state;
    setenv("TEST_SECRET", "s3cret", 1);
    setenv("TEST_JSON", "{\"password\":\"p w\",\"port\":5432,\"on\":true,\"deep\":{}}", 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *value = NULL;
        struct err err;
        bool found = secret_resolve(rows[i].reference, &value, &err);
        if (found != (rows[i].value != NULL))
            fail_msg("%s", rows[i].reference);
        if (found)
            assert_string_equal(value, rows[i].value);
        else
            assert_null(strstr(err.text, "s3cret"));
        free(value);
    }
}

/* In a record with a map and an array in it; where no reference may stand one is a text like others. */
static void records_are_copied_when_there_is_something_to_resolve(void **state)
{
    static const struct field text = {.name = "text", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE};
    static const struct field inner[] = {
        {.name = "secret", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE}};
    static const struct field fields[] = {
        {.name = "plain", .kind = FIELD_STRING},
        {.name = "map", .kind = FIELD_MAP, .values = &text},
        {.name = "list", .kind = FIELD_ARRAY, .elements = &text},
        {.name = "record", .kind = FIELD_RECORD, .fields = inner, .field_count = COUNT(inner)},
    };
    static const struct field record = {.kind = FIELD_RECORD, .fields = fields, .field_count = COUNT(fields)};
    cJSON *copy;
    struct err err;

    (void)state;
    setenv("TEST_SECRET", "s3cret", 1);
    cJSON *without = cJSON_Parse(
        "{\"plain\":\"{vault://env/test-secret}\",\"map\":null,\"list\":[1],\"record\":{\"secret\":\"x\"}}");
    assert_true(secrets_resolve(&record, without, &copy, &err));
    assert_null(copy);
    cJSON_Delete(without);

    cJSON *with =
        cJSON_Parse("{\"plain\":\"{vault://env/test-secret}\",\"map\":{\"a\":\"{vault://env/test-secret}\"},"
                    "\"list\":[\"b\",\"{vault://env/test-secret}\"],\"record\":{\"secret\":\"{vault://env/"
                    "test-secret}\"}}");
    assert_true(secrets_resolve(&record, with, &copy, &err));
    char *shown = cJSON_PrintUnformatted(copy);
    assert_string_equal(
        shown,
        "{\"plain\":\"{vault://env/test-secret}\",\"map\":{\"a\":\"s3cret\"},\"list\":[\"b\",\"s3cret\"],"
        "\"record\":{\"secret\":\"s3cret\"}}");
    free(shown);
    cJSON_Delete(copy);
    shown = cJSON_PrintUnformatted(with);
    assert_null(strstr(shown, "s3cret"));
    free(shown);
    unsetenv("TEST_SECRET");
    assert_false(secrets_resolve(&record, with, &copy, &err));
    assert_null(copy);
    cJSON_Delete(with);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_a_reference),
        cmocka_unit_test(references_are_resolved),
        cmocka_unit_test(records_are_copied_when_there_is_something_to_resolve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
