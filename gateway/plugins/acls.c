/*
 * acls - see acls.h. A row says that one consumer is in one group.
 *
 * A consumer's groups are looked for together, and one group to show it: so a row has two keys in the cache.
 */

#include "gateway/plugins/acls.h"

#include "gateway/model/document.h"
#include "gateway/model/texts.h"

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
    add(arg, -1, buf_str(&buf));
    buf_fini(&buf);
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
    .cache_keys = cache_keys,
};
