/*
 * access_log - see access_log.h.
 */

#include "gateway/proxy/access_log.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/line_sink.h"
#include "gateway/base/mem.h"
#include "gateway/io/timer.h"

enum {
    BATCH_BYTES = 32 * 1024,
    LINGER_MS = 60 /* timers are up to 20 ms late */
};

struct access_log {
    struct line_sink *sink;
    struct loop *loop;
    struct timer flush; /* runs while there are lines */
    struct access_time time;
    size_t used;
    char lines[BATCH_BYTES + ACCESS_LINE_ROOM];
};

struct access_log *access_log_new(struct line_sink *sink, struct loop *loop)
{
    struct access_log *log = mem_zalloc(sizeof(*log));

    log->sink = sink;
    log->loop = loop;
    return log;
}

/* What finds no room in the sink is lost, and counted there. */
static void flush(struct access_log *log)
{
    timer_stop(&log->flush);
    if (log->used > 0)
        (void)line_sink_add(log->sink, (struct str){log->lines, log->used});
    log->used = 0;
}

static void on_flush(struct timer *timer)
{
    flush(CONTAINER_OF(timer, struct access_log, flush));
}

void access_log_free(struct access_log *log)
{
    if (log == NULL)
        return;
    flush(log);
    free(log);
}

bool access_log_is_on(const struct access_log *log)
{
    return log != NULL && log->sink != NULL && line_sink_is_on(log->sink);
}

void access_log_add(struct access_log *log, enum access_format format, const struct access_line *line)
{
    if (log->used == 0)
        timer_start(log->loop, &log->flush, LINGER_MS, on_flush);
    log->used += access_line_write(line, format, &log->time, log->lines + log->used);
    if (log->used >= BATCH_BYTES)
        flush(log);
}

struct str access_log_where(const char *setting)
{
    struct str text = str_trim(str_of(setting));
    size_t blank = str_find(text, ' ', 0);

    return blank != SIZE_MAX ? str_part(text, 0, blank) : text;
}

enum access_format access_log_format(const char *setting, const char *usual)
{
    struct str text = str_trim(str_of(setting));
    size_t blank = str_find(text, ' ', 0);
    struct str format = blank != SIZE_MAX ? str_trim(str_part(text, blank, text.len)) : STR_NONE;

    if (!str_equal(format, STR("json")) && !str_equal(format, STR("combined")))
        format = str_of(usual);
    return str_equal(format, STR("json")) ? ACCESS_JSON : ACCESS_COMBINED;
}
