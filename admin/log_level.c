/*
 * log_level - /debug/node/log-level and /debug/cluster/log-level.
 *
 * Another level than the configured one holds for a time, which a timer of the loop ends; all threads share
 * the level, so it is everybody's at once. For the whole cluster it is a word in the log of changes: each
 * node acts on it when it comes to that position, ours before the answer goes out. A node that hears it late
 * keeps the level for the full time from then on.
 */

#include "admin/log_level.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/audit.h"
#include "admin/handlers.h"
#include "admin/state.h"
#include "gateway/base/log.h"
#include "gateway/config/config.h"

#define WORD "log_level"

enum {
    WORD_SIZE = 48,
    DEFAULT_TIMEOUT_S = 60,
    LONGEST_TIMEOUT_S = 365 * 24 * 3600,
};

/* The level's name, which is told from others by its letters' case too. */
static bool find_level(struct str name, enum log_level *level)
{
    for (int i = LOG_DEBUG; i <= LOG_EMERG; i++) {
        *level = (enum log_level)i;
        if (str_equal(name, str_of(log_level_name(*level))))
            return true;
    }
    return false;
}

static void end_override(struct admin *admin)
{
    enum log_level level;

    timer_stop(&admin->level_timer);
    if (log_level_of(admin->config->log_level, &level))
        log_set_level(level);
}

static void on_due(struct timer *timer)
{
    struct admin *admin = CONTAINER_OF(timer, struct admin, level_timer);

    end_override(admin);
    log_notice("admin: the log has its configured level again; level=%s", admin->config->log_level);
}

static void override(struct admin *admin, enum log_level level, int64_t timeout_ms)
{
    if (timeout_ms == 0) {
        end_override(admin);
        return;
    }
    log_notice("admin: another level of the log; level=%s timeout_ms=%" PRId64, log_level_name(level),
               timeout_ms);
    log_set_level(level);
    timer_start(admin->options.loop, &admin->level_timer, timeout_ms, on_due);
}

void log_level_hear(struct admin *admin, struct str word)
{
    const struct str start = STR(WORD ":");
    size_t end = str_find(word, ':', start.len);
    enum log_level level;
    int64_t timeout_ms;

    if (!str_starts_with(word, start) || end == SIZE_MAX ||
        !find_level(str_part(word, start.len, end), &level) ||
        !str_to_int(str_part(word, end + 1, word.len), &timeout_ms) || timeout_ms < 0 ||
        timeout_ms > (int64_t)LONGEST_TIMEOUT_S * 1000)
        return;
    if (level != log_get_level())
        override(admin, level, timeout_ms);
}

void log_level_reload(struct admin *admin)
{
    if (!timer_is_running(&admin->level_timer))
        end_override(admin);
}

void log_level_show(struct request *request)
{
    answer_message(&request->answer, 200, "log level: %s", log_level_name(log_get_level()));
}

/* What a request asks for. */
struct wish {
    enum log_level level;
    int64_t timeout_ms;
};

/* Whole seconds, rounded up; what is no number means the default. */
static double timeout_s(const struct query_argument *argument)
{
    char text[32];
    char *end;

    if (argument == NULL || argument->value.len == 0 || argument->value.len >= sizeof(text))
        return DEFAULT_TIMEOUT_S;
    memcpy(text, argument->value.at, argument->value.len);
    text[argument->value.len] = '\0';
    double seconds = ceil(strtod(text, &end));
    return *end == '\0' && isfinite(seconds) ? seconds : DEFAULT_TIMEOUT_S;
}

/* false: the answer says what is wrong with it. */
static bool read_wish(struct request *request, struct wish *wish)
{
    struct str name = request->path.segments[3];
    double seconds = timeout_s(query_string_find(&request->query, "timeout"));

    if (!find_level(name, &wish->level)) {
        answer_message(&request->answer, 400, "unknown log level: %.*s", name.len > 256 ? 256 : (int)name.len,
                       name.at);
        return false;
    }
    if (seconds < 0) {
        answer_message(&request->answer, 400, "timeout must be greater than or equal to 0");
        return false;
    }
    wish->timeout_ms = (int64_t)fmin(seconds, LONGEST_TIMEOUT_S) * 1000;
    return true;
}

/* As the node is now, before the wish. */
static void answer_wish(struct answer *answer, const struct wish *wish)
{
    if (wish->level == log_get_level())
        answer_message(answer, 200, "log level is already %s", log_level_name(wish->level));
    else
        answer_message(answer, 200, "log level changed");
}

void log_level_set_here(struct request *request)
{
    struct wish wish;

    if (!read_wish(request, &wish))
        return;
    answer_wish(&request->answer, &wish);
    audit_note(request, "set", "log level of the node", log_level_name(wish.level));
    if (wish.level != log_get_level())
        override(request->admin, wish.level, wish.timeout_ms);
}

/* A job. The others are told even if this node has that level: they may have another. */
static void say(struct store_session *session, struct request *request)
{
    struct store_error error = {0};
    struct outbox_receipt receipt = {0};
    char word[WORD_SIZE];
    struct wish wish;

    if (!read_wish(request, &wish))
        return;
    answer_wish(&request->answer, &wish);
    (void)snprintf(word, sizeof(word), WORD ":%s:%" PRId64, log_level_name(wish.level), wish.timeout_ms);
    if (store_say(session, word, &receipt, &error)) {
        request_spread(request, session, &receipt);
    } else {
        log_error("admin: the other nodes cannot be told a level of the log; why=%s", error.err.text);
        answer_message(&request->answer, 500, "An unexpected error occurred");
    }
    store_error_fini(&error);
}

void log_level_set_everywhere(struct request *request)
{
    struct wish wish;

    if (!read_wish(request, &wish))
        return;
    audit_note(request, "set", "log level of the cluster", log_level_name(wish.level));
    request_run(request, say);
}
