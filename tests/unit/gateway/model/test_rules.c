/*
 * The validator's vocabulary (Admin API reference 1.10), one attribute at a time.
 */

#include "bodies.h"

static bool ends_in_x(const cJSON *value, char message[256])
{
    size_t len = strlen(value->valuestring);
    if (len > 0 && value->valuestring[len - 1] == 'x')
        return true;
    snprintf(message, 256, "should end in x");
    return false;
}

static const char *const words[] = {"a", "b", NULL};
static const char *const numbers[] = {"1", "22", NULL};
static const char *const first_group[] = {"http", "https", NULL};
static const char *const second_group[] = {"tcp", NULL};
static const char *const third_group[] = {"udp", NULL};
static const char *const *const groups[] = {first_group, second_group, third_group, NULL};
static const struct field any_text = {.name = "elements", .kind = FIELD_STRING};
static const struct field number = {.name = "values", .kind = FIELD_NUMBER};
static const struct field key = {.name = "keys", .kind = FIELD_STRING, .len_max = 2};

static const struct field fields[] = {
    {.name = "eq", .kind = FIELD_STRING, .eq_json = "\"x\""},
    {.name = "ne", .kind = FIELD_STRING, .ne_json = "\"x\""},
    {.name = "eq_null", .kind = FIELD_STRING, .flags = FIELD_EQ_NULL},
    {.name = "eq_true", .kind = FIELD_BOOLEAN, .eq_json = "true"},
    {.name = "one_of", .kind = FIELD_STRING, .one_of = words},
    {.name = "one_number", .kind = FIELD_INTEGER, .one_of = numbers},
    {.name = "not_one_of", .kind = FIELD_STRING, .not_one_of = words},
    {.name = "gt", .kind = FIELD_NUMBER, .has_gt = true, .gt = 0.5},
    {.name = "timestamp", .kind = FIELD_NUMBER, .flags = FIELD_TIMESTAMP},
    {.name = "uuid", .kind = FIELD_STRING, .flags = FIELD_UUID},
    {.name = "regex", .kind = FIELD_STRING, .flags = FIELD_IS_REGEX},
    {.name = "between", .kind = FIELD_NUMBER, .has_between = true, .between_min = 0.001, .between_max = 1e6},
    {.name = "len_eq", .kind = FIELD_STRING, .len_eq = 2},
    {.name = "len_min", .kind = FIELD_ARRAY, .elements = &any_text, .len_min = 2},
    {.name = "len_max", .kind = FIELD_STRING, .len_max = 3},
    {.name = "empty", .kind = FIELD_STRING, .flags = FIELD_EMPTY_OK},
    {.name = "starts", .kind = FIELD_STRING, .starts_with = "/", .check = ends_in_x},
    {.name = "contains", .kind = FIELD_SET, .elements = &any_text, .contains = "exp"},
    {.name = "exclusive", .kind = FIELD_SET, .elements = &any_text, .exclusive_sets = groups},
    {.name = "map", .kind = FIELD_MAP, .keys = &key, .values = &number},
    {.name = "integer", .kind = FIELD_INTEGER},
};
static const struct schema things = {.name = "things", .fields = fields, .field_count = COUNT(fields)};

static void check(const char *name, const char *value, const char *message)
{
    char body[256];
    char expected[256];
    snprintf(body, sizeof(body), "{\"%s\":%s}", name, value);
    snprintf(expected, sizeof(expected), "{\"%s\":\"%s\"}", name, message != NULL ? message : "");
    const struct body_case one = {body, message != NULL ? expected : NULL, NULL};
    run_case(NULL, &things, DOCUMENT_CREATE, &one);
}

static void equality_is_told_with_its_value(void **state)
{
    (void)state;
    check("eq", "\"x\"", NULL);
    check("eq", "\"y\"", "value must be x");
    check("ne", "\"y\"", NULL);
    check("ne", "\"x\"", "value must not be x");
    check("eq_null", "null", NULL);
    check("eq_null", "\"x\"", "value must be null");
    check("eq_true", "true", NULL);
    check("eq_true", "false", "value must be true");
}

