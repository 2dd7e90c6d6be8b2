/*
 * cache - what this node remembers: list, look, forget. Nothing here loads anything.
 *
 * Keys are tried as they stand in the URL, as clients know it, and then decoded: that is how a key with a
 * blank or a slash in it can be reached at all. Services are always in memory, so their keys answer from the
 * routing snapshot; router:version and plugins_iterator:version change with it.
 */

#include "admin/audit.h"
#include "admin/handlers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/paging.h"
#include "admin/state.h"
#include "admin/url.h"
#include "gateway/base/mem.h"
#include "gateway/cache/cache.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/store/cluster.h"

static struct digest digest_of(const struct request *request, struct str key)
{
    struct digest digest;

    digest_make(&request->admin->options.salt, key, &digest);
    return digest;
}

/* The key of the URL as it stands, and decoded; the caller frees the second's buffer. */
static struct str decoded_key(const struct request *request, struct buf *buf)
{
    url_decode(buf, request->path.raw[1], URL_PATH);
    return buf_str(buf);
}

/* ---- GET /cache/{key} ---- */

static const struct schema *schema_of_key(const struct request *request, struct str key)
{
    size_t colon = str_find(key, ':', 0);

    return colon != SIZE_MAX ? schemas_find(request->admin->options.schemas, str_part(key, 0, colon)) : NULL;
}

static void show_entry(void *arg, const struct cache_entry_info *info)
{
    struct request *request = arg;
    const struct schema *schema = schema_of_key(request, info->key);
    cJSON *object = NULL;

    if (!info->negative && schema != NULL && schema->show != NULL)
        object = schema->show(info->object);
    answer_json(&request->answer, 200, object != NULL ? object : cJSON_CreateObject());
    request->answer.position = info->position;
}

static bool show_key(struct request *request, struct str key)
{
    struct digest digest = digest_of(request, key);

    return cache_peek(request->admin->options.cache, &digest, show_entry, request);
}

/* "services:<id>:::::<workspace>" of a service there is. */
static const struct service *service_of_key(const struct snapshot *snapshot, struct str key)
{
    const struct str start = STR("services:");
    const struct str end = STR(":::::" DEFAULT_WORKSPACE);
    struct uuid id;

    if (key.len != start.len + UUID_TEXT_SIZE - 1 + end.len || !str_starts_with(key, start) ||
        !str_equal(str_part(key, key.len - end.len, key.len), end) ||
        !uuid_from_str(str_part(key, start.len, key.len - end.len), &id))
        return NULL;
    return snapshot_service(snapshot, &id);
}

/* Numbers of snapshots in the form of the identifiers clients expect. */
static void answer_version(struct answer *answer, const struct snapshot *snapshot)
{
    answer_message(answer, 200, "%08" PRIx64 "-0000-4000-8000-%012" PRIx64, snapshot->number & 0xffffffff,
                   snapshot->position & 0xffffffffffff);
}

static bool show_routing(struct request *request, struct str key)
{
    const struct admin_options *options = &request->admin->options;
    const struct snapshot *snapshot = snapshot_pin(options->place, options->loop_number);

    if (snapshot == NULL)
        return false;
    const struct service *service = service_of_key(snapshot, key);
    bool is_version =
        str_equal(key, STR("router:version")) || str_equal(key, STR("plugins_iterator:version"));
    if (is_version)
        answer_version(&request->answer, snapshot);
    else if (service != NULL && service_schema.show != NULL)
        answer_json(&request->answer, 200, service_schema.show(service));
    snapshot_unpin(options->place, options->loop_number, snapshot);
    return request->answer.status != 0;
}

void cache_show(struct request *request)
{
    struct buf buf = {0};
    struct str decoded = decoded_key(request, &buf);

    if (!show_key(request, request->path.raw[1]) && !show_key(request, decoded) &&
        !show_routing(request, decoded))
        answer_not_found(&request->answer);
    buf_fini(&buf);
}

void cache_drop(struct request *request)
{
    struct buf buf = {0};
    struct digest as_sent = digest_of(request, request->path.raw[1]);
    struct digest decoded = digest_of(request, decoded_key(request, &buf));

    cache_purge_key(request->admin->options.cache, &as_sent);
    cache_purge_key(request->admin->options.cache, &decoded);
    const struct schema *schema = schema_of_key(request, buf_str(&buf));
    audit_note(request, "purge", "cache", schema != NULL ? schema->name : "?"); /* keys may be secrets */
    answer_empty(&request->answer, 204);
    buf_fini(&buf);
}

/* A job: every node forgets everything, this one before the answer goes out, and loads its routing anew. */
static void drop_everywhere(struct store_session *session, struct request *request)
{
    struct store_error error = {0};
    struct outbox_receipt receipt = {0};

    if (store_touch(session, NULL, NULL, &receipt, &error)) {
        answer_empty(&request->answer, 204);
        request_spread(request, session, &receipt);
    } else {
        answer_store_error(&request->answer, NULL, &error);
    }
    store_error_fini(&error);
}

