#pragma once

/*
 * bodies - what a client sends and what it must be told. A case is a body and either the whole answer's
 * `fields` and `message`, or nothing: then the body must be accepted.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include <cmocka.h>

#include "gateway/model/document.h"
#include "gateway/model/entities.h"

static const int64_t bodies_now_us = 1795400100250000;

struct body_case {
    const char *body;
    const char *fields;  /* NULL: accepted */
    const char *message; /* NULL: not compared */
};

static inline cJSON *parse(const char *json)
{
    cJSON *value = cJSON_Parse(json);
    if (value == NULL)
        fail_msg("the test's own JSON is wrong: %s", json);
    return value;
}

static inline void assert_json(const cJSON *value, const char *expected)
{
    cJSON *other = parse(expected);
    char *text = cJSON_PrintUnformatted(value);
    if (!cJSON_Compare(value, other, true))
        fail_msg("\n     got %s\nexpected %s", text, expected);
    free(text);
    cJSON_Delete(other);
}

static inline bool complete(const struct schemas *schemas, const struct schema *schema, enum document_op op,
                            cJSON *document, struct violations *violations)
{
    const struct document_context context = {
        .schemas = schemas, .schema = schema, .op = op, .now_us = bodies_now_us};
    return document_complete(&context, document, violations);
}

static inline void assert_refused(const struct violations *violations, const struct body_case *expected)
{
    char *message = violations_message(violations);
    assert_json(violations->fields, expected->fields);
    if (expected->message != NULL && strcmp(message, expected->message) != 0)
        fail_msg("%s\n     got %s\nexpected %s", expected->body, message, expected->message);
    free(message);
}

static inline void run_case(const struct schemas *schemas, const struct schema *schema, enum document_op op,
                            const struct body_case *expected)
{
    struct violations violations = {0};
    cJSON *document = parse(expected->body);
    bool good = complete(schemas, schema, op, document, &violations);
    if (good && expected->fields != NULL)
        fail_msg("%s is accepted, expected: %s", expected->body, expected->fields);
    if (!good && expected->fields == NULL) {
        char *text = cJSON_PrintUnformatted(violations.fields);
        fail_msg("%s is refused: %s", expected->body, text);
    }
    if (!good)
        assert_refused(&violations, expected);
    violations_fini(&violations);
    cJSON_Delete(document);
}

/* The completed document of a body that must be accepted. */
static inline cJSON *accepted(const struct schemas *schemas, const struct schema *schema, const char *body)
{
    struct violations violations = {0};
    cJSON *document = parse(body);
    if (!complete(schemas, schema, DOCUMENT_CREATE, document, &violations)) {
        char *text = cJSON_PrintUnformatted(violations.fields);
        fail_msg("%s is refused: %s", body, text);
    }
    return document;
}

static inline void assert_member(const cJSON *object, const char *name, const char *expected)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    if (value == NULL)
        fail_msg("there is no %s", name);
    assert_json(value, expected);
}
