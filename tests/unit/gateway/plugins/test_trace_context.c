/*
 * trace_context - every format, both ways, and what is not of its form (the sources are in the header).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/http/exchange_recorder.h"
#include "gateway/plugins/trace_context.h"

#define LONG_ID  "0af7651916cd43dd8448eb211c80319c"
#define SHORT_ID "8448eb211c80319c"
#define SPAN     "b7ad6b7169203331"
#define PARENT   "00f067aa0ba902b7"

static const uint64_t high = UINT64_C(0x0af7651916cd43dd), low = UINT64_C(0x8448eb211c80319c);
static const uint64_t span = UINT64_C(0xb7ad6b7169203331), parent = UINT64_C(0x00f067aa0ba902b7);

/* "name: value\nname: value" */
static struct exchange *exchange_with(const char *lines)
{
    const struct exchange_request request = {.method = STR("GET"), .target = STR("/"), .path = STR("/")};
    struct exchange *exchange = exchange_recorder_new(NULL, &request);

    while (*lines != '\0') {
        size_t end = strcspn(lines, "\n"), colon = strcspn(lines, ":");
        headers_add(&exchange_request(exchange)->headers, (struct str){lines, colon},
                    str_trim((struct str){lines + colon + 1, end - colon - 1}));
        lines += end + (lines[end] == '\n');
    }
    return exchange;
}

static void assert_header(struct exchange *exchange, const char *name, const char *value)
{
    const struct header *line = headers_find(&exchange_request(exchange)->headers, str_of(name));

    if (value == NULL) {
        assert_null(line);
        return;
    }
    assert_non_null(line);
    assert_int_equal(line->value.len, strlen(value));
    assert_memory_equal(line->value.at, value, line->value.len);
}

/* ---- reading ---- */

enum ids {
    NONE, /* nothing can be read */
    ROOT, /* a trace, no span */
    SPANS,
    PARENTS
};

