/*
 * renewal - see renewal.h. One statement per kind of look-up, however many entries.
 */

#include "gateway/proxy/renewal.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/model/schema.h"
#include "gateway/store/store.h"

void renewals_invalidate(struct renewals *renewals, struct cache *cache, const struct digest *key,
                         uint64_t position)
{
    struct cache_renewal *renewal = cache_invalidate_used(cache, key, position);

    if (renewal == NULL)
        return;
    if (renewals->count < RENEWALS_MAX)
        renewals->at[renewals->count++] = renewal;
    else
        free(renewal);
}

static int order_kinds(const void *a, const void *b)
{
    const struct cache_ask *left = &(*(struct cache_renewal *const *)a)->ask;
    const struct cache_ask *right = &(*(struct cache_renewal *const *)b)->ask;

    return left->type != right->type ? left->type - right->type : left->lookup - right->lookup;
}

/* Asks `count` of one kind; the fills answer them in order. */
static bool read_kind(struct cache_renewal *const *renewals, size_t count, const struct schema *schema,
                      struct pg_session *view, struct store_fill *fills, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        fills[i] = (struct store_fill){
            .next = i + 1 < count ? &fills[i + 1] : NULL,
            .schema = schema,
            .lookup = renewals[i]->ask.lookup,
            .value = renewals[i]->ask.value,
        };
    return store_view_fills(view, fills, err);
}

static void put_back(struct cache *cache, const struct cache_renewal *renewal, const struct store_fill *fill)
{
    const struct cache_answer answer = {.position = fill->position,
                                        .tag = fill->tag,
                                        .object = fill->object,
                                        .bytes = fill->bytes,
                                        .release = fill->schema->release};

    /* A row that cannot be used: whoever asks next is told so. One that is gone: its key is what clients
     * watch until it is no longer there (Admin API reference 3.6). */
    if (fill->failed || fill->object == NULL)
        return;
    cache_renew(cache, renewal, &answer);
    metrics_add(METRIC_RENEWALS, 1);
}

bool renewals_read(struct renewals *renewals, struct cache *cache, const struct schemas *schemas,
                   struct pg_session *view, struct err *err)
{
    struct cache_renewal **all = renewals->at;
    struct store_fill *fills = mem_alloc((renewals->count + 1) * sizeof(*fills));
    bool ok = true;

    qsort(all, renewals->count, sizeof(*all), order_kinds);
    for (size_t from = 0, to; from < renewals->count && ok; from = to) {
        for (to = from + 1; to < renewals->count && order_kinds(&all[from], &all[to]) == 0;)
            to++;
        ok = read_kind(all + from, to - from, schemas_at(schemas, all[from]->ask.type), view, fills, err);
        for (size_t i = from; i < to && ok; i++)
            put_back(cache, all[i], &fills[i - from]);
    }
    free(fills);
    return ok;
}

void renewals_fini(struct renewals *renewals)
{
    for (size_t i = 0; i < renewals->count; i++)
        free(renewals->at[i]);
    renewals->count = 0;
}
