/*
 * refresh - acts on a batch in the order of the protocol: fences and entries, then the next snapshot from
 * rows read in the batch's own database snapshot, then publish.
 */

#include "gateway/proxy/refresh.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/pmap.h"
#include "gateway/cache/cache.h"
#include "gateway/model/document.h"
#include "gateway/model/schema.h"
#include "gateway/proxy/draft.h"
#include "gateway/proxy/renewal.h"
#include "gateway/proxy/scrub.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/store/store.h"

struct refresh {
    struct refresh_options options;
    struct draft_options draft_options;
    struct draft *loaded; /* between load() and restart() */
    struct scrub scrub;
};

/* One pass over rows of an entity, into a draft. */
struct pass {
    struct refresh *refresh;
    struct draft *draft;
    const struct schema *schema;
    struct uuid *ids; /* those asked for, in order; NULL: all rows */
    bool *seen;       /* those that came */
    size_t count;
};

static int order_ids(const void *a, const void *b)
{
    return uuid_order(a, b);
}

static bool put_row(void *arg, const cJSON *document, struct err *err)
{
    struct pass *pass = arg;
    const struct snapshot *newest = snapshot_newest(pass->refresh->options.place);
    struct uuid id;
    struct err fault = {0};
    char text[UUID_TEXT_SIZE];
    if (!document_id(document, &id))
        return err_set(err, ERR_INVALID, "a row of %s without an id", pass->schema->name);
    const struct uuid *asked =
        pass->ids != NULL ? bsearch(&id, pass->ids, pass->count, sizeof(id), order_ids) : NULL;
    if (asked != NULL)
        pass->seen[asked - pass->ids] = true;
    /* A row that was bad before and is read again with all others has been reported already. */
    bool is_known = asked == NULL && newest != NULL && pmap_find(newest->failing, id.bytes) != NULL;
    if (!draft_put(pass->draft, pass->schema, document, &fault) && !is_known)
        log_error("refresh: a row does not compile, the version before it stays; entity=%s id=%s reason=%s",
                  pass->schema->name, uuid_format(&id, text), fault.text);
    return true;
}

/* Everything, from the start: simpler than a difference, and rare. */
static struct draft *load_whole(struct refresh *refresh, const struct bus_batch *batch, struct err *err)
{
    const struct schemas *schemas = refresh->options.schemas;
    struct draft *draft =
        draft_new(&refresh->draft_options, snapshot_newest(refresh->options.place), DRAFT_WHOLE);
    for (size_t i = 0; i < schemas_count(schemas); i++) {
        struct pass pass = {.refresh = refresh, .draft = draft, .schema = schemas_at(schemas, i)};
        if (pass.schema->is_routing && !store_view_all(batch->view, pass.schema, put_row, &pass, err)) {
            draft_free(draft);
            return NULL;
        }
    }
    return draft;
}

static bool load(void *arg, const struct bus_batch *batch, struct bus_err *bus_err)
{
    struct refresh *refresh = arg;
    struct err err = {0};
    draft_free(refresh->loaded);
    refresh->loaded = load_whole(refresh, batch, &err);
    return refresh->loaded != NULL || bus_err_set(bus_err, BUS_ERR_INTERNAL, "%s", err.text);
}

/* The old snapshot serves until the entries are gone: whoever sees the new one sees no entry older than it.
 */
static void restart(void *arg, uint64_t head, int64_t head_tag)
{
    struct refresh *refresh = arg;
    cache_freeze(refresh->options.cache);
    cache_restart(refresh->options.cache, head);
    snapshot_publish(refresh->options.place, draft_finish(refresh->loaded, head, head_tag));
    refresh->loaded = NULL;
    if (refresh->options.on_restart != NULL)
        refresh->options.on_restart(refresh->options.arg);
}

/* What a batch means for the snapshot. */
enum concern {
    CONCERNS_NOTHING,
    CONCERNS_ROWS,
    CONCERNS_EVERYTHING,
};

/* Raises the fences and drops the entries of one event. */
static enum concern invalidate(struct refresh *refresh, const struct bus_event *event,
                               struct renewals *renewals)
{
    struct cache *cache = refresh->options.cache;
    const struct schemas *schemas = refresh->options.schemas;
    const struct schema *schema = schemas_find(schemas, str_of(event->entity));
    switch (event->kind) {
    case BUS_EVENT_EVERYTHING:
        cache_invalidate_all(cache, event->position);
        return CONCERNS_EVERYTHING;
    case BUS_EVENT_ENTITY:
        if (schema == NULL) /* of a node that knows more: no entry of ours */
            return CONCERNS_NOTHING;
        if (schema->is_routing)
            return CONCERNS_EVERYTHING;
        cache_invalidate_type(cache, schemas_number(schemas, schema), event->position);
        return CONCERNS_NOTHING;
    case BUS_EVENT_ROW:
        for (size_t i = 0; i < event->key_count; i++) {
            struct digest digest;
            memcpy(digest.bytes, event->keys[i], sizeof(digest.bytes));
            renewals_invalidate(renewals, cache, &digest, event->position);
        }
        if (schema == NULL || !schema->is_routing)
            return CONCERNS_NOTHING;
        return event->has_id ? CONCERNS_ROWS : CONCERNS_EVERYTHING;
    case BUS_EVENT_BARRIER:
        break; /* tell_words() */
    }
    return CONCERNS_NOTHING;
}