static const struct {
    const char *lines;
    enum trace_format format;
    enum ids ids;
    bool is_short;
    enum trace_sampling sampling;
} readings[] = {
    /* clang-format off */
    {"", TRACE_NO_FORMAT, NONE, false, TRACE_UNDECIDED},
    {"accept: */*", TRACE_NO_FORMAT, NONE, false, TRACE_UNDECIDED},
    /* W3C */
    {"traceparent: 00-" LONG_ID "-" SPAN "-01", TRACE_W3C, SPANS, false, TRACE_SAMPLED},
    {"Traceparent: 00-" LONG_ID "-" SPAN "-00", TRACE_W3C, SPANS, false, TRACE_NOT_SAMPLED},
    {"traceparent: 00-" LONG_ID "-" SPAN "-03", TRACE_W3C, SPANS, false, TRACE_SAMPLED},
    {"traceparent: 00-" LONG_ID "-" SPAN "-fe", TRACE_W3C, SPANS, false, TRACE_NOT_SAMPLED},
    {"traceparent: cc-" LONG_ID "-" SPAN "-01", TRACE_W3C, SPANS, false, TRACE_SAMPLED},
    {"traceparent: cc-" LONG_ID "-" SPAN "-01-what the future brings", TRACE_W3C, SPANS, false, TRACE_SAMPLED},
    {"traceparent: cc-" LONG_ID "-" SPAN "-01.what", TRACE_W3C, NONE, false, TRACE_UNDECIDED},
    {"traceparent: 00-" LONG_ID "-" SPAN "-01-x", TRACE_W3C, NONE, false, TRACE_UNDECIDED},
    {"traceparent: ff-" LONG_ID "-" SPAN "-01", TRACE_W3C, NONE, false, TRACE_UNDECIDED},
    {"traceparent: 0x-" LONG_ID "-" SPAN "-01", TRACE_W3C, NONE, false, TRACE_UNDECIDED},
    {"traceparent: 00-00000000000000000000000000000000-" SPAN "-01", TRACE_W3C, NONE, false, TRACE_UNDECIDED},
    {"traceparent: 00-" LONG_ID "-0000000000000000-01", TRACE_W3C, NONE, false, TRACE_UNDECIDED},
    {"traceparent: 00-0AF7651916cd43dd8448eb211c80319c-" SPAN "-01", TRACE_W3C, NONE, false, TRACE_UNDECIDED},
    {"traceparent: 00-0gf7651916cd43dd8448eb211c80319c-" SPAN "-01", TRACE_W3C, NONE, false, TRACE_UNDECIDED},
    {"traceparent: 00-" LONG_ID "-" SPAN "-1", TRACE_W3C, NONE, false, TRACE_UNDECIDED},
    {"traceparent: 00-" LONG_ID "_" SPAN "-01", TRACE_W3C, NONE, false, TRACE_UNDECIDED},
    {"traceparent: 00-" LONG_ID "-" SPAN "-0 ", TRACE_W3C, NONE, false, TRACE_UNDECIDED},
    {"traceparent:", TRACE_W3C, NONE, false, TRACE_UNDECIDED},
    {"traceparent: 00-" LONG_ID "-" SPAN "-01\ntraceparent: 00-" LONG_ID "-" SPAN "-01", TRACE_W3C, NONE, false, TRACE_UNDECIDED},
    /* B3, a line each */
    {"x-b3-traceid: " LONG_ID "\nx-b3-spanid: " SPAN, TRACE_B3, SPANS, false, TRACE_UNDECIDED},
    {"x-b3-traceid: " SHORT_ID "\nx-b3-spanid: " SPAN "\nx-b3-parentspanid: " PARENT "\nx-b3-sampled: 1", TRACE_B3, PARENTS, true, TRACE_SAMPLED},
    {"X-B3-TraceId: 0AF7651916CD43DD8448EB211C80319C\nX-B3-SpanId: " SPAN "\nX-B3-Sampled: false", TRACE_B3, SPANS, false, TRACE_NOT_SAMPLED},
    {"x-b3-traceid: " LONG_ID "\nx-b3-spanid: " SPAN "\nx-b3-sampled: true", TRACE_B3, SPANS, false, TRACE_SAMPLED},
    {"x-b3-traceid: " LONG_ID "\nx-b3-spanid: " SPAN "\nx-b3-sampled: maybe", TRACE_B3, SPANS, false, TRACE_UNDECIDED},
    {"x-b3-traceid: " LONG_ID "\nx-b3-spanid: " SPAN "\nx-b3-sampled: 0\nx-b3-flags: 1", TRACE_B3, SPANS, false, TRACE_SAMPLED},
    {"x-b3-traceid: " LONG_ID "\nx-b3-spanid: " SPAN "\nx-b3-flags: 2", TRACE_B3, SPANS, false, TRACE_UNDECIDED},
    {"x-b3-traceid: " LONG_ID, TRACE_B3, ROOT, false, TRACE_UNDECIDED},
    {"x-b3-sampled: 0", TRACE_B3, NONE, false, TRACE_NOT_SAMPLED},
    {"x-b3-flags: 1", TRACE_B3, NONE, false, TRACE_SAMPLED},
    {"x-b3-spanid: " SPAN, TRACE_B3, NONE, false, TRACE_UNDECIDED},
    {"x-b3-traceid: 1" LONG_ID "\nx-b3-spanid: " SPAN, TRACE_B3, NONE, false, TRACE_UNDECIDED},
    {"x-b3-traceid: 0000000000000000\nx-b3-spanid: " SPAN, TRACE_B3, NONE, false, TRACE_UNDECIDED},
    {"x-b3-traceid: " LONG_ID "\nx-b3-spanid: 1\nx-b3-sampled: 1", TRACE_B3, NONE, false, TRACE_SAMPLED},
    {"x-b3-traceid: " LONG_ID "\nx-b3-spanid: " SPAN "\nx-b3-parentspanid: xyz", TRACE_B3, NONE, false, TRACE_UNDECIDED},
    {"x-b3-traceid: " LONG_ID "\nx-b3-traceid: " LONG_ID "\nx-b3-spanid: " SPAN, TRACE_B3, NONE, false, TRACE_UNDECIDED},
    /* B3 in one line */
    {"b3: " LONG_ID "-" SPAN "-1-" PARENT, TRACE_B3_SINGLE, PARENTS, false, TRACE_SAMPLED},
    {"b3: " SHORT_ID "-" SPAN "-0", TRACE_B3_SINGLE, SPANS, true, TRACE_NOT_SAMPLED},
    {"b3: " LONG_ID "-" SPAN "-d", TRACE_B3_SINGLE, SPANS, false, TRACE_SAMPLED},
    {"b3: " LONG_ID "-" SPAN, TRACE_B3_SINGLE, SPANS, false, TRACE_UNDECIDED},
    {"b3: 1", TRACE_B3_SINGLE, NONE, false, TRACE_SAMPLED},
    {"b3: d", TRACE_B3_SINGLE, NONE, false, TRACE_SAMPLED},
    {"b3: 0", TRACE_B3_SINGLE, NONE, false, TRACE_NOT_SAMPLED},
    {"b3: x", TRACE_B3_SINGLE, NONE, false, TRACE_UNDECIDED},
    {"b3: 0-" SPAN, TRACE_B3_SINGLE, NONE, false, TRACE_UNDECIDED},
    {"b3: " LONG_ID, TRACE_B3_SINGLE, NONE, false, TRACE_UNDECIDED},
    {"b3: " LONG_ID "-" SPAN "-2", TRACE_B3_SINGLE, NONE, false, TRACE_UNDECIDED},
    {"b3: " LONG_ID "-" SPAN "-1-" PARENT "-1", TRACE_B3_SINGLE, NONE, false, TRACE_UNDECIDED},
    {"b3: " LONG_ID "-" SPAN "-1-", TRACE_B3_SINGLE, NONE, false, TRACE_UNDECIDED},
    {"b3:", TRACE_B3_SINGLE, NONE, false, TRACE_UNDECIDED},
    {"b3: " LONG_ID "-" SPAN "-1\nb3: " LONG_ID "-" SPAN "-1", TRACE_B3_SINGLE, NONE, false, TRACE_UNDECIDED},
    {"tracestate: b3=" LONG_ID "-" SPAN "-1,other=x", TRACE_B3_SINGLE, SPANS, false, TRACE_SAMPLED},
    {"tracestate: other=x", TRACE_NO_FORMAT, NONE, false, TRACE_UNDECIDED},
    /* both: one line wins, the others complete it, one wrong id spoils all */
    {"b3: " LONG_ID "-" SPAN "\nx-b3-traceid: 1111111111111111\nx-b3-parentspanid: " PARENT "\nx-b3-sampled: 1", TRACE_B3_SINGLE, PARENTS, false, TRACE_SAMPLED},
    {"b3: 1\nx-b3-traceid: " LONG_ID "\nx-b3-spanid: " SPAN, TRACE_B3_SINGLE, SPANS, false, TRACE_SAMPLED},
    {"b3: " LONG_ID "-" SPAN "\nx-b3-traceid: 1", TRACE_B3_SINGLE, NONE, false, TRACE_UNDECIDED},
    {"b3: 0\nx-b3-sampled: 1", TRACE_B3_SINGLE, NONE, false, TRACE_SAMPLED},
    /* Jaeger */
    {"uber-trace-id: " LONG_ID ":" SPAN ":" PARENT ":1", TRACE_JAEGER, PARENTS, false, TRACE_SAMPLED},
    {"uber-trace-id: " SHORT_ID ":" SPAN ":0:0", TRACE_JAEGER, SPANS, true, TRACE_NOT_SAMPLED},
    {"uber-trace-id: af7651916cd43dd8448eb211c80319c:" SPAN ":f067aa0ba902b7:03", TRACE_JAEGER, PARENTS, false, TRACE_SAMPLED},
    {"uber-trace-id: " LONG_ID ":" SPAN ":no parent:2", TRACE_JAEGER, SPANS, false, TRACE_NOT_SAMPLED},
    {"uber-trace-id: " LONG_ID ":" SPAN ":0:", TRACE_JAEGER, NONE, false, TRACE_UNDECIDED},
    {"uber-trace-id: " LONG_ID ":" SPAN ":0:001", TRACE_JAEGER, NONE, false, TRACE_UNDECIDED},
    {"uber-trace-id: " LONG_ID ":" SPAN ":0", TRACE_JAEGER, NONE, false, TRACE_UNDECIDED},
    {"uber-trace-id: " LONG_ID ":" SPAN ":0:1:1", TRACE_JAEGER, NONE, false, TRACE_UNDECIDED},
    {"uber-trace-id: 0:" SPAN ":0:1", TRACE_JAEGER, NONE, false, TRACE_UNDECIDED},
    {"uber-trace-id: 1" LONG_ID ":" SPAN ":0:1", TRACE_JAEGER, NONE, false, TRACE_UNDECIDED},
    {"uber-trace-id: " LONG_ID ":0:0:1", TRACE_JAEGER, NONE, false, TRACE_UNDECIDED},
    {"uber-trace-id: " LONG_ID ":1" SPAN ":0:1", TRACE_JAEGER, NONE, false, TRACE_UNDECIDED},
    {"uber-trace-id:", TRACE_JAEGER, NONE, false, TRACE_UNDECIDED},
    /* OpenTracing */
    {"ot-tracer-traceid: " LONG_ID "\not-tracer-spanid: " SPAN "\not-tracer-sampled: 1", TRACE_OT, SPANS, false, TRACE_SAMPLED},
    {"ot-tracer-traceid: " SHORT_ID "\not-tracer-spanid: " SPAN "\not-tracer-sampled: false", TRACE_OT, SPANS, true, TRACE_NOT_SAMPLED},
    {"ot-tracer-traceid: " LONG_ID, TRACE_OT, ROOT, false, TRACE_UNDECIDED},
    {"ot-tracer-sampled: 0", TRACE_OT, NONE, false, TRACE_NOT_SAMPLED},
    {"ot-tracer-traceid: " LONG_ID "\not-tracer-spanid: 1\not-tracer-sampled: 1", TRACE_OT, NONE, false, TRACE_SAMPLED},
    {"ot-tracer-traceid: 1\not-tracer-spanid: " SPAN, TRACE_OT, NONE, false, TRACE_UNDECIDED},
    /* AWS */
    {"x-amzn-trace-id: Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" SPAN ";Sampled=1", TRACE_AWS, SPANS, false, TRACE_SAMPLED},
    {"X-Amzn-Trace-Id: Sampled=0; Self=1-x; Parent = " SPAN "; Root=1-0af76519-16cd43dd8448eb211c80319c;Lineage=a:1|b", TRACE_AWS, SPANS, false, TRACE_NOT_SAMPLED},
    {"x-amzn-trace-id: Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" SPAN ";Sampled=?", TRACE_AWS, SPANS, false, TRACE_UNDECIDED},
    {"x-amzn-trace-id: Root=1-0af76519-16cd43dd8448eb211c80319c", TRACE_AWS, ROOT, false, TRACE_UNDECIDED},
    {"x-amzn-trace-id: Root=2-0af76519-16cd43dd8448eb211c80319c;Parent=" SPAN, TRACE_AWS, NONE, false, TRACE_UNDECIDED},
    {"x-amzn-trace-id: Root=1-0af7651-916cd43dd8448eb211c80319c;Parent=" SPAN, TRACE_AWS, NONE, false, TRACE_UNDECIDED},
    {"x-amzn-trace-id: Root=1-0af7651-16cd43dd8448eb211c80319c;Parent=" SPAN, TRACE_AWS, NONE, false, TRACE_UNDECIDED},
    {"x-amzn-trace-id: Root=1-0af76519-16cd43dd8448eb211c80319c0;Parent=" SPAN, TRACE_AWS, NONE, false, TRACE_UNDECIDED},
    {"x-amzn-trace-id: Root=1-00000000-000000000000000000000000;Parent=" SPAN, TRACE_AWS, NONE, false, TRACE_UNDECIDED},
    {"x-amzn-trace-id: Root=1-0af76519-16cd43dd8448eb211c80319c;Root=1-0af76519-16cd43dd8448eb211c80319c", TRACE_AWS, NONE, false, TRACE_UNDECIDED},
    {"x-amzn-trace-id: Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=1;Sampled=1", TRACE_AWS, NONE, false, TRACE_UNDECIDED},
    {"x-amzn-trace-id: Parent=" SPAN ";Sampled=1", TRACE_AWS, NONE, false, TRACE_UNDECIDED},
    {"x-amzn-trace-id: Root", TRACE_AWS, NONE, false, TRACE_UNDECIDED},
    {"x-amzn-trace-id: ;;=;", TRACE_AWS, NONE, false, TRACE_UNDECIDED},
    /* Google */
    {"x-cloud-trace-context: " LONG_ID "/13235353014750950193;o=1", TRACE_GCP, SPANS, false, TRACE_SAMPLED},
    {"x-cloud-trace-context: " LONG_ID "/13235353014750950193;o=0", TRACE_GCP, SPANS, false, TRACE_NOT_SAMPLED},
    {"x-cloud-trace-context: " LONG_ID "/13235353014750950193", TRACE_GCP, SPANS, false, TRACE_UNDECIDED},
    {"x-cloud-trace-context: " LONG_ID "/18446744073709551616", TRACE_GCP, NONE, false, TRACE_UNDECIDED},
    {"x-cloud-trace-context: " LONG_ID "/99999999999999999999", TRACE_GCP, NONE, false, TRACE_UNDECIDED},
    {"x-cloud-trace-context: " LONG_ID "/0;o=1", TRACE_GCP, NONE, false, TRACE_UNDECIDED},
    {"x-cloud-trace-context: " LONG_ID, TRACE_GCP, NONE, false, TRACE_UNDECIDED},
    {"x-cloud-trace-context: " LONG_ID "/1;o=", TRACE_GCP, NONE, false, TRACE_UNDECIDED},
    {"x-cloud-trace-context: " LONG_ID "/1;o=x", TRACE_GCP, NONE, false, TRACE_UNDECIDED},
    {"x-cloud-trace-context: " LONG_ID "/1;o=1;", TRACE_GCP, NONE, false, TRACE_UNDECIDED},
    {"x-cloud-trace-context: " SHORT_ID "/1;o=1", TRACE_GCP, NONE, false, TRACE_UNDECIDED},
    {"x-cloud-trace-context: " LONG_ID "/-1", TRACE_GCP, NONE, false, TRACE_UNDECIDED},
    /* clang-format on */
};

