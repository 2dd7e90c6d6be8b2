/*
 * trace_context - see trace_context.h. The formats are rows of trace_forms.c.
 */

#include "gateway/plugins/trace_context.h"

#include <inttypes.h>
#include <string.h>

#include "gateway/http/exchange.h"
#include "gateway/http/header.h"
#include "gateway/model/document.h"
#include "gateway/plugins/trace_forms.h"
#include "gateway/plugins/trace_words.h"

const enum trace_format trace_order_b3_first[] = {TRACE_B3_SINGLE, TRACE_B3,  TRACE_W3C, TRACE_JAEGER,
                                                  TRACE_OT,        TRACE_AWS, TRACE_GCP, TRACE_NO_FORMAT};
const enum trace_format trace_order_w3c_first[] = {TRACE_W3C, TRACE_B3_SINGLE, TRACE_B3,  TRACE_JAEGER,
                                                   TRACE_OT,  TRACE_AWS,       TRACE_GCP, TRACE_NO_FORMAT};

enum trace_format trace_format_of(const char *word)
{
    for (size_t i = TRACE_B3; word != NULL && i < TRACE_FORMAT_COUNT; i++)
        if (strcmp(trace_forms[i].word, word) == 0)
            return (enum trace_format)i;
    return TRACE_NO_FORMAT;
}

struct trace_choice trace_choice_read(const cJSON *config, enum trace_format otherwise)
{
    const char *word = document_text(config, "header_type");

    return (struct trace_choice){
        .ignores = word != NULL && strcmp(word, "ignore") == 0,
        .also = trace_format_of(word),
        .otherwise = otherwise,
    };
}

static bool has_format(const struct headers *headers, const struct trace_form *form)
{
    return form->is_there != NULL ? form->is_there(headers) : trace_is_there(headers, form->name);
}

struct trace_context trace_context_read(const struct headers *headers, const enum trace_format *order)
{
    struct trace_context context = {0};

    while (*order != TRACE_NO_FORMAT && !has_format(headers, &trace_forms[*order]))
        order++;
    context.format = *order;
    if (context.format != TRACE_NO_FORMAT)
        trace_forms[context.format].read(headers, &context);
    return context;
}

bool trace_context_shares_span(const struct trace_context *context)
{
    return trace_forms[context->format].shares_span;
}

void trace_lot_draw(struct trace_lot *lot)
{
    uint64_t numbers[3];

    random_bytes(numbers, sizeof(numbers));
    lot->id[0] = numbers[0];
    lot->id[1] = numbers[1] != 0 ? numbers[1] : 1; /* a short id is this half alone */
    random_seed(&lot->spans, numbers[2]);
}

struct trace_id trace_id_new(const struct trace_lot *lot, bool is_short)
{
    return (struct trace_id){is_short ? 0 : lot->id[0], lot->id[1], is_short};
}

uint64_t trace_span_id_new(struct trace_lot *lot)
{
    uint64_t id;

    do
        id = random_next(&lot->spans);
    while (id == 0);
    return id;
}

struct str trace_id_text(struct exchange *exchange, const struct trace_id *id)
{
    return id->is_short ? exchange_printf(exchange, "%016" PRIx64, id->low)
                        : exchange_printf(exchange, "%016" PRIx64 "%016" PRIx64, id->high, id->low);
}

/* Which formats go out, one or two; returns how many. */
static size_t choose(const struct trace_choice *choice, const struct trace_context *found,
                     const struct trace_form *chosen[2])
{
    enum trace_format also = choice->also != found->format ? choice->also : TRACE_NO_FORMAT;
    size_t count = 0;

    if (found->format != TRACE_NO_FORMAT)
        chosen[count++] = &trace_forms[found->format];
    if (also != TRACE_NO_FORMAT)
        chosen[count++] = &trace_forms[also];
    if (count == 0)
        chosen[count++] = &trace_forms[choice->otherwise];
    return count;
}

struct str trace_id_shown(struct exchange *exchange, const struct trace_choice *choice,
                          const struct trace_context *found, const struct trace_id *id)
{
    const struct trace_form *chosen[2];
    size_t count = choose(choice, found, chosen);
    struct str first = chosen[0]->show(exchange, id);

    if (count == 1 || strcmp(chosen[0]->shown_as, chosen[1]->shown_as) == 0)
        return exchange_printf(exchange, "{\"%s\":\"%.*s\"}", chosen[0]->shown_as, STR_ARG(first));
    struct str second = chosen[1]->show(exchange, id);
    return exchange_printf(exchange, "{\"%s\":\"%.*s\",\"%s\":\"%.*s\"}", chosen[0]->shown_as, STR_ARG(first),
                           chosen[1]->shown_as, STR_ARG(second));
}

void trace_context_write(struct exchange *exchange, const struct trace_choice *choice,
                         const struct trace_context *found, const struct trace_context *context)
{
    const struct trace_form *chosen[2];
    size_t count = choose(choice, found, chosen);
    bool is_other = found->id.high != context->id.high || found->id.low != context->id.low;

    for (size_t i = 0; i < count; i++)
        chosen[i]->write(exchange, context);
    if (is_other)
        (void)headers_remove(&exchange_request(exchange)->headers, STR("tracestate"));
}
