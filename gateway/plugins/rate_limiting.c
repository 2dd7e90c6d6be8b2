/*
 * rate_limiting - see rate_limiting.h.
 *
 * A request is counted before it is let through, and taken back where it is not: of any number of requests at
 * once exactly as many pass as the limit says. Counters belong to the node, so that another configuration
 * goes on where the one before was.
 */

#include "gateway/plugins/rate_limiting.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/window_counters.h"
#include "gateway/model/document.h"
#include "gateway/model/header_name.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/period.h"
#include "gateway/plugins/rate_limit.h"

/* ---- settings ---- */

static bool is_consistent(const cJSON *config, char message[256])
{
    const char *policy = document_text(config, "policy");
    const cJSON *rate = cJSON_GetObjectItemCaseSensitive(config, "sync_rate");
    double sync_rate = cJSON_IsNumber(rate) ? rate->valuedouble : -1;
    bool is_redis = policy != NULL && strcmp(policy, "redis") == 0;
    const char *wrong = NULL;

    if (!part_periods_ascend(config, message))
        return false;
    if (sync_rate != -1 && !is_redis)
        wrong = "sync_rate can only be used with the redis policy";
    else if (sync_rate != -1 && sync_rate < 0.02)
        wrong = "sync_rate must be greater than 0.02, or -1 to disable";
    if (wrong != NULL)
        (void)snprintf(message, 256, "%s", wrong);
    return wrong == NULL;
}

static const struct field_note path_notes[] = {
    {"match_none", "[{\"pattern\":\"//\",\"err\":\"must not have empty segments\"}]"}, {NULL, NULL}};

static const char *const limit_by_choices[] = {"consumer", "credential", "ip", "service",
                                               "header",   "path",       NULL};

static const char *const policy_choices[] = {"local", "cluster", "redis", NULL};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "second", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "minute", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "hour", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "day", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "month", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "year", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "limit_by", .kind = FIELD_STRING, .fallback = "\"consumer\"", .one_of = limit_by_choices},
    {.name = "header_name", .kind = FIELD_STRING, .check = text_is_header_name},
    {.name = "path", .kind = FIELD_STRING, .starts_with = "/", .check = text_is_path, .notes = path_notes},
    {.name = "policy", .kind = FIELD_STRING, .flags = FIELD_EMPTY_OK, .fallback = "\"local\"",
     .one_of = policy_choices},
    {.name = "fault_tolerant", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    {.name = "redis_host", .kind = FIELD_STRING, .check = text_is_host},
    {.name = "redis_port", .kind = FIELD_INTEGER, .fallback = "6379", .has_between = true, .between_max = 65535},
    {.name = "redis_password", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_EMPTY_OK},
    {.name = "redis_username", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE},
    {.name = "redis_ssl", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "redis_ssl_verify", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "redis_server_name", .kind = FIELD_STRING, .check = text_is_sni},
    {.name = "redis_timeout", .kind = FIELD_NUMBER, .fallback = "2000"},
    {.name = "redis_database", .kind = FIELD_INTEGER, .fallback = "0"},
    {.name = "hide_client_headers", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "error_code", .kind = FIELD_NUMBER, .fallback = "429", .has_gt = true},
    {.name = "error_message", .kind = FIELD_STRING, .fallback = "\"API rate limit exceeded\""},
    {.name = "sync_rate", .kind = FIELD_NUMBER, .flags = FIELD_REQUIRED, .fallback = "-1"},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
    .check = is_consistent,
};

static const char *const period_fields[] = {"config.second", "config.minute", "config.hour", "config.day",
                                            "config.month",  "config.year",   NULL};

static const struct field if_by_header = {.name = "config.limit_by", .eq_json = "\"header\""};

static const struct field needs_header_name = {.name = "config.header_name", .flags = FIELD_REQUIRED};

static const struct field if_by_path = {.name = "config.limit_by", .eq_json = "\"path\""};

static const struct field needs_path = {.name = "config.path", .flags = FIELD_REQUIRED};

/* Nodes that count together are not there yet: better no limit than one that seems to be in force. */
static void refuse_policies(const cJSON *object, struct violations *violations)
{
    const char *policy = document_text(cJSON_GetObjectItemCaseSensitive(object, "config"), "policy");

    if (policy != NULL && strcmp(policy, "local") != 0 && !violations_any(violations))
        violations_add(violations, "config.policy",
                       "this gateway does not count by policy '%s' yet; use 'local'", policy);
}