static void every_format_is_read_strictly(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(readings); i++) {
        struct exchange *exchange = exchange_with(readings[i].lines);
        struct trace_context read =
            trace_context_read(&exchange_request(exchange)->headers, trace_order_b3_first);
        enum ids ids = readings[i].ids;

        if (read.format != readings[i].format || read.sampling != readings[i].sampling)
            fail_msg("%s", readings[i].lines);
        assert_int_equal(read.sampling, readings[i].sampling);
        assert_int_equal(read.id.high, ids == NONE || readings[i].is_short ? 0 : high);
        assert_int_equal(read.id.low, ids == NONE ? 0 : low);
        assert_int_equal(read.id.is_short, readings[i].is_short);
        assert_int_equal(read.span, ids >= SPANS ? span : 0);
        assert_int_equal(read.parent, ids == PARENTS ? parent : 0);
        exchange_recorder_free(exchange);
    }
}

static void of_several_formats_the_first_of_the_order_counts(void **state)
{
    static const char lines[] = "traceparent: 00-" LONG_ID "-" SPAN "-01\nx-b3-traceid: " SHORT_ID
                                "\nx-b3-spanid: " PARENT "\nuber-trace-id: 1:1:0:1";
    struct exchange *exchange = exchange_with(lines);
    const struct headers *headers = &exchange_request(exchange)->headers;

    (void)state;
    assert_int_equal(trace_context_read(headers, trace_order_b3_first).format, TRACE_B3);
    assert_int_equal(trace_context_read(headers, trace_order_b3_first).span, parent);
    assert_int_equal(trace_context_read(headers, trace_order_w3c_first).format, TRACE_W3C);
    assert_int_equal(trace_context_read(headers, trace_order_w3c_first).span, span);
    exchange_recorder_free(exchange);
}

