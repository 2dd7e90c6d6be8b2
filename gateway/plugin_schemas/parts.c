/*
 * parts - see parts.h.
 */

#include "gateway/plugin_schemas/parts.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "gateway/model/texts.h"

const struct field part_text = {.name = "elements", .kind = FIELD_STRING};
const struct field part_key = {.name = "keys", .kind = FIELD_STRING};
const struct field part_value = {.name = "values", .kind = FIELD_STRING};

const struct field part_queue_fields[7] = {
    /* clang-format off */
    {.name = "max_batch_size", .kind = FIELD_INTEGER, .fallback = "1", .has_between = true, .between_min = 1, .between_max = 1000000},
    {.name = "max_coalescing_delay", .kind = FIELD_NUMBER, .fallback = "1", .has_between = true, .between_max = 3600},
    {.name = "max_entries", .kind = FIELD_INTEGER, .fallback = "10000", .has_between = true, .between_min = 1, .between_max = 1000000},
    {.name = "max_bytes", .kind = FIELD_INTEGER},
    {.name = "max_retry_time", .kind = FIELD_NUMBER, .fallback = "60"},
    {.name = "initial_retry_delay", .kind = FIELD_NUMBER, .fallback = "0.01", .has_between = true, .between_min = 0.001, .between_max = 1000000},
    {.name = "max_retry_delay", .kind = FIELD_NUMBER, .fallback = "60", .has_between = true, .between_min = 0.001, .between_max = 1000000},
    /* clang-format on */
};

const char *const part_severities[] = {"debug", "info",  "notice", "warning", "err",
                                       "crit",  "alert", "emerg",  NULL};
const char *const part_trace_headers[] = {"preserve", "ignore", "b3",  "b3-single", "w3c",
                                          "jaeger",   "ot",     "aws", "gcp",       NULL};
const char *const part_web_protocols[] = {"grpc", "grpcs", "http", "https", NULL};
const struct field_note part_method_notes[] = {{"match", "\"^%u+$\""}, {NULL, NULL}};

const char part_no_lua[] = "it runs Lua, which this gateway does not do (request-transformer and "
                           "request-termination do much of what it is used for)";
const char part_not_here[] = "this gateway does not have it";

bool text_is_url(const cJSON *value, char message[256])
{
    const char *url = value->valuestring;
    size_t scheme = 0;
    const char *wrong = NULL;

    while (isalnum((unsigned char)url[scheme]) != 0 ||
           (url[scheme] != '\0' && strchr("+-.", url[scheme]) != NULL))
        scheme++;
    if (scheme == 0 || isalpha((unsigned char)url[0]) == 0 || url[scheme] != ':') {
        wrong = "missing scheme in url";
    } else {
        const char *host = strncmp(url + scheme, "://", 3) == 0 ? url + scheme + 3 : "";
        size_t length = strcspn(host, "/?#");
        const char *user = memchr(host, '@', length);
        if (user != NULL) {
            length -= (size_t)(user + 1 - host);
            host = user + 1;
        }
        if (length == 0 || host[0] == ':')
            wrong = "missing host in url";
    }
    if (wrong != NULL)
        (void)snprintf(message, 256, "%s", wrong);
    return wrong == NULL;
}

bool text_is_no_lua(const cJSON *value, char message[256])
{
    if (value->child == NULL)
        return true;
    (void)snprintf(message, 256, "Lua code is not run by this gateway: only an empty value is taken");
    return false;
}

bool part_periods_ascend(const cJSON *limits, char message[256])
{
    static const char *const periods[] = {"second", "minute", "hour", "day", "month", "year"};
    const cJSON *limit[COUNT(periods)];

    for (size_t i = 0; i < COUNT(periods); i++) {
        limit[i] = cJSON_GetObjectItemCaseSensitive(limits, periods[i]);
        for (size_t k = 0; k < i && cJSON_IsNumber(limit[i]); k++) {
            if (!cJSON_IsNumber(limit[k]) || limit[i]->valuedouble >= limit[k]->valuedouble)
                continue;
            (void)snprintf(message, 256, "The limit for %s(%.1f) cannot be lower than the limit for %s(%.1f)",
                           periods[i], limit[i]->valuedouble, periods[k], limit[k]->valuedouble);
            return false;
        }
    }
    return true;
}

bool part_refuse_unless(bool good, const cJSON *value, char message[256])
{
    if (!good)
        (void)snprintf(message, 256, "invalid value: %s", value->valuestring);
    return good;
}

const struct field part_if_redis = {.name = "config.policy", .eq_json = "\"redis\""};
const struct field part_needs_redis_host = {.name = "config.redis_host", .flags = FIELD_REQUIRED};
const struct field part_needs_redis_port = {.name = "config.redis_port", .flags = FIELD_REQUIRED};
const struct field part_needs_redis_timeout = {.name = "config.redis_timeout", .flags = FIELD_REQUIRED};

static const char *const sampled_types[] = {"counter", "gauge", NULL};
static const struct field if_sampled = {.name = "stat_type", .one_of = sampled_types};
static const struct field needs_sample_rate = {.name = "sample_rate", .flags = FIELD_REQUIRED};

const struct check part_metric_checks[1] = {
    {.kind = CHECK_CONDITIONAL, .if_field = &if_sampled, .then_field = &needs_sample_rate}};
const char *const part_consumer_identifiers[] = {"consumer_id", "custom_id", "username", NULL};
