/*
 * cors - the settings of cors (plugin reference, 8).
 */

#include "gateway/plugin_schemas/rows.h"

#include <stdio.h>
#include <string.h>

#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static bool is_origin(const cJSON *value, char message[256])
{
    char words[160];

    if (strcmp(value->valuestring, "*") == 0 || pattern_is_valid(value->valuestring, words))
        return true;
    (void)snprintf(message, 256, "'%.200s' is not a valid regex", value->valuestring);
    return false;
}

static const struct field origins_element = {.name = "elements", .kind = FIELD_STRING, .check = is_origin};

static const char *const methods_elements_choices[] = {"GET",    "HEAD",    "PUT",   "PATCH",   "POST",
                                                       "DELETE", "OPTIONS", "TRACE", "CONNECT", NULL};

static const struct field methods_element = {
    .name = "elements", .kind = FIELD_STRING, .one_of = methods_elements_choices};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "origins", .kind = FIELD_ARRAY, .elements = &origins_element},
    {.name = "headers", .kind = FIELD_ARRAY, .elements = &part_text},
    {.name = "exposed_headers", .kind = FIELD_ARRAY, .elements = &part_text},
    {.name = "methods", .kind = FIELD_ARRAY,
     .fallback = "[\"GET\",\"HEAD\",\"PUT\",\"PATCH\",\"POST\",\"DELETE\",\"OPTIONS\",\"TRACE\",\"CONNECT\"]",
     .elements = &methods_element},
    {.name = "max_age", .kind = FIELD_NUMBER},
    {.name = "credentials", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "private_network", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "preflight_continue", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema cors_plugin_schema = {
    .name = "cors",
    .version = "3.5.0",
    .priority = 2000,
    .config = &config_record,
    .protocols = part_web_protocols,
    .refuses_consumer = true,
};
