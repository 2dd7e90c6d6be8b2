#pragma once

/*
 * openapi_schema - JSON Schema (2020-12) of entities, records and settings of plugins, from struct schema.
 *
 * Three forms of each: as answers show it, as the body of a POST or PUT, as that of a PATCH. Answers have
 * every field, bodies leave out what has a default, changes whatever stays as it is. Rules over several
 * fields, and those that no keyword can say, are left to the server and are listed by /schemas.
 *
 * What is returned is the caller's. Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"

struct field;
struct schemas;

enum openapi_side {
    OPENAPI_SHOWN,   /* component "services" */
    OPENAPI_SENT,    /* component "services.body" */
    OPENAPI_CHANGED, /* component "services.change" */
};

struct openapi_making {
    const struct schemas *schemas;
    enum openapi_side side;
};

/* JSON written with ' for ", after printf: texts of ours, so it can be read. */
cJSON *openapi_json(const char *format, ...) PRINTF_LIKE(1, 2);

/* Of a field that has a name: null is what an unset one holds. */
cJSON *openapi_field_schema(const struct openapi_making *making, const struct field *field);
/* Must it be there? */
bool openapi_is_needed(const struct field *field, enum openapi_side side);
/* `properties`, which is returned, and `required` of an object. */
cJSON *openapi_add_fields(cJSON *json, const struct openapi_making *making, const struct field *fields,
                          size_t count);

/* Adds the components of each entity (itself, its page, its bodies, which require nothing: a path may say it)
 * and of the settings it can hold. */
void openapi_add_entities(cJSON *components, const struct schemas *schemas);
