/*
 * admin - opens the two servers, and leads every request through its life.
 */

#include "admin/admin.h"

#include <stdlib.h>
#include <string.h>

#include "admin/log_level.h"
#include "admin/min_position.h"
#include "admin/openapi.h"
#include "admin/reply.h"
#include "admin/request.h"
#include "admin/state.h"
#include "gateway/base/mem.h"
#include "gateway/base/series_catalogue.h"
#include "gateway/config/config.h"
#include "gateway/http/listener.h"
#include "gateway/proxy/access_log.h"
#include "gateway/proxy/listen.h"

struct hearing {
    struct loop_message super;
    struct admin *admin;
    char word[];
};

enum {
    ADMIN_SERVER = 0 /* its number in its front, if admin_listen is not off */
};

struct replacement {
    struct loop_message super;
    struct admin *admin;
    struct access *access;
};

struct reload {
    struct loop_message super;
    struct admin *admin;
    const struct config *config;
};

struct ending {
    struct loop_message super;
    struct admin *admin;
    struct http_drain drain;
    bool status_too;
};

/* False: the answer says why not. */
static bool is_welcome(struct request *request)
{
    return request->is_status_api || access_grants(request);
}

static void handle(struct exchange *exchange, void *arg)
{
    const struct admin_server *server = arg;
    struct request *request = request_new(server->admin, exchange);

    request->is_status_api = server->is_status_api;
    bool welcome = is_welcome(request);
    if (welcome && path_parse(exchange_request(exchange)->path, &request->path))
        min_position_admit(request);
    else if (welcome)
        answer_not_found(&request->answer);
    if (!request->is_running)
        request_reply(request);
}

static const char too_large[] = "<html><head><title>413 Request Entity Too Large</title></head>"
                                "<body><h1>413 Request Entity Too Large</h1></body></html>\n";

/* What the guard or h2o refused before there was a request. */
static void refuse(struct exchange *exchange, int status, const char *text, void *arg)
{
    const struct admin_server *server = arg;
    struct request *request = request_new(server->admin, exchange);

    request->is_status_api = server->is_status_api;
    bool welcome = is_welcome(request) || request->answer.status == 204; /* answered as a pre-flight */
    if (welcome && status == 413)
        answer_text(&request->answer, status, "text/html; charset=utf-8", too_large);
    else if (welcome)
        answer_message(&request->answer, status, "%s", text);
    request_reply(request);
}

static bool add_server(struct http_front *front, const char *name, const struct config_list *list,
                       struct admin_server *server, struct err *err)
{
    const struct admin *admin = server->admin;
    const struct http_server_options options = {
        .name = name,
        .certificate_file = admin->config->ssl_cert,
        .key_file = admin->config->ssl_cert_key,
        .tls = server->is_status_api ? NULL : access_tls(admin->access),
        .handle = handle,
        .refuse = refuse,
        .arg = server,
    };

    return listen_add(front, &options, list, err);
}

static void apply_reload(struct loop_message *message)
{
    struct reload *reload = CONTAINER_OF(message, struct reload, super);

    reload->admin->config = reload->config;
    log_level_reload(reload->admin);
    free(reload);
}

bool admin_open(const struct admin_options *options, struct admin **admin, struct err *err)
{
    const struct config *config = options->config;
    struct admin *made = mem_zalloc(sizeof(*made));
    struct http_front_options front = {
        .max_body_bytes = (size_t)config->nginx_admin_client_max_body_size,
        .max_head_bytes = (size_t)config->client_header_limit,
        .raw_targets = true,
        .request_timeout_ms = (int)config->client_timeout,
        .max_connections = (int)config->max_connections,
        .descriptor_share = 8,
        .keepalive_requests = (int)config->nginx_http_keepalive_requests,
        .write_timeout_ms = (int)config->client_write_timeout,
        .spool_directory = config->prefix,
        .sockets = options->sockets,
    };

    made->options = *options;
    made->config = config;
    made->access = options->access;
    made->admin_server = (struct admin_server){made, false};
    made->status_server = (struct admin_server){made, true};
    made->series = series_catalogue_new();
    made->openapi = openapi_write(options->schemas, &made->openapi_bytes);
    list_init(&made->running);
    await_init(&made->await, made);
    made->front = http_front_new(&front);
    made->status_front = http_front_new(&front);
    if (!add_server(made->front, "admin_listen", &config->admin_listen, &made->admin_server, err) ||
        !add_server(made->status_front, "status_listen", &config->status_listen, &made->status_server, err)) {
        admin_close(made);
        return false;
    }
    *admin = made;
    return true;
}

