/* redis_place - see redis_place.h. */

#include "bus/redis_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/machine.h"

static size_t count_of(const char *list)
{
    size_t count = 1;

    for (const char *c = list; *c != '\0'; c++)
        count += *c == ',' ? 1 : 0;
    return count;
}

/* The number-th of "host:port,[host]:port"; what is no address has port 0, to which nothing connects. */
static void read_place(const char *list, size_t number, struct redis_place *place)
{
    const char *end, *colon;

    for (; number > 0; number--)
        list = strchr(list, ',') + 1;
    end = list + strcspn(list, ",");
    for (colon = end; colon > list && *colon != ':'; colon--)
        ;
    bool in_brackets = *list == '[' && colon > list && colon[-1] == ']';
    (void)snprintf(place->host, sizeof(place->host), "%.*s", (int)(colon - list) - (in_brackets ? 2 : 0),
                   list + (in_brackets ? 1 : 0));
    place->port = *colon == ':' ? (int)strtol(colon + 1, NULL, 10) : 0;
}

/* As a Sentinel says it: an array of host and port; nothing when it knows no such master. */
static bool take_answer(const redisReply *reply, const struct bus_redis *redis, struct redis_place *place,
                        struct bus_err *err)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING || reply->element[1]->type != REDIS_REPLY_STRING ||
        reply->element[0]->len >= sizeof(place->host))
        return bus_err_set(err, BUS_ERR_CONNECT, "no Redis Sentinel knows a master of the name %s",
                           redis->sentinel_master);
    (void)snprintf(place->host, sizeof(place->host), "%s", reply->element[0]->str);
    place->port = (int)strtol(reply->element[1]->str, NULL, 10);
    return true;
}

static bool ask_sentinel(const struct bus_redis *redis, const struct redis_place *sentinel, SSL_CTX *tls,
                         const struct patience *patience, struct redis_place *place, struct bus_err *err)
{
    const char *const question[3] = {"SENTINEL", "get-master-addr-by-name", redis->sentinel_master};
    struct bus_redis as = *redis;
    struct wire wire = {0};
    redisReply *reply = NULL;

    as.host = sentinel->host;
    as.port = sentinel->port;
    as.username = redis->sentinel_username;
    as.password = redis->sentinel_password;
    as.database = 0;
    bool ok = wire_open(&wire, tls, &as, patience, err) &&
              wire_ask(&wire, 3, question, patience, &reply, err) && take_answer(reply, redis, place, err);
    freeReplyObject(reply);
    wire_close(&wire);
    return ok;
}

/* One after the other, beginning anywhere; each has its share of the time that is left. */
static bool ask_sentinels(const struct bus_redis *redis, SSL_CTX *tls, const struct patience *patience,
                          struct redis_place *place, struct bus_err *err)
{
    size_t count = count_of(redis->sentinels);
    size_t first = (size_t)(machine_uniform() * (double)count);

    for (size_t i = 0; i < count; i++) {
        struct redis_place sentinel;
        struct patience share = *patience;
        int64_t now_us = machine_now_us();
        share.deadline_us = now_us + (patience->deadline_us - now_us) / (int64_t)(count - i + 1);
        read_place(redis->sentinels, (first + i) % count, &sentinel);
        if (ask_sentinel(redis, &sentinel, tls, &share, place, err))
            return true;
    }
    return false;
}

bool redis_find(const struct bus_redis *redis, SSL_CTX *tls, const struct patience *patience,
                struct redis_place *place, struct bus_err *err)
{
    if (redis->sentinels != NULL)
        return ask_sentinels(redis, tls, patience, place, err);
    if (redis->cluster != NULL) {
        size_t count = count_of(redis->cluster);
        read_place(redis->cluster, (size_t)(machine_uniform() * (double)count) % count, place);
        return true;
    }
    (void)snprintf(place->host, sizeof(place->host), "%s", redis->host);
    place->port = redis->port;
    return true;
}

bool redis_is_place(struct wire *wire, const struct bus_redis *redis, const struct patience *patience,
                    struct bus_err *err)
{
    const char *const question[1] = {"ROLE"};
    redisReply *reply = NULL;

    if (redis->sentinels == NULL)
        return true;
    if (!wire_ask(wire, 1, question, patience, &reply, err))
        return false;
    bool is_master = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
                     reply->element[0]->type == REDIS_REPLY_STRING &&
                     strcmp(reply->element[0]->str, "master") == 0;
    freeReplyObject(reply);
    return is_master || bus_err_set(err, BUS_ERR_CONNECT, "the Redis that Sentinel names is no master (yet)");
}
