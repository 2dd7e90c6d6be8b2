/*
 * audit - see audit.h. Lines are built where the change was made and handed to a sink (line_sink.h), which
 * nobody waits for.
 */

#include "admin/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/request.h"
#include "admin/state.h"
#include "gateway/base/clock.h"
#include "gateway/base/line_sink.h"
#include "gateway/base/mem.h"
#include "gateway/base/random.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"

enum {
    ALSO_MAX = 64,       /* per line, which then has less than 8 KiB */
    REQUEST_ID_MAX = 64, /* bytes of a client's own */
    TIME_SIZE = 32
};

static const char *const operations[] = {
    [STORE_CREATED] = "create", [STORE_UPDATED] = "update", [STORE_DELETED] = "delete"};

/* ---- who ---- */

static bool is_usable_id(struct str id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.at[i] <= ' ' || id.at[i] > '~')
            return false;
    return id.len > 0 && id.len <= REQUEST_ID_MAX;
}

/* The client's own, so that his records and ours meet; otherwise a new one. */
static void add_request_id(cJSON *head, struct exchange *exchange)
{
    const struct header *given = headers_find(&exchange_request(exchange)->headers, STR("x-request-id"));
    char text[REQUEST_ID_MAX + 1];

    if (given != NULL && is_usable_id(given->value))
        (void)snprintf(text, sizeof(text), "%.*s", STR_ARG(given->value));
    else
        (void)snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64, random_u64(), random_u64());
    (void)cJSON_AddStringToObject(head, "request_id", text);
}

static void add_text(cJSON *object, const char *name, const char *text)
{
    (void)cJSON_AddItemToObject(object, name, text != NULL ? cJSON_CreateString(text) : cJSON_CreateNull());
}

void audit_begin(struct request *request)
{
    const struct admin_options *options = &request->admin->options;
    struct exchange *exchange = request->exchange;
    const struct exchange_request *asked = exchange_request(exchange);
    char id[UUID_TEXT_SIZE];

    if (options->audit == NULL || !line_sink_is_on(options->audit))
        return;
    cJSON *head = cJSON_CreateObject();
    char *peer = mem_strndup(asked->peer_address.at, asked->peer_address.len);
    char *method = mem_strndup(asked->method.at, asked->method.len);
    (void)cJSON_AddNullToObject(head, "time");
    add_text(head, "node_id", uuid_format(&options->node_id, id));
    add_text(head, "node_name", options->node_name);
    add_text(head, "peer", peer);
    add_text(head, "subject", exchange_peer_subject(exchange));
    add_text(head, "principal", request->principal);
    add_request_id(head, exchange);
    add_text(head, "method", method);
    free(method);
    free(peer);
    request->audit = head;
}

/* ---- what ---- */

/* What a record's value looks like; NULL: it is no record, or nobody knows. */
static const struct field *fields_of(const struct schemas *schemas, const struct schema *schema,
                                     const struct field *field, const cJSON *entity, size_t *count)
{
    const struct field *record = field;

    if ((field->flags & FIELD_ABSTRACT) != 0) {
        const struct plugin_schema *variant =
            schemas_find_variant(schemas, schema, str_of(document_text(entity, "name")));
        record = variant != NULL ? variant->config : NULL;
    }
    *count = record != NULL ? record->field_count : 0;
    return record != NULL ? record->fields : NULL;
}

static void add_name(cJSON *names, const char *prefix, const char *name)
{
    char *text = mem_printf("%s%s%s", prefix != NULL ? prefix : "", prefix != NULL ? "." : "", name);

    (void)cJSON_AddItemToArray(names, cJSON_CreateString(text));
    free(text);
}

/* Absent and null are the same. */
static bool is_same(const cJSON *before, const cJSON *after)
{
    bool has_before = before != NULL && !cJSON_IsNull(before);
    bool has_after = after != NULL && !cJSON_IsNull(after);

    return has_before == has_after && (!has_before || cJSON_Compare(before, after, true));
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as records are in each other */
static void compare_record(cJSON *names, const char *prefix, const struct field *fields, size_t count,
                           const cJSON *before, const cJSON *after)
{
    for (size_t i = 0; i < count; i++) {
        const struct field *field = &fields[i];
        const cJSON *old = cJSON_GetObjectItemCaseSensitive(before, field->name);
        const cJSON *new = cJSON_GetObjectItemCaseSensitive(after, field->name);
        if (is_same(old, new))
            continue;
        if (field->fields == NULL || !cJSON_IsObject(old) || !cJSON_IsObject(new)) {
            add_name(names, prefix, field->name);
            continue;
        }
        char *path = mem_printf("%s.%s", prefix, field->name);
        compare_record(names, path, field->fields, field->field_count, old, new);
        free(path);
    }
}

/* Members beside the schema: the instant at which it expires, and names that are rows of their own. */
static bool is_beside(const struct schema *schema, const cJSON *member)
{
    return schema_field(schema, member->string) == NULL && strcmp(member->string, "ttl") != 0;
}

cJSON *audit_fields(const struct schemas *schemas, const struct schema *schema, const cJSON *before,
                    const cJSON *after)
{
    cJSON *names = cJSON_CreateArray();
    const cJSON *member;

    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        const cJSON *old = cJSON_GetObjectItemCaseSensitive(before, field->name);
        const cJSON *new = cJSON_GetObjectItemCaseSensitive(after, field->name);
        size_t count;
        if ((field->flags & FIELD_READ_ONLY) != 0 || is_same(old, new))
            continue;
        const struct field *inner = fields_of(schemas, schema, field, after, &count);
        if (inner != NULL && cJSON_IsObject(old) && cJSON_IsObject(new))
            compare_record(names, field->name, inner, count, old, new);
        else
            add_name(names, NULL, field->name);
    }
    cJSON_ArrayForEach(member, after)
    {
        if (is_beside(schema, member) &&
            !is_same(cJSON_GetObjectItemCaseSensitive(before, member->string), member))
            add_name(names, NULL, strcmp(member->string, "expires_at") == 0 ? "ttl" : member->string);
    }
    return names;
}

