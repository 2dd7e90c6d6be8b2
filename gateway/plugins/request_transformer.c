/*
 * request_transformer - see request_transformer.h.
 *
 * All values are made before anything is changed: templates see the request as it came. What cannot be made,
 * or could not be sent, is a failure of the whole request.
 */

#include "gateway/plugins/request_transformer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/http/token.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/arguments.h"
#include "gateway/plugins/named_list.h"
#include "gateway/plugins/transform_rules.h"

/* ---- settings ---- */

static bool is_template(const char *text, const char *whole, char message[256])
{
    struct template *template = NULL;
    char words[128];

    if (template_new(str_of(text), &template, words)) {
        template_free(template);
        return true;
    }
    (void)snprintf(message, 256, "value '%.80s' is not in supported format, error:%s", whole, words);
    utf8_mend(message);
    return false;
}

static bool text_is_template(const cJSON *value, char message[256])
{
    return is_template(value->valuestring, value->valuestring, message);
}

static bool is_pair_of_template(const cJSON *value, char message[256])
{
    return text_has_value(value, message) &&
           is_template(pair_value(value->valuestring).at, value->valuestring, message);
}

static bool is_header_of_template(const cJSON *value, char message[256])
{
    return text_is_header_with_value(value, message) &&
           is_template(pair_value(value->valuestring).at, value->valuestring, message);
}

static const struct field pair_element = {
    .name = "elements", .kind = FIELD_STRING, .check = is_pair_of_template};
static const struct field header_element = {
    .name = "elements", .kind = FIELD_STRING, .check = is_header_of_template, .notes = pair_notes};

/* clang-format off */
#define NAME_VALUE_LISTS(headers) \
    PAIR_LIST("body", pair_element, "name:value in bodies."), \
    PAIR_LIST("headers", headers, "name:value in headers."), \
    PAIR_LIST("querystring", pair_element, "name:value in queries.")

static const struct field remove_fields[] = {
    PAIR_LIST("body", part_text, "Names in bodies."),
    PAIR_LIST("headers", pair_header_name, "Names of headers."),
    PAIR_LIST("querystring", part_text, "Names in queries."),
};
static const struct field rename_fields[] = {NAME_VALUE_LISTS(pair_header_rename)};
static const struct field replace_fields[] = {
    NAME_VALUE_LISTS(header_element),
    {.name = "uri", .kind = FIELD_STRING, .check = text_is_template, .description = "The path upstream."},
};
static const struct field value_fields[] = {NAME_VALUE_LISTS(header_element)};

static const struct field config_fields[] = {
    {.name = "http_method", .kind = FIELD_STRING, .check = text_is_method, .notes = part_method_notes,
     .description = "The method upstream."},
    PAIR_RECORD("remove", remove_fields, "What is taken away."),
    PAIR_RECORD("rename", rename_fields, "What is called otherwise, old:new."),
    PAIR_RECORD("replace", replace_fields, "What gets another value, if it is there."),
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

struct settings {
    struct transform_rules headers, query, body;
    struct template *uri; /* NULL: as it is */
    char *method;         /* NULL: as it is */
};

static void dispose(void *object)
{
    struct settings *settings = object;

    transform_rules_fini(&settings->headers);
    transform_rules_fini(&settings->query);
    transform_rules_fini(&settings->body);
    template_free(settings->uri);
    free(settings->method);
    free(settings);
}

static bool read_uri(const cJSON *config, struct settings *settings, struct err *err)
{
    const char *uri = document_text(cJSON_GetObjectItemCaseSensitive(config, "replace"), "uri");
    char words[128];

    return uri == NULL || template_new(str_of(uri), &settings->uri, words) ||
           err_set(err, ERR_INVALID, "request-transformer: uri: %s", words);
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));

    settings->method = mem_strdup(document_text(config, "http_method"));
    if (!transform_rules_read(config, "headers", &settings->headers, err) ||
        !transform_rules_read(config, "querystring", &settings->query, err) ||
        !transform_rules_read(config, "body", &settings->body, err) || !read_uri(config, settings, err)) {
        dispose(settings);
        return false;
    }
    *object = settings;
    return true;
}

/* ---- headers ---- */

