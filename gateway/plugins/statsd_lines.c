/*
 * statsd_lines - see statsd_lines.h. A metric is a row: how settings name it, its type if that is fixed,
 * whether it goes out where tags are used, and the function that writes it.
 *
 * Where tags are used they say all that is otherwise in names, so metrics that differ from others only in
 * that are not sent.
 */

#include "gateway/plugins/statsd_lines.h"

#include <stdlib.h>

#include "gateway/base/attributes.h"
#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"
#include "gateway/model/schema.h"

enum {
    TAGS_MAX = 6,
    LINE_ROOM = 160, /* bytes most lines need */
};

/* One line in the making. */
struct writing {
    const struct statsd_plan *plan;
    const struct statsd_metric *metric;
    const struct stat_facts *facts;
    struct str host;
    struct buf *to;
    struct stat_tag tags[TAGS_MAX];
    size_t tag_count;
    char consumer_room[UUID_TEXT_SIZE], service_room[UUID_TEXT_SIZE], route_room[UUID_TEXT_SIZE];
    char status_room[STAT_NUMBER_ROOM];
};

struct statsd_row {
    const char *setting;
    const char *stat_type; /* NULL: as configured */
    enum {
        ALWAYS,
        WITHOUT_TAGS, /* with tags it is not sent */
        APART         /* not of requests */
    } when;
    void (*write)(struct writing *writing);
};

/* ---- parts of names ---- */

static struct str consumer_text(struct writing *writing)
{
    return stat_consumer(writing->facts, writing->metric->consumer_by, writing->consumer_room);
}

/* at == NULL: there is none. */
static struct str service_text(struct writing *writing)
{
    const struct service *service = writing->facts->service;

    if (service == NULL)
        return STR_NONE;
    if (writing->metric->service_by == STATSD_SERVICE_ID)
        return str_of(uuid_format(&service->id, writing->service_room));
    return writing->metric->service_by == STATSD_SERVICE_HOST ? str_of(service->host) : stat_service(service);
}

static struct str workspace_text(const struct writing *writing)
{
    return writing->metric->workspace_by_name ? STR("default") : STR(DEFAULT_WORKSPACE);
}

static void begin(struct writing *writing)
{
    (void)buf_reserve(writing->to, LINE_ROOM);
    stat_add_name(writing->to, str_of(writing->plan->prefix));
    buf_add_byte(writing->to, '.');
    if (!writing->plan->host_in_prefix)
        return;
    buf_add_text(writing->to, "node.");
    stat_add_level(writing->to, writing->host);
    buf_add_byte(writing->to, '.');
}

/* Up to the dot behind the scope, if names have one. */
static void begin_scoped(struct writing *writing)
{
    struct str service = service_text(writing);

    begin(writing);
    if (writing->plan->has_tags)
        return;
    if (service.at == NULL) {
        buf_add_text(writing->to, "global.unmatched.");
        return;
    }
    buf_add_text(writing->to, "service.");
    stat_add_level(writing->to, service);
    buf_add_byte(writing->to, '.');
}

static void end(struct writing *writing, int64_t value)
{
    const struct stat_tags tags = {writing->plan->style, writing->tags, writing->tag_count};
    char room[STAT_NUMBER_ROOM];

    stat_line_end(writing->to, stat_number(value, room), &writing->metric->kind, &tags);
}

/* "user.<consumer>." */
static void add_user(struct writing *writing)
{
    buf_add_text(writing->to, "user.");
    stat_add_name(writing->to, consumer_text(writing));
    buf_add_byte(writing->to, '.');
}

static void end_with_status(struct writing *writing)
{
    char room[STAT_NUMBER_ROOM];

    buf_add_text(writing->to, "status.");
    buf_add_str(writing->to, stat_number(writing->facts->status, room));
    end(writing, 1);
}

/* ---- metrics ---- */

static void write_measure(struct writing *writing)
{
    enum stat_measure measure = STAT_REQUEST_COUNT;

    if (!stat_measure_named(writing->metric->row->setting, &measure) || writing->facts->measured[measure] < 0)
        return;
    begin_scoped(writing);
    buf_add_str(writing->to, stat_measure_name(measure));
    end(writing, writing->facts->measured[measure]);
}

static void write_status_count(struct writing *writing)
{
    begin_scoped(writing);
    end_with_status(writing);
}