void cache_drop_all(struct request *request)
{
    const struct query_argument *scope = query_string_find(&request->query, "scope");

    if (scope != NULL && str_equal(scope->value, STR("cluster"))) {
        audit_note(request, "purge", "cache of the cluster", NULL);
        request_run(request, drop_everywhere);
        return;
    }
    if (scope != NULL && !str_equal(scope->value, STR("node"))) {
        answer_invalid_option(&request->answer, "scope", "must be one of: node, cluster");
        return;
    }
    cache_purge(request->admin->options.cache);
    audit_note(request, "purge", "cache", NULL);
    answer_empty(&request->answer, 204);
}

/* ---- GET /cache ---- */

struct row {
    char *key;
    bool negative;
    uint64_t position;
    int64_t age_ms, expires_in_ms;
};

/*
 * The cache has no order, a page must have one. Rows behind the offset are gathered; whenever twice as many
 * are there as wanted, they are sorted and the upper half is dropped, so memory is bounded by the page's
 * size.
 */
struct gathering {
    struct str from; /* the first key wanted */
    size_t wanted;
    struct row *rows; /* 2 * wanted */
    size_t count;
};

static int compare_rows(const void *a, const void *b)
{
    const struct row *left = a;
    const struct row *right = b;

    return strcmp(left->key, right->key);
}

static void drop_upper(struct gathering *gathering)
{
    qsort(gathering->rows, gathering->count, sizeof(struct row), compare_rows);
    while (gathering->count > gathering->wanted)
        free(gathering->rows[--gathering->count].key);
}

static bool is_before(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.at, b.at, common) : 0;

    return order < 0 || (order == 0 && a.len < b.len);
}

static void gather(void *arg, const struct cache_entry_info *info)
{
    struct gathering *gathering = arg;

    if (is_before(info->key, gathering->from))
        return;
    if (gathering->count == 2 * gathering->wanted)
        drop_upper(gathering);
    gathering->rows[gathering->count++] = (struct row){
        .key = mem_strndup(info->key.at, info->key.len),
        .negative = info->negative,
        .position = info->position,
        .age_ms = info->age_ms,
        .expires_in_ms = info->expires_in_ms,
    };
}

static cJSON *row_json(const struct row *row)
{
    cJSON *object = cJSON_CreateObject();

    (void)cJSON_AddStringToObject(object, "key", row->key);
    (void)cJSON_AddBoolToObject(object, "negative", row->negative);
    (void)cJSON_AddNumberToObject(object, "position", (double)row->position);
    (void)cJSON_AddNumberToObject(object, "age_ms", (double)row->age_ms);
    if (row->expires_in_ms > 0)
        (void)cJSON_AddNumberToObject(object, "expires_in_ms", (double)row->expires_in_ms);
    else
        (void)cJSON_AddNullToObject(object, "expires_in_ms");
    return object;
}

static void add_next(cJSON *page, const char *offset, struct str prefix, const struct paging *paging)
{
    struct buf url = {0};

    buf_add_text(&url, "/cache");
    paging_add_argument(&url, "offset", str_of(offset));
    if (prefix.len > 0)
        paging_add_argument(&url, "prefix", prefix);
    if (paging->has_size) {
        char size[16];
        (void)snprintf(size, sizeof(size), "%d", paging->size);
        paging_add_argument(&url, "size", str_of(size));
    }
    (void)cJSON_AddStringToObject(page, "next", url.at);
    (void)cJSON_AddStringToObject(page, "offset", offset);
    buf_fini(&url);
}

void cache_list(struct request *request)
{
    const struct query_argument *prefix = query_string_find(&request->query, "prefix");
    struct str start = prefix != NULL ? prefix->value : STR_NONE;
    struct paging paging;

    if (!paging_read(&request->query, NULL, &paging, &request->answer))
        return;
    struct gathering gathering = {.from = paging.offset, .wanted = (size_t)paging.size + 1};
    gathering.rows = mem_alloc(2 * gathering.wanted * sizeof(struct row));
    cache_each(request->admin->options.cache, start, gather, &gathering);
    drop_upper(&gathering);

    cJSON *page = cJSON_CreateObject();
    cJSON *data = cJSON_AddArrayToObject(page, "data");
    for (size_t i = 0; i < gathering.count && i < (size_t)paging.size; i++)
        (void)cJSON_AddItemToArray(data, row_json(&gathering.rows[i]));
    if (gathering.count == gathering.wanted)
        add_next(page, gathering.rows[gathering.count - 1].key, start, &paging);
    else
        (void)cJSON_AddNullToObject(page, "next");
    for (size_t i = 0; i < gathering.count; i++)
        free(gathering.rows[i].key);
    free(gathering.rows);
    answer_json(&request->answer, 200, page);
}
