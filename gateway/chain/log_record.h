#pragma once

/*
 * log_record - what loggers tell of a request: one JSON object (plugin reference, 18).
 *
 * Written once, when the first logger asks, and shared by all of a request. Texts that a peer chooses are cut
 * at LOG_TEXT_BYTES, together at LOG_TEXTS_BYTES, and end in "..." then; whatever bytes they have, it stays
 * good JSON in one line.
 *
 * Threads: the request's loop.
 */

#include "gateway/base/str.h"

struct chain;

enum {
    LOG_TEXT_BYTES = 8 * 1024,   /* of one name or value */
    LOG_TEXTS_BYTES = 48 * 1024, /* of all; a byte may take six in JSON */
};

/* In the log phase only. Until the chain ends; without a newline. */
struct str log_record(struct chain *chain);

/* ---- single facts, for loggers that count rather than tell ---- */

/* Bytes of the request as it came, head included: what is known of it. */
size_t log_request_bytes(const struct chain *chain);
struct log_latencies {
    int64_t
        gateway_us; /* all but the time until the upstream's head; until one was asked that has sent none */
    int64_t upstream_us; /* -1: no upstream has answered */
    int64_t request_us;
};
void log_latencies(const struct chain *chain, struct log_latencies *latencies);
