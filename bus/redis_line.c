/*
 * Hints over Redis: one connection that is subscribed, one that publishes (a subscribed one may not), to
 * whichever server is the right one now (redis_place.h).
 *
 * Every request is answered within ANSWER_US or the line is dead: that is how a half-open connection is
 * found. An idle connection is asked by PING, which is allowed while subscribed.
 */

#include "bus/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/machine.h"
#include "bus/redis_place.h"
#include "bus/redis_wire.h"

enum {
    DEFAULT_TIMEOUT_MS = 2000,
    IDLE_US = 3000000,   /* nothing heard for so long: PING */
    ANSWER_US = 2000000, /* to PING and to PUBLISH */
};

struct line {
    struct line_options options;
    SSL_CTX *tls;
    struct wire listening;
    struct wire publishing;
};

static void hand_over(const struct line *line, const redisReply *reply)
{
    const redisReply *const *parts = (const redisReply *const *)reply->element;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 || parts[0]->type != REDIS_REPLY_STRING ||
        parts[2]->type != REDIS_REPLY_STRING || strcmp(parts[0]->str, "message") != 0)
        return;
    line->options.on_message(line->options.arg, (const uint8_t *)parts[2]->str, parts[2]->len);
}

/* A push answers nothing; everything else answers the oldest command. */
static bool is_push(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
           reply->element[0]->type == REDIS_REPLY_STRING && strcmp(reply->element[0]->str, "message") == 0;
}

static bool take_replies(const struct line *line, struct wire *wire, struct bus_err *err)
{
    redisReply *reply;

    for (;;) {
        if (!wire_next_reply(wire, &reply, err))
            return false;
        if (reply == NULL)
            return true;
        if (is_push(reply)) {
            hand_over(line, reply);
        } else if (wire->unanswered > 0) {
            wire->unanswered--;
            wire->waiting_us = machine_now_us();
        }
        freeReplyObject(reply);
    }
}

static bool work_wire(const struct line *line, struct wire *wire, struct bus_err *err)
{
    const char *const ping[1] = {"PING"};

    if (!wire_flush(wire, err) || !wire_receive(wire, err) || !take_replies(line, wire, err))
        return false;
    if (wire->unanswered > 0 && machine_now_us() - wire->waiting_us >= ANSWER_US)
        return bus_err_set(err, BUS_ERR_DEADLINE, "Redis did not answer in time");
    if (wire->unanswered == 0 && machine_now_us() - wire->heard_us >= IDLE_US)
        return wire_queue(wire, 1, ping, NULL, err);
    return true;
}

static int64_t wire_due_us(const struct wire *wire)
{
    return wire->unanswered > 0 ? wire->waiting_us + ANSWER_US : wire->heard_us + IDLE_US;
}

static struct pollfd wire_poll(const struct wire *wire)
{
    short events = wire->unsent_length > 0 ? POLLIN | POLLOUT : POLLIN;

    return (struct pollfd){.fd = wire->context->fd, .events = events};
}

static void close_line(struct line *line)
{
    if (line == NULL)
        return;
    wire_close(&line->listening);
    wire_close(&line->publishing);
    SSL_CTX_free(line->tls);
    free(line);
}

static struct line *open_line(const struct line_options *options, struct bus_err *err)
{
    struct bus_redis redis = *options->redis;
    int64_t timeout_ms = redis.timeout_ms > 0 ? redis.timeout_ms : DEFAULT_TIMEOUT_MS;
    struct patience patience = {.stop = options->stop, .deadline_us = machine_now_us() + timeout_ms * 1000};
    struct redis_place place;
    const char *const subscribe[2] = {"SUBSCRIBE", options->channel};
    struct line *line = machine_alloc(sizeof(*line));

    line->options = *options;
    if (redis.tls) {
        line->tls = wire_make_tls(&redis, err);
        if (line->tls == NULL)
            goto out;
    }
    if (!redis_find(options->redis, line->tls, &patience, &place, err))
        goto out;
    redis.host = place.host;
    redis.port = place.port;
    if (wire_open(&line->publishing, line->tls, &redis, &patience, err) &&
        redis_is_place(&line->publishing, options->redis, &patience, err) &&
        wire_open(&line->listening, line->tls, &redis, &patience, err) &&
        wire_ask(&line->listening, 2, subscribe, &patience, NULL, err))
        return line;
out:
    close_line(line);
    return NULL;
}

static size_t fill_polls(const struct line *line, struct pollfd polls[LINE_MAX_POLLS])
{
    polls[0] = wire_poll(&line->listening);
    polls[1] = wire_poll(&line->publishing);
    return 2;
}

static int64_t due_us(const struct line *line)
{
    int64_t listening_us = wire_due_us(&line->listening);
    int64_t publishing_us = wire_due_us(&line->publishing);

    return listening_us < publishing_us ? listening_us : publishing_us;
}

static bool work(struct line *line, struct bus_err *err)
{
    return work_wire(line, &line->listening, err) && work_wire(line, &line->publishing, err);
}

static bool send_message(struct line *line, const uint8_t *bytes, size_t length, struct bus_err *err)
{
    const char *const publish[3] = {"PUBLISH", line->options.channel, (const char *)bytes};
    const size_t lengths[3] = {strlen(publish[0]), strlen(publish[1]), length};

    return wire_queue(&line->publishing, 3, publish, lengths, err);
}

static bool is_settled(const struct line *line)
{
    return line->publishing.unanswered == 0;
}

const struct line_kind redis_line = {
    .name = "Redis",
    .max_keys = SIZE_MAX,
    .open = open_line,
    .close = close_line,
    .fill_polls = fill_polls,
    .due_us = due_us,
    .work = work,
    .send = send_message,
    .is_settled = is_settled,
};
