#pragma once

/*
 * stat_facts - what of a request is measured, for statsd and datadog.
 *
 * Threads: the request's loop; what is pure, any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/str.h"
#include "gateway/base/uuid.h"

struct chain;
struct consumer;
struct route;
struct service;

enum stat_measure {
    STAT_REQUEST_COUNT,
    STAT_REQUEST_SIZE,  /* bytes, head included */
    STAT_RESPONSE_SIZE, /* likewise */
    STAT_LATENCY,       /* this and the others: ms */
    STAT_UPSTREAM_LATENCY,
    STAT_KONG_LATENCY,
    STAT_MEASURE_COUNT
};

/* Entities are borrowed until the chain ends. */
struct stat_facts {
    int64_t measured[STAT_MEASURE_COUNT]; /* -1: there is none */
    int status;
    const struct service *service; /* NULL: none, as are the next two */
    const struct route *route;
    const struct consumer *consumer;
    double chance; /* of this request, in [0, 1): what is sent for a part of all is sent if it is below that
                      part */
};

/* In a log phase. */
void stat_facts_of(struct stat_facts *facts, const struct chain *chain);

/* The end of a measure's name: "request.count". */
struct str stat_measure_name(enum stat_measure measure);
/* By the name that settings have, "request_count". False: it is not one of them. */
bool stat_measure_named(const char *setting, enum stat_measure *measure);

enum stat_consumer_by {
    STAT_CONSUMER_ID,
    STAT_CONSUMER_CUSTOM_ID,
    STAT_CONSUMER_USERNAME,
};
/* By the words of settings; NULL: `fallback`. */
enum stat_consumer_by stat_consumer_by_named(const char *name, enum stat_consumer_by fallback);
/* at == NULL: there is no consumer, or it does not have what it is to be told by. */
struct str stat_consumer(const struct stat_facts *facts, enum stat_consumer_by by, char room[UUID_TEXT_SIZE]);
/* Its name, or its host if it has none. */
struct str stat_service(const struct service *service);
