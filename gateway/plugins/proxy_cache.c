/*
 * proxy_cache - see proxy_cache.h.
 *
 * What is stored is what the upstream has said, before any plugin changed it: on a hit all plugins of the
 * response phases have their say, as they had the first time. Whether it may be stored is judged by the head
 * as it is when the turn comes here, so that plugins before can allow it or forbid it.
 *
 * A body is copied while it passes, so that nobody waits for its end; a hit copies nothing.
 */

#include "gateway/plugins/proxy_cache.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/chain/answer_cache.h"
#include "gateway/chain/chain.h"
#include "gateway/http/date.h"
#include "gateway/http/token.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/cache_control.h"
#include "gateway/plugins/cache_key.h"
#include "gateway/plugins/media_type.h"
#include "gateway/plugins/proxy_cache_admin.h"

/* ---- settings ---- */

static const struct field response_code_element = {
    .name = "elements", .kind = FIELD_INTEGER, .has_between = true, .between_min = 100, .between_max = 900};

static const char *const request_method_elements_choices[] = {"HEAD", "GET", "POST", "PATCH", "PUT", NULL};

static const struct field request_method_element = {
    .name = "elements", .kind = FIELD_STRING, .one_of = request_method_elements_choices};

static const char *const strategy_choices[] = {"memory", NULL};

static const struct field memory_fields[] = {
    /* clang-format off */
    {.name = "dictionary_name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"kong_db_cache\""},
    /* clang-format on */
};

static const struct field response_headers_fields[] = {
    /* clang-format off */
    {.name = "age", .kind = FIELD_BOOLEAN, .fallback = "true"},
    {.name = "X-Cache-Status", .kind = FIELD_BOOLEAN, .fallback = "true"},
    {.name = "X-Cache-Key", .kind = FIELD_BOOLEAN, .fallback = "true"},
    /* clang-format on */
};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "response_code", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[200,301,404]", .len_min = 1,
     .elements = &response_code_element},
    {.name = "request_method", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED, .fallback = "[\"GET\",\"HEAD\"]",
     .elements = &request_method_element},
    {.name = "content_type", .kind = FIELD_ARRAY, .flags = FIELD_REQUIRED,
     .fallback = "[\"text/plain\",\"application/json\"]", .elements = &part_text},
    {.name = "cache_ttl", .kind = FIELD_INTEGER, .fallback = "300", .has_gt = true},
    {.name = "strategy", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .one_of = strategy_choices},
    {.name = "cache_control", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "ignore_uri_case", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "storage_ttl", .kind = FIELD_INTEGER},
    {.name = "memory", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = memory_fields,
     .field_count = COUNT(memory_fields)},
    {.name = "vary_query_params", .kind = FIELD_ARRAY, .elements = &part_text},
    {.name = "vary_headers", .kind = FIELD_ARRAY, .elements = &part_text},
    {.name = "response_headers", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = response_headers_fields,
     .field_count = COUNT(response_headers_fields)},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

enum {
    LONGEST_S = INT32_MAX /* beyond it seconds are as good as for ever */
};

struct settings {
    int *statuses;
    size_t status_count;
    struct setting_list methods, types;
    struct cache_key_rules key;
    int64_t ttl_s;
    int64_t storage_s; /* 0: as long as it is fresh */
    bool cache_control;
    bool shows_age, shows_status, shows_key;
};

static void dispose(void *object)
{
    struct settings *settings = object;

    free(settings->statuses);
    setting_list_fini(&settings->methods);
    setting_list_fini(&settings->types);
    cache_key_rules_fini(&settings->key);
    free(settings);
}

static int64_t seconds_of(const cJSON *config, const char *name, int64_t fallback)
{
    int64_t seconds = document_int(config, name, fallback);

    return seconds < 0 ? 0 : seconds < LONGEST_S ? seconds : LONGEST_S;
}

