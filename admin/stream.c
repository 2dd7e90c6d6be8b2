/*
 * stream - see stream.h.
 *
 * Between two pieces lies a message to the own loop, even if the client takes them at once: else one who
 * reads fast would keep everybody else waiting. While the message is under way the request is as if a job had
 * it (request.h): whoever ends last frees it.
 */

#include "admin/stream.h"

#include "admin/request.h"
#include "admin/state.h"

static void send_piece(struct loop_message *message);

static void go_on(struct request *request)
{
    request->is_running = true;
    request->done.run = send_piece;
    loop_post(request->admin->options.loop, &request->done);
}

static void on_sent(struct exchange *exchange, void *arg)
{
    (void)exchange;
    go_on(arg);
}

static void send_piece(struct loop_message *message)
{
    struct request *request = CONTAINER_OF(message, struct request, done);
    const struct answer *answer = &request->answer;

    request->is_running = false;
    if (request->exchange == NULL) {
        request_free(request);
        return;
    }
    buf_clear(&request->piece);
    bool more = answer->source->more(answer->source_state, &request->piece);
    if (more && request->piece.len == 0)
        go_on(request);
    else if (more)
        exchange_send(request->exchange, buf_str(&request->piece), EXCHANGE_MORE, on_sent, request);
    else
        exchange_send(request->exchange, buf_str(&request->piece), EXCHANGE_LAST, NULL, NULL);
}

void stream_start(struct request *request)
{
    if (str_equal(exchange_request(request->exchange)->method, STR("HEAD")))
        exchange_send(request->exchange, STR_NONE, EXCHANGE_LAST, NULL, NULL);
    else
        go_on(request);
}
