/*
 * response_transformer - the settings of response-transformer (plugin reference, 14).
 */

#include "gateway/plugin_schemas/rows.h"

#include "gateway/plugin_schemas/pairs.h"
#include "gateway/plugin_schemas/parts.h"

static const char *const json_types[] = {"boolean", "number", "string", NULL};

static const struct field json_element = {
    .name = "elements", .kind = FIELD_STRING, .check = text_is_pair, .notes = pair_notes};
static const struct field json_type_element = {
    .name = "elements", .kind = FIELD_STRING, .one_of = json_types};
static const struct field header_element = {
    .name = "elements", .kind = FIELD_STRING, .check = text_is_header_pair, .notes = pair_notes};

/* clang-format off */
static const struct field remove_fields[] = {
    PAIR_LIST("json", part_text, "Names of members."),
    PAIR_LIST("headers", pair_header_name, "Names of headers."),
};
static const struct field rename_fields[] = {PAIR_LIST("headers", pair_header_rename, "old:new.")};
static const struct field value_fields[] = {
    PAIR_LIST("json", json_element, "name:value in JSON."),
    PAIR_LIST("json_types", json_type_element, "What the values are, by position; string if nothing is said."),
    PAIR_LIST("headers", header_element, "name:value in headers."),
};

static const struct field config_fields[] = {
    PAIR_RECORD("remove", remove_fields, "What is taken away."),
    PAIR_RECORD("rename", rename_fields, "What is called otherwise."),
    PAIR_RECORD("replace", value_fields, "What gets another value, if it is there."),
    PAIR_RECORD("add", value_fields, "What is added, unless it is there."),
    PAIR_RECORD("append", value_fields, "What gets one more value."),
};
/* clang-format on */

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