/* ---- writing ---- */

static const struct {
    enum trace_format format;
    bool is_short, has_parent, debug;
    enum trace_sampling sampling;
    const char *lines[4][2]; /* name and value; a value of NULL: not there */
} writings[] = {
    /* clang-format off */
    {TRACE_W3C, false, false, false, TRACE_SAMPLED, {{"traceparent", "00-" LONG_ID "-" SPAN "-01"}}},
    {TRACE_W3C, true, true, false, TRACE_NOT_SAMPLED, {{"traceparent", "00-0000000000000000" SHORT_ID "-" SPAN "-00"}}},
    {TRACE_B3, false, true, false, TRACE_SAMPLED,
     {{"x-b3-traceid", LONG_ID}, {"x-b3-spanid", SPAN}, {"x-b3-parentspanid", PARENT}, {"x-b3-sampled", "1"}}},
    {TRACE_B3, true, false, false, TRACE_NOT_SAMPLED,
     {{"x-b3-traceid", SHORT_ID}, {"x-b3-parentspanid", NULL}, {"x-b3-flags", NULL}, {"x-b3-sampled", "0"}}},
    {TRACE_B3, true, false, true, TRACE_SAMPLED, {{"x-b3-flags", "1"}, {"x-b3-sampled", NULL}, {"x-b3-spanid", SPAN}}},
    {TRACE_B3_SINGLE, false, true, false, TRACE_SAMPLED, {{"b3", LONG_ID "-" SPAN "-1-" PARENT}}},
    {TRACE_B3_SINGLE, true, false, false, TRACE_NOT_SAMPLED, {{"b3", SHORT_ID "-" SPAN "-0"}}},
    {TRACE_B3_SINGLE, true, false, true, TRACE_SAMPLED, {{"b3", SHORT_ID "-" SPAN "-d"}}},
    {TRACE_JAEGER, false, true, false, TRACE_SAMPLED, {{"uber-trace-id", LONG_ID ":" SPAN ":" PARENT ":01"}}},
    {TRACE_JAEGER, true, false, false, TRACE_NOT_SAMPLED, {{"uber-trace-id", SHORT_ID ":" SPAN ":0:00"}}},
    {TRACE_OT, false, true, false, TRACE_SAMPLED,
     {{"ot-tracer-traceid", LONG_ID}, {"ot-tracer-spanid", SPAN}, {"ot-tracer-sampled", "1"}}},
    {TRACE_OT, true, false, false, TRACE_NOT_SAMPLED, {{"ot-tracer-traceid", SHORT_ID}, {"ot-tracer-sampled", "0"}}},
    {TRACE_AWS, false, true, false, TRACE_SAMPLED,
     {{"x-amzn-trace-id", "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=" SPAN ";Sampled=1"}}},
    {TRACE_AWS, true, false, false, TRACE_NOT_SAMPLED,
     {{"x-amzn-trace-id", "Root=1-00000000-00000000" SHORT_ID ";Parent=" SPAN ";Sampled=0"}}},
    {TRACE_GCP, false, true, false, TRACE_SAMPLED, {{"x-cloud-trace-context", LONG_ID "/13235353014750950193;o=1"}}},
    {TRACE_GCP, true, false, false, TRACE_NOT_SAMPLED,
     {{"x-cloud-trace-context", "0000000000000000" SHORT_ID "/13235353014750950193;o=0"}}},
    /* clang-format on */
};

