/*
 * http_log - the settings of http-log (plugin reference, 19).
 */

#include "gateway/plugin_schemas/rows.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/model/document.h"
#include "gateway/model/header_name.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"

static bool is_own_header(const cJSON *value, char message[256])
{
    static const char *const set_by_the_plugin[] = {"Host", "Content-Length", "Content-Type"};

    for (size_t i = 0; i < COUNT(set_by_the_plugin); i++) {
        if (strcasecmp(value->valuestring, set_by_the_plugin[i]) != 0)
            continue;
        (void)snprintf(message, 256, "cannot contain '%s' header", set_by_the_plugin[i]);
        return false;
    }
    return text_is_header_name(value, message);
}

static const struct field_note header_notes[] = {
    {"match_none", "[{\"pattern\":\"^[Hh][Oo][Ss][Tt]$\",\"err\":\"cannot contain 'Host' header\"},"
                   "{\"pattern\":\"^[Cc][Oo][Nn][Tt][Ee][Nn][Tt]%-[Ll][Ee][Nn][Gg][Tt][Hh]$\","
                   "\"err\":\"cannot contain 'Content-Length' header\"},"
                   "{\"pattern\":\"^[Cc][Oo][Nn][Tt][Ee][Nn][Tt]%-[Tt][Yy][Pp][Ee]$\","
                   "\"err\":\"cannot contain 'Content-Type' header\"}]"},
    {NULL, NULL}};

/* Who is named in the URL becomes an Authorization header: there cannot be another one. */
static bool names_one_user(const cJSON *config, char message[256])
{
    const char *url = document_text(config, "http_endpoint");
    const char *host = url != NULL ? strstr(url, "://") : NULL;
    const cJSON *header;
    bool has_user = false;

    if (host != NULL) {
        size_t length = strcspn(host + 3, "/?#");
        has_user = memchr(host + 3, '@', length) != NULL;
    }
    cJSON_ArrayForEach(header, cJSON_GetObjectItemCaseSensitive(config, "headers"))
    {
        if (!has_user || header->string == NULL || strcasecmp(header->string, "authorization") != 0)
            continue;
        (void)snprintf(message, 256,
                       "specifying both an 'Authorization' header and user info in 'http_endpoint' is not "
                       "allowed");
        return false;
    }
    return true;
}

static const char *const method_choices[] = {"POST", "PUT", "PATCH", NULL};

static const char *const content_type_choices[] = {"application/json", "application/json; charset=utf-8",
                                                   NULL};

static const struct field headers_key = {
    .name = "keys", .kind = FIELD_STRING, .check = is_own_header, .notes = header_notes};

static const struct field headers_value = {
    .name = "values", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "http_endpoint", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_REFERENCEABLE | FIELD_ENCRYPTED,
     .check = text_is_url},
    {.name = "method", .kind = FIELD_STRING, .fallback = "\"POST\"", .one_of = method_choices},
    {.name = "content_type", .kind = FIELD_STRING, .fallback = "\"application/json\"",
     .one_of = content_type_choices},
    {.name = "timeout", .kind = FIELD_NUMBER, .fallback = "10000"},
    {.name = "keepalive", .kind = FIELD_NUMBER, .fallback = "60000"},
    {.name = "retry_count", .kind = FIELD_INTEGER},
    {.name = "queue_size", .kind = FIELD_INTEGER},
    {.name = "flush_timeout", .kind = FIELD_NUMBER},
    {.name = "headers", .kind = FIELD_MAP, .keys = &headers_key, .values = &headers_value},
    {.name = "queue", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = part_queue_fields,
     .field_count = COUNT(part_queue_fields)},
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
    .check = names_one_user,
};

const struct plugin_schema http_log_plugin_schema = {
    .name = "http-log",
    .version = "3.5.0",
    .priority = 12,
    .config = &config_record,
    .protocols = protocol_names,
};
