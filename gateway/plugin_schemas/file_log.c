/*
 * file_log - the settings of file-log (plugin reference, 20).
 */

#include "gateway/plugin_schemas/rows.h"

#include <stdio.h>
#include <string.h>

#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static bool is_file_name(const cJSON *value, char message[256])
{
    if (strpbrk(value->valuestring, "*&%\\`") == NULL)
        return true;
    (void)snprintf(message, 256, "not a valid filename");
    return false;
}

static const struct field_note path_notes[] = {
    {"match", "\"^[^*&%%\\\\`]+$\""}, {"err", "\"not a valid filename\""}, {NULL, NULL}};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "path", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = is_file_name, .notes = path_notes},
    {.name = "reopen", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "custom_fields_by_lua", .kind = FIELD_MAP, .check = text_is_no_lua, .keys = &part_key,
     .values = &part_value},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

const struct plugin_schema file_log_plugin_schema = {
    .name = "file-log",
    .version = "3.5.0",
    .priority = 9,
    .config = &config_record,
    .protocols = protocol_names,
};