static const struct trace_context nothing = {0};

static void every_format_is_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(writings); i++) {
        struct exchange *exchange = exchange_with(
            "x-b3-parentspanid: " PARENT "\nx-b3-flags: x\nx-b3-sampled: 0\nb3: old\ntraceparent: old");
        const struct trace_choice choice = {.otherwise = writings[i].format};
        bool is_short = writings[i].is_short;
        const struct trace_context context = {
            .id = {is_short ? 0 : high, low, is_short},
            .span = span,
            .parent = writings[i].has_parent ? parent : 0,
            .sampling = writings[i].sampling,
            .debug = writings[i].debug,
        };
        trace_context_write(exchange, &choice, &nothing, &context);
        for (size_t k = 0; k < COUNT(writings[i].lines) && writings[i].lines[k][0] != NULL; k++)
            assert_header(exchange, writings[i].lines[k][0], writings[i].lines[k][1]);
        /* What is written can be read. */
        const enum trace_format order[] = {writings[i].format, TRACE_NO_FORMAT};
        struct trace_context read = trace_context_read(&exchange_request(exchange)->headers, order);
        assert_int_equal(read.id.low, low);
        assert_int_equal(read.span, span);
        assert_int_equal(read.sampling, writings[i].sampling);
        exchange_recorder_free(exchange);
    }
}

