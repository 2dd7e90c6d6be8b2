/*
 * vault - where {vault://<prefix>/...} is looked up. `config` is abstract here; its record is that of the
 * kind of vault that `name` says.
 */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"
#include "gateway/model/texts.h"

static bool is_word(char byte)
{
    return (byte >= 'a' && byte <= 'z') || isdigit((unsigned char)byte) != 0;
}

static bool check_prefix(const cJSON *value, char message[256])
{
    const char *text = value->valuestring;
    size_t length = strlen(text);
    bool good =
        length >= 2 && is_word(text[0]) && isdigit((unsigned char)text[0]) == 0 && is_word(text[length - 1]);

    for (size_t i = 0; i < length && good; i++)
        good = is_word(text[i]) || text[i] == '-';
    if (!good)
        (void)snprintf(message, 256, "invalid value: %.200s", text);
    return good;
}

static const char *const kinds_of_vault[] = {"env", NULL};
static const struct field_note prefix_notes[] = {
    {"match", "\"^[a-z][a-z%d-]-[a-z%d]+$\""}, {"unique_across_ws", "true"}, {NULL, NULL}};

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    {.name = "prefix", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_UNIQUE, .not_one_of = kinds_of_vault,
     .check = check_prefix, .notes = prefix_notes, .description = "What references call the vault."},
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .description = "The kind of vault."},
    {.name = "description", .kind = FIELD_STRING},
    {.name = "config", .kind = FIELD_RECORD, .flags = FIELD_ABSTRACT},
    FIELD_ROW_CREATED_AT,
    FIELD_ROW_UPDATED_AT,
    FIELD_ROW_TAGS,
    /* clang-format on */
};

static bool check_variable_prefix(const cJSON *value, char message[256])
{
    const char *text = value->valuestring;
    bool good = isdigit((unsigned char)text[0]) == 0;

    for (const char *at = text; *at != '\0' && good; at++)
        good = isalnum((unsigned char)*at) != 0 || *at == '_' || *at == '-';
    if (!good)
        (void)snprintf(message, 256, "invalid value: %.200s", text);
    return good;
}

static const struct field_note variable_notes[] = {{"match", "\"^[%a_-][%a%d_-]*$\""}, {NULL, NULL}};
static const struct field env_fields[] = {
    {.name = "prefix",
     .kind = FIELD_STRING,
     .check = check_variable_prefix,
     .notes = variable_notes,
     .description = "What the names of environment variables begin with."},
};
static const struct field env_config = {
    .name = "config", .kind = FIELD_RECORD, .fields = env_fields, .field_count = COUNT(env_fields)};
static const struct plugin_schema env = {.name = "env", .config = &env_config};

static const struct plugin_schema *const variants[] = {&env, NULL};

static void cache_keys(const struct schema *schema, const cJSON *document,
                       void (*add)(void *arg, int lookup, struct str key), void *arg)
{
    const char *const parts[5] = {document_text(document, "prefix")};
    struct buf buf = {0};

    cache_key_format(&buf, schema->name, parts, /* with_workspace= */ true);
    add(arg, -1, buf_str(&buf));
    buf_fini(&buf);
}

const struct schema vault_schema = {
    .name = "vaults",
    .path = "vaults",
    .parameter = "vaults",
    .endpoint_key = "prefix",
    .shown_name = "sm_vaults",
    .fields = fields,
    .field_count = COUNT(fields),
    .variants = variants,
    .variant_noun = "vault",
    .has_tags = true,
    .cache_keys = cache_keys,
};
