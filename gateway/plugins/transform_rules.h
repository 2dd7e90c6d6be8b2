#pragma once

/*
 * transform_rules - what request-transformer does to one list of names and values: its five lists of pairs,
 * whose values are templates.
 *
 * Threads: reading and freeing: the bus thread; rules are immutable. Applying: the loop of the request.
 */

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/plugin_schemas/pairs.h"
#include "gateway/plugins/template.h"

/* In the order in which they are done. */
enum transform_action {
    TRANSFORM_REMOVE,
    TRANSFORM_RENAME,
    TRANSFORM_REPLACE,
    TRANSFORM_ADD,
    TRANSFORM_APPEND,
    TRANSFORM_ACTIONS
};

struct transform_rule {
    enum transform_action action;
    struct str name;
    struct template *value; /* of TRANSFORM_REMOVE: NULL */
};

struct transform_rules {
    struct pair_list pairs[TRANSFORM_ACTIONS]; /* whose texts the rules have */
    struct transform_rule *at;
    size_t count;
};

/* Of config.<action>.<area>. */
bool transform_rules_read(const cJSON *config, const char *area, struct transform_rules *rules,
                          struct err *err) MUST_CHECK;
void transform_rules_fini(struct transform_rules *rules);
/* A value per rule, into values[]. false: one cannot be made. */
bool transform_rules_render(const struct transform_rules *rules, const struct template_source *source,
                            struct str *values) MUST_CHECK;