static struct trace_choice choice_of(const char *word)
{
    cJSON *config = cJSON_CreateObject();
    cJSON_AddStringToObject(config, "header_type", word);
    struct trace_choice choice = trace_choice_read(config, TRACE_B3);
    cJSON_Delete(config);
    return choice;
}

/* Which formats go out, by the setting and by what has come (plugin reference, 22 and 24). */
static void the_setting_and_the_client_choose_the_formats(void **state)
{
    static const struct {
        const char *word, *came;
        bool b3, w3c, jaeger;
    } rows[] = {
        {"preserve", "", true, false, false},
        {"preserve", "uber-trace-id: 1:1:0:1", false, false, true},
        {"preserve", "uber-trace-id: malformed", false, false, true},
        {"ignore", "uber-trace-id: 1:1:0:1", true, false, false},
        {"w3c", "", false, true, false},
        {"w3c", "uber-trace-id: 1:1:0:1", false, true, true},
        {"jaeger", "uber-trace-id: 1:1:0:1", false, false, true},
    };
    const struct trace_context context = {.id = {1, 2, false}, .span = 0xabc};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct exchange *exchange = exchange_with(rows[i].came);
        struct trace_choice choice = choice_of(rows[i].word);
        struct trace_context found =
            choice.ignores ? nothing
                           : trace_context_read(&exchange_request(exchange)->headers, trace_order_b3_first);
        trace_context_write(exchange, &choice, &found, &context);
        const struct headers *headers = &exchange_request(exchange)->headers;
        const struct header *jaeger = headers_find(headers, STR("uber-trace-id"));
        assert_int_equal(headers_find(headers, STR("x-b3-traceid")) != NULL, rows[i].b3);
        assert_int_equal(headers_find(headers, STR("traceparent")) != NULL, rows[i].w3c);
        assert_int_equal(jaeger != NULL && jaeger->value.len > 40, rows[i].jaeger);
        exchange_recorder_free(exchange);
    }
}

