#pragma once

/*
 * state - what the handlers of the Admin API have in common. For this folder only.
 *
 * Threads: the loop; jobs of the store read `options`, which never change.
 */

#include "admin/access.h"
#include "admin/admin.h"
#include "admin/await.h"
#include "gateway/base/list.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer.h"

#define ADMIN_API_VERSION "3.5.0" /* clients choose features by it */

struct series_catalogue;

struct admin_server {
    struct admin *admin;
    bool is_status_api;
};

struct admin {
    struct admin_options options;
    const struct config *config; /* in force */
    struct access *access;       /* likewise; owns a reference */
    struct access_refusals refusals;
    struct http_front *front;        /* the Admin API's addresses */
    struct http_front *status_front; /* the Status API's: it outlives the other when the node ends */
    bool is_leaving;                 /* /status/ready says so */
    bool has_ended;                  /* the loop: what still comes is only put away */
    struct access_log *access_log;   /* NULL: not attached */
    struct loop_end end;
    struct admin_server admin_server, status_server;
    struct series_catalogue *series; /* for /metrics; owned */
    char *openapi;                   /* the document, owned; never changes */
    size_t openapi_bytes;
    struct await await;       /* those that wait for other nodes */
    struct list running;      /* requests whose job has not come back */
    struct timer level_timer; /* runs while the log has another level than the configured one */
};