static void write_unique_users(struct writing *writing)
{
    static const struct stat_tags no_tags = {0};
    struct str consumer = consumer_text(writing);

    if (consumer.at == NULL)
        return;
    begin_scoped(writing);
    buf_add_text(writing->to, "user.uniques");
    stat_line_end(writing->to, consumer, &writing->metric->kind, &no_tags);
}

static void write_request_per_user(struct writing *writing)
{
    if (consumer_text(writing).at == NULL)
        return;
    begin_scoped(writing);
    add_user(writing);
    buf_add_text(writing->to, "request.count");
    end(writing, 1);
}

static void write_status_per_user(struct writing *writing)
{
    if (consumer_text(writing).at == NULL)
        return;
    begin_scoped(writing);
    add_user(writing);
    end_with_status(writing);
}

static void write_status_per_workspace(struct writing *writing)
{
    begin_scoped(writing);
    buf_add_text(writing->to, "workspace.");
    stat_add_level(writing->to, workspace_text(writing));
    buf_add_byte(writing->to, '.');
    end_with_status(writing);
}

static void write_status_per_user_per_route(struct writing *writing)
{
    const struct route *route = writing->facts->route;

    if (consumer_text(writing).at == NULL || route == NULL)
        return;
    begin(writing);
    buf_add_text(writing->to, "route.");
    buf_add_text(writing->to, uuid_format(&route->id, writing->route_room));
    buf_add_byte(writing->to, '.');
    add_user(writing);
    end_with_status(writing);
}

static const struct statsd_row rows[] = {
    {"request_count", NULL, ALWAYS, write_measure},
    {"request_size", NULL, ALWAYS, write_measure},
    {"response_size", NULL, ALWAYS, write_measure},
    {"latency", NULL, ALWAYS, write_measure},
    {"upstream_latency", NULL, ALWAYS, write_measure},
    {"kong_latency", NULL, ALWAYS, write_measure},
    {"status_count", "counter", WITHOUT_TAGS, write_status_count},
    {"unique_users", "set", WITHOUT_TAGS, write_unique_users},
    {"request_per_user", "counter", WITHOUT_TAGS, write_request_per_user},
    {"status_count_per_user", "counter", WITHOUT_TAGS, write_status_per_user},
    {"status_count_per_workspace", "counter", WITHOUT_TAGS, write_status_per_workspace},
    {"status_count_per_user_per_route", "counter", WITHOUT_TAGS, write_status_per_user_per_route},
    {"shdict_usage", "gauge", APART, NULL},
};

/* ---- a request ---- */

static void make_tags(struct writing *writing)
{
    const struct route *route = writing->facts->route;
    struct str route_text = STR_NONE;

    if (route != NULL)
        route_text =
            route->name != NULL ? str_of(route->name) : str_of(uuid_format(&route->id, writing->route_room));
    const struct stat_tag tags[TAGS_MAX] = {
        {STR("service"), service_text(writing), false},
        {STR("route"), route_text, false},
        {STR("workspace"), workspace_text(writing), false},
        {STR("consumer"), consumer_text(writing), false},
        {STR("node"), writing->host, .is_level = true},
        {STR("status"), stat_number(writing->facts->status, writing->status_room), false},
    };
    memcpy(writing->tags, tags, sizeof(tags));
    writing->tag_count = TAGS_MAX;
}

void statsd_lines_of_request(const struct statsd_plan *plan, const struct stat_facts *facts, struct str host,
                             struct buf *to)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct statsd_metric *metric = &plan->metrics[i];
        struct writing writing = {.plan = plan, .metric = metric, .facts = facts, .host = host, .to = to};
        if (metric->row->when == APART || (plan->has_tags && metric->row->when == WITHOUT_TAGS) ||
            facts->chance >= metric->kind.rate)
            continue;
        if (plan->has_tags)
            make_tags(&writing);
        metric->row->write(&writing);
    }
}

/* ---- memory ---- */

static void write_pool(struct writing *writing, const struct statsd_pool *pool, const char *what,
                       int64_t bytes)
{
    begin(writing);
    if (!writing->plan->has_tags && !writing->plan->host_in_prefix) {
        buf_add_text(writing->to, "node.");
        stat_add_level(writing->to, writing->host);
        buf_add_byte(writing->to, '.');
    }
    buf_add_text(writing->to, "shdict.");
    if (!writing->plan->has_tags) {
        stat_add_level(writing->to, pool->name);
        buf_add_byte(writing->to, '.');
    }
    buf_add_text(writing->to, what);
    end(writing, bytes);
}

