/*
 * acl - see acl.h. A row says that one consumer is in one group.
 *
 * A consumer's groups are looked for together, and one group to show it: so a row has two keys in the cache.
 * That a consumer is in no group is remembered like everything else.
 */

#include "gateway/plugins/acl.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/chain/chain.h"
#include "gateway/http/token.h"
#include "gateway/model/document.h"
#include "gateway/model/pack.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/identity.h"

/* ---- the entity ---- */

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    FIELD_ROW_CREATED_AT,
    {.name = "consumer", .kind = FIELD_FOREIGN, .flags = FIELD_REQUIRED | FIELD_CASCADE, .reference = "consumers"},
    {.name = "group", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    FIELD_ROW_TAGS,
    /* clang-format on */
};

static const char *const unique_together[] = {"consumer", "group", NULL};

enum {
    LOOKUP_CONSUMER /* of acls_schema */
};

/* "acls:<consumer>:<group>::::<workspace>", and the same without the group for the list of a consumer. */
static void cache_keys(const struct schema *schema, const cJSON *document,
                       void (*add)(void *arg, int lookup, struct str key), void *arg)
{
    const cJSON *consumer = cJSON_GetObjectItemCaseSensitive(document, "consumer");
    const char *const one[5] = {document_text(consumer, "id"), document_text(document, "group")};
    const char *const all[5] = {document_text(consumer, "id")};
    struct buf buf = {0};

    cache_key_format(&buf, schema->name, one, true);
    add(arg, -1, buf_str(&buf));
    buf_clear(&buf);
    cache_key_format(&buf, schema->name, all, true);
    add(arg, LOOKUP_CONSUMER, buf_str(&buf));
    buf_fini(&buf);
}

static bool pack_group(struct packer *packer, const cJSON *document, struct acl_group *group)
{
    if (!document_id(document, &group->id) || document_text(document, "group") == NULL)
        return false;
    group->name = pack_text(packer, document_text(document, "group"));
    group->tags = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(document, "tags"));
    group->created_at = document_int(document, "created_at", 0);
    return true;
}

static bool pack(struct packer *packer, const cJSON *documents, struct acl_groups *groups, struct err *err)
{
    const cJSON *document;

    if (!document_reference(cJSON_GetArrayItem(documents, 0), "consumer", &groups->consumer))
        return err_set(err, ERR_INVALID, "a group without a consumer");
    groups->at = pack_room(packer, (size_t)cJSON_GetArraySize(documents) * sizeof(struct acl_group));
    cJSON_ArrayForEach(document, documents)
    {
        struct acl_group group = {0};
        if (!pack_group(packer, document, &group))
            return err_set(err, ERR_INVALID, "a group without id or name");
        if (groups->at != NULL)
            groups->at[groups->count] = group;
        groups->count++;
    }
    return true;
}

PACK_DECODE(acl_groups, pack)

static cJSON *show_group(const struct acl_groups *groups, const struct acl_group *group)
{
    cJSON *shown = cJSON_CreateObject();

    cJSON_AddItemToObject(shown, "id", show_id(&group->id));
    (void)cJSON_AddNumberToObject(shown, "created_at", (double)group->created_at);
    cJSON_AddItemToObject(shown, "consumer", show_reference(&groups->consumer));
    cJSON_AddItemToObject(shown, "group", show_text(group->name));
    cJSON_AddItemToObject(shown, "tags", show_texts(&group->tags));
    return show_without_nulls(shown);
}

static cJSON *show(const void *object)
{
    const struct acl_groups *groups = object;
    cJSON *shown = cJSON_CreateArray();

    for (size_t i = 0; i < groups->count; i++)
        (void)cJSON_AddItemToArray(shown, show_group(groups, &groups->at[i]));
    return shown;
}

const struct schema acls_schema = {
    .name = "acls",
    .path = "acls",
    .parameter = "acls",
    .nested_key = "group",
    .fields = fields,
    .field_count = COUNT(fields),
    .unique_together = unique_together,
    .has_tags = true,
    .lookups = {[LOOKUP_CONSUMER] = {"consumer", .is_list = true}},
    .cache_keys = cache_keys,
    .decode = decode,
    .release = free,
    .show = show,
};

/* ---- settings ---- */

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "allow", .kind = FIELD_ARRAY, .elements = &part_text,
     .description = "Groups whose consumers may pass, and nobody else."},
    {.name = "deny", .kind = FIELD_ARRAY, .elements = &part_text,
     .description = "Groups whose consumers may not pass."},
    {.name = "hide_groups_header", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false",
     .description = "Whether the upstream is told nothing of groups."},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

