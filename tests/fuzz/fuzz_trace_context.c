/* library: gateway_plugins */

/*
 * fuzz_trace_context - lines "name: value" as a request's: ids that are read make sense, and what is written
 * for them in every format, whatever stood there before, is read as the same.
 */

#include <stdint.h>
#include <stdlib.h>

#include "gateway/http/exchange_recorder.h"
#include "gateway/plugins/trace_context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

static void add_lines(struct exchange *exchange, struct str lines)
{
    while (lines.len > 0) {
        size_t end = str_find(lines, '\n', 0);
        struct str line = str_part(lines, 0, end != SIZE_MAX ? end : lines.len);
        size_t colon = str_find(line, ':', 0);
        if (colon != SIZE_MAX)
            headers_add(&exchange_request(exchange)->headers, str_part(line, 0, colon),
                        str_trim(str_part(line, colon + 1, line.len)));
        lines = str_part(lines, end != SIZE_MAX ? end + 1 : lines.len, lines.len);
    }
}

static void try_format(struct exchange *exchange, enum trace_format format, const struct trace_context *found)
{
    const enum trace_format order[] = {format, TRACE_NO_FORMAT};
    const struct trace_choice choice = {.also = format, .otherwise = TRACE_W3C};
    struct trace_context sent = *found;
    struct trace_lot lot;

    trace_lot_draw(&lot);
    if (sent.id.low == 0 && sent.id.high == 0)
        sent.id = trace_id_new(&lot, false);
    sent.parent = sent.span;
    sent.span = trace_span_id_new(&lot);
    sent.debug &= sent.sampling == TRACE_SAMPLED;
    trace_context_write(exchange, &choice, &(struct trace_context){0}, &sent);
    struct trace_context read = trace_context_read(&exchange_request(exchange)->headers, order);
    demand(read.format == format && read.span == sent.span);
    demand(read.id.high == sent.id.high && read.id.low == sent.id.low);
    demand((read.sampling == TRACE_SAMPLED) == (sent.sampling == TRACE_SAMPLED));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct exchange_request request = {.method = STR("GET"), .path = STR("/")};
    struct exchange *exchange = exchange_recorder_new(NULL, &request);

    add_lines(exchange, exchange_copy(exchange, (struct str){(const char *)data, size}));
    struct trace_context found =
        trace_context_read(&exchange_request(exchange)->headers, trace_order_b3_first);
    bool has_id = found.id.high != 0 || found.id.low != 0;
    demand(has_id || (found.span == 0 && found.parent == 0));
    demand(found.format != TRACE_NO_FORMAT || (!has_id && found.sampling == TRACE_UNDECIDED));
    demand(!found.id.is_short || found.id.high == 0);
    for (enum trace_format format = TRACE_B3; format <= TRACE_GCP; format++)
        if (format != TRACE_B3_SINGLE && format != TRACE_B3) /* what else of B3 is there is taken for it */
            try_format(exchange, format, &found);
    exchange_recorder_free(exchange);
    return 0;
}
