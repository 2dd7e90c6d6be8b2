/*
 * freshness - see freshness.h.
 *
 *     found           expires        stale_until
 *       |--- fresh ------|---- stale ----|            services: asked for again at a look after `expires`;
 *       |--- good -----------------------------...    targets: asked for again at `recheck`, used until then
 */

#include "gateway/dns/freshness.h"

#include "gateway/dns/answer.h"

enum {
    LONGEST_TTL_S = 7 * 24 * 3600
};

const struct resolver_answer *freshness_usable(const struct record *record, enum resolver_use use,
                                               int64_t now_ms)
{
    if (use == RESOLVER_TARGET && record->good != NULL)
        return record->good;
    if (record->answer == NULL)
        return NULL;
    if (now_ms < record->expires_at_ms)
        return record->answer;
    bool stale = record->answer->count > 0 && !record->each_time && now_ms < record->stale_until_ms;
    return stale ? record->answer : NULL;
}

bool freshness_is_due(const struct record *record, enum resolver_use use, int64_t now_ms)
{
    return now_ms >= (use == RESOLVER_TARGET ? record->recheck_at_ms : record->refresh_at_ms);
}

struct lookup_past freshness_past(const struct record *record, int64_t now_ms)
{
    return (struct lookup_past){
        .last = record->last,
        .answer = now_ms < record->stale_until_ms ? record->good : NULL,
    };
}

/* Takes over the reference. */
static void replace(const struct resolver_answer **at, const struct resolver_answer *answer)
{
    resolver_answer_unref(*at);
    *at = answer;
}

static int64_t later(int64_t now_ms, int64_t seconds)
{
    return now_ms + (seconds < LONGEST_TTL_S ? seconds : LONGEST_TTL_S) * 1000;
}

static bool settle_found(struct record *record, const struct lookup_result *result,
                         const struct resolver_options *options, uint64_t number, int64_t now_ms)
{
    const struct resolver_answer *found = answer_new(number, result->type, result->addresses, result->count);
    int64_t ttl_s = options->valid_ttl_s > 0 ? options->valid_ttl_s : result->ttl_s;

    if (record->good != NULL && answer_equal(record->good, found))
        resolver_answer_unref(found);
    else
        replace(&record->good, found);
    bool changed = record->answer != record->good;
    replace(&record->answer, resolver_answer_ref(record->good));
    record->last = result->type;
    record->each_time = ttl_s == 0;
    record->expires_at_ms = later(now_ms, ttl_s);
    record->refresh_at_ms = record->expires_at_ms;
    record->recheck_at_ms = ttl_s > 0 ? record->expires_at_ms : now_ms + FRESHNESS_RECHECK_MS;
    record->stale_until_ms = later(record->expires_at_ms, options->stale_ttl_s);
    return changed;
}

static bool settle_empty(struct record *record, int ttl_s, uint64_t number, int64_t now_ms)
{
    bool changed = record->answer == NULL || record->answer->count > 0;

    if (changed)
        replace(&record->answer, answer_new(number, DNS_LAST, NULL, 0));
    record->each_time = false;
    record->expires_at_ms = later(now_ms, ttl_s);
    record->refresh_at_ms = record->expires_at_ms;
    record->recheck_at_ms = now_ms + FRESHNESS_RETRY_MS;
    return changed;
}

bool freshness_settle(struct record *record, const struct lookup_result *result,
                      const struct resolver_options *options, uint64_t number, int64_t now_ms)
{
    switch (result->outcome) {
    case DNS_FOUND:
        return settle_found(record, result, options, number, now_ms);
    case DNS_NOT_FOUND:
        return settle_empty(record, options->not_found_ttl_s, number, now_ms);
    case DNS_FAILED:
        break;
    }
    if (record->answer == NULL || record->answer->count == 0 || now_ms >= record->stale_until_ms)
        return settle_empty(record, options->error_ttl_s, number, now_ms);
    record->refresh_at_ms = later(now_ms, options->error_ttl_s); /* not at once again */
    record->recheck_at_ms = now_ms + FRESHNESS_RETRY_MS;
    return false;
}
