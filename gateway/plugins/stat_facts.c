/*
 * stat_facts - see stat_facts.h.
 *
 * The chance is made of the request's id, which is random: no state, and all that is sampled of a request
 * with one rate goes out together.
 */

#include "gateway/plugins/stat_facts.h"

#include "gateway/base/attributes.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/log_record.h"
#include "gateway/model/entities.h"

static const struct {
    const char *setting;
    struct str name;
} measures[STAT_MEASURE_COUNT] = {
    [STAT_REQUEST_COUNT] = {"request_count", {"request.count", 13}},
    [STAT_REQUEST_SIZE] = {"request_size", {"request.size", 12}},
    [STAT_RESPONSE_SIZE] = {"response_size", {"response.size", 13}},
    [STAT_LATENCY] = {"latency", {"latency", 7}},
    [STAT_UPSTREAM_LATENCY] = {"upstream_latency", {"upstream_latency", 16}},
    [STAT_KONG_LATENCY] = {"kong_latency", {"kong_latency", 12}},
};

struct str stat_measure_name(enum stat_measure measure)
{
    return measures[measure].name;
}

bool stat_measure_named(const char *setting, enum stat_measure *measure)
{
    for (size_t i = 0; setting != NULL && i < COUNT(measures); i++) {
        if (strcmp(measures[i].setting, setting) != 0)
            continue;
        *measure = (enum stat_measure)i;
        return true;
    }
    return false;
}

enum stat_consumer_by stat_consumer_by_named(const char *name, enum stat_consumer_by fallback)
{
    static const char *const names[] = {[STAT_CONSUMER_ID] = "consumer_id",
                                        [STAT_CONSUMER_CUSTOM_ID] = "custom_id",
                                        [STAT_CONSUMER_USERNAME] = "username"};

    for (size_t i = 0; name != NULL && i < COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum stat_consumer_by)i;
    return fallback;
}

struct str stat_consumer(const struct stat_facts *facts, enum stat_consumer_by by, char room[UUID_TEXT_SIZE])
{
    if (facts->consumer == NULL)
        return STR_NONE;
    switch (by) {
    case STAT_CONSUMER_ID:
        return str_of(uuid_format(&facts->consumer->id, room));
    case STAT_CONSUMER_CUSTOM_ID:
        return str_of(facts->consumer->custom_id);
    case STAT_CONSUMER_USERNAME:
        break;
    }
    return str_of(facts->consumer->username);
}

struct str stat_service(const struct service *service)
{
    return str_of(service->name != NULL ? service->name : service->host);
}

/* Hexadecimal digits as a fraction; as many as a double holds without loss. */
static double chance_of(struct str id)
{
    double chance = 0, weight = 1;

    for (size_t i = 0; i < id.len && i < 12; i++) {
        char digit = id.at[i];
        weight /= 16;
        chance += weight * (digit >= 'a' ? digit - 'a' + 10 : digit - '0');
    }
    return chance;
}

void stat_facts_of(struct stat_facts *facts, const struct chain *chain)
{
    struct exchange_outcome outcome;
    struct log_latencies latencies;

    exchange_read_outcome(chain->exchange, &outcome);
    log_latencies(chain, &latencies);
    *facts = (struct stat_facts){
        .measured =
            {
                [STAT_REQUEST_COUNT] = 1,
                [STAT_REQUEST_SIZE] = (int64_t)log_request_bytes(chain),
                [STAT_RESPONSE_SIZE] = (int64_t)outcome.bytes_sent,
                [STAT_LATENCY] = latencies.request_us / 1000,
                [STAT_UPSTREAM_LATENCY] = latencies.upstream_us < 0 ? -1 : latencies.upstream_us / 1000,
                [STAT_KONG_LATENCY] = latencies.gateway_us / 1000,
            },
        .status =
            outcome.status != 0 ? outcome.status : 499, /* as the access log has it: the client has gone */
        .service = chain->service,
        .route = chain->route,
        .consumer = chain->consumer,
        .chance = chance_of(chain->request_id),
    };
}
