/*
 * otlp - see otlp.h.
 */

#include "gateway/plugins/otlp.h"

#include "gateway/plugins/protobuf.h"

/* Numbers of fields in the protocol's messages. */
enum {
    REQUEST_RESOURCE_SPANS = 1,
    RESOURCE_SPANS_RESOURCE = 1,
    RESOURCE_SPANS_SCOPE_SPANS = 2,
    RESOURCE_ATTRIBUTES = 1,
    SCOPE_SPANS_SCOPE = 1,
    SCOPE_SPANS_SPANS = 2,
    SCOPE_NAME = 1,
    SCOPE_VERSION = 2,
    SPAN_TRACE_ID = 1,
    SPAN_ID = 2,
    SPAN_PARENT_ID = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_ATTRIBUTES = 9,
    SPAN_STATUS = 15,
    STATUS_CODE = 3,
    STATUS_ERROR = 2,
    PAIR_KEY = 1,
    PAIR_VALUE = 2,
    VALUE_TEXT = 1,
    VALUE_NUMBER = 3
};

/* Most significant byte first. */
static void write_id(char to[8], uint64_t id)
{
    for (int i = 0; i < 8; i++)
        to[i] = (char)(id >> (56 - 8 * i));
}

static void add_id(struct buf *buf, uint32_t field, uint64_t id)
{
    char bytes[8];

    write_id(bytes, id);
    protobuf_add_bytes(buf, field, (struct str){bytes, sizeof(bytes)});
}

static void add_trace(struct buf *buf, const struct trace_id *id)
{
    char bytes[16];

    write_id(bytes, id->high);
    write_id(bytes + 8, id->low);
    protobuf_add_bytes(buf, SPAN_TRACE_ID, (struct str){bytes, sizeof(bytes)});
}

static void add_text_pair(struct buf *buf, uint32_t field, struct str name, struct str text)
{
    size_t pair = protobuf_open(buf, field);

    protobuf_add_text(buf, PAIR_KEY, name);
    size_t value = protobuf_open(buf, PAIR_VALUE);
    protobuf_add_text(buf, VALUE_TEXT, text);
    protobuf_close(buf, value);
    protobuf_close(buf, pair);
}

void otlp_begin(struct otlp *otlp, struct buf *buf)
{
    otlp->buf = buf;
    otlp->spans = protobuf_open(buf, REQUEST_RESOURCE_SPANS);
    otlp->part = protobuf_open(buf, RESOURCE_SPANS_RESOURCE);
}

void otlp_resource(struct otlp *otlp, struct str name, struct str value)
{
    add_text_pair(otlp->buf, RESOURCE_ATTRIBUTES, name, value);
}

void otlp_scope(struct otlp *otlp, struct str name, struct str version)
{
    protobuf_close(otlp->buf, otlp->part);
    otlp->part = protobuf_open(otlp->buf, RESOURCE_SPANS_SCOPE_SPANS);
    size_t scope = protobuf_open(otlp->buf, SCOPE_SPANS_SCOPE);
    protobuf_add_text(otlp->buf, SCOPE_NAME, name);
    protobuf_add_text(otlp->buf, SCOPE_VERSION, version);
    protobuf_close(otlp->buf, scope);
}

void otlp_span_begin(struct otlp *otlp, const struct otlp_span *span)
{
    struct buf *buf = otlp->buf;

    otlp->span = protobuf_open(buf, SCOPE_SPANS_SPANS);
    add_trace(buf, span->trace);
    add_id(buf, SPAN_ID, span->id);
    if (span->parent != 0)
        add_id(buf, SPAN_PARENT_ID, span->parent);
    protobuf_add_text(buf, SPAN_NAME, span->name);
    protobuf_add_number(buf, SPAN_KIND, span->kind);
    protobuf_add_fixed64(buf, SPAN_START, (uint64_t)span->began_unix_us * 1000);
    protobuf_add_fixed64(buf, SPAN_END, (uint64_t)span->ended_unix_us * 1000);
}

void otlp_text(struct otlp *otlp, struct str name, struct str value)
{
    add_text_pair(otlp->buf, SPAN_ATTRIBUTES, name, value);
}

void otlp_number(struct otlp *otlp, struct str name, int64_t number)
{
    size_t pair = protobuf_open(otlp->buf, SPAN_ATTRIBUTES);

    protobuf_add_text(otlp->buf, PAIR_KEY, name);
    size_t value = protobuf_open(otlp->buf, PAIR_VALUE);
    protobuf_add_number(otlp->buf, VALUE_NUMBER, (uint64_t)number);
    protobuf_close(otlp->buf, value);
    protobuf_close(otlp->buf, pair);
}

void otlp_span_end(struct otlp *otlp, bool failed)
{
    if (failed) {
        size_t status = protobuf_open(otlp->buf, SPAN_STATUS);
        protobuf_add_number(otlp->buf, STATUS_CODE, STATUS_ERROR);
        protobuf_close(otlp->buf, status);
    }
    protobuf_close(otlp->buf, otlp->span);
}

void otlp_end(struct otlp *otlp)
{
    protobuf_close(otlp->buf, otlp->part);
    protobuf_close(otlp->buf, otlp->spans);
}
