#pragma once

/*
 * otlp - spans as OpenTelemetry's protocol has them: an ExportTraceServiceRequest in protobuf
 * (opentelemetry-proto 1.0: collector/trace/v1, trace/v1, resource/v1, common/v1).
 *
 * Several of them in a row are one with all of their spans, as ever with repeated fields: so batches need no
 * frame.
 *
 *     otlp_begin(); otlp_resource()...; otlp_scope(); { otlp_span_begin(); otlp_text()...; otlp_span_end()
 * }...; otlp_end()
 *
 * Threads: any; a writer belongs to its caller.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/str.h"
#include "gateway/plugins/trace_context.h"

struct otlp {
    struct buf *buf;          /* the caller's, empty at first */
    size_t spans, part, span; /* opened messages */
};

/* Numbers of the protocol. */
enum otlp_kind {
    OTLP_INTERNAL = 1,
    OTLP_SERVER = 2,
    OTLP_CLIENT = 3
};

struct otlp_span {
    const struct trace_id *trace;
    uint64_t id, parent; /* parent 0: none */
    struct str name;
    enum otlp_kind kind;
    int64_t began_unix_us, ended_unix_us;
};

void otlp_begin(struct otlp *otlp, struct buf *buf);
/* Attributes of who speaks; before the scope. */
void otlp_resource(struct otlp *otlp, struct str name, struct str value);
void otlp_scope(struct otlp *otlp, struct str name, struct str version);

void otlp_span_begin(struct otlp *otlp, const struct otlp_span *span);
/* Attributes of the open span. */
void otlp_text(struct otlp *otlp, struct str name, struct str value);
void otlp_number(struct otlp *otlp, struct str name, int64_t value);
/* failed: its status is an error, else unset. */
void otlp_span_end(struct otlp *otlp, bool failed);
void otlp_end(struct otlp *otlp);
