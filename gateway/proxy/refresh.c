/*
 * refresh - acts on a batch in the order of the protocol: fences and entries, then the next snapshot from
 * rows read in the batch's own database snapshot, then publish.
 */

#include "gateway/proxy/refresh.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/base/pmap.h"
#include "gateway/cache/cache.h"
#include "gateway/model/schema.h"
#include "gateway/proxy/draft.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/store/store.h"

struct refresh {
    struct refresh_options options;
    struct draft_options draft_options;
    struct draft *loaded; /* between load() and restart() */
    struct pmap *failing; /* ids of rows that do not compile; values mean nothing */
};

/* One pass over rows of an entity, into a draft. */
struct pass {
    struct refresh *refresh;
    struct draft *draft;
    const struct schema *schema;
    struct uuid *ids; /* those asked for; the ones that came are marked in `seen` */
    bool *seen;
    size_t count;
};

static const struct pmap_values uncounted = {0};
static char mark;

static void set_failing(struct refresh *refresh, const struct uuid *id, bool fails)
{
    struct pmap *next = fails ? pmap_with(refresh->failing, &uncounted, id->bytes, &mark)
                              : pmap_without(refresh->failing, &uncounted, id->bytes);
    metrics_add(METRIC_ROW_ERRORS, (int64_t)pmap_count(next) - (int64_t)pmap_count(refresh->failing));
    pmap_unref(refresh->failing, &uncounted);
    refresh->failing = next;
}

static bool put_row(void *arg, const cJSON *document, struct err *err)
{
    struct pass *pass = arg;
    struct uuid id = {0};
    struct err fault = {0};
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(document, "id");
    if (!cJSON_IsString(text) || !uuid_from_str(str_of(text->valuestring), &id))
        return err_set(err, ERR_INVALID, "a row of %s without an id", pass->schema->name);
    for (size_t i = 0; i < pass->count; i++)
        if (uuid_equal(&pass->ids[i], &id))
            pass->seen[i] = true;
    bool ok = draft_put(pass->draft, pass->schema, document, &fault);
    set_failing(pass->refresh, &id, !ok);
    if (!ok)
        log_error("refresh: a row does not compile, its last good version serves; entity=%s id=%s reason=%s",
                  pass->schema->name, text->valuestring, fault.text);
    return true;
}

static bool load_all(struct refresh *refresh, struct draft *draft, struct pg_session *view, struct err *err)
{
    const struct schemas *schemas = refresh->options.schemas;
    for (size_t i = 0; i < schemas_count(schemas); i++) {
        struct pass pass = {.refresh = refresh, .draft = draft, .schema = schemas_at(schemas, i)};
        if (pass.schema->is_routing && !store_view_all(view, pass.schema, put_row, &pass, err))
            return false;
    }
    return true;
}

static bool load(void *arg, const struct bus_batch *batch, struct bus_err *bus_err)
{
    struct refresh *refresh = arg;
    struct err err = {0};
    draft_free(refresh->loaded);
    refresh->loaded = draft_new(&refresh->draft_options, NULL);
    if (load_all(refresh, refresh->loaded, batch->view, &err))
        return true;
    draft_free(refresh->loaded);
    refresh->loaded = NULL;
    return bus_err_set(bus_err, BUS_ERR_INTERNAL, "%s", err.text);
}

static void restart(void *arg, uint64_t head, int64_t head_tag)
{
    struct refresh *refresh = arg;
    cache_freeze(refresh->options.cache);
    cache_restart(refresh->options.cache, head);
    snapshot_publish(refresh->options.place, draft_finish(refresh->loaded, head, head_tag));
    refresh->loaded = NULL;
}

/* Fences before entries, in the order of the log. true: something in the snapshot is concerned. */
static bool invalidate(struct refresh *refresh, const struct bus_event *event)
{
    struct cache *cache = refresh->options.cache;
    const struct schemas *schemas = refresh->options.schemas;
    const struct schema *schema = schemas_find(schemas, str_of(event->entity));
    if (event->kind == BUS_EVENT_EVERYTHING || (event->kind == BUS_EVENT_ENTITY && schema == NULL)) {
        cache_invalidate_all(cache, event->position);
        return true;
    }
    if (event->kind == BUS_EVENT_ENTITY && !schema->is_routing)
        cache_invalidate_type(cache, schemas_number(schemas, schema), event->position);
    if (schema != NULL && schema->is_routing)
        return true;
    for (size_t i = 0; i < event->key_count; i++) {
        struct digest digest;
        memcpy(digest.bytes, event->keys[i], sizeof(digest.bytes));
        cache_invalidate(cache, &digest, event->position);
    }
    return false;
}

