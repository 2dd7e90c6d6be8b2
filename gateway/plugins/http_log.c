/*
 * http_log - see http_log.h. A configuration is a queue (chain/delivery_queue.h) with a sender of HTTP.
 *
 * The reference drops a query in the endpoint; here it is sent.
 */

#include "gateway/plugins/http_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/delivery_http.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/http/token.h"
#include "gateway/model/document.h"
#include "gateway/model/header_name.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/base64.h"
#include "gateway/plugins/record_logger.h"
#include "gateway/plugins/sink_url.h"

/* ---- settings ---- */

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
    bool has_user = url != NULL && sink_url_split(url).user.len > 0;
    const cJSON *header;

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
    PART_CUSTOM_FIELDS_BY_LUA,
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

/* ---- what is sent ---- */

enum {
    HEADERS_MAX = 256,
    LANES = 4, /* requests at a time: a sink that takes its time is not asked one after the other */
};

/* Lines of a request's head, owned. */
struct lines {
    char *at[HEADERS_MAX];
    size_t count;
};

static void free_lines(struct lines *lines)
{
    while (lines->count > 0)
        free(lines->at[--lines->count]);
}

/* The user as written, not decoded: that is how its users know it. */
static char *authorization_of(struct str user)
{
    char *code = base64_encode(user);
    char *line = mem_printf("Authorization: Basic %s", code);
    free(code);
    return line;
}

static bool make_lines(const cJSON *config, struct str user, struct lines *lines, struct err *err)
{
    const char *type = document_text(config, "content_type");
    const cJSON *header;

    lines->at[lines->count++] = mem_printf("Content-Type: %s", type != NULL ? type : "application/json");
    if (user.len > 0)
        lines->at[lines->count++] = authorization_of(user);
    cJSON_ArrayForEach(header, cJSON_GetObjectItemCaseSensitive(config, "headers"))
    {
        if (!cJSON_IsString(header) || header->string == NULL)
            continue;
        if (lines->count == HEADERS_MAX || !token_is_value(str_of(header->valuestring)))
            return err_set(err, ERR_INVALID, "header '%s' cannot be sent", header->string);
        lines->at[lines->count++] = mem_printf("%s: %s", header->string, header->valuestring);
    }
    return true;
}

/* A batch of one is an object; where batches may be larger they are arrays, whatever their size. */
static struct delivery_frame frame_of(const struct delivery_rules *rules)
{
    if (rules->max_batch_size == 1)
        return (struct delivery_frame){STR(""), STR(""), STR("")};
    return (struct delivery_frame){STR("["), STR(","), STR("]")};
}

static struct delivery_sender *make_sender(const cJSON *config, const struct sink_url *endpoint,
                                           const struct delivery_frame *frame, const struct lines *lines)
{
    const char *method = document_text(config, "method");
    char *url = mem_printf("%.*s%.*s", STR_ARG(endpoint->scheme), STR_ARG(endpoint->rest));
    const struct delivery_http_options options = {
        .url = url,
        .method = method != NULL ? method : "POST",
        .headers = (const char *const *)lines->at,
        .header_count = lines->count,
        .timeout_ms = document_int(config, "timeout", 10000),
        .keepalive_ms = document_int(config, "keepalive", 60000),
        .frame = *frame,
    };
    struct delivery_sender *sender = delivery_http_new(&options);

    free(url);
    return sender;
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    const char *url = document_text(config, "http_endpoint");
    struct delivery_options options = {.lanes = LANES};
    struct lines lines = {.count = 0};

    if (url == NULL)
        return err_set(err, ERR_INVALID, "no http_endpoint");
    const struct sink_url endpoint = sink_url_split(url);
    delivery_rules_of(config, &options.rules);
    const struct delivery_frame frame = frame_of(&options.rules);
    bool ok = make_lines(config, endpoint.user, &lines, err);
    if (ok) {
        struct str shown = sink_url_shown(url);
        char *name = mem_printf("http-log to %.*s", STR_ARG(shown));
        options.name = name;
        options.sender = make_sender(config, &endpoint, &frame, &lines);
        *object = record_logger_new(&options);
        free(name);
    }
    free_lines(&lines);
    return ok;
}

const struct plugin http_log_plugin = {
    .schema =
        {
            .name = "http-log",
            .version = "3.5.0",
            .priority = 12,
            .config = &config_record,
            .protocols = protocol_names,
        },
    .configure = configure,
    .dispose = record_logger_dispose,
    .log = record_logger_log,
};
