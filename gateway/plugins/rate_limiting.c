/*
 * rate_limiting - see rate_limiting.h.
 *
 * A request is counted before it is let through: of any number of requests at once exactly as many pass as
 * the limit says. Where it is counted is chain/tally.h's. Counters belong to no configuration, so that
 * another one goes on where the one before was.
 */

#include "gateway/plugins/rate_limiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/tally.h"
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
    PART_REDIS,
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

static const struct check checks[] = {
    {.kind = CHECK_AT_LEAST_ONE_OF, .names = period_fields},
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_host},
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_port},
    {.kind = CHECK_CONDITIONAL, .if_field = &if_by_header, .then_field = &needs_header_name},
    {.kind = CHECK_CONDITIONAL, .if_field = &if_by_path, .then_field = &needs_path},
    {.kind = CHECK_CONDITIONAL, .if_field = &part_if_redis, .then_field = &part_needs_redis_timeout},
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
    bool hidden;
    struct tally_settings tally;
};

static void dispose(void *object)
{
    struct settings *settings = object;

    tally_settings_fini(&settings->tally);
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

    (void)err;
    rate_limits_read(config, settings->limits);
    settings->limit_by = limit_by_named(document_text(config, "limit_by"));
    settings->header_name = mem_strdup(document_text(config, "header_name"));
    settings->path = mem_strdup(document_text(config, "path"));
    settings->error_message = mem_strdup(document_text(config, "error_message"));
    settings->error_code = (int)document_int(config, "error_code", 429);
    tally_settings_init(&settings->tally, config);
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
        return rate_limit_credential(chain);
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

/* ---- counting ---- */

/* Of one request, from access to the head of its answer. */
struct usage_now {
    struct tally tally;
    struct tally_window windows[PERIOD_COUNT];
    enum period periods[PERIOD_COUNT]; /* of the windows */
    bool counted, blocked;
};

/* Once: a phase that is run again goes on with the moment at which it began. */
static struct usage_now *usage_of(struct chain *chain, const struct settings *settings)
{
    struct usage_now *usage = chain_kept(chain, &rate_limiting_plugin);

    if (usage != NULL)
        return usage;
    usage = exchange_alloc(chain->exchange, sizeof(*usage));
    *usage = (struct usage_now){.tally = {.settings = &settings->tally,
                                          .family = "ratelimit",
                                          .identity = find_identity(chain, settings),
                                          .now_s = clock_unix_s(chain->world->clock),
                                          .windows = usage->windows}};
    if (usage->tally.identity.at == NULL)
        usage->tally.identity = chain->client_address;
    for (enum period i = PERIOD_SECOND; i < PERIOD_COUNT; i++) {
        if (settings->limits[i] == 0)
            continue;
        usage->periods[usage->tally.count] = i;
        usage->windows[usage->tally.count++] =
            (struct tally_window){.period = period_names[i],
                                  .starts_s = period_start_s(i, usage->tally.now_s),
                                  .ends_s = period_end_s(i, usage->tally.now_s),
                                  .limit = (uint64_t)settings->limits[i]};
    }
    chain_keep(chain, &rate_limiting_plugin, usage);
    return usage;
}

/* After this request. One that is blocked leaves what the other periods had. */
static int64_t remaining(const struct usage_now *usage, size_t number)
{
    const struct tally_window *window = &usage->windows[number];
    uint64_t used = window->used + (!usage->blocked || window->over ? 1 : 0);

    return used < window->limit ? (int64_t)(window->limit - used) : 0;
}

/* ---- headers ---- */

static void add_number(struct chain *chain, const char *name, int64_t number)
{
    rate_limit_show(chain, &chain->answer.headers, name, number);
}

/* The one with the least left; of equals the longest. There is one. */
static size_t tightest(const struct usage_now *usage)
{
    size_t found = 0;

    for (size_t i = 1; i < usage->tally.count; i++)
        if (remaining(usage, i) <= remaining(usage, found))
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
    const struct usage_now *usage = chain_kept(chain, &rate_limiting_plugin);

    if (settings->hidden || usage == NULL || !usage->counted || usage->tally.count == 0)
        return;
    for (size_t i = 0; i < usage->tally.count; i++) {
        add_number(chain, limit_names[usage->periods[i]], (int64_t)usage->windows[i].limit);
        add_number(chain, remaining_names[usage->periods[i]], remaining(usage, i));
    }
    size_t tight = tightest(usage);
    int64_t reset_s =
        period_length_s(usage->periods[tight]) - (usage->tally.now_s - usage->windows[tight].starts_s);
    reset_s = reset_s > 1 ? reset_s : 1;
    add_number(chain, "RateLimit-Limit", (int64_t)usage->windows[tight].limit);
    add_number(chain, "RateLimit-Remaining", remaining(usage, tight));
    add_number(chain, "RateLimit-Reset", reset_s);
    if (usage->blocked)
        add_number(chain, "Retry-After", reset_s);
}

/* ---- access ---- */

static enum plugin_result refuse(struct chain *chain, const struct settings *settings)
{
    if (settings->error_code < 200 || settings->error_code > 599)
        return PLUGIN_FAILED; /* the schema takes any number; HTTP does not */
    return chain_answer_error(chain, settings->error_code,
                              settings->error_message != NULL ? settings->error_message
                                                              : "API rate limit exceeded");
}

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct usage_now *usage = usage_of(chain, settings);

    switch (tally_take(chain, &usage->tally)) {
    case TALLY_WAIT:
        return PLUGIN_WAIT;
    case TALLY_FAILED:
        return settings->tally.fault_tolerant ? PLUGIN_NEXT : PLUGIN_FAILED;
    case TALLY_DONE:
        break;
    }
    usage->counted = true;
    for (size_t i = 0; i < usage->tally.count; i++)
        usage->blocked |= usage->windows[i].over;
    return usage->blocked ? refuse(chain, settings) : PLUGIN_NEXT;
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