static const struct check checks[] = {
    {.kind = CHECK_AT_LEAST_ONE_OF, .names = period_fields},
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_host},
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_port},
    {.kind = CHECK_CONDITIONAL, .if_field = &if_by_header, .then_field = &needs_header_name},
    {.kind = CHECK_CONDITIONAL, .if_field = &if_by_path, .then_field = &needs_path},
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_timeout},
    {.kind = CHECK_CUSTOM, .run = refuse_policies},
};

enum limit_by {
    BY_CONSUMER,
    BY_CREDENTIAL,
    BY_IP,
    BY_SERVICE,
    BY_HEADER,
    BY_PATH
};

struct settings {
    int64_t limits[PERIOD_COUNT]; /* 0: none */
    enum limit_by limit_by;
    char *header_name, *path, *error_message; /* NULL: none */
    int error_code;
    bool is_local, fault_tolerant, hidden;
};

static void dispose(void *object)
{
    struct settings *settings = object;

    free(settings->header_name);
    free(settings->path);
    free(settings->error_message);
    free(settings);
}

static enum limit_by limit_by_named(const char *name)
{
    for (size_t i = 0; name != NULL && limit_by_choices[i] != NULL; i++)
        if (strcmp(limit_by_choices[i], name) == 0)
            return (enum limit_by)i;
    return BY_CONSUMER;
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));
    const char *policy = document_text(config, "policy");

    (void)err;
    rate_limits_read(config, settings->limits);
    settings->limit_by = limit_by_named(document_text(config, "limit_by"));
    settings->header_name = mem_strdup(document_text(config, "header_name"));
    settings->path = mem_strdup(document_text(config, "path"));
    settings->error_message = mem_strdup(document_text(config, "error_message"));
    settings->error_code = (int)document_int(config, "error_code", 429);
    settings->is_local = policy == NULL || strcmp(policy, "local") == 0;
    settings->fault_tolerant = document_bool(config, "fault_tolerant", true);
    settings->hidden = document_bool(config, "hide_client_headers", false);
    *object = settings;
    return true;
}

/* ---- who is it? ---- */

/* at == NULL: what is counted by is not there. */
static struct str find_identity(struct chain *chain, const struct settings *settings)
{
    const struct header *header;

    switch (settings->limit_by) {
    case BY_CONSUMER:
        return rate_limit_consumer(chain);
    case BY_CREDENTIAL:
        return chain->credential_identifier;
    case BY_SERVICE:
        return chain->service != NULL ? rate_limit_id(chain, &chain->service->id) : STR_NONE;
    case BY_HEADER:
        header = settings->header_name != NULL ? headers_find(&exchange_request(chain->exchange)->headers,
                                                              str_of(settings->header_name))
                                               : NULL;
        return header != NULL && header->value.len > 0 ? header->value : STR_NONE;
    case BY_PATH:
        return settings->path != NULL && str_equal(chain->path, str_of(settings->path))
                   ? str_of(settings->path)
                   : STR_NONE;
    case BY_IP:
        break;
    }
    return STR_NONE;
}

/* What a counter is found by, but for who it is: of the configuration's scope, not of the request's. */
struct key {
    struct uuid route, service;
    int64_t start_s;
    int64_t period;
    struct digest identity;
};

static void make_key(struct chain *chain, const struct settings *settings, struct key *key)
{
    struct str identity = find_identity(chain, settings);

    if (identity.at == NULL)
        identity = chain->client_address;
    *key = (struct key){.route = chain->running->route, .service = chain->running->service};
    digest_make(&chain->world->salt, identity, &key->identity);
}

/* ---- counting ---- */

/* Of one request, from access to the head of its answer. */
struct usage {
    int64_t now_s;
    int64_t remaining[PERIOD_COUNT];
    int64_t start_s[PERIOD_COUNT];
    bool blocked;
};

static struct window_counter *counter_of(struct chain *chain, struct key *key, enum period period,
                                         int64_t now_s)
{
    struct digest digest;

    key->start_s = period_start_s(period, now_s);
    key->period = (int64_t)period;
    digest_make(&chain->world->salt, (struct str){(const char *)key, sizeof(*key)}, &digest);
    return window_counters_get(chain->world->counters, &digest,
                               (key->start_s + period_longest_s(period)) * 1000, now_s * 1000);
}

