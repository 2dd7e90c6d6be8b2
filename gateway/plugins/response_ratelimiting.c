/*
 * response_ratelimiting - see response_ratelimiting.h.
 *
 * Before a request goes upstream it is known how much is left; what it costs is known only when the answer
 * comes, so it is counted afterwards, and the request that crosses a limit still succeeds. Counters belong to
 * the node.
 */

#include "gateway/plugins/response_ratelimiting.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/window_counters.h"
#include "gateway/http/token.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/rate_limit.h"

/* ---- settings ---- */

static const char *const period_fields[] = {"second", "minute", "hour", "day", "month", "year", NULL};

static const struct check limit_checks[] = {{.kind = CHECK_AT_LEAST_ONE_OF, .names = period_fields}};

static const char *const limit_by_choices[] = {"consumer", "credential", "ip", NULL};

static const char *const policy_choices[] = {"local", "cluster", "redis", NULL};

static const struct field limits_values_fields[] = {
    /* clang-format off */
    {.name = "second", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "minute", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "hour", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "day", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "month", .kind = FIELD_NUMBER, .has_gt = true},
    {.name = "year", .kind = FIELD_NUMBER, .has_gt = true},
    /* clang-format on */
};

static const struct field limits_value = {.name = "values",
                                          .kind = FIELD_RECORD,
                                          .check = part_periods_ascend,
                                          .fields = limits_values_fields,
                                          .field_count = COUNT(limits_values_fields),
                                          .checks = limit_checks,
                                          .check_count = COUNT(limit_checks)};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "header_name", .kind = FIELD_STRING, .fallback = "\"x-kong-limit\""},
    {.name = "limit_by", .kind = FIELD_STRING, .fallback = "\"consumer\"", .one_of = limit_by_choices},
    {.name = "policy", .kind = FIELD_STRING, .fallback = "\"local\"", .one_of = policy_choices},
    {.name = "fault_tolerant", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true"},
    {.name = "redis_host", .kind = FIELD_STRING, .check = text_is_host},
    {.name = "redis_port", .kind = FIELD_INTEGER, .fallback = "6379", .has_between = true, .between_max = 65535},
    {.name = "redis_password", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_EMPTY_OK},
    {.name = "redis_username", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE},
    {.name = "redis_ssl", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "redis_ssl_verify", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "redis_server_name", .kind = FIELD_STRING, .check = text_is_sni},
    {.name = "redis_timeout", .kind = FIELD_NUMBER, .fallback = "2000"},
    {.name = "redis_database", .kind = FIELD_NUMBER, .fallback = "0"},
    {.name = "block_on_first_violation", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "hide_client_headers", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    {.name = "limits", .kind = FIELD_MAP, .flags = FIELD_REQUIRED, .len_min = 1, .keys = &part_key,
     .values = &limits_value},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

/* Nodes that count together are not there yet: better no limit than one that seems to be in force. */
static void refuse_policies(const cJSON *object, struct violations *violations)
{
    const char *policy = document_text(cJSON_GetObjectItemCaseSensitive(object, "config"), "policy");

    if (policy != NULL && strcmp(policy, "local") != 0 && !violations_any(violations))
        violations_add(violations, "config.policy",
                       "this gateway does not count by policy '%s' yet; use 'local'", policy);
}

static const struct check checks[] = {
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_host},
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_port},
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_timeout},
    {.kind = CHECK_CUSTOM, .run = refuse_policies},
};

/* One name of `limits`, with the headers that speak of it; NULL: the name does not go into one. */
struct named_limit {
    char *name;
    int64_t limits[PERIOD_COUNT]; /* 0: none */
    char *to_upstream;
    char *limit_headers[PERIOD_COUNT], *remaining_headers[PERIOD_COUNT];
};

enum limit_by {
    BY_CONSUMER,
    BY_CREDENTIAL,
    BY_IP
};

struct settings {
    struct named_limit *names;
    size_t name_count;
    char *header_name;
    enum limit_by limit_by;
    bool is_local, fault_tolerant, block_on_first_violation, hidden;
};

static void dispose(void *object)
{
    struct settings *settings = object;

    for (size_t i = 0; i < settings->name_count; i++) {
        struct named_limit *limit = &settings->names[i];
        for (size_t k = 0; k < PERIOD_COUNT; k++) {
            free(limit->limit_headers[k]);
            free(limit->remaining_headers[k]);
        }
        free(limit->to_upstream);
        free(limit->name);
    }
    free(settings->names);
    free(settings->header_name);
    free(settings);
}

/* NULL: it is no name of a header. */
static char *header_named(const char *start, const char *name, const char *period)
{
    struct buf text = {0};

    buf_printf(&text, "%s%s%s%s", start, name, period != NULL ? "-" : "", period != NULL ? period : "");
    char *header = token_is_valid(buf_str(&text)) ? mem_strdup(text.at) : NULL;
    buf_fini(&text);
    return header;
}

