/*
 * trace_forms - see trace_forms.h. What a client sends goes into ids of ours and into lines for others: each
 * format is read strictly.
 */

#include "gateway/plugins/trace_forms.h"

#include <inttypes.h>

#include "gateway/http/exchange.h"
#include "gateway/http/header.h"
#include "gateway/plugins/trace_words.h"

enum {
    ID_DIGITS = TRACE_ID_DIGITS,
    LONG_DIGITS = 2 * TRACE_ID_DIGITS,
    W3C_LEN = 55
};

static const char *flag(const struct trace_context *context)
{
    return context->sampling == TRACE_SAMPLED ? "1" : "0";
}

static void set(struct exchange *exchange, struct str name, struct str value)
{
    headers_set(&exchange_request(exchange)->headers, name, value);
}

static struct str span_text(struct exchange *exchange, uint64_t span)
{
    return exchange_printf(exchange, "%016" PRIx64, span);
}

static struct str long_text(struct exchange *exchange, const struct trace_id *id)
{
    return exchange_printf(exchange, "%016" PRIx64 "%016" PRIx64, id->high, id->low);
}

/* ---- B3 ---- */

/* trace-span[-sampled[-parent]], or what is decided alone. */
static bool read_b3_line(struct str line, struct trace_context *context)
{
    struct str trace = trace_take(&line, '-');
    struct str span = trace_take(&line, '-');
    struct str sampled = trace.len == 1 ? trace : trace_take(&line, '-');
    struct str parent = trace_take(&line, '-');
    bool is_debug = str_equal(sampled, STR("d"));

    if (line.at != NULL || (sampled.len > 0 && !is_debug && trace_read_sampling(sampled) == TRACE_UNDECIDED))
        return false;
    if (trace.len == 1 ? span.at != NULL
                       : !trace_read_trace(trace, &context->id) || !trace_read_span(span, &context->span))
        return false;
    if (parent.at != NULL && !trace_read_span(parent, &context->parent))
        return false;
    context->debug |= is_debug;
    if (sampled.len > 0 && context->sampling != TRACE_SAMPLED)
        context->sampling = is_debug ? TRACE_SAMPLED : trace_read_sampling(sampled);
    return true;
}

/* False: it is there and wrong. */
static bool read_b3_span(const struct headers *headers, struct str name, uint64_t *span)
{
    uint64_t read;

    if (!trace_is_there(headers, name))
        return true;
    if (!trace_read_span(trace_only(headers, name), &read))
        return false;
    if (*span == 0)
        *span = read;
    return true;
}

/* The lines of their own fill in what the single one does not say. */
static bool read_b3_ids(const struct headers *headers, struct trace_context *context)
{
    struct trace_id id;

    if (trace_is_there(headers, STR("x-b3-traceid"))) {
        if (!trace_read_trace(trace_only(headers, STR("x-b3-traceid")), &id))
            return false;
        if (!trace_id_is_some(&context->id))
            context->id = id;
    }
    return read_b3_span(headers, STR("x-b3-spanid"), &context->span) &&
           read_b3_span(headers, STR("x-b3-parentspanid"), &context->parent);
}

/* Decisions are taken as they are; one wrong id makes all of them worthless. */
static void read_b3(const struct headers *headers, struct str single, struct trace_context *context)
{
    bool good = true;

    context->sampling = trace_read_sampling(trace_only(headers, STR("x-b3-sampled")));
    context->debug = str_equal(trace_only(headers, STR("x-b3-flags")), STR("1"));
    if (context->debug)
        context->sampling = TRACE_SAMPLED;
    if (context->format == TRACE_B3_SINGLE)
        good = single.at != NULL && read_b3_line(single, context);
    if (!read_b3_ids(headers, context) || !good || !trace_id_is_some(&context->id)) {
        context->id = (struct trace_id){0};
        context->span = context->parent = 0;
    }
}

static void read_b3_lines(const struct headers *headers, struct trace_context *context)
{
    read_b3(headers, STR_NONE, context);
}