/* For the log record: each id as its format has it. */
static void an_id_is_shown_in_the_formats_that_go_out(void **state)
{
    static const struct {
        const char *word, *came, *shown;
    } rows[] = {
        {"preserve", "", "{\"b3\":\"" LONG_ID "\"}"},
        {"b3-single", "x-b3-sampled: 1", "{\"b3\":\"" LONG_ID "\"}"},
        {"w3c", "uber-trace-id: 1:1:0:1", "{\"jaeger\":\"" LONG_ID "\",\"w3c\":\"" LONG_ID "\"}"},
        {"aws", "ot-tracer-sampled: 1",
         "{\"ot\":\"" LONG_ID "\",\"aws\":\"1-0af76519-16cd43dd8448eb211c80319c\"}"},
        {"gcp", "", "{\"gcp\":\"" LONG_ID "\"}"},
    };
    const struct trace_id id = {high, low, false};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct exchange *exchange = exchange_with(rows[i].came);
        struct trace_choice choice = choice_of(rows[i].word);
        struct trace_context found =
            trace_context_read(&exchange_request(exchange)->headers, trace_order_b3_first);
        struct str shown = trace_id_shown(exchange, &choice, &found, &id);
        if (!str_equal(shown, str_of(rows[i].shown)))
            fail_msg("%.*s is not %s", STR_ARG(shown), rows[i].shown);
        exchange_recorder_free(exchange);
    }
}

