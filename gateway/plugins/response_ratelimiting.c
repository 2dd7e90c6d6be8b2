/*
 * response_ratelimiting - see response_ratelimiting.h.
 *
 * Before a request goes upstream it is known how much is left; what it costs is known only when the answer
 * comes, so it is counted afterwards, and the request that crosses a limit still succeeds. Where it is
 * counted is chain/tally.h's.
 */

#include "gateway/plugins/response_ratelimiting.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/tally.h"
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
    PART_REDIS,
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

static const struct check checks[] = {
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_host},
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_port},
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_timeout},
};

/* One name of `limits`. */
struct named_limit {
    char *name;
    char *to_upstream; /* a header; NULL: the name does not go into one */
};

/* One of its periods. */
struct period_limit {
    size_t name; /* in settings->names */
    enum period period;
    int64_t limit;
    char *limit_header, *remaining_header; /* NULL: likewise */
};

enum limit_by {
    BY_CONSUMER,
    BY_CREDENTIAL,
    BY_IP
};

struct settings {
    struct named_limit *names;
    size_t name_count;
    struct period_limit *periods; /* of all names */
    size_t period_count;
    char *header_name;
    enum limit_by limit_by;
    struct tally_settings tally;
    bool block_on_first_violation, hidden;
};

static void dispose(void *object)
{
    struct settings *settings = object;

    for (size_t i = 0; i < settings->period_count; i++) {
        free(settings->periods[i].limit_header);
        free(settings->periods[i].remaining_header);
    }
    for (size_t i = 0; i < settings->name_count; i++) {
        free(settings->names[i].to_upstream);
        free(settings->names[i].name);
    }
    tally_settings_fini(&settings->tally);
    free(settings->periods);
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

static void read_limit(const cJSON *record, struct settings *settings)
{
    const char *name = record->string;
    int64_t limits[PERIOD_COUNT];

    rate_limits_read(record, limits);
    for (enum period i = PERIOD_SECOND; i < PERIOD_COUNT; i++) {
        if (limits[i] == 0)
            continue;
        settings->periods[settings->period_count++] = (struct period_limit){
            .name = settings->name_count,
            .period = i,
            .limit = limits[i],
            .limit_header = header_named("X-RateLimit-Limit-", name, period_names[i]),
            .remaining_header = header_named("X-RateLimit-Remaining-", name, period_names[i]),
        };
    }
    settings->names[settings->name_count++] = (struct named_limit){
        .name = mem_strdup(name), .to_upstream = header_named("X-RateLimit-Remaining-", name, NULL)};
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
    size_t count = (size_t)cJSON_GetArraySize(limits);
    const char *header_name = document_text(config, "header_name");
    const cJSON *record;

    (void)err;
    settings->names = mem_zalloc((count + 1) * sizeof(*settings->names));
    settings->periods = mem_zalloc((count * PERIOD_COUNT + 1) * sizeof(*settings->periods));
    cJSON_ArrayForEach(record, limits) read_limit(record, settings);
    settings->header_name = mem_strdup(header_name != NULL ? header_name : "x-kong-limit");
    settings->limit_by = limit_by_named(document_text(config, "limit_by"));
    tally_settings_init(&settings->tally, config);
    settings->block_on_first_violation = document_bool(config, "block_on_first_violation", false);
    settings->hidden = document_bool(config, "hide_client_headers", false);
    *object = settings;
    return true;
}

/* ---- counting ---- */

/* Of one request, from access to log. Windows as the periods of the settings. */
struct usage_now {
    struct tally tally;
    bool counted, stopped;
    uint64_t *costs; /* of each name, as the upstream says */
};

static struct str identity_of(struct chain *chain, const struct settings *settings)
{
    struct str identity = STR_NONE;

    if (settings->limit_by == BY_CONSUMER)
        identity = rate_limit_consumer(chain);
    else if (settings->limit_by == BY_CREDENTIAL)
        identity = rate_limit_credential(chain);
    return identity.at != NULL ? identity : chain->client_address;
}

/* In the exchange's memory, all zero. */
static void *zalloc(struct chain *chain, size_t size)
{
    return memset(exchange_alloc(chain->exchange, size), 0, size);
}

/* Once: a phase that is run again goes on with the moment at which it began. */
static struct usage_now *usage_of(struct chain *chain, const struct settings *settings)
{
    struct usage_now *usage = chain_kept(chain, &response_ratelimiting_plugin);

    if (usage != NULL)
        return usage;
    usage = zalloc(chain, sizeof(*usage));
    usage->costs = zalloc(chain, (settings->name_count + 1) * sizeof(*usage->costs));
    usage->tally = (struct tally){
        .settings = &settings->tally,
        .family = "response-ratelimit",
        .identity = identity_of(chain, settings),
        .now_s = clock_unix_s(chain->world->clock),
        .windows = zalloc(chain, (settings->period_count + 1) * sizeof(*usage->tally.windows)),
        .count = settings->period_count,
    };
    for (size_t i = 0; i < settings->period_count; i++) {
        const struct period_limit *limit = &settings->periods[i];
        usage->tally.windows[i] =
            (struct tally_window){.name = str_of(settings->names[limit->name].name),
                                  .period = period_names[limit->period],
                                  .starts_s = period_start_s(limit->period, usage->tally.now_s),
                                  .ends_s = period_end_s(limit->period, usage->tally.now_s),
                                  .limit = (uint64_t)limit->limit};
    }
    chain_keep(chain, &response_ratelimiting_plugin, usage);
    return usage;
}

/* Before this request. */
static int64_t remaining_in(const struct tally_window *window)
{
    return window->used < window->limit ? (int64_t)(window->limit - window->used) : 0;
}

/* ---- access ---- */

/* The smallest over the periods of a name. */
static int64_t remaining_of(const struct settings *settings, const struct usage_now *usage, size_t name)
{
    int64_t least = INT64_MAX;

    for (size_t i = 0; i < settings->period_count; i++)
        if (settings->periods[i].name == name && remaining_in(&usage->tally.windows[i]) < least)
            least = remaining_in(&usage->tally.windows[i]);
    return least;
}

static void set_number(struct chain *chain, struct headers *headers, const char *name, int64_t number)
{
    if (name != NULL)
        rate_limit_show(chain, headers, name, number);
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
    struct usage_now *usage = usage_of(chain, settings);

    switch (tally_read(chain, &usage->tally)) {
    case TALLY_WAIT:
        return PLUGIN_WAIT;
    case TALLY_FAILED:
        return settings->tally.fault_tolerant ? PLUGIN_NEXT : PLUGIN_FAILED;
    case TALLY_DONE:
        break;
    }
    usage->counted = true;
    for (size_t i = 0; i < settings->name_count; i++) {
        int64_t remaining = remaining_of(settings, usage, i);
        if (settings->block_on_first_violation && remaining == 0)
            return refuse(chain, settings->names[i].name);
        set_number(chain, headers, settings->names[i].to_upstream, remaining);
    }
    return PLUGIN_NEXT;
}

/* ---- what the answer costs ---- */

/* name=number; what is neither known nor a number counts for nothing, more than any limit for the largest. */
static void read_cost(const struct settings *settings, const struct usage_now *usage, struct str part)
{
    size_t equals = str_find(part, '=', 0);
    int64_t cost;

    if (equals == SIZE_MAX || !token_to_length(str_trim(str_part(part, equals + 1, part.len)), &cost))
        return;
    struct str name = str_trim(str_part(part, 0, equals));
    for (size_t i = 0; i < settings->name_count; i++)
        if (str_equal(name, str_of(settings->names[i].name)))
            usage->costs[i] = (uint64_t)(cost < RATE_LIMIT_MAX ? cost : RATE_LIMIT_MAX);
}

static void read_costs(struct chain *chain, const struct settings *settings, const struct usage_now *usage)
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

static void show(struct chain *chain, const struct settings *settings, const struct usage_now *usage)
{
    struct headers *headers = &chain->answer.headers;

    for (size_t i = 0; i < settings->period_count; i++) {
        const struct period_limit *limit = &settings->periods[i];
        int64_t remaining = remaining_in(&usage->tally.windows[i]);
        int64_t cost = (int64_t)usage->costs[limit->name];
        set_number(chain, headers, limit->limit_header, limit->limit);
        set_number(chain, headers, limit->remaining_header, remaining > cost ? remaining - cost : 0);
    }
}

static void header_filter(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct usage_now *usage = chain_kept(chain, &response_ratelimiting_plugin);
    bool is_counted = usage != NULL && usage->counted;

    if (is_counted && chain->hop.head_us != 0) /* an answer that is given again costs nothing */
        read_costs(chain, settings, usage);
    (void)headers_remove(&chain->answer.headers, str_of(settings->header_name));
    if (is_counted && !settings->hidden)
        show(chain, settings, usage);
    for (size_t i = 0; is_counted && i < settings->name_count; i++)
        usage->stopped |= usage->costs[i] > 0 && remaining_of(settings, usage, i) == 0;
    if (is_counted && usage->stopped)
        (void)chain_answer_message(chain, 429, NULL);
}

static void log_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct usage_now *usage = chain_kept(chain, &response_ratelimiting_plugin);

    if (usage == NULL || !usage->counted || usage->stopped)
        return;
    for (size_t i = 0; i < settings->period_count; i++)
        usage->tally.windows[i].amount = usage->costs[settings->periods[i].name];
    tally_add(chain, &usage->tally);
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