/* ---- lines ---- */

static void set_time(cJSON *line)
{
    const struct clock *clock = clock_system();
    int64_t now_us = clock->wall_us(clock->arg);
    time_t now_s = (time_t)(now_us / 1000000);
    char text[TIME_SIZE];
    struct tm parts;

    (void)gmtime_r(&now_s, &parts);
    size_t length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text + length, sizeof(text) - length, ".%03dZ", (int)(now_us / 1000 % 1000));
    (void)cJSON_ReplaceItemInObjectCaseSensitive(line, "time", cJSON_CreateString(text));
}

/* Takes `line`. */
static void hand_over(const struct request *request, cJSON *line)
{
    set_time(line);
    char *text = document_print(line);
    cJSON_Delete(line);
    utf8_mend(text);
    struct buf buf = {0};
    buf_add_text(&buf, text);
    buf_add_byte(&buf, '\n');
    (void)line_sink_add(request->admin->options.audit, buf_str(&buf)); /* it counts what it loses */
    buf_fini(&buf);
    free(text);
}

static bool is_asked_for(const struct audit_change *change, const struct store_change *one)
{
    const char *id = document_text(change->after != NULL ? change->after : change->before, "id");
    char text[UUID_TEXT_SIZE];

    return one->schema == change->schema && id != NULL && strcmp(uuid_format(&one->id, text), id) == 0;
}

static cJSON *also_of(const struct audit_change *change, const struct store_change *one)
{
    cJSON *also = cJSON_CreateObject();
    char id[UUID_TEXT_SIZE];

    add_text(also, "entity", one->schema->name);
    add_text(also, "id", uuid_format(&one->id, id));
    add_text(also, "operation", operations[one->kind]);
    if (one->kind == STORE_UPDATED && change->linked != NULL)
        (void)cJSON_AddItemToObject(also, "fields", cJSON_CreateStringArray(&change->linked, 1));
    return also;
}

static enum store_change_kind kind_of(const struct audit_change *change)
{
    if (change->before == NULL)
        return STORE_CREATED;
    return change->after == NULL ? STORE_DELETED : STORE_UPDATED;
}

/* What all lines of a change have in common. */
static cJSON *line_of(const struct request *request, const struct audit_change *change)
{
    cJSON *line = cJSON_Duplicate(request->audit, true);

    add_text(line, "entity", change->schema->name);
    add_text(line, "id", document_text(change->after != NULL ? change->after : change->before, "id"));
    add_text(line, "operation", operations[kind_of(change)]);
    if (kind_of(change) == STORE_UPDATED)
        (void)cJSON_AddItemToObject(
            line, "fields",
            audit_fields(request->admin->options.schemas, change->schema, change->before, change->after));
    if (change->position != NULL)
        add_text(line, "position", change->position);
    else
        add_text(line, "outcome", "unknown");
    return line;
}

void audit_change(struct request *request, const struct audit_change *change)
{
    if (request->audit == NULL)
        return;
    cJSON *line = line_of(request, change);
    cJSON *also = NULL;
    int part = 1;
    for (size_t i = 0; i < change->all_count; i++) {
        const struct store_change *one = &change->all[i];
        if (is_asked_for(change, one))
            continue;
        if (also != NULL && cJSON_GetArraySize(also) == ALSO_MAX) {
            hand_over(request, line);
            line = line_of(request, change);
            (void)cJSON_AddNumberToObject(line, "part", ++part);
            also = NULL;
        }
        if (also == NULL)
            also = cJSON_AddArrayToObject(line, "also");
        (void)cJSON_AddItemToArray(also, also_of(change, one));
    }
    hand_over(request, line);
}

void audit_note(struct request *request, const char *operation, const char *thing, const char *what)
{
    if (request->audit == NULL)
        audit_begin(request);
    if (request->audit == NULL)
        return;
    cJSON *line = cJSON_Duplicate(request->audit, true);
    add_text(line, "entity", thing);
    add_text(line, "operation", operation);
    if (what != NULL)
        add_text(line, "what", what);
    hand_over(request, line);
}