static void rename_headers(struct headers *headers, struct str name, struct str other)
{
    if (str_equal_nocase(name, other) || headers_find(headers, name) == NULL)
        return;
    (void)headers_remove(headers, other);
    for (struct header *header = headers_find(headers, name); header != NULL;
         header = headers_find(headers, name))
        header->name = other;
}

/* The host is no line of the list: it can be replaced, which makes it one, and nothing else. */
static void change_header(struct headers *headers, const struct transform_rule *rule, struct str value)
{
    bool is_host = str_equal_nocase(rule->name, STR("Host"));
    bool is_there = headers_find(headers, rule->name) != NULL;

    switch (rule->action) {
    case TRANSFORM_REMOVE:
        (void)headers_remove(headers, rule->name);
        break;
    case TRANSFORM_RENAME:
        if (!str_equal_nocase(value, STR("Host")))
            rename_headers(headers, rule->name, value);
        break;
    case TRANSFORM_REPLACE:
        if (is_host || is_there)
            headers_set(headers, rule->name, value);
        break;
    case TRANSFORM_ADD:
        if (!is_host && !is_there)
            headers_add(headers, rule->name, value);
        break;
    case TRANSFORM_APPEND:
        if (!is_host)
            headers_add(headers, rule->name, value);
        break;
    case TRANSFORM_ACTIONS:
        break;
    }
}

static void change_headers(struct chain *chain, const struct transform_rules *rules, const struct str *values)
{
    struct headers *headers = &exchange_request(chain->exchange)->headers;

    for (size_t i = 0; i < rules->count; i++)
        change_header(headers, &rules->at[i], values[i]);
}

/* A decoded argument may have a line break in it. */
static bool are_header_values(const struct transform_rules *rules, const struct str *values)
{
    for (size_t i = 0; i < rules->count; i++)
        if (rules->at[i].value != NULL && !token_is_value(values[i]))
            return false;
    return true;
}

/* ---- queries and bodies ---- */

static void append(struct named_list *list, struct str name, struct str value, enum body_type type)
{
    struct named_value *there = type == BODY_JSON ? named_list_find(list, name) : NULL;

    if (type == BODY_MULTIPART)
        return;
    if (there != NULL)
        there->value = named_list_json_append(list->owner, there->value, value);
    else
        named_list_add(list, name,
                       type == BODY_JSON ? named_list_json_append(list->owner, STR_NONE, value) : value);
}

static void change_list(struct named_list *list, const struct transform_rules *rules,
                        const struct str *values, enum body_type type)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct transform_rule *rule = &rules->at[i];
        struct str value = rule->action >= TRANSFORM_REPLACE && type == BODY_JSON
                               ? named_list_json_text(list->owner, values[i])
                               : values[i];
        switch (rule->action) {
        case TRANSFORM_REMOVE:
            named_list_remove(list, rule->name);
            break;
        case TRANSFORM_RENAME:
            named_list_rename(list, rule->name, value);
            break;
        case TRANSFORM_REPLACE:
            named_list_replace(list, rule->name, value);
            break;
        case TRANSFORM_ADD:
            if (named_list_find(list, rule->name) == NULL)
                named_list_add(list, rule->name, value);
            break;
        case TRANSFORM_APPEND:
            append(list, rule->name, value, type);
            break;
        case TRANSFORM_ACTIONS:
            break;
        }
    }
}

static bool read_body(struct named_list *list, enum body_type type, struct str content_type, struct str body)
{
    switch (type) {
    case BODY_ENCODED:
        return named_list_read_encoded(list, body);
    case BODY_JSON:
        return body.len == 0 || named_list_read_json(list, body);
    case BODY_MULTIPART:
        return named_list_read_multipart(list, content_type, body);
    case BODY_OTHER:
        break;
    }
    return false;
}

static struct str write_body(const struct named_list *list, enum body_type type, struct str content_type)
{
    switch (type) {
    case BODY_ENCODED:
        return named_list_write_encoded(list);
    case BODY_JSON:
        return named_list_write_json(list);
    case BODY_MULTIPART:
        return named_list_write_multipart(list, content_type);
    case BODY_OTHER:
        break;
    }
    return STR_NONE;
}

