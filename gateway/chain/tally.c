/*
 * tally - see tally.h. Here: settings, memory, and what is common to places that answer later.
 */

#include "gateway/chain/tally.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/chain/cluster_counters.h"
#include "gateway/chain/redis_target.h"
#include "gateway/chain/tally_op.h"
#include "gateway/chain/window_counters.h"
#include "gateway/model/document.h"

enum {
    WINDOWS_MAX = 16,  /* that are taken together: periods */
    IDENTITY_MAX = 512 /* in a key of others; an index of the database takes about 2,700 bytes */
};

/* ---- settings ---- */

static int64_t sync_of(const cJSON *config)
{
    const cJSON *rate = cJSON_GetObjectItemCaseSensitive(config, "sync_rate");
    double longest_s = 24 * 60 * 60;

    if (!cJSON_IsNumber(rate) || !(rate->valuedouble > 0))
        return 0;
    return (int64_t)((rate->valuedouble < longest_s ? rate->valuedouble : longest_s) * 1000);
}

void tally_settings_init(struct tally_settings *settings, const cJSON *config)
{
    const char *policy = document_text(config, "policy");

    *settings = (struct tally_settings){.fault_tolerant = document_bool(config, "fault_tolerant", true)};
    if (policy != NULL && strcmp(policy, "cluster") == 0)
        settings->policy = TALLY_CLUSTER;
    if (policy == NULL || strcmp(policy, "redis") != 0)
        return;
    settings->policy = TALLY_REDIS;
    settings->redis = redis_target_new(config);
    settings->sync_ms = sync_of(config);
}

void tally_settings_fini(struct tally_settings *settings)
{
    redis_target_free(settings->redis);
    settings->redis = NULL;
}

/* ---- memory ---- */

/* What a counter is found by: of the configuration's scope, not of the request's. No padding. */
struct key {
    struct uuid route, service;
    int64_t starts_s, ends_s;
    struct digest identity, name;
};

void tally_digest(const struct chain *chain, const struct tally *tally, const struct tally_window *window,
                  struct digest *digest)
{
    struct key key = {.route = chain->running->route,
                      .service = chain->running->service,
                      .starts_s = window->starts_s,
                      .ends_s = window->ends_s};

    digest_make(&chain->world->salt, tally->identity, &key.identity);
    if (window->name.len > 0)
        digest_make(&chain->world->salt, window->name, &key.name);
    digest_make(&chain->world->salt, (struct str){(const char *)&key, sizeof(key)}, digest);
}

static struct window_counter *find_counter(struct chain *chain, const struct tally *tally,
                                           const struct tally_window *window)
{
    struct digest digest;

    tally_digest(chain, tally, window, &digest);
    return window_counters_get(chain->world->counters, &digest, window->ends_s * 1000, tally->now_s * 1000);
}

/* All windows or none. */
static enum tally_result take_here(struct chain *chain, struct tally *tally)
{
    struct window_counter *counters[WINDOWS_MAX];
    bool is_over = false;

    assert(tally->count <= WINDOWS_MAX);
    for (size_t i = 0; i < tally->count; i++) {
        struct tally_window *window = &tally->windows[i];
        counters[i] = find_counter(chain, tally, window);
        window->over = !window_counter_take(counters[i], window->limit, &window->used);
        window->used -= window->over ? 0 : 1;
        is_over |= window->over;
    }
    for (size_t i = 0; is_over && i < tally->count; i++)
        if (!tally->windows[i].over)
            window_counter_give_back(counters[i]);
    return TALLY_DONE;
}

static enum tally_result read_here(struct chain *chain, struct tally *tally)
{
    for (size_t i = 0; i < tally->count; i++)
        tally->windows[i].used = window_counter_read(find_counter(chain, tally, &tally->windows[i]));
    return TALLY_DONE;
}

static void add_here(struct chain *chain, const struct tally *tally)
{
    for (size_t i = 0; i < tally->count; i++)
        if (tally->windows[i].amount > 0)
            window_counter_add(find_counter(chain, tally, &tally->windows[i]), tally->windows[i].amount);
}

/* ---- places that answer later ---- */

/* Others have to be able to read it, and to keep it: what is long or no text is known by its digest. */
struct str tally_shared_identity(const struct chain *chain, const struct tally *tally,
                                 char text[TALLY_IDENTITY_SIZE])
{
    struct digest digest;

    if (tally->identity.len <= IDENTITY_MAX && str_is_utf8(tally->identity) &&
        memchr(tally->identity.at, '\0', tally->identity.len) == NULL)
        return tally->identity;
    digest_make(&chain->world->salt, tally->identity, &digest);
    for (size_t i = 0; i < sizeof(digest.bytes); i++)
        (void)snprintf(text + 2 * i, 3, "%02x", digest.bytes[i]);
    return (struct str){text, TALLY_IDENTITY_SIZE - 1};
}

static struct str put(char **at, struct str text)
{
    struct str kept = {*at, text.len};