static void lists_of_words_are_told(void **state)
{
    (void)state;
    check("one_of", "\"a\"", NULL);
    check("one_of", "\"c\"", "expected one of: a, b");
    check("one_number", "22", NULL);
    check("one_number", "2", "expected one of: 1, 22");
    check("not_one_of", "\"c\"", NULL);
    check("not_one_of", "\"b\"", "must not be one of: a, b");
}

static void numbers_have_bounds(void **state)
{
    (void)state;
    check("gt", "0.51", NULL);
    check("gt", "0.5", "value must be greater than 0.5");
    check("between", "0.001", NULL);
    check("between", "1000000", NULL);
    check("between", "0", "value should be between 0.001 and 1000000");
    check("timestamp", "1.5", NULL);
    check("timestamp", "0", "expected a valid timestamp");
    check("integer", "9007199254740991", NULL);
    check("integer", "-9007199254740991", NULL);
    check("integer", "9007199254740993", "expected an integer");
    check("integer", "1e400", "expected an integer");
    check("gt", "1e400", "expected a number");
    check("integer", "80.0", NULL);
    check("integer", "true", "expected an integer");
}

static void texts_have_forms(void **state)
{
    (void)state;
    check("uuid", "\"0C8D6A51-0C1E-4B55-9A53-4A1C7F0F8E11\"", NULL);
    check("uuid", "\"0c8d6a510c1e4b559a534a1c7f0f8e11\"", "expected a valid UUID");
    check("regex", "\"[a-z]+\"", NULL);
    check("regex", "\"[a-z\"", "not a valid regex: [a-z");
    check("starts", "\"/x\"", NULL);
    check("starts", "\"x\"", "should start with: /");
    check("starts", "\"/y\"", "should end in x");
}

static void lengths_are_told(void **state)
{
    (void)state;
    check("len_eq", "\"ab\"", NULL);
    check("len_eq", "\"\"", "length must be 2");
    check("len_min", "[\"a\"]", "length must be at least 2");
    check("len_min", "[\"a\",\"b\"]", NULL);
    check("len_max", "\"abcd\"", "length must be at most 3");
    check("len_max", "\"\"", "length must be at least 1");
    check("empty", "\"\"", NULL);
}

static void sets_are_looked_into(void **state)
{
    (void)state;
    check("contains", "[\"a\",\"exp\"]", NULL);
    check("contains", "[\"a\"]", "expected to contain: exp");
    check("exclusive", "[\"http\",\"https\"]", NULL);
    check("exclusive", "[\"udp\",\"tcp\"]", "these sets are mutually exclusive: ('tcp'), ('udp')");
    check("exclusive", "[\"udp\",\"http\",\"tcp\"]",
          "these sets are mutually exclusive: ('http', 'https'), ('tcp'), ('udp')");
}

static void types_are_told(void **state)
{
    (void)state;
    check("eq", "5", "expected a string");
    check("gt", "\"5\"", "expected a number");
    check("eq_true", "\"true\"", "expected a boolean");
    check("len_min", "\"a\"", "expected an array");
    check("len_min", "{\"a\":1}", "expected an array");
    check("contains", "1", "expected a set");
    check("map", "\"a\"", "expected a map");
    check("map", "[1]", "expected a map");
    check("map", "[]", NULL);
    check("map", "{\"a\":1.5}", NULL);
    check("map", "{\"a\":\"b\"}", "expected a number");
    check("map", "{\"abc\":1}", "length must be at most 2");
    check("map", "{\"a\":null}", "required field missing");
    check("nothing", "1", "unknown field");
}

/* ---- rules over several fields ---- */

static const struct field pair_fields[] = {
    {.name = "a", .kind = FIELD_STRING},
    {.name = "b", .kind = FIELD_STRING, .len_max = 2},
    {.name = "c", .kind = FIELD_ARRAY, .elements = &any_text},
};
static const char *const pair[] = {"a", "b", NULL};
static const char *const pair_and_list[] = {"a", "c", NULL};

static void check_pair(enum check_kind kind, const char *const *names, const char *body, const char *message)
{
    const struct check rule = {.kind = kind, .names = names};
    const struct schema schema = {.name = "pairs",
                                  .fields = pair_fields,
                                  .field_count = COUNT(pair_fields),
                                  .checks = &rule,
                                  .check_count = 1};
    char expected[256];
    snprintf(expected, sizeof(expected), "{\"@entity\":[\"%s\"]}", message != NULL ? message : "");
    const struct body_case one = {body, message != NULL ? expected : NULL, NULL};
    run_case(NULL, &schema, DOCUMENT_CREATE, &one);
}