static void read_limit(const cJSON *record, struct named_limit *limit)
{
    const char *name = record->string;

    *limit = (struct named_limit){.name = mem_strdup(name)};
    limit->to_upstream = header_named("X-RateLimit-Remaining-", name, NULL);
    rate_limits_read(record, limit->limits);
    for (size_t i = 0; i < PERIOD_COUNT; i++) {
        if (limit->limits[i] == 0)
            continue;
        limit->limit_headers[i] = header_named("X-RateLimit-Limit-", name, period_names[i]);
        limit->remaining_headers[i] = header_named("X-RateLimit-Remaining-", name, period_names[i]);
    }
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
    const cJSON *limits = cJSON_GetObjectItemCaseSensitive(config, "limits");
    const char *policy = document_text(config, "policy");
    const char *header_name = document_text(config, "header_name");
    const cJSON *record;

    (void)err;
    settings->names = mem_zalloc(((size_t)cJSON_GetArraySize(limits) + 1) * sizeof(*settings->names));
    cJSON_ArrayForEach(record, limits) read_limit(record, &settings->names[settings->name_count++]);
    settings->header_name = mem_strdup(header_name != NULL ? header_name : "x-kong-limit");
    settings->limit_by = limit_by_named(document_text(config, "limit_by"));
    settings->is_local = policy == NULL || strcmp(policy, "local") == 0;
    settings->fault_tolerant = document_bool(config, "fault_tolerant", true);
    settings->block_on_first_violation = document_bool(config, "block_on_first_violation", false);
    settings->hidden = document_bool(config, "hide_client_headers", false);
    *object = settings;
    return true;
}

/* ---- counting ---- */

/* Of one request, from access to log. One per name of the settings. */
struct name_usage {
    int64_t remaining[PERIOD_COUNT]; /* before this request */
    int64_t cost;                    /* as the upstream says */
};

struct usage {
    int64_t now_s;
    struct digest identity;
    bool stopped;
    struct name_usage of[];
};

/* What a counter is found by: of the configuration's scope, not of the request's. */
struct key {
    struct uuid route, service;
    int64_t start_s;
    int64_t period;
    struct digest identity, name;
};

static struct digest identity_of(struct chain *chain, const struct settings *settings)
{
    struct str identity = STR_NONE;
    struct digest digest;

    if (settings->limit_by == BY_CONSUMER)
        identity = rate_limit_consumer(chain);
    else if (settings->limit_by == BY_CREDENTIAL)
        identity = chain->credential_identifier;
    if (identity.at == NULL)
        identity = chain->client_address;
    digest_make(&chain->world->salt, identity, &digest);
    return digest;
}

static struct window_counter *counter_of(struct chain *chain, const struct usage *usage, const char *name,
                                         enum period period)
{
    struct key key = {.route = chain->running->route,
                      .service = chain->running->service,
                      .start_s = period_start_s(period, usage->now_s),
                      .period = (int64_t)period,
                      .identity = usage->identity};
    struct digest digest;

    digest_make(&chain->world->salt, str_of(name), &key.name);
    digest_make(&chain->world->salt, (struct str){(const char *)&key, sizeof(key)}, &digest);
    return window_counters_get(chain->world->counters, &digest,
                               (key.start_s + period_longest_s(period)) * 1000, usage->now_s * 1000);
}

/* Fills in what remains. false: there is nowhere to count. */
static bool read_usage(struct chain *chain, const struct settings *settings, struct usage *usage)
{
    if (!settings->is_local || chain->world->counters == NULL)
        return false;
    for (size_t i = 0; i < settings->name_count; i++) {
        const struct named_limit *limit = &settings->names[i];
        for (size_t k = 0; k < PERIOD_COUNT; k++) {
            if (limit->limits[k] == 0)
                continue;
            uint64_t used = window_counter_read(counter_of(chain, usage, limit->name, (enum period)k));
            usage->of[i].remaining[k] =
                used < (uint64_t)limit->limits[k] ? limit->limits[k] - (int64_t)used : 0;
        }
    }
    return true;
}

static void add_usage(struct chain *chain, const struct settings *settings, const struct usage *usage)
{
    for (size_t i = 0; i < settings->name_count; i++) {
        const struct named_limit *limit = &settings->names[i];
        for (size_t k = 0; k < PERIOD_COUNT && usage->of[i].cost > 0; k++)
            if (limit->limits[k] > 0)
                window_counter_add(counter_of(chain, usage, limit->name, (enum period)k),
                                   (uint64_t)usage->of[i].cost);
    }
}

/* ---- access ---- */

/* The smallest over the periods. */
static int64_t remaining_of(const struct named_limit *limit, const struct name_usage *usage)
{
    int64_t least = INT64_MAX;

    for (size_t i = 0; i < PERIOD_COUNT; i++)
        if (limit->limits[i] > 0 && usage->remaining[i] < least)
            least = usage->remaining[i];
    return least;
}

