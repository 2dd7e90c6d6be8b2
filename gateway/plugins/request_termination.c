/*
 * request_termination - see request_termination.h. Maintenance, blocked consumers, mocks, and a look at what
 * the gateway made of a request (echo).
 */

#include "gateway/plugins/request_termination.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/model/document.h"
#include "gateway/model/header_name.h"
#include "gateway/model/pack.h"
#include "gateway/plugins/arguments.h"

enum {
    SHOWN_MAX = 100 /* arguments of a query or a body: finding names again takes time by the square */
};

/* ---- settings ---- */

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "status_code", .kind = FIELD_INTEGER, .flags = FIELD_REQUIRED, .fallback = "503",
     .has_between = true, .between_min = 100, .between_max = 599, .description = "The status of the answer."},
    {.name = "message", .kind = FIELD_STRING, .description = "The text of the usual JSON body."},
    {.name = "content_type", .kind = FIELD_STRING, .description = "The type of `body`."},
    {.name = "body", .kind = FIELD_STRING, .description = "The body, as it is."},
    {.name = "echo", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false",
     .description = "Whether the answer shows the request."},
    {.name = "trigger", .kind = FIELD_STRING, .check = text_is_header_name,
     .description = "A header or query argument; requests without it pass."},
    /* clang-format on */
};

static bool is_consistent(const cJSON *config, char message[256])
{
    bool has_message = document_text(config, "message") != NULL;
    bool has_type = document_text(config, "content_type") != NULL;
    bool has_body = document_text(config, "body") != NULL;
    const char *wrong = NULL;

    if (has_message && (has_type || has_body))
        wrong = "message cannot be used with content_type or body";
    else if (has_type && !has_body)
        wrong = "content_type requires a body";
    else if (document_bool(config, "echo", false) && (has_type || has_body))
        wrong = "echo cannot be used with content_type and body";
    if (wrong != NULL)
        (void)snprintf(message, 256, "%s", wrong);
    return wrong == NULL;
}

static const struct field config_record = {.name = "config",
                                           .kind = FIELD_RECORD,
                                           .flags = FIELD_REQUIRED,
                                           .check = is_consistent,
                                           .fields = config_fields,
                                           .field_count = COUNT(config_fields)};

struct settings {
    int status;
    char *message, *content_type, *body, *trigger; /* NULL: not set */
    bool echo;
};

static void dispose(void *object)
{
    struct settings *settings = object;

    free(settings->message);
    free(settings->content_type);
    free(settings->body);
    free(settings->trigger);
    free(settings);
}

static const char *usual_message(int status)
{
    switch (status) {
    case 401:
        return "Unauthorized";
    case 404:
        return "Not found";
    case 405:
        return "Method not allowed";
    case 500:
        return "An unexpected error occurred";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service unavailable";
    default:
        return NULL;
    }
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    int64_t status = document_int(config, "status_code", 503);
    const char *message = document_text(config, "message");

    if (status < 100 || status > 599)
        return err_set(err, ERR_INVALID, "request-termination cannot answer %d", (int)status);
    struct settings *settings = mem_zalloc(sizeof(*settings));
    settings->status = (int)status;
    settings->message = mem_strdup(message != NULL ? message : usual_message(settings->status));
    settings->content_type = mem_strdup(document_text(config, "content_type"));
    settings->body = mem_strdup(document_text(config, "body"));
    settings->trigger = mem_strdup(document_text(config, "trigger"));
    settings->echo = document_bool(config, "echo", false);
    *object = settings;
    return true;
}

/* ---- echo ---- */

static void add_text(cJSON *object, const char *name, struct str text)
{
    if (text.at == NULL || !str_is_utf8(text))
        return; /* JSON cannot show it */
    char *copy = mem_strndup(text.at, text.len);
    (void)cJSON_AddStringToObject(object, name, copy);
    free(copy);
}

/* A second value of a name makes a list of both. Takes over `value`. */
static void add_value(cJSON *object, struct str name, cJSON *value)
{
    char *key = mem_strndup(name.at, name.len);
    cJSON *there = cJSON_GetObjectItemCaseSensitive(object, key);

    if (there == NULL) {
        (void)cJSON_AddItemToObject(object, key, value);
    } else if (cJSON_IsArray(there)) {
        (void)cJSON_AddItemToArray(there, value);
    } else {
        cJSON *list = cJSON_CreateArray();
        (void)cJSON_AddItemToArray(list, cJSON_DetachItemViaPointer(object, there));
        (void)cJSON_AddItemToArray(list, value);
        (void)cJSON_AddItemToObject(object, key, list);
    }
    free(key);
}

static cJSON *text_value(struct str text)
{
    if (!str_is_utf8(text))
        return cJSON_CreateNull();
    char *copy = mem_strndup(text.at, text.len);
    cJSON *value = cJSON_CreateString(copy);
    free(copy);
    return value;
}

static char *lower_case(struct str name)
{
    char *lower = mem_strndup(name.at, name.len);

    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)(tolower)((unsigned char)lower[i]); /* the function: its macro is a page of code */
    return lower;
}

static cJSON *show_headers(const struct exchange_request *request)
{
    cJSON *shown = cJSON_CreateObject();

    if (request->host.at != NULL)
        add_value(shown, STR("host"), text_value(request->host));
    for (size_t i = 0; i < request->headers.count; i++) {
        char *lower = lower_case(request->headers.at[i].name);
        add_value(shown, str_of(lower), text_value(request->headers.at[i].value));
        free(lower);
    }
    return shown;
}