static const char *const one_of[] = {"config.allow", "config.deny", NULL};

static const struct check checks[] = {
    {.kind = CHECK_ONLY_ONE_OF, .names = one_of},
    {.kind = CHECK_AT_LEAST_ONE_OF, .names = one_of},
};

struct settings {
    struct texts listed;
    bool allows; /* those that are listed; otherwise it denies them */
    bool hide;
};

static bool pack_settings(struct packer *packer, const cJSON *config, struct settings *settings,
                          struct err *err)
{
    const cJSON *allow = cJSON_GetObjectItemCaseSensitive(config, "allow");
    const cJSON *deny = cJSON_GetObjectItemCaseSensitive(config, "deny");

    settings->allows = cJSON_IsArray(allow);
    if (settings->allows == cJSON_IsArray(deny))
        return err_set(err, ERR_INVALID, "acl with both or neither of allow and deny");
    settings->listed = pack_texts(packer, settings->allows ? allow : deny);
    settings->hide = document_bool(config, "hide_groups_header", false);
    return true;
}

PACK_DECODE_AS(decode_settings, settings, pack_settings)

static bool configure(const cJSON *config, void **object, struct err *err)
{
    size_t bytes;

    return decode_settings(config, object, &bytes, err);
}

/* ---- deciding ---- */

static bool is_listed(const struct settings *settings, const struct acl_groups *groups)
{
    for (size_t i = 0; groups != NULL && i < groups->count; i++)
        for (size_t k = 0; k < settings->listed.count; k++)
            if (strcmp(groups->at[i].name, settings->listed.at[k]) == 0)
                return true;
    return false;
}

/* "a, b". A name that cannot be part of a header is left out. */
static struct str names_of(struct exchange *exchange, const struct acl_groups *groups)
{
    size_t room = 1;
    size_t len = 0;

    for (size_t i = 0; groups != NULL && i < groups->count; i++)
        room += strlen(groups->at[i].name) + 2;
    char *text = exchange_alloc(exchange, room);
    for (size_t i = 0; groups != NULL && i < groups->count; i++) {
        struct str name = str_of(groups->at[i].name);
        if (!token_is_value(name))
            continue;
        if (len > 0) {
            text[len++] = ',';
            text[len++] = ' ';
        }
        memcpy(text + len, name.at, name.len);
        len += name.len;
    }
    return (struct str){text, len};
}

/* What a client says of its groups itself never gets through. */
static void tell_upstream(const struct settings *settings, struct chain *chain,
                          const struct acl_groups *groups)
{
    struct headers *headers = &exchange_request(chain->exchange)->headers;

    (void)headers_remove(headers, STR("X-Authenticated-Groups"));
    (void)headers_remove(headers, STR("X-Consumer-Groups"));
    if (!settings->hide)
        headers_add(headers, STR("X-Consumer-Groups"), names_of(chain->exchange, groups));
}

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    const void *groups = NULL;
    enum identity identity = IDENTITY_UNKNOWN;
    char id[UUID_TEXT_SIZE];

    if (chain->consumer != NULL)
        identity = identity_find(chain, &acls_schema, str_of(uuid_format(&chain->consumer->id, id)), &groups);
    if (identity == IDENTITY_AWAITED || identity == IDENTITY_UNDECIDED)
        return identity_settle(chain, identity, NULL);
    bool is_nobody = chain->credential == NULL && groups == NULL;
    if (is_nobody && (settings->allows || chain->consumer == NULL))
        return chain_answer_error(chain, 401, "Unauthorized");
    if (chain->consumer == NULL || is_listed(settings, groups) != settings->allows)
        return chain_answer_error(chain, 403, "You cannot consume this service");
    tell_upstream(settings, chain, groups);
    return PLUGIN_NEXT;
}

static const struct schema *const entities[] = {&acls_schema, NULL};

const struct plugin acl_plugin = {
    .schema =
        {
            .name = "acl",
            .version = "3.5.0",
            .priority = 950,
            .config = &config_record,
            .protocols = part_web_protocols,
            .refuses_consumer = true,
            .checks = checks,
            .check_count = COUNT(checks),
        },
    .entities = entities,
    .configure = configure,
    .dispose = free,
    .access = access_phase,
};
