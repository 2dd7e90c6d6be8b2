/*
 * zipkin - see zipkin.h.
 */

#include "gateway/plugins/zipkin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/io/loop.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/trace_context.h"
#include "gateway/plugins/trace_sink.h"
#include "gateway/plugins/trace_words.h"
#include "gateway/plugins/zipkin_spans.h"

/* ---- settings ---- */

static bool has_each_name_once(const cJSON *tags, char message[256])
{
    const cJSON *tag;

    cJSON_ArrayForEach(tag, tags)
    {
        const char *name = document_text(tag, "name");
        for (const cJSON *other = tags->child; other != tag && name != NULL; other = other->next) {
            const char *before = document_text(other, "name");
            if (before == NULL || strcmp(before, name) != 0)
                continue;
            (void)snprintf(message, 256, "repeated tags are not allowed: %.200s", name);
            return false;
        }
    }
    return true;
}

static const char *const traceid_byte_count_choices[] = {"8", "16", NULL};

static const char *const default_header_type_choices[] = {"b3", "b3-single", "w3c", "jaeger",
                                                          "ot", "aws",       "gcp", NULL};

static const struct field static_tags_elements_fields[] = {
    /* clang-format off */
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .not_one_of = zipkin_reserved_tags},
    {.name = "value", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    /* clang-format on */
};

static const struct field static_tags_element = {.name = "elements",
                                                 .kind = FIELD_RECORD,
                                                 .fields = static_tags_elements_fields,
                                                 .field_count = COUNT(static_tags_elements_fields)};

static const char *const http_span_name_choices[] = {"method", "method_path", NULL};

static const char *const phase_duration_flavor_choices[] = {"annotations", "tags", NULL};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "local_service_name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"kong\"",
     .description = "What this gateway is called."},
    {.name = "http_endpoint", .kind = FIELD_STRING, .check = text_is_url,
     .description = "Where the Zipkin server takes spans; null: nobody is told."},
    {.name = "sample_ratio", .kind = FIELD_NUMBER, .fallback = "0.001", .has_between = true, .between_max = 1,
     .description = "Share of requests that are told of, where the client has not decided."},
    {.name = "default_service_name", .kind = FIELD_STRING,
     .description = "What a service without a name is called."},
    {.name = "include_credential", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true",
     .description = "Whether the credential of who asks is told."},
    {.name = "traceid_byte_count", .kind = FIELD_INTEGER, .flags = FIELD_REQUIRED, .fallback = "16",
     .one_of = traceid_byte_count_choices,
     .description = "Bytes of the ids of new traces."},
    {.name = "header_type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"preserve\"",
     .one_of = part_trace_headers,
     .description = "Which headers tell the upstream of the trace, besides those of the kind that has come."},
    {.name = "default_header_type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"b3\"",
     .one_of = default_header_type_choices,
     .description = "And when none has come and header_type names none."},
    {.name = "tags_header", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"Zipkin-Tags\"",
     .description = "A header of requests that has tags: name=value; name=value."},
    {.name = "static_tags", .kind = FIELD_ARRAY, .check = has_each_name_once, .elements = &static_tags_element,
     .description = "Tags of all requests."},
    {.name = "http_span_name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"method\"",
     .one_of = http_span_name_choices,
     .description = "What spans are called."},
    {.name = "connect_timeout", .kind = FIELD_INTEGER, .fallback = "2000", .has_between = true,
     .between_max = 2147483646,
     .description = "Until the server is reached; milliseconds. The three timeouts add up to the time of one try."},
    {.name = "send_timeout", .kind = FIELD_INTEGER, .fallback = "5000", .has_between = true,
     .between_max = 2147483646,
     .description = "Until it has all; milliseconds."},
    {.name = "read_timeout", .kind = FIELD_INTEGER, .fallback = "5000", .has_between = true,
     .between_max = 2147483646,
     .description = "Until it has answered; milliseconds."},
    {.name = "http_response_header_for_traceid", .kind = FIELD_STRING,
     .description = "A header of answers that tells the client the id of the trace."},
    {.name = "phase_duration_flavor", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"annotations\"",
     .one_of = phase_duration_flavor_choices,
     .description = "How it is told how long phases took."},
    {.name = "queue", .kind = FIELD_RECORD, .flags = FIELD_REQUIRED, .fields = part_queue_fields,
     .field_count = COUNT(part_queue_fields),
     .description = "How long what is told may wait, and how often it is tried again; entries are requests."},
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
    struct zipkin_wording wording;
    double sample_ratio;
    bool ids_are_short;
    char *tags_header;
    char *answer_header;          /* NULL: clients are not told the id */
    struct delivery_queue *queue; /* NULL: nobody is told */
};

static void dispose(void *object)
{
    struct settings *settings = object;

    delivery_queue_let_go(settings->queue);
    free(settings->wording.local_service);
    free(settings->wording.default_service);
    cJSON_Delete(settings->wording.static_tags);
    free(settings->tags_header);
    free(settings->answer_header);
    free(settings);
}

static bool is_word(const cJSON *config, const char *name, const char *word)
{
    const char *text = document_text(config, name);

    return text != NULL && strcmp(text, word) == 0;
}

