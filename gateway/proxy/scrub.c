/* scrub - see scrub.h. */

#include "gateway/proxy/scrub.h"

#include <inttypes.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/base/pmap.h"
#include "gateway/base/random.h"
#include "gateway/cache/cache.h"
#include "gateway/model/document.h"
#include "gateway/model/schema.h"
#include "gateway/proxy/draft.h"
#include "gateway/proxy/snapshot.h"
#include "gateway/store/store.h"

enum {
    ENTRIES = 10,    /* of the cache, each time */
    PAGE_ROWS = 1000 /* of the routing */
};

/* ---- entries of the cache ---- */

static bool is_same(const struct schema *schema, const void *ours, const void *stored)
{
    cJSON *left, *right;

    if (ours == NULL || stored == NULL)
        return ours == stored;
    if (schema->show == NULL)
        return true; /* nothing to compare them by */
    left = schema->show(ours);
    right = schema->show(stored);
    bool same = cJSON_Compare(left, right, true);
    cJSON_Delete(left);
    cJSON_Delete(right);
    return same;
}

static void say_entry(const struct cache_sample *sample, const struct store_fill *fill, uint64_t head)
{
    metrics_add(METRIC_SCRUB_MISMATCHES, 1);
    log_error("scrub: an entry of the cache is not what is stored, and no event said so; entity=%s lookup=%s "
              "remembered_at=%" PRIu64 " stored_at=%" PRIu64 " remembered=%s stored=%s",
              fill->schema->name, fill->schema->lookups[fill->lookup].field, sample->asof, head,
              sample->value != NULL ? "yes" : "no", fill->object != NULL ? "yes" : "no");
}

/* One that is no longer stored may have come to the end of its own time, which is no event. */
static void compare_entry(const struct scrub *scrub, const struct cache_sample *sample,
                          const struct store_fill *fill, uint64_t head)
{
    const struct schema *schema = fill->schema;
    const void *ours = sample->value != NULL ? cache_value_object(sample->value) : NULL;

    if (fill->failed || is_same(schema, ours, fill->object))
        return;
    if (!schema->has_ttl || fill->object != NULL)
        say_entry(sample, fill, head);
    cache_purge_key(scrub->cache, &sample->ask.digest); /* no fence: it may have been read at `head` itself */
}

/* One that is newer than this view cannot be judged by it. */
static bool look_at_entry(struct scrub *scrub, const struct bus_batch *batch, struct err *err)
{
    struct cache_sample *sample = cache_sample(scrub->cache, random_u64());
    bool ok = true;

    if (sample != NULL && sample->asof <= batch->head) {
        struct store_fill fill = {.schema = schemas_at(scrub->schemas, sample->ask.type),
                                  .lookup = sample->ask.lookup,
                                  .value = sample->ask.value};
        ok = store_view_fills(batch->view, &fill, err);
        if (ok)
            compare_entry(scrub, sample, &fill, batch->head);
        if (fill.object != NULL)
            (fill.schema->release != NULL ? fill.schema->release : free)(fill.object);
        metrics_add(METRIC_SCRUBBED_ENTRIES, 1);
    }
    cache_sample_free(sample);
    return ok;
}

/* ---- rows of the routing ---- */

struct page {
    const struct snapshot *snapshot;
    const struct schema *schema;
    struct scrub *scrub;
    bool *is_right;
};

static void say_row(const struct page *page, const struct uuid *id, const char *what)
{
    char text[UUID_TEXT_SIZE];

    *page->is_right = false;
    metrics_add(METRIC_SCRUB_MISMATCHES, 1);
    log_error("scrub: the routing is not what is stored, and no event said so; entity=%s id=%s what=%s",
              page->schema->name, uuid_format(id, text), what);
}

static bool compare_row(void *arg, const cJSON *document, struct err *err)
{
    const struct page *page = arg;
    struct uuid id;
    uint64_t version;

    if (!document_id(document, &id))
        return err_set(err, ERR_INVALID, "a row of %s without an id", page->schema->name);
    page->scrub->last = id;
    if (!draft_version(page->snapshot, page->schema, &id, &version))
        say_row(page, &id, "unknown here");
    else if (version != (document_hash(document) | 1))
        say_row(page, &id, "another version here");
    metrics_add(METRIC_SCRUBBED_ROWS, 1);
    return true;
}

/* At the end of a round: what is gone from the database has been seen by nobody. */
static bool compare_counts(struct scrub *scrub, const struct snapshot *snapshot,
                           const struct bus_batch *batch, bool *is_right, struct err *err)
{
    for (size_t i = 0; i < schemas_count(scrub->schemas); i++) {
        const struct schema *schema = schemas_at(scrub->schemas, i);
        uint64_t stored;
        if (!schema->is_routing)
            continue;
        if (!store_view_count(batch->view, schema, &stored, err))
            return false;
        if (stored == draft_version_count(snapshot, schema))
            continue;
        *is_right = false;
        metrics_add(METRIC_SCRUB_MISMATCHES, 1);
        log_error("scrub: the routing has another number of rows than is stored; entity=%s here=%zu "
                  "stored=%" PRIu64,
                  schema->name, draft_version_count(snapshot, schema), stored);
    }
    return true;
}

static bool look_at_rows(struct scrub *scrub, const struct snapshot *snapshot, const struct bus_batch *batch,
                         bool *is_right, struct err *err)
{
    size_t count = schemas_count(scrub->schemas);
    struct page page = {.snapshot = snapshot, .scrub = scrub, .is_right = is_right};
    size_t rows = 0;

    while (scrub->schema < count && !schemas_at(scrub->schemas, scrub->schema)->is_routing)
        scrub->schema++;
    if (scrub->schema == count) {
        scrub->schema = 0;
        return compare_counts(scrub, snapshot, batch, is_right, err);
    }
    page.schema = schemas_at(scrub->schemas, scrub->schema);
    if (!store_view_page(batch->view, page.schema, &scrub->last, PAGE_ROWS, compare_row, &page, &rows, err))
        return false;
    if (rows < PAGE_ROWS) {
        scrub->schema++;
        scrub->last = (struct uuid){{0}};
    }
    return true;
}

bool scrub_look(struct scrub *scrub, const struct snapshot *snapshot, const struct bus_batch *batch,
                bool *is_right, struct err *err)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if (!look_at_entry(scrub, batch, err))
            return false;
    *is_right = true;
    return look_at_rows(scrub, snapshot, batch, is_right, err);
}
