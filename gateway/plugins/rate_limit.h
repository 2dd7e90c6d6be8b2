#pragma once

/*
 * rate_limit - what both plugins that limit rates have in common: limits by period, and who is counted.
 *
 * Threads: any; rate_limit_*() with a chain on the loop of the request.
 */

#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/str.h"
#include "gateway/plugins/period.h"

struct chain;
struct headers;
struct uuid;

/* Exact in a double, and never reached; sums of some thousands do not overflow. */
#define RATE_LIMIT_MAX INT64_C(1000000000000000)

/* Of a record with a member per period; 0: none. Part of a request is a whole one. */
void rate_limits_read(const cJSON *record, int64_t limits[PERIOD_COUNT]);
/* Who asks, by id: the consumer, else the credential; at == NULL: a stranger. */
struct str rate_limit_consumer(struct chain *chain);
struct str rate_limit_credential(struct chain *chain);
/* A header of the answer, or of the request on its way upstream. */
void rate_limit_show(struct chain *chain, struct headers *headers, const char *name, int64_t number);
/* An id as text, in the exchange's memory. */
struct str rate_limit_id(struct chain *chain, const struct uuid *id);
