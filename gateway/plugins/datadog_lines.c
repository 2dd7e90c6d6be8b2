/*
 * datadog_lines - see datadog_lines.h.
 */

#include "gateway/plugins/datadog_lines.h"

#include <stdlib.h>

#include "gateway/base/attributes.h"
#include "gateway/base/mem.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"

enum {
    OWN_TAGS = 3,
    TAGS_MAX = 64, /* in a line; further ones of a metric are left out */
};

static void write_line(const struct datadog_plan *plan, const struct datadog_metric *metric,
                       const struct stat_facts *facts, struct buf *to)
{
    char consumer_room[UUID_TEXT_SIZE], status_room[STAT_NUMBER_ROOM], value_room[STAT_NUMBER_ROOM];
    struct stat_tag tags[TAGS_MAX];
    struct stat_tags all = {STAT_TAGS_DOGSTATSD, tags, OWN_TAGS};

    tags[0] = (struct stat_tag){str_of(plan->service_tag), stat_service(facts->service), .is_level = true};
    tags[1] = (struct stat_tag){str_of(plan->status_tag), stat_number(facts->status, status_room), false};
    tags[2] = (struct stat_tag){
        str_of(plan->consumer_tag),
        metric->has_consumer ? stat_consumer(facts, metric->consumer_by, consumer_room) : STR_NONE, false};
    for (size_t i = 0; i < metric->tags.count && all.count < TAGS_MAX; i++)
        tags[all.count++] = (struct stat_tag){STR_NONE, str_of(metric->tags.at[i]), false};
    stat_add_name(to, str_of(plan->prefix));
    buf_add_byte(to, '.');
    buf_add_str(to, stat_measure_name(metric->measure));
    stat_line_end(to, stat_number(facts->measured[metric->measure], value_room), &metric->kind, &all);
}

void datadog_lines_of_request(const struct datadog_plan *plan, const struct stat_facts *facts, struct buf *to)
{
    for (size_t i = 0; facts->service != NULL && i < plan->count; i++) {
        const struct datadog_metric *metric = &plan->metrics[i];
        if (facts->measured[metric->measure] >= 0 && facts->chance < metric->kind.rate)
            write_line(plan, metric, facts, to);
    }
}

/* ---- settings ---- */

static char *text_or(const cJSON *config, const char *name, const char *fallback)
{
    const char *text = document_text(config, name);

    return mem_strdup(text != NULL ? text : fallback);
}

void datadog_plan_read(struct datadog_plan *plan, const cJSON *config)
{
    const cJSON *metrics = cJSON_GetObjectItemCaseSensitive(config, "metrics");
    const cJSON *item;

    *plan = (struct datadog_plan){
        .prefix = text_or(config, "prefix", "kong"),
        .service_tag = text_or(config, "service_name_tag", "name"),
        .status_tag = text_or(config, "status_tag", "status"),
        .consumer_tag = text_or(config, "consumer_tag", "consumer"),
        .metrics = mem_zalloc(((size_t)cJSON_GetArraySize(metrics) + 1) * sizeof(struct datadog_metric)),
    };
    cJSON_ArrayForEach(item, metrics)
    {
        struct datadog_metric *metric = &plan->metrics[plan->count];
        const cJSON *rate = cJSON_GetObjectItemCaseSensitive(item, "sample_rate");
        const char *stat_type = document_text(item, "stat_type");
        if (stat_type == NULL || !stat_measure_named(document_text(item, "name"), &metric->measure))
            continue;
        stat_kind_init(&metric->kind, stat_type, cJSON_IsNumber(rate) ? rate->valuedouble : 1);
        metric->has_consumer = document_text(item, "consumer_identifier") != NULL;
        metric->consumer_by =
            stat_consumer_by_named(document_text(item, "consumer_identifier"), STAT_CONSUMER_CUSTOM_ID);
        metric->tags = setting_list_read(item, "tags");
        plan->count++;
    }
}

void datadog_plan_fini(struct datadog_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        setting_list_fini(&plan->metrics[i].tags);
    free(plan->prefix);
    free(plan->service_tag);
    free(plan->status_tag);
    free(plan->consumer_tag);
    free(plan->metrics);
}
