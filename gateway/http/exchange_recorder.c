/*
 * exchange_recorder - see exchange_recorder.h.
 */

#include "gateway/http/exchange_recorder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/attributes.h"
#include "gateway/base/mem.h"
#include "gateway/http/exchange_backend.h"

enum {
    SPARE_HEADERS = 12
};

/* Every piece on its own, so that a sanitizer sees who writes beyond one. */
struct piece {
    struct piece *next;
    _Alignas(16) char bytes[];
};

struct recorder {
    struct exchange super;
    struct exchange_recording recording;
    struct piece *pieces;
    void (*on_sent)(struct exchange *exchange, void *arg);
    void *on_sent_arg;
    void (*on_gone)(struct exchange *exchange, void *arg);
    void *on_gone_arg;
    struct exchange_tunnel tunnel; /* whose end comes with the exchange's; `headers` are gone */
};

static struct recorder *of(const struct exchange *exchange)
{
    return exchange->below;
}

static void *record_alloc(struct exchange *exchange, size_t size)
{
    struct recorder *recorder = of(exchange);
    struct piece *piece = mem_alloc(sizeof(*piece) + size);

    piece->next = recorder->pieces;
    recorder->pieces = piece;
    return piece->bytes;
}

static void record_watch(struct exchange *exchange, void (*on_gone)(struct exchange *exchange, void *arg),
                         void *arg)
{
    struct recorder *recorder = of(exchange);

    recorder->recording.watched = true;
    recorder->on_gone = on_gone;
    recorder->on_gone_arg = arg;
}

static void record_begin(struct exchange *exchange, const struct exchange_answer *answer, int64_t length)
{
    struct exchange_recording *recording = &of(exchange)->recording;

    (void)length;
    of(exchange)->on_gone = NULL;
    recording->answers++;
    recording->status = answer->status;
    recording->reason = exchange_copy(exchange, answer->reason);
    recording->close = answer->close;
    recording->headers = (struct headers){.owner = exchange};
    for (size_t i = 0; i < answer->headers.count; i++)
        headers_add(&recording->headers, exchange_copy(exchange, answer->headers.at[i].name),
                    exchange_copy(exchange, answer->headers.at[i].value));
}

static void record_send(struct exchange *exchange, struct str bytes, enum exchange_more more,
                        void (*on_sent)(struct exchange *exchange, void *arg), void *arg)
{
    struct recorder *recorder = of(exchange);

    assert(recorder->recording.status != 0 && recorder->on_sent == NULL);
    if (recorder->recording.complete || recorder->recording.broken)
        return;
    if (bytes.len > 0)
        buf_add_str(&recorder->recording.body, bytes);
    recorder->recording.complete = more == EXCHANGE_LAST;
    recorder->recording.broken = more == EXCHANGE_BROKEN;
    if (more == EXCHANGE_MORE) {
        recorder->on_sent = on_sent;
        recorder->on_sent_arg = arg;
    }
}

static void record_reply(struct exchange *exchange, const struct exchange_answer *answer, struct str body)
{
    record_begin(exchange, answer, (int64_t)body.len);
    record_send(exchange, body, EXCHANGE_LAST, NULL, NULL);
}

static void record_outcome(const struct exchange *exchange, struct exchange_outcome *outcome)
{
    const struct exchange_recording *recording = &of(exchange)->recording;

    outcome->status = recording->status;
    outcome->bytes_sent = outcome->body_sent = recording->body.len;
}

/* Nobody to talk to on the other side: the upstream's connection is closed at once. */
static void record_tunnel(struct exchange *exchange, h2o_socket_t *upstream,
                          const struct exchange_tunnel *options)
{
    struct exchange_answer answer = {.status = 101, .headers = *options->headers};

    record_reply(exchange, &answer, STR_NONE);
    h2o_socket_close(upstream);
    of(exchange)->tunnel = *options;
}

static const struct exchange_backend backend = {
    .alloc = record_alloc,
    .watch = record_watch,
    .reply = record_reply,
    .begin = record_begin,
    .send = record_send,
    .outcome = record_outcome,
    .tunnel = record_tunnel,
};

struct exchange *exchange_recorder_new(struct loop *loop, const struct exchange_request *request)
{
    struct recorder *recorder = mem_zalloc(sizeof(*recorder));
    struct headers *headers = &recorder->super.request.headers;

    recorder->super.backend = &backend;
    recorder->super.below = recorder;
    recorder->super.loop = loop;
    recorder->super.request = *request;
    headers->owner = &recorder->super;
    headers->capacity = request->headers.count + SPARE_HEADERS;
    headers->at = record_alloc(&recorder->super, headers->capacity * sizeof(*headers->at));
    if (request->headers.count > 0)
        memcpy(headers->at, request->headers.at, request->headers.count * sizeof(*headers->at));
    return &recorder->super;
}

void exchange_recorder_free(struct exchange *exchange)
{
    struct recorder *recorder = of(exchange);

    exchange_run_ends(exchange);
    if (recorder->tunnel.on_end != NULL)
        recorder->tunnel.on_end(recorder->tunnel.arg, &(struct exchange_tunnel_sum){0});
    while (recorder->pieces != NULL) {
        struct piece *piece = recorder->pieces;

        recorder->pieces = piece->next;
        free(piece);
    }
    buf_fini(&recorder->recording.body);
    free(recorder);
}

const struct exchange_recording *exchange_recorder_recording(const struct exchange *exchange)
{
    return &of(exchange)->recording;
}

bool exchange_recorder_sent(struct exchange *exchange)
{
    struct recorder *recorder = of(exchange);
    void (*on_sent)(struct exchange *, void *) = recorder->on_sent;

    if (on_sent == NULL)
        return false;
    recorder->on_sent = NULL;
    on_sent(exchange, recorder->on_sent_arg);
    return true;
}

void exchange_recorder_leave(struct exchange *exchange)
{
    struct recorder *recorder = of(exchange);
    void (*on_gone)(struct exchange *, void *) = recorder->on_gone;

    recorder->on_gone = NULL;
    if (on_gone != NULL)
        on_gone(exchange, recorder->on_gone_arg);
}