static void read_wording(const cJSON *config, struct zipkin_wording *wording)
{
    const cJSON *static_tags = cJSON_GetObjectItemCaseSensitive(config, "static_tags");

    wording->local_service = mem_strdup(document_text(config, "local_service_name"));
    wording->default_service = mem_strdup(document_text(config, "default_service_name"));
    if (cJSON_IsArray(static_tags))
        wording->static_tags = cJSON_Duplicate(static_tags, /* recurse= */ true);
    wording->name_has_path = is_word(config, "http_span_name", "method_path");
    wording->shows_credential = document_bool(config, "include_credential", true);
    wording->durations_are_tags = is_word(config, "phase_duration_flavor", "tags");
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));
    const cJSON *ratio = cJSON_GetObjectItemCaseSensitive(config, "sample_ratio");
    const struct trace_sink_options sink = {
        .plugin = "zipkin",
        .url = document_text(config, "http_endpoint"),
        .content_type = "application/json",
        .frame = {STR("["), STR(","), STR("]")},
    };

    (void)err;
    settings->choice =
        trace_choice_read(config, trace_format_of(document_text(config, "default_header_type")));
    read_wording(config, &settings->wording);
    settings->sample_ratio = cJSON_IsNumber(ratio) ? ratio->valuedouble : 0;
    settings->ids_are_short = document_int(config, "traceid_byte_count", 16) == 8;
    settings->tags_header = mem_strdup(document_text(config, "tags_header"));
    settings->answer_header = mem_strdup(document_text(config, "http_response_header_for_traceid"));
    settings->queue = sink.url != NULL ? trace_sink_new(config, &sink) : NULL;
    *object = settings;
    return true;
}

/* ---- a request's part of a trace ---- */

/* The lot is a random number. */
static bool draw(uint64_t lot, double ratio)
{
    return (double)(lot >> 11) * 0x1p-53 < ratio;
}

static void take_found(struct zipkin_part *part, const struct settings *settings)
{
    const struct trace_context *found = &part->found;

    if (!trace_id_is_some(&found->id)) {
        part->trace = trace_id_new(&part->lot, settings->ids_are_short);
        part->request = trace_span_id_new(&part->lot);
        return;
    }
    part->trace = found->id;
    if (trace_context_shares_span(found) && found->span != 0) {
        part->request = found->span;
        part->request_parent = found->parent;
    } else {
        part->request = trace_span_id_new(&part->lot);
        part->request_parent = found->span != 0 ? found->span : found->parent;
    }
}

/* Made by the first phase that runs: the engine may have answered before access. */
static struct zipkin_part *part_of(struct chain *chain, const struct settings *settings)
{
    const struct headers *headers = &exchange_request(chain->exchange)->headers;
    struct zipkin_part *part = chain_kept(chain, &zipkin_plugin);

    if (part != NULL)
        return part;
    part = exchange_alloc(chain->exchange, sizeof(*part));
    *part = (struct zipkin_part){0};
    if (!settings->choice.ignores)
        part->found = trace_context_read(headers, trace_order_b3_first);
    trace_lot_draw(&part->lot);
    take_found(part, settings);
    part->proxy = trace_span_id_new(&part->lot);
    part->is_sampled = part->found.sampling != TRACE_UNDECIDED
                           ? part->found.sampling == TRACE_SAMPLED
                           : draw(trace_span_id_new(&part->lot), settings->sample_ratio);
    const struct header *tags = headers_find(headers, str_of(settings->tags_header));
    part->tags = tags != NULL ? tags->value : STR_NONE; /* before plugins change it */
    chain->times = &part->times;
    chain_keep(chain, &zipkin_plugin, part);
    chain_share(chain, STR("trace_id"),
                trace_id_shown(chain->exchange, &settings->choice, &part->found, &part->trace));
    return part;
}

/* ---- phases ---- */

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct zipkin_part *part = part_of(chain, settings);
    const struct trace_context context = {
        .id = part->trace,
        .span = part->proxy,
        .parent = part->request,
        .sampling = part->is_sampled ? TRACE_SAMPLED : TRACE_NOT_SAMPLED,
        .debug = part->found.debug,
    };

    part->access_us = loop_clock_us();
    trace_context_write(chain->exchange, &settings->choice, &part->found, &context);
    return PLUGIN_NEXT;
}

static void header_filter(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct zipkin_part *part = part_of(chain, settings);

    part->filter_us = loop_clock_us();
    if (settings->answer_header != NULL)
        headers_set(&chain->answer.headers, str_of(settings->answer_header),
                    trace_id_text(chain->exchange, &part->trace));
}

static void log_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct zipkin_part *part = part_of(chain, settings);
    struct buf buf = {0};

    if (settings->queue == NULL || !part->is_sampled)
        return;
    zipkin_spans_write(chain, &settings->wording, part, &buf);
    delivery_queue_add(settings->queue, chain->world->delivery, buf_str(&buf));
    buf_fini(&buf);
}

const struct plugin zipkin_plugin = {
    .schema =
        {
            .name = "zipkin",
            .version = "3.5.0",
            .priority = 100000,
            .config = &config_record,
            .protocols = protocol_names,
        },
    .configure = configure,
    .dispose = dispose,
    .access = access_phase,
    .header_filter = header_filter,
    .log = log_phase,
};