/* A whole table or everything: a snapshot from the start is simpler than a difference. */
static bool is_wide(const struct bus_batch *batch)
{
    for (size_t i = 0; i < batch->event_count; i++)
        if (batch->events[i].kind == BUS_EVENT_ENTITY || batch->events[i].kind == BUS_EVENT_EVERYTHING)
            return true;
    return false;
}

/* The rows of one entity that the batch names: those that exist are put in, the others taken out. */
static bool change_rows(struct refresh *refresh, struct draft *draft, const struct schema *schema,
                        const struct bus_batch *batch, struct err *err)
{
    struct pass pass = {.refresh = refresh, .draft = draft, .schema = schema};
    pass.ids = mem_alloc(batch->event_count * sizeof(struct uuid));
    pass.seen = mem_zalloc(batch->event_count * sizeof(bool));
    for (size_t i = 0; i < batch->event_count; i++)
        if (batch->events[i].has_id && strcmp(batch->events[i].entity, schema->name) == 0)
            memcpy(pass.ids[pass.count++].bytes, batch->events[i].id, sizeof(struct uuid));
    bool ok =
        pass.count == 0 || store_view_ids(batch->view, schema, pass.ids, pass.count, put_row, &pass, err);
    for (size_t i = 0; ok && i < pass.count; i++) {
        if (pass.seen[i])
            continue;
        draft_remove(draft, schema, &pass.ids[i]);
        set_failing(refresh, &pass.ids[i], false);
    }
    free(pass.ids);
    free(pass.seen);
    return ok;
}

static bool change_all(struct refresh *refresh, struct draft *draft, const struct bus_batch *batch,
                       struct err *err)
{
    const struct schemas *schemas = refresh->options.schemas;
    for (size_t i = 0; i < schemas_count(schemas); i++) {
        const struct schema *schema = schemas_at(schemas, i);
        if (schema->is_routing && !change_rows(refresh, draft, schema, batch, err))
            return false;
    }
    return true;
}

static bool apply(void *arg, const struct bus_batch *batch, struct bus_err *bus_err)
{
    struct refresh *refresh = arg;
    struct snapshot_place *place = refresh->options.place;
    bool concerns_snapshot = false;
    struct err err = {0};
    for (size_t i = 0; i < batch->event_count; i++)
        concerns_snapshot = invalidate(refresh, &batch->events[i]) || concerns_snapshot;
    cache_clear_suspicions(refresh->options.cache);
    if (!concerns_snapshot)
        return true;
    bool wide = is_wide(batch);
    struct draft *draft = draft_new(&refresh->draft_options, wide ? NULL : snapshot_newest(place));
    bool ok = wide ? load_all(refresh, draft, batch->view, &err) : change_all(refresh, draft, batch, &err);
    if (!ok) {
        draft_free(draft);
        return bus_err_set(bus_err, BUS_ERR_INTERNAL, "%s", err.text);
    }
    snapshot_publish(place, draft_finish(draft, batch->head, batch->head_tag));
    return true;
}

struct refresh *refresh_new(const struct refresh_options *options)
{
    struct refresh *refresh = mem_zalloc(sizeof(*refresh));
    refresh->options = *options;
    refresh->draft_options = (struct draft_options){
        .schemas = options->schemas,
        .plugins = options->plugins,
        .plugin_count = options->plugin_count,
    };
    return refresh;
}

void refresh_free(struct refresh *refresh)
{
    draft_free(refresh->loaded);
    pmap_unref(refresh->failing, &uncounted);
    free(refresh);
}

struct bus_subscriber refresh_subscriber(struct refresh *refresh)
{
    return (struct bus_subscriber){.apply = apply, .load = load, .restart = restart, .arg = refresh};
}
