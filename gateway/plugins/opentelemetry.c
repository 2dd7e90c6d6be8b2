/*
 * opentelemetry - see opentelemetry.h.
 */

#include "gateway/plugins/opentelemetry.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/chain/span.h"
#include "gateway/model/document.h"
#include "gateway/model/header_name.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/opentelemetry_spans.h"
#include "gateway/plugins/trace_context.h"
#include "gateway/plugins/trace_sink.h"
#include "gateway/plugins/trace_words.h"

/* ---- settings ---- */

static const struct field headers_key = {.name = "keys", .kind = FIELD_STRING, .check = text_is_header_name};

static const struct field headers_value = {
    .name = "values", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "endpoint", .kind = FIELD_STRING, .flags = FIELD_REQUIRED | FIELD_REFERENCEABLE, .check = text_is_url,
     .description = "Where the collector takes traces."},
    {.name = "headers", .kind = FIELD_MAP, .keys = &headers_key, .values = &headers_value,
     .description = "Lines of our own for the collector."},
    {.name = "resource_attributes", .kind = FIELD_MAP, .keys = &part_key, .values = &part_value,
     .description = "What is said of this gateway besides or instead of service.name and the like."},
    {.name = "queue", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = part_queue_fields,
     .field_count = COUNT(part_queue_fields),
     .description = "How long what is told may wait, and how often it is tried again; entries are requests."},
    {.name = "batch_span_count", .kind = FIELD_INTEGER,
     .description = "The old name of queue.max_batch_size."},
    {.name = "batch_flush_delay", .kind = FIELD_INTEGER,
     .description = "The old name of queue.max_coalescing_delay."},
    {.name = "connect_timeout", .kind = FIELD_INTEGER, .fallback = "1000", .has_between = true,
     .between_max = 2147483646,
     .description = "Until the collector is reached; milliseconds. The three timeouts add up to the time of one try."},
    {.name = "send_timeout", .kind = FIELD_INTEGER, .fallback = "5000", .has_between = true,
     .between_max = 2147483646,
     .description = "Until it has all; milliseconds."},
    {.name = "read_timeout", .kind = FIELD_INTEGER, .fallback = "5000", .has_between = true,
     .between_max = 2147483646,
     .description = "Until it has answered; milliseconds."},
    {.name = "http_response_header_for_traceid", .kind = FIELD_STRING,
     .description = "A header of answers that tells the client the id of the trace."},
    {.name = "header_type", .kind = FIELD_STRING, .fallback = "\"preserve\"", .one_of = part_trace_headers,
     .description = "Which headers tell the upstream of the trace, besides those of the kind that has come."},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

/* ---- a configuration ---- */

struct settings {
    struct trace_choice choice;
    char *answer_header; /* NULL: clients are not told the id */
    cJSON *resource;     /* NULL: ours alone */
    struct delivery_queue *queue;
};

static void dispose(void *object)
{
    struct settings *settings = object;

    delivery_queue_let_go(settings->queue);
    cJSON_Delete(settings->resource);
    free(settings->answer_header);
    free(settings);
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));
    const cJSON *resource = cJSON_GetObjectItemCaseSensitive(config, "resource_attributes");
    const struct trace_sink_options sink = {
        .plugin = "opentelemetry",
        .url = document_text(config, "endpoint"),
        .content_type = "application/x-protobuf",
        .headers = cJSON_GetObjectItemCaseSensitive(config, "headers"),
        .batch = "batch_span_count",
        .pause_s = "batch_flush_delay",
        .frame = {STR_NONE, STR_NONE, STR_NONE}, /* see otlp.h */
    };

    (void)err;
    settings->choice = trace_choice_read(config, TRACE_W3C);
    settings->answer_header = mem_strdup(document_text(config, "http_response_header_for_traceid"));
    settings->resource = cJSON_IsObject(resource) ? cJSON_Duplicate(resource, /* recurse= */ true) : NULL;
    settings->queue = trace_sink_new(config, &sink);
    *object = settings;
    return true;
}