    memcpy(*at, text.at, text.len);
    *at += text.len;
    return kept;
}

/* "minute", or "video:minute" */
static struct str put_period(char **at, const struct tally_window *window)
{
    struct str kept = {*at, 0};

    if (window->name.len > 0) {
        (void)put(at, window->name);
        (void)put(at, STR(":"));
    }
    (void)put(at, str_of(window->period));
    kept.len = (size_t)(*at - kept.at);
    return kept;
}

struct tally_op *tally_op_new(struct chain *chain, const struct tally *tally, enum tally_kind kind)
{
    char text[TALLY_IDENTITY_SIZE];
    struct str identity = tally_shared_identity(chain, tally, text);
    size_t bytes = identity.len;

    for (size_t i = 0; i < tally->count; i++)
        bytes += tally->windows[i].name.len + 1 + strlen(tally->windows[i].period);
    struct tally_op *op = mem_zalloc(sizeof(*op) + tally->count * sizeof(op->counts[0]) + bytes);
    op->kind = kind;
    op->lets_through = tally->settings->fault_tolerant;
    op->loop = exchange_loop(chain->exchange);
    char *at = (char *)&op->counts[tally->count];
    identity = put(&at, identity);
    for (size_t i = 0; i < tally->count; i++) {
        const struct tally_window *window = &tally->windows[i];
        if (kind == TALLY_ADD && window->amount == 0)
            continue;
        op->counts[op->count++] = (struct tally_count){
            .usage = {.identity = identity,
                      .period = put_period(&at, window),
                      .route = chain->running->route,
                      .service = chain->running->service,
                      .starts_s = window->starts_s,
                      .ends_s = window->ends_s,
                      .count = kind == TALLY_ADD    ? window->amount
                               : kind == TALLY_TAKE ? 1
                                                    : 0},
            .limit = window->limit,
        };
    }
    return op;
}

void tally_op_finish(struct tally_op *op)
{
    struct tally *tally = op->tally;

    if (tally != NULL) {
        tally->op = NULL;
        tally->has_answer = true;
        tally->has_failed = op->failed;
        for (size_t i = 0; i < op->count; i++) {
            tally->windows[i].used = op->counts[i].used;
            tally->windows[i].over = op->counts[i].over;
        }
    }
    free(op);
    if (tally != NULL)
        chain_resume(tally->chain);
}

/* The request ends before its answer has come. */
static void on_chain_end(struct chain_end *end)
{
    const struct tally *tally = CONTAINER_OF(end, struct tally, end);

    if (tally->op != NULL)
        tally->op->tally = NULL;
}

static bool start(struct chain *chain, const struct tally *tally, struct tally_op *op)
{
    if (tally->settings->policy == TALLY_CLUSTER)
        return chain->world->cluster != NULL && cluster_counters_give(chain->world->cluster, op);
    return chain->redis != NULL && tally->settings->redis != NULL &&
           tally_redis_start(chain->redis, tally, op);
}

/* Others have to be able to keep those, too. */
static bool has_short_names(const struct tally *tally)
{
    for (size_t i = 0; i < tally->count; i++)
        if (tally->windows[i].name.len > IDENTITY_MAX)
            return false;
    return true;
}

enum tally_result tally_ask(struct chain *chain, struct tally *tally, enum tally_kind kind)
{
    if (tally->has_answer)
        return tally->has_failed ? TALLY_FAILED : TALLY_DONE;
    struct tally_op *op = tally_op_new(chain, tally, kind);
    if (!has_short_names(tally) || !start(chain, tally, op)) {
        free(op);
        return TALLY_FAILED;
    }
    op->tally = tally;
    tally->op = op;
    tally->chain = chain;
    if (!tally->is_watched) {
        tally->is_watched = true;
        tally->end.on_end = on_chain_end;
        chain_on_end(chain, &tally->end);
    }
    return TALLY_WAIT;
}

/* ---- for plugins ---- */

enum tally_result tally_take(struct chain *chain, struct tally *tally)
{
    if (tally->settings->sync_ms > 0)
        return tally_synced_take(chain, tally);
    if (tally->settings->policy != TALLY_LOCAL)
        return tally_ask(chain, tally, TALLY_TAKE);
    return chain->world->counters != NULL ? take_here(chain, tally) : TALLY_FAILED;
}

enum tally_result tally_read(struct chain *chain, struct tally *tally)
{
    if (tally->settings->policy != TALLY_LOCAL)
        return tally_ask(chain, tally, TALLY_READ);
    return chain->world->counters != NULL ? read_here(chain, tally) : TALLY_FAILED;
}

void tally_add(struct chain *chain, const struct tally *tally)
{
    if (tally->settings->policy == TALLY_LOCAL) {
        if (chain->world->counters != NULL)
            add_here(chain, tally);
        return;
    }
    struct tally_op *op = tally_op_new(chain, tally, TALLY_ADD);
    if (op->count == 0 || !start(chain, tally, op))
        free(op);
}