static void read_statuses(const cJSON *config, struct settings *settings)
{
    const cJSON *statuses = cJSON_GetObjectItemCaseSensitive(config, "response_code");
    const cJSON *status;

    settings->statuses = mem_zalloc(((size_t)cJSON_GetArraySize(statuses) + 1) * sizeof(int));
    cJSON_ArrayForEach(status, statuses)
    {
        if (cJSON_IsNumber(status))
            settings->statuses[settings->status_count++] = status->valueint;
    }
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));
    const cJSON *shown = cJSON_GetObjectItemCaseSensitive(config, "response_headers");

    (void)err;
    read_statuses(config, settings);
    settings->methods = setting_list_read(config, "request_method");
    settings->types = setting_list_read(config, "content_type");
    cache_key_rules_init(&settings->key, config);
    settings->ttl_s = seconds_of(config, "cache_ttl", 300);
    settings->storage_s = seconds_of(config, "storage_ttl", 0);
    settings->cache_control = document_bool(config, "cache_control", false);
    settings->shows_age = document_bool(shown, "age", true);
    settings->shows_status = document_bool(shown, "X-Cache-Status", true);
    settings->shows_key = document_bool(shown, "X-Cache-Key", true);
    *object = settings;
    return true;
}

/* ---- what becomes of a request ---- */

enum outcome {
    BYPASS,  /* the cache has nothing to do with it */
    MISS,    /* nothing was stored; what comes may be */
    REFRESH, /* what was stored is too old */
    HIT,
    UNANSWERED /* nothing is stored, and the upstream was not to be asked */
};

/* Of one request, from access to its end; in the exchange's memory. */
struct visit {
    struct chain_end end;
    enum outcome outcome;
    bool has_key;
    struct answer_key key;
    uint64_t purges;                    /* before the upstream was asked */
    const struct stored_answer *stored; /* HIT: a reference */
    int64_t age_s;
    struct answer_draft draft;
    int64_t ttl_s; /* of what is being stored */
};

static void end_visit(struct chain_end *end)
{
    struct visit *visit = CONTAINER_OF(end, struct visit, end);

    stored_answer_unref(visit->stored);
    answer_draft_drop(&visit->draft);
}

static bool is_method_listed(const struct settings *settings, struct str method)
{
    for (size_t i = 0; i < settings->methods.count; i++)
        if (str_equal(method, str_of(settings->methods.at[i])))
            return true;
    return false;
}

/*
 * Credentials that the gateway knows are part of the key; others the upstream may judge, and what it says to
 * one client is then not for the next (RFC 9111, 3.5).
 */
static bool is_for_one_client(const struct chain *chain)
{
    return chain->consumer == NULL &&
           headers_find(&exchange_request(chain->exchange)->headers, STR("Authorization")) != NULL;
}

static bool may_use_cache(struct chain *chain, const struct settings *settings,
                          const struct cache_control *control)
{
    if (chain->world->answers == NULL ||
        !is_method_listed(settings, exchange_request(chain->exchange)->method))
        return false;
    return !settings->cache_control ||
           (!control->no_store && !control->no_cache && !is_for_one_client(chain));
}

/* Old enough to ask the upstream again: by the settings, or by what both sides have said (RFC 9111, 5.2.1).
 */
static bool is_stale(const struct settings *settings, const struct cache_control *control,
                     const struct stored_answer *stored, int64_t age_s)
{
    if (!settings->cache_control)
        return age_s > settings->ttl_s;
    if (control->max_age_s >= 0 && age_s > control->max_age_s)
        return true;
    if (age_s - stored->ttl_s > (control->max_stale_s >= 0 ? control->max_stale_s : 0))
        return true;
    return control->min_fresh_s >= 0 && stored->ttl_s - age_s < control->min_fresh_s;
}

static void look_up(struct chain *chain, const struct settings *settings, const struct cache_control *control,
                    struct visit *visit)
{
    struct answer_cache *answers = chain->world->answers;

    visit->purges = answer_cache_purges(answers);
    visit->stored = answer_cache_get(answers, &visit->key);
    if (visit->stored == NULL) {
        visit->outcome = settings->cache_control && control->only_if_cached ? UNANSWERED : MISS;
        return;
    }
    visit->age_s = (clock_now_us(chain->world->clock) - visit->stored->stored_us) / 1000000;
    visit->outcome = is_stale(settings, control, visit->stored, visit->age_s) ? REFRESH : HIT;
    if (visit->outcome == HIT)
        return;
    stored_answer_unref(visit->stored);
    visit->stored = NULL;
}

