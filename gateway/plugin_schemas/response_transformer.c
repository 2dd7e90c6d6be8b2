/*
 * response_transformer - the settings of response-transformer (plugin reference, 14).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/plugin_schemas/pairs.h"
#include "gateway/plugin_schemas/parts.h"

static const struct field headers_element = {
    .name = "elements", .kind = FIELD_STRING, .check = text_is_a_header};

static const struct field remove_fields[] = {
    /* clang-format off */
    {.name = "json", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]", .elements = &part_text},
    {.name = "headers", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]", .elements = &headers_element},
    /* clang-format on */
};

static const struct field headers_element2 = {
    .name = "elements", .kind = FIELD_STRING, .check = text_is_header_rename, .notes = part_pair_notes};

static const struct field rename_fields[] = {
    /* clang-format off */
    {.name = "headers", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]",
     .elements = &headers_element2},
    /* clang-format on */
};

static const struct field json_element = {
    .name = "elements", .kind = FIELD_STRING, .check = text_is_pair, .notes = part_pair_notes};

static const char *const replace_json_types_elements_choices[] = {"boolean", "number", "string", NULL};

static const struct field json_types_element = {
    .name = "elements", .kind = FIELD_STRING, .one_of = replace_json_types_elements_choices};

static const struct field headers_element3 = {
    .name = "elements", .kind = FIELD_STRING, .check = text_is_header_pair, .notes = part_pair_notes};

static const struct field replace_fields[] = {
    /* clang-format off */
    {.name = "json", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]", .elements = &json_element},
    {.name = "json_types", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]",
     .elements = &json_types_element},
    {.name = "headers", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]",
     .elements = &headers_element3},
    /* clang-format on */
};

static const struct field add_fields[] = {
    /* clang-format off */
    {.name = "json", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]", .elements = &json_element},
    {.name = "json_types", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]",
     .elements = &json_types_element},
    {.name = "headers", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]",
     .elements = &headers_element3},
    /* clang-format on */
};

static const struct field append_fields[] = {
    /* clang-format off */
    {.name = "json", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]", .elements = &json_element},
    {.name = "json_types", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]",
     .elements = &json_types_element},
    {.name = "headers", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[]",
     .elements = &headers_element3},
    /* clang-format on */
};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "remove", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = remove_fields,
     .field_count = COUNT(remove_fields)},
    {.name = "rename", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = rename_fields,
     .field_count = COUNT(rename_fields)},
    {.name = "replace", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = replace_fields,
     .field_count = COUNT(replace_fields)},
    {.name = "add", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = add_fields,
     .field_count = COUNT(add_fields)},
    {.name = "append", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = append_fields,
     .field_count = COUNT(append_fields)},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema response_transformer_plugin_schema = {
    .name = "response-transformer",
    .version = "3.5.0",
    .priority = 800,
    .config = &config_record,
    .protocols = part_web_protocols,
};
