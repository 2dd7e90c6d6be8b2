/*
 * target - a place behind an upstream. Stored in one form, so that the same place is not there twice.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"
#include "gateway/model/pack.h"
#include "gateway/model/texts.h"
#include "gateway/model/upstream_checks.h"

static bool check_target(const cJSON *value, char message[256])
{
    char stored[TARGET_SIZE];

    if (target_normalise(value->valuestring, stored))
        return true;
    (void)snprintf(message, 256, "Invalid target ('%.180s'); not a valid hostname or ip address",
                   value->valuestring);
    return false;
}

static const struct field fields[] = {
    /* clang-format off */
    FIELD_ROW_ID,
    {.name = "created_at", .kind = FIELD_NUMBER, .flags = FIELD_TIMESTAMP | FIELD_MILLISECONDS | FIELD_AUTO},
    {.name = "updated_at", .kind = FIELD_NUMBER, .flags = FIELD_TIMESTAMP | FIELD_MILLISECONDS | FIELD_AUTO | FIELD_READ_ONLY},
    {.name = "upstream", .kind = FIELD_FOREIGN, .flags = FIELD_REQUIRED | FIELD_CASCADE, .reference = "upstreams"},
    {.name = "target", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = check_target,
     .new_error = "Invalid target; not a valid hostname or ip address",
     .description = "The place: a host name or an address, and a port."},
    {.name = "weight", .kind = FIELD_INTEGER, .fallback = "100", .has_between = true, .between_max = 65535,
     .description = "Its share among the targets of the upstream."},
    FIELD_ROW_TAGS,
    /* clang-format on */
};

static const char *const unique_together[] = {"upstream", "target", NULL};

static void derive(cJSON *document, const cJSON *given)
{
    const char *target = document_text(document, "target");
    char stored[TARGET_SIZE];

    (void)given;
    if (target != NULL && target_normalise(target, stored))
        (void)cJSON_ReplaceItemInObjectCaseSensitive(document, "target", cJSON_CreateString(stored));
}

static void cache_keys(const struct schema *schema, const cJSON *document,
                       void (*add)(void *arg, int lookup, struct str key), void *arg)
{
    const cJSON *upstream = cJSON_GetObjectItemCaseSensitive(document, "upstream");
    const char *const parts[5] = {document_text(upstream, "id"), document_text(document, "target")};
    struct buf buf = {0};

    cache_key_format(&buf, schema->name, parts, /* with_workspace= */ true);
    add(arg, -1, buf_str(&buf));
    buf_fini(&buf);
}

/* "host:port", "[host]:port": the colon is the last. */
static bool pack(struct packer *packer, const cJSON *document, struct target *target, struct err *err)
{
    const char *text = document_text(document, "target");
    const char *colon = text != NULL ? strrchr(text, ':') : NULL;
    int64_t port;

    if (!document_id(document, &target->id) || !document_reference(document, "upstream", &target->upstream) ||
        colon == NULL || !str_to_int(str_of(colon + 1), &port) || port < 0 || port > 65535)
        return err_set(err, ERR_INVALID, "a target without id, upstream, host or port");
    bool is_bracketed = text[0] == '[' && colon - text > 2 && colon[-1] == ']';
    char *host = is_bracketed ? mem_strndup(text + 1, (size_t)(colon - text) - 2)
                              : mem_strndup(text, (size_t)(colon - text));
    target->target = pack_text(packer, text);
    target->host = pack_lower(packer, host);
    target->port = (int)port;
    target->weight = (int)document_int(document, "weight", 100);
    free(host);
    return true;
}

PACK_DECODE(target, pack)

const struct schema target_schema = {
    .name = "targets",
    .path = "targets",
    .parameter = "targets",
    .nested_key = "target",
    .fields = fields,
    .field_count = COUNT(fields),
    .unique_together = unique_together,
    .has_tags = true,
    .is_nested_only = true,
    .is_newest_first = true,
    .put_only_changes = true,
    .is_routing = true,
    .derive = derive,
    .cache_keys = cache_keys,
    .decode = decode,
    .release = free,
};
