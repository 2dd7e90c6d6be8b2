/*
 * Error objects have the shape and texts clients compare.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/answer.h"
#include "gateway/model/entities.h"

static void is_answer(struct answer *answer, int status, const char *body)
{
    assert_int_equal(answer->status, status);
    assert_string_equal(answer->body, body);
    assert_int_equal(answer->body_len, strlen(body));
    answer_fini(answer);
}

static void messages_stand_alone(void **state)
{
    struct answer answer = {0};

    (void)state;
    answer_not_found(&answer);
    assert_string_equal(answer.type, "application/json; charset=utf-8");
    answer_message(&answer, 405, "Method not %s", "allowed");
    is_answer(&answer, 405, "{\"message\":\"Method not allowed\"}");
    answer_empty(&answer, 204);
    assert_null(answer.type);
    assert_null(answer.body);
}

static void violations_have_message_and_fields(void **state)
{
    struct violations violations = {0};
    struct answer answer = {0};

    (void)state;
    violations_add(&violations, "host", "required field missing");
    answer_violations(&answer, &violations);
    violations_fini(&violations);
    is_answer(
        &answer, 400,
        "{\"code\":2,\"name\":\"schema violation\",\"message\":\"schema violation (host: required field "
        "missing)\",\"fields\":{\"host\":\"required field missing\"}}");
}

static void failures_of_the_store_become_errors(void **state)
{
    struct store_error error = {0};
    struct answer answer = {0};

    (void)state;
    error.failure = STORE_UNIQUE;
    error.key = cJSON_Parse("{\"name\":\"a\"}");
    answer_store_error(&answer, &service_schema, &error);
    is_answer(
        &answer, 409,
        "{\"code\":5,\"name\":\"unique constraint violation\",\"message\":\"UNIQUE violation detected on "
        "'{name=\\\"a\\\"}'\",\"fields\":{\"name\":\"a\"}}");

    error.failure = STORE_PRIMARY_KEY;
    answer_store_error(&answer, &service_schema, &error);
    is_answer(&answer, 400,
              "{\"code\":3,\"name\":\"primary key violation\",\"message\":\"primary key violation on key "
              "'{name=\\\"a\\\"}'\",\"fields\":{\"name\":\"a\"}}");
    cJSON_Delete(error.key);

    error.failure = STORE_FOREIGN_KEY;
    error.key = cJSON_Parse("{\"service\":{\"id\":\"x\"}}");
    error.other = &service_schema;
    answer_store_error(&answer, &route_schema, &error);
    is_answer(&answer, 400,
              "{\"code\":4,\"name\":\"foreign key violation\",\"message\":\"the foreign key '{id=\\\"x\\\"}' "
              "does not "
              "reference an existing 'services' entity.\",\"fields\":{\"service\":{\"id\":\"x\"}}}");
    cJSON_Delete(error.key);

    error.failure = STORE_REFERENCED;
    error.key = NULL;
    error.other = &route_schema;
    answer_store_error(&answer, &service_schema, &error);
    is_answer(&answer, 400,
              "{\"code\":4,\"name\":\"foreign key violation\",\"message\":\"an existing 'routes' entity "
              "references this "
              "'services' entity\",\"fields\":{\"@referenced_by\":\"routes\"}}");

    error.failure = STORE_TOO_LONG;
    answer_store_error(&answer, &service_schema, &error);
    is_answer(&answer, 400,
              "{\"code\":2,\"name\":\"schema violation\",\"message\":\"schema violation (a name, key or tag "
              "is too long "
              "to be stored)\",\"fields\":{\"@entity\":[\"a name, key or tag is too long to be stored\"]}}");

    error.failure = STORE_UNAVAILABLE;
    answer_store_error(&answer, &service_schema, &error);
    is_answer(&answer, 500, "{\"message\":\"An unexpected error occurred\"}");
}

static void what_is_missing_is_named_by_its_key(void **state)
{
    struct answer answer = {0};

    (void)state;
    answer_missing(&answer, cJSON_Parse("{\"id\":\"x\"}"));
    is_answer(&answer, 404,
              "{\"code\":6,\"name\":\"not found\",\"message\":\"could not find the entity with primary key "
              "'{id=\\\"x\\\"}'\",\"fields\":{\"id\":\"x\"}}");
    answer_missing(&answer, cJSON_Parse("{\"name\":\"a\"}"));
    is_answer(&answer, 404,
              "{\"code\":6,\"name\":\"not found\",\"message\":\"could not find the entity with "
              "'{name=\\\"a\\\"}'\",\"fields\":{\"name\":\"a\"}}");
    answer_invalid_unique(&answer, "name", "bad");
    is_answer(&answer, 400, "{\"code\":10,\"name\":\"invalid unique name\",\"message\":\"bad\"}");
}

static void what_clients_sent_is_quoted_as_utf8(void **state)
{
    struct answer answer = {0};

    (void)state;
    answer_message(&answer, 404, "No entity named '%s'", "\xff\xc3\xa4\xc3(\xe5\x86.");
    is_answer(&answer, 404, "{\"message\":\"No entity named '?\xc3\xa4?(??.'\"}");
    answer_missing(&answer, cJSON_Parse("{\"username\":\"a\xff\"}"));
    is_answer(&answer, 404,
              "{\"code\":6,\"name\":\"not found\",\"message\":\"could not find the entity with "
              "'{username=\\\"a?\\\"}'\",\"fields\":{\"username\":\"a?\"}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_clients_sent_is_quoted_as_utf8),
        cmocka_unit_test(messages_stand_alone),
        cmocka_unit_test(violations_have_message_and_fields),
        cmocka_unit_test(failures_of_the_store_become_errors),
        cmocka_unit_test(what_is_missing_is_named_by_its_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
