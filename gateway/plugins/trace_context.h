#pragma once

/*
 * trace_context - whose part of a trace a request is, as headers say it: seven formats, read and written.
 *
 * Sources: W3C Trace Context (level 1, 2021); openzipkin/b3-propagation; Jaeger client libraries
 * (uber-trace-id); OpenTracing (ot-tracer-*); AWS X-Ray (X-Amzn-Trace-Id); Google Cloud Trace
 * (X-Cloud-Trace-Context); how they are told apart: plugin reference, 22 and 24.
 *
 * Ids are numbers, since every format calls the one of all zeros invalid: 0 is "none".
 *
 * Threads: the exchange's loop.
 */

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/random.h"
#include "gateway/base/str.h"

struct exchange;
struct headers;

enum trace_format {
    TRACE_NO_FORMAT,
    TRACE_B3,
    TRACE_B3_SINGLE,
    TRACE_W3C,
    TRACE_JAEGER,
    TRACE_OT,
    TRACE_AWS,
    TRACE_GCP,
};

enum trace_sampling {
    TRACE_UNDECIDED,
    TRACE_SAMPLED,
    TRACE_NOT_SAMPLED
};

struct trace_id {
    uint64_t high, low;
    bool is_short; /* of 64 bits; formats that know no such ids write zeros before it */
};

struct trace_context {
    enum trace_format format; /* found; TRACE_NO_FORMAT: none */
    struct trace_id id;
    uint64_t span;   /* who sends it */
    uint64_t parent; /* of that span, where the format tells */
    enum trace_sampling sampling;
    bool debug; /* B3: sampled, whatever anybody thinks of it */
};

/* The setting header_type, and what is written when nobody has brought anything. */
struct trace_choice {
    bool ignores;                /* what comes is not read */
    enum trace_format also;      /* written in any case; TRACE_NO_FORMAT: "preserve", "ignore" */
    enum trace_format otherwise; /* when there is neither `also` nor a format that has come */
};

/* `config` has a setting header_type. */
struct trace_choice trace_choice_read(const cJSON *config, enum trace_format otherwise);
/* By a setting's word; TRACE_NO_FORMAT: it is none. */
enum trace_format trace_format_of(const char *word);

/* Ends with TRACE_NO_FORMAT; the first that is there is the one that counts. */
extern const enum trace_format trace_order_b3_first[], trace_order_w3c_first[];

/* What cannot be read is as if it were not there, but for the format: it is answered in kind. */
struct trace_context trace_context_read(const struct headers *headers, const enum trace_format *order);
/* B3 and Jaeger: server and client share a span. With the others the client's is our span's parent. */
bool trace_context_shares_span(const struct trace_context *context);

/* What one request's new ids are made of; asked of the kernel at once. */
struct trace_lot {
    uint64_t id[2];
    struct random_sequence spans;
};
void trace_lot_draw(struct trace_lot *lot);
struct trace_id trace_id_new(const struct trace_lot *lot, bool is_short);
uint64_t trace_span_id_new(struct trace_lot *lot);
/* 32 digits, or 16 of a short one. */
struct str trace_id_text(struct exchange *exchange, const struct trace_id *id);

/* For the log: a JSON object of the id as each format has it that is written, {"w3c":"0af7..."}. */
struct str trace_id_shown(struct exchange *exchange, const struct trace_choice *choice,
                          const struct trace_context *found, const struct trace_id *id);

/*
 * Says it to the upstream in the formats of `choice`; `context` is of the span that calls it. found: the
 * format it came in. A tracestate that belongs to another trace goes.
 */
void trace_context_write(struct exchange *exchange, const struct trace_choice *choice,
                         const struct trace_context *found, const struct trace_context *context);
