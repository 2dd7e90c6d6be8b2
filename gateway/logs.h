#pragma once

/*
 * logs - where a node writes lines that are not its own log (log.h): requests and changes. One sink each, one
 * row each in logs.c.
 *
 * Threads: main; the sinks take lines from any.
 */

#include <stdbool.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

struct config;
struct line_sink;

enum logs_kind {
    LOGS_PROXY_ACCESS,
    LOGS_ADMIN_ACCESS,
    LOGS_AUDIT,
    LOGS_COUNT,
};

struct logs {
    bool is_daemon; /* decides where a log goes if its setting does not */
    struct line_sink *sinks[LOGS_COUNT];
};

/* Of the node's own log. */
void logs_set_format(const struct config *config);
/* Its file, if the node runs in the background; the caller owns the text. */
char *logs_error_path(const struct config *config);
/* What goes wrong later is a line in the error log. logs_close() follows, also on false. */
bool logs_open(struct logs *logs, const struct config *config, bool is_daemon, struct err *err) MUST_CHECK;
void logs_reload(struct logs *logs, const struct config *config);
/* After files have been renamed. */
void logs_reopen(struct logs *logs);
/* Nobody may use the sinks any more. */
void logs_close(struct logs *logs);
