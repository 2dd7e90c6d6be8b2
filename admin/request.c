/*
 * request - see request.h.
 *
 *   exchange ends, no job        freed in on_end
 *   exchange ends, job runs      forgotten in on_end, freed when the job is done
 *   job done, exchange there     answered, or waits for other nodes (await.h) first; freed when the exchange
 *                                ends
 *   answered piece by piece      as if a job ran between two of them (stream.c)
 */

#include "admin/request.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/access.h"
#include "admin/reply.h"
#include "admin/state.h"
#include "admin/stream.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/config/config.h"
#include "gateway/proxy/access_log.h"
#include "gateway/store/store.h"

enum {
    QUEUE_LIMIT_US = 10 * 1000 * 1000, /* a job that waited longer does nothing: the client gave up or will */
    WAIT_APPLIED_MS = 2000,            /* then the answer goes out all the same: the change is committed */
};

static const struct {
    const char *name;
    enum method method;
} methods[] = {
    {"GET", METHOD_GET},     {"HEAD", METHOD_GET},      {"POST", METHOD_POST},       {"PUT", METHOD_PUT},
    {"PATCH", METHOD_PATCH}, {"DELETE", METHOD_DELETE}, {"OPTIONS", METHOD_OPTIONS},
};

static enum method method_of(struct str name)
{
    for (size_t i = 0; i < COUNT(methods); i++)
        if (str_equal(name, str_of(methods[i].name)))
            return methods[i].method;
    return METHOD_OTHER;
}

static void log_access(struct request *request)
{
    const struct config *config = request->config;
    struct access_line line;

    access_line_of(&line, request->exchange);
    line.user = str_of(request->principal);
    line.aborted = !request->is_answered;
    access_log_add(request->admin->access_log,
                   access_log_format(config->admin_access_log, config->access_log_format), &line);
}

static void on_end(struct exchange_end *end)
{
    struct request *request = CONTAINER_OF(end, struct request, end);

    if (!request->is_status_api && access_log_is_on(request->admin->access_log))
        log_access(request);
    request->exchange = NULL;
    if (!request->is_running)
        request_free(request);
}

static void on_done(struct loop_message *message)
{
    struct request *request = CONTAINER_OF(message, struct request, done);

    request->is_running = false;
    list_remove(&request->link);
    if (request->exchange == NULL) {
        request_free(request);
        return;
    }
    if (request->answer.status == 0 && request->after != NULL)
        request->after(request);
    if (request->await_whom == AWAIT_CLUSTER && request->receipt.position != 0)
        await_add(&request->admin->await, request);
    else
        request_reply(request);
}

static void do_work(struct store_session *session, struct request *request)
{
    store_ask_acknowledgement(session, request->await_whom == AWAIT_CLUSTER);
    request->work(session, request);
    store_ask_acknowledgement(session, false);
}

static void run_on_store(struct store_session *session, void *arg)
{
    struct request *request = arg;
    struct loop *loop = request->admin->options.loop;

    if (loop_clock_us() > request->give_up_us)
        answer_message(&request->answer, 503, "The database is too slow: the request was not carried out");
    else
        do_work(session, request);
    loop_post(loop, &request->done); /* the request may be gone on return */
}

struct request *request_new(struct admin *admin, struct exchange *exchange)
{
    struct request *request = mem_zalloc(sizeof(*request));

    request->admin = admin;
    request->config = admin->config;
    request->access = access_ref(admin->access);
    request->exchange = exchange;
    request->method = method_of(exchange_request(exchange)->method);
    request->received_us = exchange_request(exchange)->received_us;
    request->end.on_end = on_end;
    request->done.run = on_done;
    exchange_on_end(exchange, &request->end);
    return request;
}

void request_run(struct request *request,
                 void (*work)(struct store_session *session, struct request *request))
{
    struct admin *admin = request->admin;

    request->work = work;
    request->give_up_us = loop_clock_us() + QUEUE_LIMIT_US;
    request->is_running = true;
    list_add_last(&admin->running, &request->link);
    if (store_submit(admin->options.store, run_on_store, request))
        return;
    request->is_running = false;
    list_remove(&request->link);
    answer_message(&request->answer, 503, "Too many requests are waiting for the database");
}

void request_spread(struct request *request, struct store_session *session,
                    const struct outbox_receipt *receipt)
{
    const struct admin_bus *bus = &request->admin->options.bus;
    const uint8_t(*keys)[16] = NULL;

    if (receipt->position == 0)
        return;
    size_t key_count = store_committed_keys(session, &keys);
    bus->announce(bus->arg, receipt->position, receipt->tag, keys, key_count);
    bus->wake(bus->arg);
    if (request->await_whom == AWAIT_NODE && !bus->wait(bus->arg, receipt->position, WAIT_APPLIED_MS))
        log_warn("admin: a change is committed but this node has not applied it yet; position=%" PRIu64,
                 receipt->position);
    request->answer.position = receipt->position;
    request->receipt = *receipt;
}

void request_reply(struct request *request)
{
    request->is_answered = true;
    reply_send(request->admin, request->exchange, &request->answer, request->received_us,
               request->is_status_api);
    if (request->answer.source != NULL)
        stream_start(request);
}

void request_free(struct request *request)
{
    list_remove(&request->link);
    timer_stop(&request->nap);
    answer_fini(&request->answer);
    buf_fini(&request->piece);
    cJSON_Delete(request->audit);
    cJSON_Delete(request->found);
    body_fini(&request->body);
    query_string_fini(&request->query);
    path_fini(&request->path);
    access_unref(request->access);
    free(request);
}