static void set_number(struct chain *chain, struct headers *headers, const char *name, int64_t number)
{
    if (name != NULL)
        headers_set(headers, str_of(name), exchange_printf(chain->exchange, "%" PRId64, number));
}

static enum plugin_result refuse(struct chain *chain, const char *name)
{
    struct buf message = {0};

    buf_printf(&message, "API rate limit exceeded for '%s'", name);
    enum plugin_result result = chain_answer_error(chain, 429, message.at);
    buf_fini(&message);
    return result;
}

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct headers *headers = &exchange_request(chain->exchange)->headers;
    size_t size = sizeof(struct usage) + settings->name_count * sizeof(struct name_usage);
    struct usage *usage = memset(exchange_alloc(chain->exchange, size), 0, size);

    usage->now_s = clock_unix_s(chain->world->clock);
    usage->identity = identity_of(chain, settings);
    if (!read_usage(chain, settings, usage))
        return settings->fault_tolerant ? PLUGIN_NEXT : PLUGIN_FAILED;
    chain_keep(chain, &response_ratelimiting_plugin, usage);
    for (size_t i = 0; i < settings->name_count; i++) {
        const struct named_limit *limit = &settings->names[i];
        int64_t remaining = remaining_of(limit, &usage->of[i]);
        if (settings->block_on_first_violation && remaining == 0)
            return refuse(chain, limit->name);
        set_number(chain, headers, limit->to_upstream, remaining);
    }
    return PLUGIN_NEXT;
}

/* ---- what the answer costs ---- */

/* name=number; what is neither known nor a number counts for nothing. */
static void read_cost(const struct settings *settings, struct usage *usage, struct str part)
{
    size_t equals = str_find(part, '=', 0);
    int64_t cost;

    if (equals == SIZE_MAX || !token_to_length(str_trim(str_part(part, equals + 1, part.len)), &cost))
        return;
    struct str name = str_trim(str_part(part, 0, equals));
    for (size_t i = 0; i < settings->name_count; i++)
        if (str_equal(name, str_of(settings->names[i].name)))
            usage->of[i].cost = cost;
}

static void read_costs(struct chain *chain, const struct settings *settings, struct usage *usage)
{
    const struct headers *headers = &chain->answer.headers;
    struct str name = str_of(settings->header_name);

    for (const struct header *line = headers_find(headers, name); line != NULL;
         line = headers_find_next(headers, line, name))
        for (size_t at = 0; at < line->value.len;) {
            size_t end = str_find(line->value, ',', at);
            end = end != SIZE_MAX ? end : line->value.len;
            read_cost(settings, usage, str_part(line->value, at, end));
            at = end + 1;
        }
}

static void show(struct chain *chain, const struct named_limit *limit, const struct name_usage *usage)
{
    struct headers *headers = &chain->answer.headers;

    for (size_t i = 0; i < PERIOD_COUNT; i++) {
        if (limit->limits[i] == 0)
            continue;
        int64_t left = usage->remaining[i] > usage->cost ? usage->remaining[i] - usage->cost : 0;
        set_number(chain, headers, limit->limit_headers[i], limit->limits[i]);
        set_number(chain, headers, limit->remaining_headers[i], left);
    }
}

static void header_filter(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct usage *usage = chain_kept(chain, &response_ratelimiting_plugin);
    bool is_upstreams = chain->hop.head_us != 0;

    if (usage != NULL && is_upstreams)
        read_costs(chain, settings, usage);
    if (is_upstreams)
        (void)headers_remove(&chain->answer.headers, str_of(settings->header_name));
    for (size_t i = 0; usage != NULL && i < settings->name_count; i++) {
        const struct named_limit *limit = &settings->names[i];
        if (!settings->hidden)
            show(chain, limit, &usage->of[i]);
        usage->stopped |= usage->of[i].cost > 0 && remaining_of(limit, &usage->of[i]) == 0;
    }
    if (usage != NULL && usage->stopped)
        (void)chain_answer_message(chain, 429, NULL);
}

static void log_phase(struct chain *chain, const void *object)
{
    const struct usage *usage = chain_kept(chain, &response_ratelimiting_plugin);

    if (usage != NULL && !usage->stopped)
        add_usage(chain, object, usage);
}

const struct plugin response_ratelimiting_plugin = {
    .schema =
        {
            .name = "response-ratelimiting",
            .version = "3.5.0",
            .priority = 900,
            .config = &config_record,
            .protocols = part_web_protocols,
            .checks = checks,
            .check_count = COUNT(checks),
        },
    .configure = configure,
    .dispose = dispose,
    .access = access_phase,
    .header_filter = header_filter,
    .log = log_phase,
};