/* Zipkin's libraries also write it into a tracestate. */
static struct str b3_of_state(const struct headers *headers)
{
    const struct header *line = headers_find(headers, STR("tracestate"));

    if (line == NULL || !str_starts_with(line->value, STR("b3=")))
        return STR_NONE;
    struct str rest = str_part(line->value, 3, line->value.len);
    return str_trim(trace_take(&rest, ','));
}

static void read_b3_single(const struct headers *headers, struct trace_context *context)
{
    read_b3(headers,
            trace_is_there(headers, STR("b3")) ? trace_only(headers, STR("b3")) : b3_of_state(headers),
            context);
}

static bool has_b3_single(const struct headers *headers)
{
    return trace_is_there(headers, STR("b3")) || b3_of_state(headers).len > 0;
}

static bool has_b3(const struct headers *headers)
{
    return trace_is_there(headers, STR("x-b3-traceid")) || trace_is_there(headers, STR("x-b3-spanid")) ||
           trace_is_there(headers, STR("x-b3-parentspanid")) ||
           trace_is_there(headers, STR("x-b3-sampled")) || trace_is_there(headers, STR("x-b3-flags"));
}

static void write_b3(struct exchange *exchange, const struct trace_context *context)
{
    struct headers *headers = &exchange_request(exchange)->headers;

    set(exchange, STR("x-b3-traceid"), trace_id_text(exchange, &context->id));
    set(exchange, STR("x-b3-spanid"), span_text(exchange, context->span));
    if (context->parent != 0)
        set(exchange, STR("x-b3-parentspanid"), span_text(exchange, context->parent));
    else
        (void)headers_remove(headers, STR("x-b3-parentspanid"));
    if (context->debug) {
        set(exchange, STR("x-b3-flags"), STR("1"));
        (void)headers_remove(headers, STR("x-b3-sampled"));
    } else {
        (void)headers_remove(headers, STR("x-b3-flags"));
        set(exchange, STR("x-b3-sampled"), str_of(flag(context)));
    }
}

static void write_b3_single(struct exchange *exchange, const struct trace_context *context)
{
    struct str id = trace_id_text(exchange, &context->id);
    const char *sampled = context->debug ? "d" : flag(context);
    struct str parent =
        context->parent != 0 ? exchange_printf(exchange, "-%016" PRIx64, context->parent) : STR_NONE;

    set(exchange, STR("b3"),
        exchange_printf(exchange, "%.*s-%016" PRIx64 "-%s%.*s", STR_ARG(id), context->span, sampled,
                        STR_ARG(parent)));
}

/* ---- W3C ---- */

static bool has_capitals(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] >= 'A' && text.at[i] <= 'Z')
            return true;
    return false;
}

/* Of a later version what this one has is read (W3C Trace Context, 3.2.4). */
static bool is_traceparent(struct str line)
{
    if (line.len < W3C_LEN || line.at[2] != '-' || line.at[35] != '-' || line.at[52] != '-')
        return false;
    struct str version = str_part(line, 0, 2);
    bool is_known = str_equal(version, STR("00"));
    bool has_more = line.len > W3C_LEN;

    return !str_equal(version, STR("ff")) && (!has_more || (!is_known && line.at[W3C_LEN] == '-')) &&
           !has_capitals(str_part(line, 0, W3C_LEN));
}

static void read_w3c(const struct headers *headers, struct trace_context *context)
{
    struct str line = trace_only(headers, STR("traceparent"));
    struct trace_id id;
    uint64_t version, span, flags;

    if (!is_traceparent(line) || !trace_read_number(str_part(line, 0, 2), 2, &version) ||
        !trace_read_trace(str_part(line, 3, 35), &id) || !trace_read_span(str_part(line, 36, 52), &span) ||
        !trace_read_number(str_part(line, 53, W3C_LEN), 2, &flags))
        return;
    id.is_short = false;
    context->id = id;
    context->span = span;
    context->sampling = trace_sampling_of((flags & 1) != 0);
}

