/*
 * log - lines are formatted on their caller's stack and go into a sink (line_sink.h).
 *
 * log is one of the few process-wide states (style.md section 8): a logger handed through every function
 * would be noise in each signature.
 */

#include "gateway/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/line_sink.h"

enum {
    LINE_BYTES = 2048, /* longer lines are cut */
    TIME_BYTES = 32,
    QUEUE_BYTES = 256 * 1024, /* about two thousand lines */
};

static const char *const level_names[] = {"debug", "info", "notice", "warn",
                                          "error", "crit", "alert",  "emerg"};

/* Process-wide on purpose, see above. Made by the first log_open() and kept: somebody may always log. */
static struct line_sink *sink;

static _Atomic int current_level = LOG_NOTICE;
static _Atomic int current_format = LOG_TEXT;

/* For printf: time and level. */
#define TEXT_START "%s [%s] "
#define JSON_START "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\""

/* What the sink itself has to say is a line like any other. */
static void log_trouble(void *arg, const char *text)
{
    (void)arg;
    log_warn("%s", text);
}

static void write_all(int fd, const char *at, size_t left)
{
    while (left > 0) {
        ssize_t wrote = write(fd, at, left);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return; /* nowhere left to complain */
        at += wrote;
        left -= (size_t)wrote;
    }
}

static size_t format_time(char text[TIME_BYTES])
{
    struct timespec now;
    struct tm parts;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    size_t length = strftime(text, TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
    return length + (size_t)snprintf(text + length, TIME_BYTES - length, ".%03ldZ", now.tv_nsec / 1000000);
}

/* One fact, one line, whatever a peer sent. */
static size_t add_text(char *to, size_t room, struct str text)
{
    size_t length = text.len < room ? text.len : room;

    for (size_t i = 0; i < length; i++)
        to[i] = (char)((unsigned char)text.at[i] < ' ' && text.at[i] != '\t' ? ' ' : text.at[i]);
    return length;
}

/* Bytes of a character that begins so (RFC 3629, section 3). */
static size_t character_bytes(unsigned char first)
{
    if (first >= 0xf0)
        return 4;
    if (first >= 0xe0)
        return 3;
    return first >= 0xc0 ? 2 : 1;
}

/* How much of the first `length` bytes of a text can stay when it is cut there: no torn character. */
static size_t cut_at(const char *text, size_t length)
{
    size_t lead = length;

    while (lead > 0 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
        lead--;
    bool is_torn = lead > 0 && length - lead + 1 < character_bytes((unsigned char)text[lead - 1]);
    return is_torn ? lead - 1 : length;
}

/* The inside of a JSON string; bytes that are no UTF-8 become question marks. */
static size_t add_json(char *to, size_t room, struct str text)
{
    bool is_utf8 = str_is_utf8(text);
    size_t length = 0;
    size_t i;

    for (i = 0; i < text.len && length + 2 <= room; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        if (byte == '"' || byte == '\\')
            to[length++] = '\\';
        if (byte < ' ' || byte == 0x7f)
            to[length++] = ' ';
        else
            to[length++] = (char)(byte < 0x80 || is_utf8 ? byte : '?');
    }
    return i < text.len ? length - (i - cut_at(text.at, i)) : length;
}

static size_t format_line(char line[LINE_BYTES], enum log_level level, const char *format, va_list values)
{
    bool is_json = atomic_load_explicit(&current_format, memory_order_relaxed) == LOG_JSON;
    size_t room = LINE_BYTES - sizeof("\"}\n");
    char message[LINE_BYTES];
    char time[TIME_BYTES];

    (void)format_time(time);
    int wrote = snprintf(line, LINE_BYTES, is_json ? JSON_START : TEXT_START, time, level_names[level]);
    size_t length = (size_t)wrote;
    wrote = vsnprintf(message, sizeof(message), format, values);
    size_t text = wrote > 0 ? (size_t)wrote : 0;
    if (text >= sizeof(message))
        text = cut_at(message, sizeof(message) - 1);
    if (is_json) {
        length += add_json(line + length, room - length, (struct str){message, text});
        line[length++] = '"';
        line[length++] = '}';
    } else {
        length += add_text(line + length, room - length, (struct str){message, text});
    }
    line[length++] = '\n';
    return length;
}

bool log_open(const char *path, enum log_level level, struct err *err)
{
    const struct line_sink_options options = {
        .name = "log file", .capacity_bytes = QUEUE_BYTES, .tell = log_trouble};

    if (sink == NULL)
        sink = line_sink_new(&options);
    if (!line_sink_aim(sink, path != NULL ? path : "stderr", err))
        return false;
    log_set_level(level);
    return true;
}

bool log_stderr_to(const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0) {
        int why = errno;

        if (fd >= 0)
            close(fd);
        return err_set(err, ERR_IO, "cannot write to %s: %s", path, strerror(why));
    }
    close(fd);
    return true;
}

void log_close(void)
{
    if (sink != NULL)
        line_sink_close(sink);
}

void log_reopen(void)
{
    if (sink != NULL)
        line_sink_reopen(sink);
}

void log_set_format(enum log_format format)
{
    atomic_store_explicit(&current_format, (int)format, memory_order_relaxed);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

bool log_level_of(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < COUNT(level_names); i++) {
        if (strcasecmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

uint64_t log_dropped(void)
{
    return sink != NULL ? line_sink_lost(sink) : 0;
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[LINE_BYTES];
    size_t length;
    va_list values;

    if (level < log_get_level())
        return;
    va_start(values, format);
    length = format_line(line, level, format, values);
    va_end(values);
    if (sink == NULL || (!line_sink_add(sink, (struct str){line, length}) && !line_sink_is_on(sink)))
        write_all(STDERR_FILENO, line, length);
}