static void the_words_of_the_setting_are_known(void **state)
{
    (void)state;
    assert_true(choice_of("ignore").ignores);
    assert_false(choice_of("preserve").ignores);
    assert_int_equal(choice_of("preserve").also, TRACE_NO_FORMAT);
    assert_int_equal(trace_format_of("b3"), TRACE_B3);
    assert_int_equal(trace_format_of("b3-single"), TRACE_B3_SINGLE);
    assert_int_equal(trace_format_of("w3c"), TRACE_W3C);
    assert_int_equal(trace_format_of("jaeger"), TRACE_JAEGER);
    assert_int_equal(trace_format_of("ot"), TRACE_OT);
    assert_int_equal(trace_format_of("aws"), TRACE_AWS);
    assert_int_equal(trace_format_of("gcp"), TRACE_GCP);
    assert_int_equal(trace_format_of("other"), TRACE_NO_FORMAT);
    assert_int_equal(trace_format_of(NULL), TRACE_NO_FORMAT);
}

/* W3C Trace Context, 3.4: a state belongs to the trace it came with. */
static void a_state_goes_on_with_its_trace_only(void **state)
{
    const struct trace_choice choice = {.otherwise = TRACE_W3C};
    struct trace_context context = {.id = {high, low, false}, .span = 1};
    struct exchange *same =
        exchange_with("traceparent: 00-" LONG_ID "-" SPAN "-01\ntracestate: a=1\ntracestate: b=2");
    struct exchange *other = exchange_with("traceparent: malformed\ntracestate: a=1\ntracestate: b=2");
    struct trace_context found = trace_context_read(&exchange_request(same)->headers, trace_order_w3c_first);

    (void)state;
    trace_context_write(same, &choice, &found, &context);
    assert_header(same, "tracestate", "a=1");
    found = trace_context_read(&exchange_request(other)->headers, trace_order_w3c_first);
    trace_context_write(other, &choice, &found, &context);
    assert_header(other, "tracestate", NULL);
    assert_header(other, "traceparent", "00-" LONG_ID "-0000000000000001-00");
    exchange_recorder_free(same);
    exchange_recorder_free(other);
}

static void new_ids_are_of_the_wanted_size_and_differ(void **state)
{
    struct trace_lot lots[2];

    trace_lot_draw(&lots[0]);
    trace_lot_draw(&lots[1]);
    struct trace_id one = trace_id_new(&lots[0], false), other = trace_id_new(&lots[1], false);
    struct trace_id half = trace_id_new(&lots[0], true);

    (void)state;
    assert_true(one.high != 0 && one.low != 0 && !one.is_short);
    assert_true(one.high != other.high && one.low != other.low);
    assert_true(half.high == 0 && half.low != 0 && half.is_short);
    assert_true(trace_span_id_new(&lots[0]) != trace_span_id_new(&lots[0]));
    assert_true(trace_span_id_new(&lots[0]) != trace_span_id_new(&lots[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_is_read_strictly),
        cmocka_unit_test(of_several_formats_the_first_of_the_order_counts),
        cmocka_unit_test(every_format_is_written),
        cmocka_unit_test(the_setting_and_the_client_choose_the_formats),
        cmocka_unit_test(an_id_is_shown_in_the_formats_that_go_out),
        cmocka_unit_test(the_words_of_the_setting_are_known),
        cmocka_unit_test(a_state_goes_on_with_its_trace_only),
        cmocka_unit_test(new_ids_are_of_the_wanted_size_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