/* What cannot be read goes as it came. */
static void change_body(struct chain *chain, const struct transform_rules *rules, const struct str *values)
{
    const struct header *header =
        headers_find(&exchange_request(chain->exchange)->headers, STR("Content-Type"));
    struct str content_type = header != NULL ? header->value : STR_NONE;
    enum body_type type = body_type_of(content_type);
    struct named_list list = {.owner = chain->exchange};

    if (rules->count == 0 || chain->upstream_body.len > ARGUMENTS_MAX_BYTES ||
        !read_body(&list, type, content_type, chain->upstream_body))
        return;
    change_list(&list, rules, values, type);
    if (list.count == 0 && chain->upstream_body.len == 0)
        return;
    chain->upstream_body = write_body(&list, type, content_type);
    chain->body_changed = true;
}

/* Methods whose bodies nobody looks at: what a form says is in the query then. */
static bool goes_into_query(const struct chain *chain, const struct settings *settings)
{
    const struct header *header =
        headers_find(&exchange_request(chain->exchange)->headers, STR("Content-Type"));

    return settings->method != NULL && header != NULL && chain->upstream_body.len > 0 &&
           chain->upstream_body.len <= ARGUMENTS_MAX_BYTES && body_type_of(header->value) == BODY_ENCODED &&
           (strcmp(settings->method, "GET") == 0 || strcmp(settings->method, "HEAD") == 0 ||
            strcmp(settings->method, "TRACE") == 0);
}

static void change_query(struct chain *chain, const struct settings *settings, const struct str *values)
{
    struct named_list list = {.owner = chain->exchange};
    bool takes_body = goes_into_query(chain, settings);

    if (settings->query.count == 0 && !takes_body)
        return;
    if (!named_list_read_encoded(&list, chain->upstream_query) ||
        (takes_body && !named_list_read_encoded(&list, chain->upstream_body)))
        return;
    change_list(&list, &settings->query, values, BODY_ENCODED);
    chain->upstream_query = list.count > 0 ? named_list_write_encoded(&list) : STR_NONE;
}

/* ---- the path ---- */

/* It is a path: '?' in it does not begin a query. */
static struct str escape_marks(struct exchange *exchange, struct str path)
{
    char *to = exchange_alloc(exchange, 3 * path.len + 1);
    size_t len = 0;

    if (str_find(path, '?', 0) == SIZE_MAX)
        return path;
    for (size_t i = 0; i < path.len; i++) {
        if (path.at[i] != '?') {
            to[len++] = path.at[i];
            continue;
        }
        memcpy(to + len, "%3F", 3);
        len += 3;
    }
    return (struct str){to, len};
}

static bool set_path(struct chain *chain, const struct template *uri, const struct template_source *source)
{
    struct str path;

    if (uri == NULL)
        return true;
    if (!template_render(uri, source, &path) || path.len == 0 || path.at[0] != '/')
        return false;
    chain->upstream_path = escape_marks(chain->exchange, path);
    return true;
}

/* ---- the phase ---- */

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct exchange_request *request = exchange_request(chain->exchange);
    const struct template_source source = {chain, &request->headers, chain->upstream_query};
    size_t count = settings->headers.count + settings->body.count + settings->query.count;
    struct str *headers = exchange_alloc(chain->exchange, (count + 1) * sizeof(*headers));
    struct str *body = headers + settings->headers.count;
    struct str *query = body + settings->body.count;

    if (!transform_rules_render(&settings->headers, &source, headers) ||
        !transform_rules_render(&settings->body, &source, body) ||
        !transform_rules_render(&settings->query, &source, query) ||
        !are_header_values(&settings->headers, headers) || !set_path(chain, settings->uri, &source))
        return PLUGIN_FAILED;
    if (settings->method != NULL)
        request->method = str_of(settings->method);
    change_headers(chain, &settings->headers, headers);
    change_body(chain, &settings->body, body);
    change_query(chain, settings, query);
    return PLUGIN_NEXT;
}

const struct plugin request_transformer_plugin = {
    .schema =
        {
            .name = "request-transformer",
            .version = "3.5.0",
            .priority = 801,
            .config = &config_record,
            .protocols = protocol_names,
        },
    .configure = configure,
    .dispose = dispose,
    .access = access_phase,
};