enum {
    SPARE_HEADERS = 12 /* what a gateway adds */
};

/* Its texts are borrowed until the chain ends. */
static enum plugin_result answer_stored(struct chain *chain, const struct stored_answer *stored)
{
    size_t bytes = stored->header_count * sizeof(struct header);
    struct headers *headers = &chain->answer.headers;

    (void)chain_answer_body(chain, stored->status, STR_NONE, stored->body);
    headers->capacity = stored->header_count + SPARE_HEADERS;
    headers->at = exchange_alloc(chain->exchange, headers->capacity * sizeof(struct header));
    headers->count = stored->header_count;
    if (bytes > 0)
        memcpy(headers->at, stored->headers, bytes);
    chain->answer.keep_server_header = true;
    chain->as_proxied = true;
    chain->head_length = stored->head_length;
    return PLUGIN_ANSWERED;
}

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct visit *visit = exchange_alloc(chain->exchange, sizeof(*visit));
    struct cache_control control = {0};

    *visit = (struct visit){.end.on_end = end_visit, .outcome = BYPASS};
    chain_keep(chain, &proxy_cache_plugin, visit);
    if (settings->cache_control)
        control = cache_control_read(&exchange_request(chain->exchange)->headers);
    if (!may_use_cache(chain, settings, &control))
        return PLUGIN_NEXT;
    chain_on_end(chain, &visit->end);
    cache_key_make(chain, &settings->key, &visit->key);
    visit->has_key = true;
    look_up(chain, settings, &control, visit);
    if (visit->outcome == HIT)
        return answer_stored(chain, visit->stored);
    if (visit->outcome == UNANSWERED)
        return chain_answer_message(chain, 504, NULL);
    chain->keeps_head = true;
    return PLUGIN_NEXT;
}

/* ---- may the answer be stored? ---- */

static bool is_status_listed(const struct settings *settings, int status)
{
    for (size_t i = 0; i < settings->status_count; i++)
        if (settings->statuses[i] == status)
            return true;
    return false;
}

static bool is_type_listed(const struct settings *settings, const struct headers *headers)
{
    const struct header *type = headers_find(headers, STR("Content-Type"));

    if (type == NULL || headers_find_next(headers, type, STR("Content-Type")) != NULL)
        return false;
    for (size_t i = 0; i < settings->types.count; i++)
        if (media_type_fits(type->value, str_of(settings->types.at[i])))
            return true;
    return false;
}

/* Of an answer, as it says itself; 0: not at all. */
static int64_t lifetime_of(const struct chain *chain, const struct cache_control *control)
{
    const struct header *expires = headers_find(&chain->answer.headers, STR("Expires"));
    int64_t until_s;

    if (control->shared_max_age_s >= 0)
        return control->shared_max_age_s;
    if (control->max_age_s >= 0)
        return control->max_age_s;
    if (expires == NULL || !date_parse(expires->value, &until_s))
        return 0;
    return until_s - clock_unix_s(chain->world->clock);
}

/* *ttl_s: how long it will be fresh. */
static bool may_store(const struct chain *chain, const struct settings *settings, int64_t *ttl_s)
{
    const struct exchange_answer *answer = &chain->answer;

    if (chain->answered || chain->hop.head_us == 0 || !is_status_listed(settings, answer->status) ||
        !is_type_listed(settings, &answer->headers))
        return false;
    *ttl_s = settings->ttl_s;
    if (!settings->cache_control)
        return true;
    struct cache_control control = cache_control_read(&answer->headers);
    *ttl_s = lifetime_of(chain, &control);
    return !control.is_private && !control.no_store && !control.no_cache && *ttl_s > 0;
}

/* As the upstream has announced it; -1: it has not. */
static int64_t length_of(const struct headers *headers)
{
    const struct header *line = headers_find(headers, STR("Content-Length"));
    int64_t length;

    return line != NULL && token_to_length(line->value, &length) ? length : -1;
}

static bool is_head(const struct chain *chain)
{
    return str_equal(exchange_request(chain->exchange)->method, STR("HEAD"));
}

/* ---- header_filter ---- */

