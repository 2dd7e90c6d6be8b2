/*
 * response_transformer - see response_transformer.h. Headers are changed when the head is made; JSON when the
 * body is whole. A body that is no JSON object stays as it is.
 */

#include "gateway/plugins/response_transformer.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/http/token.h"
#include "gateway/plugin_schemas/pairs.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/json_text.h"
#include "gateway/plugins/named_list.h"

/* ---- settings ---- */

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

/* In the order in which they are done. */
enum action {
    ACTION_REMOVE,
    ACTION_RENAME,
    ACTION_REPLACE,
    ACTION_ADD,
    ACTION_APPEND,
    ACTION_COUNT
};

static const char *const action_names[ACTION_COUNT] = {"remove", "rename", "replace", "add", "append"};

struct changes {
    struct pair_list headers;
    struct pair_list json;
    char **json_values; /* one per pair, as JSON; NULL: the pair counts for nothing */
};

struct settings {
    struct changes changes[ACTION_COUNT];
    bool has_json;
};

static void dispose(void *object)
{
    struct settings *settings = object;

    for (size_t i = 0; i < ACTION_COUNT; i++) {
        struct changes *changes = &settings->changes[i];
        for (size_t k = 0; k < changes->json.count; k++)
            free(changes->json_values[k]);
        free(changes->json_values);
        pair_list_fini(&changes->headers);
        pair_list_fini(&changes->json);
    }
    free(settings);
}

/* NULL: the text is no number. */
static char *json_of(const char *text, const char *type)
{
    bool may_be_number = text[0] == '-' || (text[0] >= '0' && text[0] <= '9');

    if (type != NULL && strcmp(type, "boolean") == 0)
        return mem_strdup(strcmp(text, "true") == 0 ? "true" : "false");
    if (type != NULL && strcmp(type, "number") == 0)
        return may_be_number && json_text_is_good(str_of(text)) ? mem_strdup(text) : NULL;
    cJSON *string = cJSON_CreateString(text);
    char *json = cJSON_PrintUnformatted(string);
    cJSON_Delete(string);
    return json;
}

static void read_changes(const cJSON *record, struct changes *changes)
{
    const cJSON *types = cJSON_GetObjectItemCaseSensitive(record, "json_types");

    changes->headers = pair_list_read(record, "headers");
    changes->json = pair_list_read(record, "json");
    changes->json_values = mem_zalloc((changes->json.count + 1) * sizeof(char *));
    for (size_t i = 0; i < changes->json.count; i++)
        changes->json_values[i] =
            json_of(changes->json.at[i].value.at, cJSON_GetStringValue(cJSON_GetArrayItem(types, (int)i)));
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));

    (void)err;
    for (size_t i = 0; i < ACTION_COUNT; i++) {
        read_changes(cJSON_GetObjectItemCaseSensitive(config, action_names[i]), &settings->changes[i]);
        settings->has_json |= settings->changes[i].json.count > 0;
    }
    *object = settings;
    return true;
}

/* ---- headers ---- */

static void rename_header(struct headers *headers, const struct pair *pair)
{
    if (str_equal_nocase(pair->name, pair->value) || headers_find(headers, pair->name) == NULL)
        return;
    (void)headers_remove(headers, pair->value);
    for (struct header *header = headers_find(headers, pair->name); header != NULL;
         header = headers_find(headers, pair->name))
        header->name = pair->value;
}

static void change_header(struct headers *headers, enum action action, const struct pair *pair)
{
    bool is_there = headers_find(headers, pair->name) != NULL;

    if (action > ACTION_RENAME && !token_is_value(pair->value))
        return;
    switch (action) {
    case ACTION_REMOVE:
        (void)headers_remove(headers, pair->name);
        break;
    case ACTION_RENAME:
        rename_header(headers, pair);
        break;
    case ACTION_REPLACE:
        if (is_there)
            headers_set(headers, pair->name, pair->value);
        break;
    case ACTION_ADD:
        if (!is_there)
            headers_add(headers, pair->name, pair->value);
        break;
    case ACTION_APPEND:
        headers_add(headers, pair->name, pair->value);
        break;
    case ACTION_COUNT:
        break;
    }
}

/* ---- JSON ---- */

static bool is_json(const struct headers *headers)
{
    const struct header *header = headers_find(headers, STR("Content-Type"));
    struct str types = header != NULL ? header->value : STR_NONE;

    for (size_t at = 0; at < types.len;) {
        size_t end = str_find(types, ',', at);
        struct str type = str_part(types, at, end != SIZE_MAX ? end : types.len);
        size_t parameters = str_find(type, ';', 0);
        if (parameters != SIZE_MAX)
            type.len = parameters;
        if (str_equal_nocase(str_trim(type), STR("application/json")))
            return true;
        at = end != SIZE_MAX ? end + 1 : types.len;
    }
    return false;
}

static void change_member(struct named_list *list, enum action action, struct str name, struct str value)
{
    struct named_value *there = named_list_find(list, name);

    switch (action) {
    case ACTION_REMOVE:
        named_list_remove(list, name);
        break;
    case ACTION_REPLACE:
        named_list_replace(list, name, value);
        break;
    case ACTION_ADD:
        if (there == NULL)
            named_list_add(list, name, value);
        break;
    case ACTION_APPEND:
        value = named_list_json_append(list->owner, there != NULL ? there->value : STR_NONE, value);
        if (there != NULL)
            there->value = value;
        else
            named_list_add(list, name, value);
        break;
    case ACTION_RENAME:
    case ACTION_COUNT:
        break;
    }
}

static void change_members(struct named_list *list, enum action action, const struct changes *changes)
{
    for (size_t i = 0; i < changes->json.count; i++)
        if (action == ACTION_REMOVE || changes->json_values[i] != NULL)
            change_member(list, action, changes->json.at[i].name, str_of(changes->json_values[i]));
}

/* ---- phases ---- */

static void header_filter(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct headers *headers = &chain->answer.headers;

    for (size_t i = 0; i < ACTION_COUNT; i++)
        for (size_t k = 0; k < settings->changes[i].headers.count; k++)
            change_header(headers, (enum action)i, &settings->changes[i].headers.at[k]);
    if (settings->has_json && is_json(headers))
        chain->wants_body = true;
}

static void body_filter(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct named_list list = {.owner = chain->exchange};

    if (!settings->has_json || chain->answer_body.len == 0 || !is_json(&chain->answer.headers))
        return;
    if (!named_list_read_json(&list, chain->answer_body)) {
        log_debug("response-transformer: an answer is no JSON object; bytes=%zu", chain->answer_body.len);
        return;
    }
    for (size_t i = 0; i < ACTION_COUNT; i++)
        change_members(&list, (enum action)i, &settings->changes[i]);
    chain->answer_body = named_list_write_json(&list);
}

const struct plugin response_transformer_plugin = {
    .schema =
        {
            .name = "response-transformer",
            .version = "3.5.0",
            .priority = 800,
            .config = &config_record,
            .protocols = part_web_protocols,
        },
    .configure = configure,
    .dispose = dispose,
    .header_filter = header_filter,
    .body_filter = body_filter,
};
