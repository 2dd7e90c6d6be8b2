#pragma once

/*
 * trace_words - the words that lines about traces are made of: ids, decisions, parts. For trace_*.c only.
 *
 * A read that returns false has changed nothing. Threads: any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/str.h"
#include "gateway/plugins/trace_context.h"

struct headers;

enum {
    TRACE_ID_DIGITS = 16 /* of a span, and of a short trace id */
};

/* at == NULL: not there, or more than once, which nobody may read anything into. */
struct str trace_only(const struct headers *headers, struct str name);
bool trace_is_there(const struct headers *headers, struct str name);
/* Up to `separator`, which is taken as well; the rest when there is none; then there is nothing. */
struct str trace_take(struct str *rest, char separator);

/* Hexadecimal, from one digit to 32. */
bool trace_read_id(struct str text, struct trace_id *id);
/* 16 or 32 digits, not all zeros. */
bool trace_read_trace(struct str text, struct trace_id *id);
/* From one digit to `most`, which is at most 16. */
bool trace_read_number(struct str text, size_t most, uint64_t *number);
/* All digits, not all zeros. */
bool trace_read_span(struct str text, uint64_t *span);
bool trace_id_is_some(const struct trace_id *id);

/* 1, 0, true, false. */
enum trace_sampling trace_read_sampling(struct str word);
enum trace_sampling trace_sampling_of(bool sampled);