/* A name without '=' is shown as true. */
static cJSON *show_encoded(struct exchange *exchange, struct str text)
{
    cJSON *shown = cJSON_CreateObject();
    size_t count = 0;

    for (size_t from = 0; from < text.len && count < SHOWN_MAX; count++) {
        size_t end = str_find(text, '&', from);
        struct str pair = str_part(text, from, end != SIZE_MAX ? end : text.len);
        size_t equals = str_find(pair, '=', 0);
        struct str name = encoded_decode(exchange, equals != SIZE_MAX ? str_part(pair, 0, equals) : pair);
        if (name.len > 0 && str_is_utf8(name))
            add_value(shown, name,
                      equals != SIZE_MAX
                          ? text_value(encoded_decode(exchange, str_part(pair, equals + 1, pair.len)))
                          : cJSON_CreateTrue());
        from = end != SIZE_MAX ? end + 1 : text.len;
    }
    return shown;
}

/* NULL: not of a type that can be shown in parts. */
static cJSON *show_body(struct exchange *exchange, const struct exchange_request *request)
{
    const struct header *type = headers_find(&request->headers, STR("Content-Type"));

    switch (body_type_of(type != NULL ? type->value : STR_NONE)) {
    case BODY_ENCODED:
        return show_encoded(exchange, request->body);
    case BODY_JSON:
        return cJSON_ParseWithLength(request->body.at, request->body.len);
    case BODY_MULTIPART:
    case BODY_OTHER:
        break;
    }
    return NULL;
}

/* Without the port. */
static struct str host_name(struct str authority)
{
    size_t end = authority.len > 0 && authority.at[0] == '[' ? str_find(authority, ']', 0) : SIZE_MAX;
    size_t colon = authority.len > 0 ? str_find(authority, ':', end != SIZE_MAX ? end : 0) : SIZE_MAX;

    return colon != SIZE_MAX ? str_part(authority, 0, colon) : authority;
}

static cJSON *show_request(struct chain *chain)
{
    const struct exchange_request *request = exchange_request(chain->exchange);
    cJSON *shown = cJSON_CreateObject();
    cJSON *captures = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(shown, "scheme", request->tls ? "https" : "http");
    add_text(shown, "host", host_name(request->host));
    (void)cJSON_AddNumberToObject(shown, "port", request->local_port);
    (void)cJSON_AddItemToObject(shown, "headers", show_headers(request));
    (void)cJSON_AddItemToObject(shown, "query", show_encoded(chain->exchange, request->query));
    cJSON *body = request->body.len > 0 ? show_body(chain->exchange, request) : NULL;
    if (body != NULL)
        (void)cJSON_AddItemToObject(shown, "body", body);
    add_text(shown, "raw_body", request->body);
    add_text(shown, "method", request->method);
    add_text(shown, "path", chain->path.at != NULL ? chain->path : request->path);
    (void)cJSON_AddItemToObject(captures, "named", cJSON_CreateObject());
    (void)cJSON_AddItemToObject(captures, "unnamed", cJSON_CreateArray());
    (void)cJSON_AddItemToObject(shown, "uri_captures", captures);
    return shown;
}

static void add_matched(cJSON *shown, const char *member, const struct uuid *id, const char *name)
{
    cJSON *matched = cJSON_AddObjectToObject(shown, member);

    (void)cJSON_AddItemToObject(matched, "id", show_id(id));
    (void)cJSON_AddItemToObject(matched, "name", show_text(name));
}

static enum plugin_result answer_echo(struct chain *chain, const struct settings *settings)
{
    cJSON *shown = cJSON_CreateObject();
    cJSON *gateway = cJSON_CreateObject();

    if (settings->message != NULL)
        (void)cJSON_AddStringToObject(shown, "message", settings->message);
    (void)cJSON_AddStringToObject(gateway, "node_id", chain->world->node_id);
    (void)cJSON_AddNumberToObject(gateway, "worker_pid", getpid());
    (void)cJSON_AddStringToObject(gateway, "hostname", chain->world->host_name);
    (void)cJSON_AddItemToObject(shown, "kong", gateway);
    (void)cJSON_AddItemToObject(shown, "request", show_request(chain));
    if (chain->route != NULL)
        add_matched(shown, "matched_route", &chain->route->id, chain->route->name);
    if (chain->service != NULL)
        add_matched(shown, "matched_service", &chain->service->id, chain->service->name);
    char *text = cJSON_PrintUnformatted(shown);
    struct str body = exchange_copy(chain->exchange, str_of(text));
    cJSON_free(text);
    cJSON_Delete(shown);
    return chain_answer_body(chain, settings->status, STR("application/json; charset=utf-8"), body);
}

/* ---- the phase ---- */

static bool is_triggered(struct chain *chain, struct str trigger)
{
    const struct exchange_request *request = exchange_request(chain->exchange);

    return headers_find(&request->headers, trigger) != NULL ||
           encoded_find(chain->exchange, request->query, trigger).count > 0;
}

/* RFC 9110, 6.4.1 */
static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;

    if (settings->trigger != NULL && !is_triggered(chain, str_of(settings->trigger)))
        return PLUGIN_NEXT;
    if (has_no_body(settings->status))
        return chain_answer_message(chain, settings->status, NULL);
    if (settings->echo)
        return answer_echo(chain, settings);
    if (settings->body != NULL)
        return chain_answer_body(chain, settings->status,
                                 str_of(settings->content_type != NULL ? settings->content_type
                                                                       : "application/json; charset=utf-8"),
                                 str_of(settings->body));
    return chain_answer_message(chain, settings->status, settings->message);
}

static const char *const protocols[] = {"grpc", "grpcs", "http", "https", NULL};

const struct plugin request_termination_plugin = {
    .schema =
        {
            .name = "request-termination",
            .version = "3.5.0",
            .priority = 2,
            .config = &config_record,
            .protocols = protocols,
        },
    .configure = configure,
    .dispose = dispose,
    .access = access_phase,
};
