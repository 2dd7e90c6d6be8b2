/*
 * rate_limit - see rate_limit.h.
 */

#include "gateway/plugins/rate_limit.h"

#include <math.h>

#include "gateway/base/json_write.h"
#include "gateway/chain/chain.h"

static int64_t limit_of(const cJSON *record, const char *period)
{
    const cJSON *limit = cJSON_GetObjectItemCaseSensitive(record, period);
    double most = RATE_LIMIT_MAX;

    if (!cJSON_IsNumber(limit) || !(limit->valuedouble > 0))
        return 0;
    return (int64_t)ceil(limit->valuedouble < most ? limit->valuedouble : most);
}

void rate_limits_read(const cJSON *record, int64_t limits[PERIOD_COUNT])
{
    for (size_t i = 0; i < PERIOD_COUNT; i++)
        limits[i] = limit_of(record, period_names[i]);
}

struct str rate_limit_id(struct chain *chain, const struct uuid *id)
{
    return str_of(uuid_format(id, exchange_alloc(chain->exchange, UUID_TEXT_SIZE)));
}

struct str rate_limit_credential(struct chain *chain)
{
    return chain->credential != NULL ? rate_limit_id(chain, chain->credential) : STR_NONE;
}

struct str rate_limit_consumer(struct chain *chain)
{
    return chain->consumer != NULL ? rate_limit_id(chain, &chain->consumer->id)
                                   : rate_limit_credential(chain);
}

void rate_limit_show(struct chain *chain, struct headers *headers, const char *name, int64_t number)
{
    char *digits = exchange_alloc(chain->exchange, JSON_NUMBER_MAX);
    const char *end = json_write_number(digits, number);

    headers_set(headers, str_of(name), (struct str){digits, (size_t)(end - digits)});
}
