#pragma once

/*
 * trace_forms - the formats of trace_context.h, a row each. For trace_*.c only.
 *
 * Threads: the exchange's loop.
 */

#include <stdbool.h>

#include "gateway/base/str.h"
#include "gateway/plugins/trace_context.h"

struct exchange;
struct headers;

enum {
    TRACE_FORMAT_COUNT = TRACE_GCP + 1
};

struct trace_form {
    const char *word; /* of settings */
    struct str name;  /* its one line; at == NULL: is_there() knows */
    bool (*is_there)(const struct headers *headers);
    /* What cannot be read leaves the context as it was; decisions of their own line may stand. */
    void (*read)(const struct headers *headers, struct trace_context *context);
    void (*write)(struct exchange *exchange, const struct trace_context *context);
    struct str (*show)(struct exchange *exchange, const struct trace_id *id); /* the id alone */
    const char *shown_as;
    bool shares_span;
};

/* By enum trace_format; the first is empty. */
extern const struct trace_form trace_forms[TRACE_FORMAT_COUNT];