static void rules_over_fields_are_told_of_the_entity(void **state)
{
    (void)state;
    check_pair(CHECK_AT_LEAST_ONE_OF, pair_and_list, "{\"c\":[]}",
               "at least one of these fields must be non-empty: 'a', 'c'");
    check_pair(CHECK_AT_LEAST_ONE_OF, pair_and_list, "{\"c\":[\"x\"]}", NULL);
    check_pair(CHECK_ONLY_ONE_OF, pair, "{\"a\":\"x\",\"b\":\"y\"}",
               "exactly one of these fields must be non-empty: 'a', 'b'");
    check_pair(CHECK_ONLY_ONE_OF, pair, "{}", "exactly one of these fields must be non-empty: 'a', 'b'");
    check_pair(CHECK_ONLY_ONE_OF, pair, "{\"a\":\"x\"}", NULL);
    check_pair(CHECK_MUTUALLY_EXCLUSIVE, pair, "{\"a\":\"x\",\"b\":\"y\"}",
               "only one or none of these fields must be set: 'a', 'b'");
    check_pair(CHECK_MUTUALLY_EXCLUSIVE, pair, "{}", NULL);
    check_pair(CHECK_MUTUALLY_REQUIRED, pair, "{\"a\":\"x\"}",
               "all or none of these fields must be set: 'a', 'b'");
    check_pair(CHECK_MUTUALLY_REQUIRED, pair, "{\"a\":\"x\",\"b\":\"y\"}", NULL);
    check_pair(CHECK_DISTINCT, pair, "{\"a\":\"x\",\"b\":\"x\"}",
               "values of these fields must be distinct: 'a', 'b'");
    check_pair(CHECK_DISTINCT, pair, "{\"a\":\"x\",\"b\":\"y\"}", NULL);
}

static void rules_wait_until_what_they_read_is_right(void **state)
{
    static const struct check rule = {.kind = CHECK_MUTUALLY_EXCLUSIVE, .names = pair};
    const struct schema schema = {.name = "pairs",
                                  .fields = pair_fields,
                                  .field_count = COUNT(pair_fields),
                                  .checks = &rule,
                                  .check_count = 1};
    const struct body_case one = {"{\"a\":\"x\",\"b\":\"yyy\"}", "{\"b\":\"length must be at most 2\"}",
                                  "schema violation (b: length must be at most 2)"};
    (void)state;
    run_case(NULL, &schema, DOCUMENT_CREATE, &one);
}

static void dotted_names_reach_into_records(void **state)
{
    static const char *const names[] = {"config.a", "config.b", NULL};
    static const struct check rule = {.kind = CHECK_ONLY_ONE_OF, .names = names};
    static const struct field config = {
        .name = "config", .kind = FIELD_RECORD, .fields = pair_fields, .field_count = COUNT(pair_fields)};
    const struct schema schema = {
        .name = "pairs", .fields = &config, .field_count = 1, .checks = &rule, .check_count = 1};
    const struct body_case cases[] = {
        {"{\"config\":{}}",
         "{\"@entity\":[\"exactly one of these fields must be non-empty: 'config.a', 'config.b'\"]}", NULL},
        {"{\"config\":{\"b\":\"yyy\"}}", "{\"config\":{\"b\":\"length must be at most 2\"}}", NULL},
        {"{\"config\":{\"b\":\"y\"}}", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        run_case(NULL, &schema, DOCUMENT_CREATE, &cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_is_told_with_its_value),
        cmocka_unit_test(lists_of_words_are_told),
        cmocka_unit_test(numbers_have_bounds),
        cmocka_unit_test(texts_have_forms),
        cmocka_unit_test(lengths_are_told),
        cmocka_unit_test(sets_are_looked_into),
        cmocka_unit_test(types_are_told),
        cmocka_unit_test(rules_over_fields_are_told_of_the_entity),
        cmocka_unit_test(rules_wait_until_what_they_read_is_right),
        cmocka_unit_test(dotted_names_reach_into_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
