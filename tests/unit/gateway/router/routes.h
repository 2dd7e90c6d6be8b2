#pragma once

/*
 * routes - routes and requests for tests of the router, written as JSON with single quotes.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/model/entities.h"
#include "gateway/model/schema.h"
#include "gateway/router/router.h"

/* Route number `number` (also its id, in the last two bytes), the caller's. created_at is 0 unless given. */
static inline struct routed *routes_make(unsigned number, const char *text)
{
    char id[UUID_TEXT_SIZE];
    struct uuid uuid = {{[14] = (uint8_t)(number >> 8), [15] = (uint8_t)number}};
    struct err err = {0};
    void *object = NULL;
    size_t bytes;
    char *json = mem_strdup(text);
    for (char *at = json; *at != '\0'; at++)
        *at = (char)(*at == '\'' ? '"' : *at);
    cJSON *document = cJSON_Parse(json);
    assert_non_null(document);
    cJSON_AddStringToObject(document, "id", uuid_format(&uuid, id));
    if (!route_schema.decode(document, &object, &bytes, &err))
        fail_msg("%s", err.text);
    cJSON_Delete(document);
    free(json);
    return routed_new(object, route_schema.release);
}

static inline unsigned routes_number(const struct route *route)
{
    return (unsigned)route->id.bytes[14] << 8 | route->id.bytes[15];
}

/* `router` becomes the one after the change. false: a pattern does not compile, nothing changed. */
static inline bool routes_change(struct router **router, struct routed *old, struct routed *new)
{
    const struct router_change change = {.old = old, .new = new};
    struct err err = {0};
    if (!router_change(router, &change, 1, &err)) {
        assert_true(err.text[0] != '\0');
        return false;
    }
    return true;
}
