/*
 * logs - see logs.h.
 *
 * Where access logs go by default: what runs in the background writes files, as Kong does; what runs in the
 * foreground is looked after by a shell, a service manager or a container's engine, which take its output.
 */

#include "gateway/logs.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/line_sink.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/cli/prefix.h"
#include "gateway/config/config.h"
#include "gateway/proxy/access_log.h"

enum {
    MEGABYTE = 1024 * 1024,
    ACCESS_LINGER_MS = 20, /* loops gather lines as well: together at most 100 ms */
};

static const struct {
    const char *name;
    size_t setting; /* a text in struct config */
    bool is_access; /* it may name a format as well */
    const char *in_foreground, *in_background;
    size_t capacity_bytes;
    int linger_ms;
} kinds[] = {
    [LOGS_PROXY_ACCESS] = {.name = "access log",
                           .setting = offsetof(struct config, proxy_access_log),
                           .is_access = true,
                           .in_foreground = "stdout",
                           .in_background = "logs/access.log",
                           .capacity_bytes = 8 * MEGABYTE, /* half a second of 40,000 requests a second */
                           .linger_ms = ACCESS_LINGER_MS},
    [LOGS_ADMIN_ACCESS] = {.name = "access log of the Admin API",
                           .setting = offsetof(struct config, admin_access_log),
                           .is_access = true,
                           .in_foreground = "stdout",
                           .in_background = "logs/admin_access.log",
                           .capacity_bytes = MEGABYTE,
                           .linger_ms = ACCESS_LINGER_MS},
    [LOGS_AUDIT] = {.name = "audit log",
                    .setting = offsetof(struct config, audit_log),
                    .in_foreground = "off",
                    .in_background = "off",
                    .capacity_bytes = 4 * MEGABYTE}, /* deleting a parent of 30,000 children still fits */
};

static void tell(void *arg, const char *text)
{
    (void)arg;
    log_error("%s", text);
}

/*
 * As line_sink_aim() wants it; the caller owns it. Settings written for Kong name devices, which cannot be
 * opened where they are a service manager's sockets.
 */
static char *target_of(struct str where, const char *prefix)
{
    static const struct {
        const char *name, *word;
    } words[] = {{"off", "off"},
                 {"stdout", "stdout"},
                 {"stderr", "stderr"},
                 {"/dev/stdout", "stdout"},
                 {"/dev/stderr", "stderr"}};

    for (size_t i = 0; i < COUNT(words); i++)
        if (str_equal(where, str_of(words[i].name)))
            return mem_strdup(words[i].word);
    char *path = mem_strndup(where.at, where.len);
    if (path[0] == '/')
        return path;
    char *whole = prefix_path(prefix, path);
    free(path);
    return whole;
}

static bool aim(struct logs *logs, enum logs_kind kind, const struct config *config, struct err *err)
{
    const char *setting = *(char *const *)((const char *)config + kinds[kind].setting);

    if (setting == NULL)
        setting = logs->is_daemon ? kinds[kind].in_background : kinds[kind].in_foreground;
    struct str where = kinds[kind].is_access ? access_log_where(setting) : str_of(setting);
    char *target = target_of(where, config->prefix);
    bool ok = line_sink_aim(logs->sinks[kind], target, err);
    free(target);
    return ok;
}

void logs_set_format(const struct config *config)
{
    log_set_format(strcmp(config->error_log_format, "json") == 0 ? LOG_JSON : LOG_TEXT);
}

char *logs_error_path(const struct config *config)
{
    const char *name = config->proxy_error_log != NULL ? config->proxy_error_log : "logs/error.log";

    return name[0] == '/' ? mem_strdup(name) : prefix_path(config->prefix, name);
}

bool logs_open(struct logs *logs, const struct config *config, bool is_daemon, struct err *err)
{
    logs->is_daemon = is_daemon;
    for (size_t i = 0; i < LOGS_COUNT; i++) {
        const struct line_sink_options options = {.name = kinds[i].name,
                                                  .capacity_bytes = kinds[i].capacity_bytes,
                                                  .linger_ms = kinds[i].linger_ms,
                                                  .tell = tell};
        logs->sinks[i] = line_sink_new(&options);
        if (!aim(logs, i, config, err))
            return false;
    }
    return true;
}

void logs_reload(struct logs *logs, const struct config *config)
{
    struct err err;

    logs_set_format(config);
    for (size_t i = 0; i < LOGS_COUNT; i++)
        if (!aim(logs, i, config, &err))
            log_error("node: the %s stays where it was; %s", kinds[i].name, err.text);
}

void logs_reopen(struct logs *logs)
{
    for (size_t i = 0; i < LOGS_COUNT; i++)
        line_sink_reopen(logs->sinks[i]);
}

void logs_close(struct logs *logs)
{
    for (size_t i = 0; i < LOGS_COUNT; i++)
        line_sink_free(logs->sinks[i]);
}
