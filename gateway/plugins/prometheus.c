/*
 * prometheus - see prometheus.h. Names, labels and limits of buckets are those that dashboards made for Kong
 * know.
 *
 * The code of an answer is the one label that is not an administrator's word: an upstream can make up some
 * nine hundred of them.
 */

#include "gateway/plugins/prometheus.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/base/series.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/log_record.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"

/* ---- settings ---- */

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "per_consumer", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "status_code_metrics", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "latency_metrics", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "bandwidth_metrics", .kind = FIELD_BOOLEAN, .fallback = "false"},
    {.name = "upstream_health_metrics", .kind = FIELD_BOOLEAN, .fallback = "false"},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

struct settings {
    bool per_consumer, codes, latencies, bandwidth, health;
};

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_alloc(sizeof(*settings));

    (void)err;
    *settings = (struct settings){
        .per_consumer = document_bool(config, "per_consumer", false),
        .codes = document_bool(config, "status_code_metrics", false),
        .latencies = document_bool(config, "latency_metrics", false),
        .bandwidth = document_bool(config, "bandwidth_metrics", false),
        .health = document_bool(config, "upstream_health_metrics", false),
    };
    *object = settings;
    return true;
}

static bool wants_health(const void *object)
{
    const struct settings *settings = object;

    return settings->health;
}

/* ---- what is counted ---- */

static const struct series_family request_families[] = {
    {.name = "kong_http_requests_total", .help = "requests with a service, by the code of their answer"},
};

static const struct series_kind requests = {
    .labels = {"service", "route", "code", "source", "consumer"},
    .label_count = 5,
    .slot_count = COUNT(request_families),
    .families = request_families,
    .family_count = COUNT(request_families),
};

enum {
    INGRESS,
    EGRESS
};

static const struct series_family bandwidth_families[] = {
    {.name = "kong_bandwidth_bytes",
     .help = "bytes of requests (ingress) and of answers (egress), heads included",
     .label = "direction=\"ingress\"",
     .slot = INGRESS},
    {.name = "kong_bandwidth_bytes", .label = "direction=\"egress\"", .slot = EGRESS},
};

static const struct series_kind bandwidth = {
    .labels = {"service", "route", "consumer"},
    .label_count = 3,
    .slot_count = COUNT(bandwidth_families),
    .families = bandwidth_families,
    .family_count = COUNT(bandwidth_families),
};

#define MS(milliseconds) ((milliseconds)*INT64_C(1000))

static const int64_t own_limits_us[] = {MS(1),  MS(2),  MS(5),   MS(7),   MS(10),  MS(15),  MS(20),  MS(30),
                                        MS(50), MS(75), MS(100), MS(200), MS(500), MS(750), MS(1000)};
static const int64_t limits_us[] = {MS(25),   MS(50),   MS(80),   MS(100),   MS(250),   MS(400),  MS(700),
                                    MS(1000), MS(2000), MS(5000), MS(10000), MS(30000), MS(60000)};

enum {
    US_PER_MS = 1000,
    OWN_SLOTS = COUNT(own_limits_us) + 2,
    SLOTS = COUNT(limits_us) + 2,
};

static const struct exposition_buckets own_buckets = {own_limits_us, COUNT(own_limits_us), US_PER_MS};
static const struct exposition_buckets buckets = {limits_us, COUNT(limits_us), US_PER_MS};

enum {
    OWN,
    UPSTREAM,
    WHOLE
};

static const struct series_family latency_families[] = {
    [OWN] = {.name = "kong_kong_latency_ms",
             .help = "time in the gateway: before the upstream was asked and while its answer was passed on",
             .slot = 0,
             .buckets = &own_buckets},
    [UPSTREAM] = {.name = "kong_upstream_latency_ms",
                  .help = "time from asking the upstream to the head of its answer",
                  .slot = OWN_SLOTS,
                  .buckets = &buckets},
    [WHOLE] = {.name = "kong_request_latency_ms",
               .help = "time from the head of the request to the end of the answer",
               .slot = OWN_SLOTS + SLOTS,
               .buckets = &buckets},
};

static const struct series_kind latency = {
    .labels = {"service", "route"},
    .label_count = 2,
    .slot_count = OWN_SLOTS + 2 * SLOTS,
    .families = latency_families,
    .family_count = COUNT(latency_families),
};

/* ---- counting ---- */

/* Whom a request belongs to. */
struct owner {
    struct str service, route, consumer;
    char route_id[UUID_TEXT_SIZE];
};

static void read_owner(const struct chain *chain, const struct settings *settings, struct owner *owner)
{
    const struct service *service = chain->service;
    const struct route *route = chain->route;
    bool named = settings->per_consumer && chain->consumer != NULL && chain->consumer->username != NULL;

    owner->service = str_of(service->name != NULL ? service->name : service->host);
    owner->route = STR("");
    if (route != NULL)
        owner->route = str_of(route->name != NULL ? route->name : uuid_format(&route->id, owner->route_id));
    owner->consumer = named ? str_of(chain->consumer->username) : STR("");
}

static void count_code(const struct chain *chain, const struct owner *owner, int status)
{
    char digits[3] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10),
                      (char)('0' + status % 10)};
    const struct str labels[] = {
        owner->service,           owner->route,
        {digits, sizeof(digits)}, chain->hop.head_us != 0 ? STR("service") : STR("kong"),
        owner->consumer,
    };
    struct series *series = series_find(&requests, labels);

    if (series != NULL)
        series_add(series, 0, 1);
}

static void count_bytes(const struct chain *chain, const struct owner *owner, uint64_t bytes_sent)
{
    const struct str labels[] = {owner->service, owner->route, owner->consumer};
    struct series *series = series_find(&bandwidth, labels);

    if (series == NULL)
        return;
    series_add(series, INGRESS, (int64_t)log_request_bytes(chain));
    series_add(series, EGRESS, (int64_t)bytes_sent);
}

static void count_times(const struct chain *chain, const struct owner *owner)
{
    const struct str labels[] = {owner->service, owner->route};
    struct series *series = series_find(&latency, labels);
    struct log_latencies times;

    if (series == NULL)
        return;
    log_latencies(chain, &times);
    series_observe(series, &latency_families[OWN], times.gateway_us);
    if (times.upstream_us >= 0)
        series_observe(series, &latency_families[UPSTREAM], times.upstream_us);
    series_observe(series, &latency_families[WHOLE], times.request_us);
}

static void log_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct exchange_outcome outcome;
    struct owner owner;

    if (chain->service == NULL)
        return;
    read_owner(chain, settings, &owner);
    exchange_read_outcome(chain->exchange, &outcome);
    if (settings->codes)
        count_code(chain, &owner, outcome.status != 0 ? outcome.status : 499);
    if (settings->bandwidth)
        count_bytes(chain, &owner, outcome.bytes_sent);
    if (settings->latencies)
        count_times(chain, &owner);
}

const struct plugin prometheus_plugin = {
    .schema =
        {
            .name = "prometheus",
            .version = "3.5.0",
            .priority = 13,
            .config = &config_record,
            .protocols = protocol_names,
        },
    .configure = configure,
    .dispose = free,
    .wants_health = wants_health,
    .log = log_phase,
};