static void write_w3c(struct exchange *exchange, const struct trace_context *context)
{
    struct str id = long_text(exchange, &context->id);

    set(exchange, STR("traceparent"),
        exchange_printf(exchange, "00-%.*s-%016" PRIx64 "-0%s", STR_ARG(id), context->span, flag(context)));
}

/* ---- Jaeger ---- */

/* trace:span:parent:flags, leading zeros left out at will. A wrong parent does no harm: it is not used. */
static void read_jaeger(const struct headers *headers, struct trace_context *context)
{
    struct str line = trace_only(headers, STR("uber-trace-id"));
    struct str trace = trace_take(&line, ':');
    struct str span_word = trace_take(&line, ':');
    struct str parent_word = trace_take(&line, ':');
    struct trace_id id;
    uint64_t span, flags;

    if (!trace_read_id(trace, &id) || !trace_id_is_some(&id) ||
        !trace_read_number(span_word, ID_DIGITS, &span) || span == 0 || !trace_read_number(line, 2, &flags))
        return;
    context->id = id;
    context->span = span;
    if (!trace_read_number(parent_word, ID_DIGITS, &context->parent))
        context->parent = 0;
    context->sampling = trace_sampling_of((flags & 1) != 0);
}

static void write_jaeger(struct exchange *exchange, const struct trace_context *context)
{
    struct str id = trace_id_text(exchange, &context->id);
    struct str parent = context->parent != 0 ? span_text(exchange, context->parent) : STR("0");

    set(exchange, STR("uber-trace-id"),
        exchange_printf(exchange, "%.*s:%016" PRIx64 ":%.*s:0%s", STR_ARG(id), context->span, STR_ARG(parent),
                        flag(context)));
}

/* ---- OpenTracing ---- */

static bool has_ot(const struct headers *headers)
{
    return trace_is_there(headers, STR("ot-tracer-traceid")) ||
           trace_is_there(headers, STR("ot-tracer-spanid")) ||
           trace_is_there(headers, STR("ot-tracer-sampled"));
}

static void read_ot(const struct headers *headers, struct trace_context *context)
{
    struct trace_id id;
    uint64_t span = 0;

    context->sampling = trace_read_sampling(trace_only(headers, STR("ot-tracer-sampled")));
    if (!trace_read_trace(trace_only(headers, STR("ot-tracer-traceid")), &id) ||
        !read_b3_span(headers, STR("ot-tracer-spanid"), &span))
        return;
    context->id = id;
    context->span = span;
}

static void write_ot(struct exchange *exchange, const struct trace_context *context)
{
    set(exchange, STR("ot-tracer-traceid"), trace_id_text(exchange, &context->id));
    set(exchange, STR("ot-tracer-spanid"), span_text(exchange, context->span));
    set(exchange, STR("ot-tracer-sampled"), str_of(flag(context)));
}

/* ---- AWS ---- */

/* 1-<8 digits: time>-<24 digits>. */
static bool read_aws_root(struct str text, struct trace_id *id)
{
    struct str version = trace_take(&text, '-');
    struct str time = trace_take(&text, '-');
    struct trace_id read;
    uint64_t first;

    if (!str_equal(version, STR("1")) || time.len != 8 || !trace_read_number(time, 8, &first) ||
        text.len != 24 || !trace_read_id(text, &read))
        return false;
    read.high |= first << 32;
    read.is_short = false;
    if (!trace_id_is_some(&read))
        return false;
    *id = read;
    return true;
}

