/*
 * trace_sink - see trace_sink.h.
 */

#include "gateway/plugins/trace_sink.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/mem.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/http/token.h"
#include "gateway/model/document.h"
#include "gateway/plugins/sink_url.h"

enum {
    LONGEST_PAUSE_S = 1000000000 /* as in chain/delivery_queue.c: added to the clock it does not overflow */
};

/* Where the body ends is not for settings to say, nor may a value be lines of its own. */
static bool can_be_sent(const cJSON *header)
{
    return cJSON_IsString(header) && strcasecmp(header->string, "Content-Length") != 0 &&
           strcasecmp(header->string, "Transfer-Encoding") != 0 &&
           token_is_value(str_of(header->valuestring));
}

static char **make_lines(const struct trace_sink_options *options, size_t *count)
{
    size_t room = 1 + (size_t)cJSON_GetArraySize(options->headers);
    char **lines = mem_zalloc(room * sizeof(*lines));
    const cJSON *header;

    *count = 0;
    if (cJSON_GetObjectItem(options->headers, "Content-Type") == NULL) /* in any case of letters */
        lines[(*count)++] = mem_printf("Content-Type: %s", options->content_type);
    cJSON_ArrayForEach(header, options->headers)
    {
        if (can_be_sent(header))
            lines[(*count)++] = mem_printf("%s: %s", header->string, header->valuestring);
    }
    return lines;
}

/* One bound for a try as a whole: what its parts may take, together. */
static int64_t timeout_ms(const cJSON *config)
{
    return document_int(config, "connect_timeout", 0) + document_int(config, "send_timeout", 0) +
           document_int(config, "read_timeout", 0);
}

static void read_rules(const cJSON *config, const struct trace_sink_options *options,
                       struct delivery_rules *rules)
{
    delivery_rules_read(cJSON_GetObjectItemCaseSensitive(config, "queue"), rules);
    int64_t batch = options->batch != NULL ? document_int(config, options->batch, 0) : 0;
    int64_t pause_s = options->pause_s != NULL ? document_int(config, options->pause_s, -1) : -1;

    if (batch > 0)
        rules->max_batch_size = (size_t)batch;
    if (pause_s >= 0)
        rules->max_coalescing_us = (pause_s < LONGEST_PAUSE_S ? pause_s : LONGEST_PAUSE_S) * 1000000;
}

struct delivery_queue *trace_sink_new(const cJSON *config, const struct trace_sink_options *options)
{
    size_t count;
    char **lines = make_lines(options, &count);
    struct str shown = sink_url_shown(options->url);
    char *name = mem_printf("%s to %.*s", options->plugin, STR_ARG(shown));
    const struct delivery_http_options http = {
        .url = options->url,
        .method = "POST",
        .headers = (const char *const *)lines,
        .header_count = count,
        .timeout_ms = timeout_ms(config),
        .keepalive_ms = 60000,
        .frame = options->frame,
    };
    struct delivery_options queue = {.name = name, .sender = delivery_http_new(&http)};

    read_rules(config, options, &queue.rules);
    struct delivery_queue *made = delivery_queue_new(&queue);
    for (size_t i = 0; i < count; i++)
        free(lines[i]);
    free(lines);
    free(name);
    return made;
}