static void on_loop_end(struct loop_end *end)
{
    struct admin *admin = CONTAINER_OF(end, struct admin, end);

    access_log_free(admin->access_log);
    admin->access_log = NULL;
    admin->has_ended = true;
}

bool admin_attach(struct admin *admin, struct err *err)
{
    admin->access_log = access_log_new(admin->options.access_sink, admin->options.loop);
    admin->end.on_end = on_loop_end;
    loop_on_end(admin->options.loop, &admin->end); /* before the front's: that one ends exchanges */
    return http_front_attach(admin->front, admin->options.loop, err) &&
           http_front_attach(admin->status_front, admin->options.loop, err);
}

static void leave(struct loop_message *message)
{
    struct ending *ending = CONTAINER_OF(message, struct ending, super);

    ending->admin->is_leaving = true;
    free(ending);
}

static void drain_fronts(struct loop_message *message)
{
    struct ending *ending = CONTAINER_OF(message, struct ending, super);
    const struct admin *admin = ending->admin;
    struct http_drain status = ending->drain;

    status.on_empty = NULL;
    if (ending->status_too)
        http_front_drain(admin->status_front, admin->options.loop, &status);
    http_front_drain(admin->front, admin->options.loop, &ending->drain);
    free(ending);
}

static void post_ending(struct admin *admin, const struct ending *ending)
{
    struct ending *copy = mem_dup(ending, sizeof(*ending));

    copy->admin = admin;
    loop_post(admin->options.loop, &copy->super);
}

void admin_leave(struct admin *admin)
{
    post_ending(admin, &(struct ending){.super.run = leave});
}

void admin_drain(struct admin *admin, const struct http_drain *drain, bool status_too)
{
    post_ending(admin,
                &(struct ending){.super.run = drain_fronts, .drain = *drain, .status_too = status_too});
}

static void apply_word(struct loop_message *message)
{
    struct hearing *hearing = CONTAINER_OF(message, struct hearing, super);

    if (!hearing->admin->has_ended)
        log_level_hear(hearing->admin, str_of(hearing->word));
    free(hearing);
}

void admin_hear(struct admin *admin, const char *word)
{
    size_t size = strlen(word) + 1;
    struct hearing *hearing = mem_zalloc(sizeof(*hearing) + size);

    hearing->super.run = apply_word;
    hearing->admin = admin;
    memcpy(hearing->word, word, size);
    loop_post(admin->options.loop, &hearing->super);
}

static void apply_access(struct loop_message *message)
{
    struct replacement *replacement = CONTAINER_OF(message, struct replacement, super);
    struct admin *admin = replacement->admin;
    struct access *access = replacement->access;
    struct loop *loop = admin->options.loop;
    struct ssl_ctx_st *tls = access_tls(access);

    if (tls != NULL && admin->options.config->admin_listen.count > 0 && !admin->has_ended &&
        !access_same_tls(access, admin->access))
        http_front_use_tls(admin->front, loop, ADMIN_SERVER, tls);
    access_unref(admin->access);
    admin->access = access;
    free(replacement);
}

void admin_set_access(struct admin *admin, struct access *access)
{
    struct replacement *replacement = mem_zalloc(sizeof(*replacement));

    replacement->super.run = apply_access;
    replacement->admin = admin;
    replacement->access = access;
    loop_post(admin->options.loop, &replacement->super);
}

void admin_reload(struct admin *admin, const struct config *config)
{
    struct reload *reload = mem_zalloc(sizeof(*reload));

    reload->super.run = apply_reload;
    reload->admin = admin;
    reload->config = config;
    loop_post(admin->options.loop, &reload->super);
}

void admin_close(struct admin *admin)
{
    if (admin == NULL)
        return;
    for (struct list *link = list_take_first(&admin->running); link != NULL;
         link = list_take_first(&admin->running))
        request_free(CONTAINER_OF(link, struct request, link));
    await_fini(&admin->await);
    timer_stop(&admin->level_timer);
    http_front_free(admin->front);
    http_front_free(admin->status_front);
    access_unref(admin->access);
    series_catalogue_free(admin->series);
    free(admin->openapi);
    free(admin);
}