/* Each id once, in order: a row may have changed often since the last poll. */
static void collect_ids(struct pass *pass, const struct bus_batch *batch)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->event_count; i++) {
        const struct bus_event *event = &batch->events[i];
        if (event->kind == BUS_EVENT_ROW && strcmp(event->entity, pass->schema->name) == 0)
            memcpy(pass->ids[count++].bytes, event->id, sizeof(event->id));
    }
    qsort(pass->ids, count, sizeof(*pass->ids), order_ids);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !uuid_equal(&pass->ids[i], &pass->ids[pass->count - 1]))
            pass->ids[pass->count++] = pass->ids[i];
}

/* The rows of one entity that the batch names: those that exist are put in, the others taken out. */
static bool change_rows(struct refresh *refresh, struct draft *draft, const struct schema *schema,
                        const struct bus_batch *batch, struct err *err)
{
    struct pass pass = {.refresh = refresh, .draft = draft, .schema = schema};
    pass.ids = mem_alloc(batch->event_count * sizeof(*pass.ids));
    pass.seen = mem_zalloc(batch->event_count * sizeof(*pass.seen));
    collect_ids(&pass, batch);
    bool ok =
        pass.count == 0 || store_view_ids(batch->view, schema, pass.ids, pass.count, put_row, &pass, err);
    for (size_t i = 0; ok && i < pass.count; i++)
        if (!pass.seen[i])
            draft_remove(draft, schema, &pass.ids[i]);
    free(pass.ids);
    free(pass.seen);
    return ok;
}

static struct draft *load_changed(struct refresh *refresh, const struct bus_batch *batch, struct err *err)
{
    const struct schemas *schemas = refresh->options.schemas;
    struct draft *draft =
        draft_new(&refresh->draft_options, snapshot_newest(refresh->options.place), DRAFT_CHANGED);
    for (size_t i = 0; i < schemas_count(schemas); i++) {
        const struct schema *schema = schemas_at(schemas, i);
        if (schema->is_routing && !change_rows(refresh, draft, schema, batch, err)) {
            draft_free(draft);
            return NULL;
        }
    }
    return draft;
}

static bool publish(struct refresh *refresh, const struct bus_batch *batch, enum concern most,
                    struct err *err)
{
    if (most == CONCERNS_NOTHING)
        return true;
    struct draft *draft =
        most == CONCERNS_EVERYTHING ? load_whole(refresh, batch, err) : load_changed(refresh, batch, err);
    if (draft == NULL)
        return false;
    snapshot_publish(refresh->options.place, draft_finish(draft, batch->head, batch->head_tag));
    return true;
}

/* Last: what was said may be about what the same batch has made. */
static void tell_words(const struct refresh *refresh, const struct bus_batch *batch)
{
    for (size_t i = 0; i < batch->event_count; i++) {
        const struct bus_event *event = &batch->events[i];
        if (event->kind == BUS_EVENT_BARRIER && event->entity[0] != '\0' && refresh->options.on_word != NULL)
            refresh->options.on_word(refresh->options.arg, event->entity);
    }
}

static bool apply(void *arg, const struct bus_batch *batch, struct bus_err *bus_err)
{
    struct refresh *refresh = arg;
    struct cache *cache = refresh->options.cache;
    struct renewals *renewals = mem_zalloc(sizeof(*renewals));
    enum concern most = CONCERNS_NOTHING;
    struct err err = {0};
    for (size_t i = 0; i < batch->event_count; i++) {
        enum concern concern = invalidate(refresh, &batch->events[i], renewals);
        most = concern > most ? concern : most;
    }
    cache_clear_suspicions(cache);
    snapshot_sweep(refresh->options.place);
    bool ok = renewals_read(renewals, cache, refresh->options.schemas, batch->view, &err) &&
              publish(refresh, batch, most, &err);
    renewals_fini(renewals);
    free(renewals);
    if (!ok)
        return bus_err_set(bus_err, BUS_ERR_INTERNAL, "%s", err.text);
    tell_words(refresh, batch);
    return true;
}

/* What requests have let go of since the last change: plugins that were deleted then finish what they do. */
static void idle(void *arg)
{
    const struct refresh *refresh = arg;

    snapshot_sweep(refresh->options.place);
}

static bool scrub(void *arg, const struct bus_batch *batch, bool *is_right, struct bus_err *bus_err)
{
    struct refresh *refresh = arg;
    struct err err = {0};
    return scrub_look(&refresh->scrub, snapshot_newest(refresh->options.place), batch, is_right, &err) ||
           bus_err_set(bus_err, BUS_ERR_INTERNAL, "%s", err.text);
}

struct refresh *refresh_new(const struct refresh_options *options)
{
    struct refresh *refresh = mem_zalloc(sizeof(*refresh));
    refresh->options = *options;
    refresh->scrub = (struct scrub){.cache = options->cache, .schemas = options->schemas};
    refresh->draft_options = (struct draft_options){
        .plugins = options->plugins,
        .plugin_count = options->plugin_count,
    };
    return refresh;
}

void refresh_free(struct refresh *refresh)
{
    if (refresh == NULL)
        return;
    draft_free(refresh->loaded);
    free(refresh);
}

struct bus_subscriber refresh_subscriber(struct refresh *refresh)
{
    return (struct bus_subscriber){
        .apply = apply, .load = load, .restart = restart, .idle = idle, .scrub = scrub, .arg = refresh};
}