/* Root=...;Parent=...;Sampled=1 in any order, and others' words between. Load balancers send a root alone. */
static void read_aws(const struct headers *headers, struct trace_context *context)
{
    struct str line = trace_only(headers, STR("x-amzn-trace-id"));
    struct trace_context read = *context;

    while (line.len > 0) {
        struct str value = str_trim(trace_take(&line, ';'));
        struct str name = str_trim(trace_take(&value, '='));
        value = str_trim(value);
        if (str_equal(name, STR("Root")) && (trace_id_is_some(&read.id) || !read_aws_root(value, &read.id)))
            return;
        if (str_equal(name, STR("Parent")) && !trace_read_span(value, &read.span))
            return;
        if (str_equal(name, STR("Sampled")))
            read.sampling = trace_read_sampling(value);
    }
    if (trace_id_is_some(&read.id))
        *context = read;
}

static struct str aws_text(struct exchange *exchange, const struct trace_id *id)
{
    return exchange_printf(exchange, "1-%08" PRIx64 "-%08" PRIx64 "%016" PRIx64, id->high >> 32,
                           id->high & 0xffffffff, id->low);
}

static void write_aws(struct exchange *exchange, const struct trace_context *context)
{
    struct str id = aws_text(exchange, &context->id);

    set(exchange, STR("x-amzn-trace-id"),
        exchange_printf(exchange, "Root=%.*s;Parent=%016" PRIx64 ";Sampled=%s", STR_ARG(id), context->span,
                        flag(context)));
}

/* ---- Google ---- */

/* Decimal, to 2^64 - 1. */
static bool read_decimal(struct str text, uint64_t *number)
{
    uint64_t read = 0;

    if (text.len == 0 || text.len > 20)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || __builtin_mul_overflow(read, UINT64_C(10), &read) ||
            __builtin_add_overflow(read, (uint64_t)(text.at[i] - '0'), &read))
            return false;
    }
    *number = read;
    return true;
}

/* trace/span[;o=flags] */
static void read_gcp(const struct headers *headers, struct trace_context *context)
{
    struct str line = trace_only(headers, STR("x-cloud-trace-context"));
    struct str trace = trace_take(&line, '/');
    struct str span_word = trace_take(&line, ';');
    struct trace_id id;
    uint64_t span, flags;

    if (trace.len != LONG_DIGITS || !trace_read_trace(trace, &id) || !read_decimal(span_word, &span) ||
        span == 0)
        return;
    if (line.at != NULL) {
        if (line.len != 3 || !str_starts_with(line, STR("o=")) || !read_decimal(str_part(line, 2, 3), &flags))
            return;
        context->sampling = trace_sampling_of((flags & 1) != 0);
    }
    context->id = id;
    context->span = span;
}

static void write_gcp(struct exchange *exchange, const struct trace_context *context)
{
    struct str id = long_text(exchange, &context->id);

    set(exchange, STR("x-cloud-trace-context"),
        exchange_printf(exchange, "%.*s/%" PRIu64 ";o=%s", STR_ARG(id), context->span, flag(context)));
}

/* ---- all of them ---- */

const struct trace_form trace_forms[TRACE_FORMAT_COUNT] = {
    /* clang-format off */
    [TRACE_B3]        = {"b3",        {NULL, 0}, has_b3, read_b3_lines, write_b3, trace_id_text, "b3", true},
    [TRACE_B3_SINGLE] = {"b3-single", {NULL, 0}, has_b3_single, read_b3_single, write_b3_single, trace_id_text, "b3", true},
    [TRACE_W3C]       = {"w3c",       {"traceparent", 11}, NULL, read_w3c, write_w3c, long_text, "w3c", false},
    [TRACE_JAEGER]    = {"jaeger",    {"uber-trace-id", 13}, NULL, read_jaeger, write_jaeger, trace_id_text, "jaeger", true},
    [TRACE_OT]        = {"ot",        {NULL, 0}, has_ot, read_ot, write_ot, trace_id_text, "ot", false},
    [TRACE_AWS]       = {"aws",       {"x-amzn-trace-id", 15}, NULL, read_aws, write_aws, aws_text, "aws", false},
    [TRACE_GCP]       = {"gcp",       {"x-cloud-trace-context", 21}, NULL, read_gcp, write_gcp, long_text, "gcp", false},
    /* clang-format on */
};