/* All periods or none. What the others have left is told as though this request had not been. */
static void count(struct chain *chain, const struct settings *settings, struct usage *usage)
{
    struct window_counter *counters[PERIOD_COUNT] = {NULL};
    bool taken[PERIOD_COUNT] = {false};
    struct key key;

    make_key(chain, settings, &key);
    for (size_t i = 0; i < PERIOD_COUNT; i++) {
        uint64_t used = 0;
        if (settings->limits[i] == 0)
            continue;
        counters[i] = counter_of(chain, &key, (enum period)i, usage->now_s);
        usage->start_s[i] = key.start_s;
        taken[i] = window_counter_take(counters[i], (uint64_t)settings->limits[i], &used);
        usage->remaining[i] = used < (uint64_t)settings->limits[i] ? settings->limits[i] - (int64_t)used : 0;
        usage->blocked |= !taken[i];
    }
    for (size_t i = 0; usage->blocked && i < PERIOD_COUNT; i++) {
        if (!taken[i])
            continue;
        window_counter_give_back(counters[i]);
        usage->remaining[i]++;
    }
}

/* ---- headers ---- */

static void add_number(struct chain *chain, const char *name, int64_t number)
{
    headers_set(&chain->answer.headers, str_of(name), exchange_printf(chain->exchange, "%" PRId64, number));
}

/* The one with the least left; of equals the longest. */
static enum period tightest(const struct settings *settings, const struct usage *usage)
{
    enum period found = PERIOD_COUNT;

    for (enum period i = PERIOD_SECOND; i < PERIOD_COUNT; i++)
        if (settings->limits[i] > 0 &&
            (found == PERIOD_COUNT || usage->remaining[i] <= usage->remaining[found]))
            found = i;
    return found;
}

static void header_filter(struct chain *chain, const void *object)
{
    static const char *const limit_names[PERIOD_COUNT] = {
        "X-RateLimit-Limit-Second", "X-RateLimit-Limit-Minute", "X-RateLimit-Limit-Hour",
        "X-RateLimit-Limit-Day",    "X-RateLimit-Limit-Month",  "X-RateLimit-Limit-Year"};
    static const char *const remaining_names[PERIOD_COUNT] = {
        "X-RateLimit-Remaining-Second", "X-RateLimit-Remaining-Minute", "X-RateLimit-Remaining-Hour",
        "X-RateLimit-Remaining-Day",    "X-RateLimit-Remaining-Month",  "X-RateLimit-Remaining-Year"};
    const struct settings *settings = object;
    const struct usage *usage = chain_kept(chain, &rate_limiting_plugin);

    if (settings->hidden || usage == NULL)
        return;
    enum period tight = tightest(settings, usage);
    if (tight == PERIOD_COUNT)
        return;
    for (size_t i = 0; i < PERIOD_COUNT; i++) {
        if (settings->limits[i] == 0)
            continue;
        add_number(chain, limit_names[i], settings->limits[i]);
        add_number(chain, remaining_names[i], usage->remaining[i]);
    }
    int64_t reset_s = period_length_s(tight) - (usage->now_s - usage->start_s[tight]);
    reset_s = reset_s > 1 ? reset_s : 1;
    add_number(chain, "RateLimit-Limit", settings->limits[tight]);
    add_number(chain, "RateLimit-Remaining", usage->remaining[tight]);
    add_number(chain, "RateLimit-Reset", reset_s);
    if (usage->blocked)
        add_number(chain, "Retry-After", reset_s);
}

/* ---- access ---- */

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;

    if (!settings->is_local || chain->world->counters == NULL)
        return settings->fault_tolerant ? PLUGIN_NEXT : PLUGIN_FAILED; /* there is nowhere to count */
    struct usage *usage = exchange_alloc(chain->exchange, sizeof(*usage));
    *usage = (struct usage){.now_s = clock_unix_s(chain->world->clock)};
    count(chain, settings, usage);
    chain_keep(chain, &rate_limiting_plugin, usage);
    if (!usage->blocked)
        return PLUGIN_NEXT;
    if (settings->error_code < 200 || settings->error_code > 599)
        return PLUGIN_FAILED; /* the schema takes any number; HTTP does not */
    return chain_answer_error(chain, settings->error_code,
                              settings->error_message != NULL ? settings->error_message
                                                              : "API rate limit exceeded");
}

const struct plugin rate_limiting_plugin = {
    .schema =
        {
            .name = "rate-limiting",
            .version = "3.5.0",
            .priority = 910,
            .config = &config_record,
            .protocols = part_web_protocols,
            .checks = checks,
            .check_count = COUNT(checks),
        },
    .configure = configure,
    .dispose = dispose,
    .access = access_phase,
    .header_filter = header_filter,
};
