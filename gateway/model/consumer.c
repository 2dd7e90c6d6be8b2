/*
 * consumer - who asks. Part of the keyed cache: found by id or by username.
 */

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/model/pack.h"
#include "gateway/model/shown.h"
#include "gateway/model/texts.h"

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    FIELD_ROW_CREATED_AT,
    FIELD_ROW_UPDATED_AT,
    {.name = "username", .kind = FIELD_STRING, .flags = FIELD_UNIQUE,
     .description = "The unique username of the Consumer."},
    {.name = "custom_id", .kind = FIELD_STRING, .flags = FIELD_UNIQUE,
     .description = "An identifier of the Consumer in a system of yours."},
    FIELD_ROW_TAGS,
    /* clang-format on */
};

static const char *const names[] = {"custom_id", "username", NULL};
static const struct check checks[] = {{.kind = CHECK_AT_LEAST_ONE_OF, .names = names}};

static bool pack(struct packer *packer, const cJSON *document, struct consumer *consumer, struct err *err)
{
    if (!document_id(document, &consumer->id))
        return err_set(err, ERR_INVALID, "a consumer without an id");
    consumer->username = pack_text(packer, document_text(document, "username"));
    consumer->custom_id = pack_text(packer, document_text(document, "custom_id"));
    consumer->tags = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(document, "tags"));
    consumer->created_at = document_int(document, "created_at", 0);
    consumer->updated_at = document_int(document, "updated_at", 0);
    return true;
}

PACK_DECODE(consumer, pack)

/* clang-format off */
static const struct shown_member members[] = {
    SHOWN_MEMBER(consumer, id, ID),
    SHOWN_MEMBER(consumer, created_at, LONG),
    SHOWN_MEMBER(consumer, updated_at, LONG),
    SHOWN_MEMBER(consumer, username, TEXT),
    SHOWN_MEMBER(consumer, custom_id, TEXT),
    SHOWN_MEMBER(consumer, tags, TEXTS),
};
/* clang-format on */

static void print(struct buf *buf, const void *object)
{
    shown_print(buf, members, COUNT(members), object);
}

static cJSON *show(const void *object)
{
    return shown_tree(print, object);
}

const struct schema consumer_schema = {
    .name = "consumers",
    .path = "consumers",
    .parameter = "consumers",
    .endpoint_key = "username",
    .fields = fields,
    .field_count = COUNT(fields),
    .checks = checks,
    .check_count = COUNT(checks),
    .has_tags = true,
    .lookups = {{"id"}, {"username"}},
    .cache_keys = schema_lookup_keys,
    .decode = decode,
    .release = free,
    .show = show,
    .print = print,
};
