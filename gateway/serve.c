/*
 * serve - gives a node its process: what is prepared once (addresses, pid file, where stderr goes) and the
 * supervisor, whose worker the node is.
 *
 * The supervisor binds the addresses, so they are found taken before a database is asked, survive a worker
 * that crashes, and need no passing of descriptors: workers are forked from it. They refuse clients until the
 * first worker listens.
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/random.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/handover.h"
#include "gateway/cli/prefix.h"
#include "gateway/config/config.h"
#include "gateway/http/listen_sockets.h"
#include "gateway/http/tls_tickets.h"
#include "gateway/logs.h"
#include "gateway/node.h"
#include "gateway/node_inside.h"
#include "gateway/notify.h"
#include "gateway/proxy/listen.h"
#include "gateway/supervisor.h"

struct serving {
    const struct cli_start *start;
    struct config *config;          /* what the next worker starts with */
    struct listen_sockets *sockets; /* NULL: nobody is started any more */
    struct notify *notify;          /* who has started us (notify.h); NULL: does not ask */
    uint8_t ticket_secret[TLS_TICKETS_SECRET_SIZE];
};

/* What is written by others than the log (assertions, sanitizers) has a place in the background, too. */
static bool aim_stderr(const struct serving *serving, struct err *err)
{
    if (!serving->start->to_file)
        return true;
    char *path = logs_error_path(serving->config);
    bool ok = log_stderr_to(path, err);
    free(path);
    return ok;
}

static bool bind_addresses(const struct serving *serving, struct err *err)
{
    const struct config *config = serving->config;
    const struct handover *handover = serving->start->handover;
    for (size_t i = 0; handover != NULL && i < handover->socket_count; i++)
        listen_sockets_adopt(serving->sockets, handover->sockets[i]);
    bool ok = listen_bind(serving->sockets, "proxy_listen", &config->proxy_listen, err) &&
              listen_bind(serving->sockets, "admin_listen", &config->admin_listen, err) &&
              listen_bind(serving->sockets, "status_listen", &config->status_listen, err);
    if (ok)
        listen_sockets_drop_unused(serving->sockets);
    return ok;
}

/* ---- with a supervisor ---- */

static void tell_supervisor(void *arg, const char *error)
{
    const struct supervisor_link *link = arg;
    if (error == NULL)
        worker_tell_ready(link);
    else
        worker_tell_failure(link, error);
}

static int work(void *arg, const struct supervisor_link *link)
{
    const struct serving *serving = arg;
    const struct node_life life = {
        .start = serving->start,
        .config = serving->config,
        .sockets = serving->sockets,
        .ticket_secret = serving->ticket_secret,
        .link = link,
        .ready = tell_supervisor,
        .arg = (void *)(uintptr_t)link,
    };
    return node_live(&life);
}

static void started(void *arg, const char *error)
{
    const struct serving *serving = arg;
    serving->start->ready(serving->start->arg, error);
}

/* Reads what the worker has just read: a crash must not undo a reload, nor do what needs a restart. */
static void reloaded(void *arg)
{
    struct serving *serving = arg;
    struct config *config = NULL;
    struct config_problems problems;
    if (!config_load(serving->start->file, serving->start->prefix, &config, &problems)) {
        config_problems_fini(&problems); /* changed again meanwhile; there will be another reload */
        return;
    }
    config_take_live(serving->config, config);
    config_free(config);
}

static void rotate(void *arg)
{
    struct err err;
    if (!aim_stderr(arg, &err))
        log_warn("supervisor: %s", err.text);
}

static void close_sockets(void *arg)
{
    struct serving *serving = arg;
    listen_sockets_free(serving->sockets);
    serving->sockets = NULL;
}

static pid_t try_program(void *arg)
{
    const struct serving *serving = arg;
    return handover_try(serving->start->argv);
}

static void become_program(void *arg, pid_t worker, uint64_t restarts)
{
    const struct serving *serving = arg;
    struct handover handover = {.lock = serving->start->lock, .worker = worker, .restarts = restarts};
    size_t count = listen_sockets_count(serving->sockets);
    memcpy(handover.secret, serving->ticket_secret, sizeof(handover.secret));
    struct err err;
    for (size_t i = 0; i < count && i < HANDOVER_SOCKETS_MAX; i++) /* others are bound anew */
        handover.sockets[handover.socket_count++] = listen_sockets_at(serving->sockets, i);
    handover_do(serving->start->argv, &handover, &err);
    log_error("supervisor: %s", err.text);
}

static void upgraded(void *arg, const char *error)
{
    const struct serving *serving = arg;
    struct err err;
    char *text = error != NULL ? mem_printf("[error] %s\n", error) : mem_strdup("");
    if (!prefix_write(serving->config->prefix, "upgrade_result", text, &err))
        log_warn("supervisor: %s", err.text);
    free(text);
}

static int64_t crash_memory_ms(void *arg)
{
    const struct serving *serving = arg;
    return serving->config->crash_memory;
}

static int supervise(struct serving *serving, const char *obstacle)
{
    const struct handover *handover = serving->start->handover;
    const struct supervisor_options options = {
        .work = work,
        .started = started,
        .reloaded = reloaded,
        .rotate = rotate,
        .ending = close_sockets,
        .try_program = try_program,
        .become_program = become_program,
        .upgraded = upgraded,
        .crash_memory_ms = crash_memory_ms,
        .hang_limit_ms = serving->config->worker_hang_timeout,
        .notify = serving->notify,
        .arg = serving,
        .is_upgrade = handover != NULL,
        .obstacle = obstacle,
        .worker = handover != NULL ? handover->worker : 0,
        .restarts = handover != NULL ? handover->restarts : 0,
    };
    int status = supervisor_run(&options);
    close_sockets(serving);
    config_free(serving->config);
    return status;
}

/* It has no watchdog: who debugs a node lets it stand still. */
static void started_alone(void *arg, const char *error)
{
    if (error == NULL)
        notify_ready(((const struct serving *)arg)->notify, "serving; without a supervisor");
    started(arg, error);
}

static int serve_alone(struct serving *serving)
{
    const struct node_life life = {
        .start = serving->start,
        .config = serving->config,
        .sockets = serving->sockets,
        .ticket_secret = serving->ticket_secret,
        .ready = started_alone,
        .arg = serving,
    };
    return node_live(&life);
}

int node_serve(const struct cli_start *start)
{
    struct serving serving = {
        .start = start, .config = start->config, .sockets = listen_sockets_new(), .notify = notify_open()};
    struct err err;
    int status = 1;

    logs_set_format(serving.config);
    if (start->handover != NULL && start->handover->has_secret)
        memcpy(serving.ticket_secret, start->handover->secret, sizeof(serving.ticket_secret));
    else
        random_bytes(serving.ticket_secret, sizeof(serving.ticket_secret));
    const sigset_t set = node_signals();
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    bool ok =
        aim_stderr(&serving, &err) && bind_addresses(&serving, &err) && prefix_write_pid(start->lock, &err);
    if (ok && !start->config->supervisor && start->handover == NULL) {
        status = serve_alone(&serving);
    } else if (ok ||
               start->handover != NULL) { /* the old worker must not end for a mistake in new settings */
        status = supervise(&serving, ok ? NULL : err.text);
    } else {
        start->ready(start->arg, err.text);
        close_sockets(&serving);
        config_free(start->config);
    }
    notify_close(serving.notify);
    close(start->lock);
    return status;
}