/* ---- a request's part of a trace ---- */

struct part {
    struct trace_context found;
    struct opentelemetry_ids ids;
    bool is_sampled;
};

/* By the id, so that all who see a trace decide alike; new ids are random. */
static bool draw(const struct trace_id *id, double rate)
{
    return (double)(id->low >> 11) * 0x1p-53 < rate;
}

/* Where nothing is told nobody is asked to tell less: who comes after us decides for himself. */
static bool is_sampled(const struct chain *chain, const struct part *part)
{
    if (part->found.sampling != TRACE_UNDECIDED)
        return part->found.sampling == TRACE_SAMPLED;
    return chain->spans == NULL || draw(&part->ids.trace, chain->spans->sampling_rate);
}

static bool tells_tries(const struct chain *chain)
{
    return chain->spans != NULL && (chain->spans->wanted >> SPAN_BALANCER & 1) != 0;
}

/* Made by the first phase that runs: somebody may have answered before access. */
static struct part *part_of(struct chain *chain, const struct settings *settings)
{
    const struct headers *headers = &exchange_request(chain->exchange)->headers;
    struct part *part = chain_kept(chain, &opentelemetry_plugin);

    if (part != NULL)
        return part;
    part = exchange_alloc(chain->exchange, sizeof(*part));
    *part = (struct part){0};
    if (!settings->choice.ignores)
        part->found = trace_context_read(headers, trace_order_w3c_first);
    trace_lot_draw(&part->ids.lot);
    part->ids.trace = trace_id_is_some(&part->found.id) ? part->found.id
                                                        : trace_id_new(&part->ids.lot, /* is_short= */ false);
    part->ids.parent = part->found.span != 0 ? part->found.span : part->found.parent;
    part->ids.root = trace_span_id_new(&part->ids.lot);
    part->ids.last = tells_tries(chain) ? trace_span_id_new(&part->ids.lot) : part->ids.root;
    part->is_sampled = is_sampled(chain, part);
    chain_keep(chain, &opentelemetry_plugin, part);
    chain_share(chain, STR("trace_id"),
                trace_id_shown(chain->exchange, &settings->choice, &part->found, &part->ids.trace));
    return part;
}

/* ---- phases ---- */

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    const struct part *part = part_of(chain, settings);
    const struct trace_context context = {
        .id = part->ids.trace,
        .span = part->ids.last,
        .parent = part->ids.last != part->ids.root ? part->ids.root : part->ids.parent,
        .sampling = part->is_sampled ? TRACE_SAMPLED : TRACE_NOT_SAMPLED,
        .debug = part->found.debug,
    };

    trace_context_write(chain->exchange, &settings->choice, &part->found, &context);
    return PLUGIN_NEXT;
}

static void header_filter(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    const struct part *part = part_of(chain, settings);

    if (settings->answer_header != NULL)
        headers_set(&chain->answer.headers, str_of(settings->answer_header),
                    trace_id_text(chain->exchange, &part->ids.trace));
}

static void log_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct buf buf = {0};

    if (chain->spans == NULL)
        return;
    struct part *part = part_of(chain, settings);
    if (!part->is_sampled)
        return;
    opentelemetry_spans_write(chain, &part->ids, settings->resource, &buf);
    delivery_queue_add(settings->queue, chain->world->delivery, buf_str(&buf));
    buf_fini(&buf);
}

const struct plugin opentelemetry_plugin = {
    .schema =
        {
            .name = "opentelemetry",
            .version = "0.1.0",
            .priority = 14,
            .config = &config_record,
            .protocols = part_web_protocols,
        },
    .configure = configure,
    .dispose = dispose,
    .access = access_phase,
    .header_filter = header_filter,
    .log = log_phase,
    .reads_spans = true,
};
