#pragma once

/*
 * log - one line per fact, written by a thread of its own, so that no event loop waits for a disk or a pipe.
 *
 * error: somebody must act. warn: degraded, still serving. notice: life cycle, one line per change of state.
 * info: changes applied. debug: free, and the only level used per request.
 * Constant text first, then key=value: log_warn("bus: channel lost; retry_in_ms=%" PRId64, wait_ms).
 *
 * Until log_open() lines go to stderr at once; after it into a line_sink: when the writer falls behind,
 * lines are dropped and counted, and the count is itself a line as soon as there is room. Threads: any, after
 * log_open(); log_open() and log_close() belong to main.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_NOTICE,
    LOG_WARN,
    LOG_ERROR,
    LOG_CRIT,
    LOG_ALERT,
    LOG_EMERG,
};

/* Starts the writer. path NULL: stderr. */
bool log_open(const char *path, enum log_level level, struct err *err) MUST_CHECK;
/* Before log_open(), and again after rotation: makes stderr append to this file, for a process in the
 * background and for what libraries write when they abort. */
bool log_stderr_to(const char *path, struct err *err) MUST_CHECK;
/* Writes what is queued and stops; later lines go to stderr at once. */
void log_close(void);
/* Opens the file again under the same path (log rotation). */
void log_reopen(void);

enum log_format {
    LOG_TEXT, /* 2026-11-25T22:10:40.123Z [notice] node: serving */
    LOG_JSON, /* {"time":"2026-11-25T22:10:40.123Z","level":"notice","message":"node: serving"} */
};

/* Any time; LOG_TEXT before. */
void log_set_format(enum log_format format);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
bool log_level_of(const char *name, enum log_level *level) MUST_CHECK;
const char *log_level_name(enum log_level level);
/* Lines lost since start because the writer was behind. */
uint64_t log_dropped(void);

void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define log_debug(...)  (log_get_level() <= LOG_DEBUG ? log_line(LOG_DEBUG, __VA_ARGS__) : (void)0)
#define log_info(...)   (log_get_level() <= LOG_INFO ? log_line(LOG_INFO, __VA_ARGS__) : (void)0)
#define log_notice(...) (log_get_level() <= LOG_NOTICE ? log_line(LOG_NOTICE, __VA_ARGS__) : (void)0)
#define log_warn(...)   (log_get_level() <= LOG_WARN ? log_line(LOG_WARN, __VA_ARGS__) : (void)0)
#define log_error(...)  log_line(LOG_ERROR, __VA_ARGS__)