static void begin_storing(struct chain *chain, const struct settings *settings, struct visit *visit)
{
    int64_t length = is_head(chain) ? 0 : length_of(&chain->upstream_headers);

    if (may_store(chain, settings, &visit->ttl_s) &&
        answer_draft_begin(&visit->draft, chain->world->answers, visit->purges, length))
        chain->wants_pieces = true;
    else
        visit->outcome = BYPASS;
}

static void show(struct chain *chain, const struct settings *settings, const struct visit *visit)
{
    static const char *const names[] = {
        [BYPASS] = "Bypass", [MISS] = "Miss", [REFRESH] = "Refresh", [HIT] = "Hit", [UNANSWERED] = "Miss"};
    bool shows_all = headers_find(&exchange_request(chain->exchange)->headers, STR("Kong-Debug")) != NULL;
    struct headers *headers = &chain->answer.headers;

    if (shows_all || settings->shows_status)
        headers_set(headers, STR("X-Cache-Status"), str_of(names[visit->outcome]));
    if (visit->has_key && (shows_all || settings->shows_key)) {
        char *text = exchange_alloc(chain->exchange, ANSWER_KEY_TEXT);
        headers_set(headers, STR("X-Cache-Key"), str_of(answer_key_format(&visit->key, text)));
    }
    if (visit->outcome == HIT && (shows_all || settings->shows_age))
        headers_set(headers, STR("Age"), exchange_printf(chain->exchange, "%" PRId64, visit->age_s));
}

static void header_filter(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct visit *visit = chain_kept(chain, &proxy_cache_plugin);

    if (visit == NULL)
        return; /* somebody before has answered */
    if (visit->outcome == MISS || visit->outcome == REFRESH)
        begin_storing(chain, settings, visit);
    show(chain, settings, visit);
}

/* ---- storing ---- */

/* Of one connection, of one answer, or made anew each time. */
static bool may_replay(struct str name)
{
    static const char *const not_again[] = {
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Trailers",
        "Transfer-Encoding",
        "Upgrade",
        "Content-Length",
        "Age",
        "X-Cache-Status",
        "X-Cache-Key",
    };
    static const struct str remaining = {"ratelimit-remaining", 19};

    for (size_t i = 0; i < COUNT(not_again); i++)
        if (str_equal_nocase(name, str_of(not_again[i])))
            return false;
    for (size_t at = 0; at + remaining.len <= name.len; at++)
        if (str_equal_nocase(str_part(name, at, at + remaining.len), remaining))
            return false;
    return true;
}

static void store(struct chain *chain, const struct settings *settings, struct visit *visit)
{
    const struct headers *from = &chain->upstream_headers;
    struct header *lines = exchange_alloc(chain->exchange, (from->count + 1) * sizeof(*lines));
    struct stored_answer answer = {
        .key = visit->key,
        .owner = chain->running->id,
        .status = chain->hop.last != NULL ? chain->hop.last->status : chain->answer.status,
        .headers = lines,
        .ttl_s = visit->ttl_s,
    };
    int64_t length = length_of(from);

    for (size_t i = 0; i < from->count; i++)
        if (may_replay(from->at[i].name))
            lines[answer.header_count++] = from->at[i];
    if (is_head(chain))
        answer.head_length = length;
    (void)answer_draft_store(&visit->draft, &answer,
                             settings->storage_s > 0 ? settings->storage_s : visit->ttl_s);
}

static void body_piece(struct chain *chain, const void *object, struct str bytes, bool last)
{
    struct visit *visit = chain_kept(chain, &proxy_cache_plugin);

    if (visit == NULL || visit->draft.cache == NULL || !answer_draft_add(&visit->draft, bytes))
        return; /* it is too long, or there is no room: it passes all the same */
    if (last)
        store(chain, object, visit);
}

const struct plugin proxy_cache_plugin = {
    .schema =
        {
            .name = "proxy-cache",
            .version = "3.5.0",
            .priority = 100,
            .config = &config_record,
            .protocols = protocol_names,
            .endpoints = proxy_cache_endpoints,
        },
    .configure = configure,
    .dispose = dispose,
    .access = access_phase,
    .header_filter = header_filter,
    .body_piece = body_piece,
    .hear = proxy_cache_hear,
};