void statsd_lines_of_pool(const struct statsd_plan *plan, const struct statsd_pool *pool, struct str host,
                          struct buf *to)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct writing writing = {.plan = plan, .metric = &plan->metrics[i], .host = host, .to = to};
        if (writing.metric->row->when != APART)
            continue;
        if (plan->has_tags) {
            writing.tags[writing.tag_count++] = (struct stat_tag){STR("node"), host, .is_level = true};
            writing.tags[writing.tag_count++] = (struct stat_tag){STR("shdict"), pool->name, false};
        }
        write_pool(&writing, pool, "free_space", pool->free_bytes);
        write_pool(&writing, pool, "capacity", pool->capacity_bytes);
    }
}

/* ---- settings ---- */

static const struct statsd_row *row_named(const char *name)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (name != NULL && strcmp(rows[i].setting, name) == 0)
            return &rows[i];
    return NULL;
}

static enum statsd_service_by service_by_named(const char *name, enum statsd_service_by fallback)
{
    static const char *const names[] = {"service_id", "service_name", "service_host", "service_name_or_host"};

    for (size_t i = 0; name != NULL && i < COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum statsd_service_by)i;
    return fallback;
}

static bool workspace_by_name(const char *name, bool fallback)
{
    return name != NULL ? strcmp(name, "workspace_name") == 0 : fallback;
}

static bool read_metric(struct statsd_metric *metric, const cJSON *item, const cJSON *config)
{
    const cJSON *rate = cJSON_GetObjectItemCaseSensitive(item, "sample_rate");
    const struct statsd_row *row = row_named(document_text(item, "name"));
    const char *stat_type = document_text(item, "stat_type");

    if (row == NULL || stat_type == NULL)
        return false;
    *metric = (struct statsd_metric){
        .row = row,
        .consumer_by = stat_consumer_by_named(
            document_text(item, "consumer_identifier"),
            stat_consumer_by_named(document_text(config, "consumer_identifier_default"),
                                   STAT_CONSUMER_CUSTOM_ID)),
        .service_by = service_by_named(document_text(item, "service_identifier"),
                                       service_by_named(document_text(config, "service_identifier_default"),
                                                        STATSD_SERVICE_NAME_OR_HOST)),
        .workspace_by_name = workspace_by_name(
            document_text(item, "workspace_identifier"),
            workspace_by_name(document_text(config, "workspace_identifier_default"), false)),
    };
    /* Members of sets and amounts of memory are not counted, so no server could make up for what is left out.
     */
    bool is_sampled = row->stat_type == NULL || strcmp(row->stat_type, "counter") == 0;
    stat_kind_init(&metric->kind, row->stat_type != NULL ? row->stat_type : stat_type,
                   is_sampled && cJSON_IsNumber(rate) ? rate->valuedouble : 1);
    return true;
}

static bool read_style(const char *name, enum stat_tag_style *style)
{
    static const char *const names[] = {[STAT_TAGS_DOGSTATSD] = "dogstatsd",
                                        [STAT_TAGS_INFLUXDB] = "influxdb",
                                        [STAT_TAGS_LIBRATO] = "librato",
                                        [STAT_TAGS_SIGNALFX] = "signalfx"};

    for (size_t i = 0; name != NULL && i < COUNT(names); i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        *style = (enum stat_tag_style)i;
        return true;
    }
    return false;
}

void statsd_plan_read(struct statsd_plan *plan, const cJSON *config, const cJSON *metrics)
{
    const char *prefix = document_text(config, "prefix");
    const cJSON *item;

    *plan = (struct statsd_plan){
        .prefix = mem_strdup(prefix != NULL ? prefix : "kong"),
        .host_in_prefix = document_bool(config, "hostname_in_prefix", false),
        .metrics = mem_zalloc(((size_t)cJSON_GetArraySize(metrics) + 1) * sizeof(struct statsd_metric)),
    };
    plan->has_tags = read_style(document_text(config, "tag_style"), &plan->style);
    cJSON_ArrayForEach(item, metrics)
    {
        if (!read_metric(&plan->metrics[plan->count], item, config))
            continue;
        plan->has_pools |= plan->metrics[plan->count].row->when == APART;
        plan->count++;
    }
}

void statsd_plan_fini(struct statsd_plan *plan)
{
    free(plan->prefix);
    free(plan->metrics);
}
