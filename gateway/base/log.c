/*
 * log - a ring of finished lines between everybody and one writer thread.
 *
 * A caller formats into its own stack, takes the mutex for one memcpy into the ring, and goes on. The writer
 * takes all that is there, releases the mutex, and writes. log is one of the few process-wide states
 * (style.md section 8): a logger handed through every function would be noise in each signature.
 */

#include "gateway/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/mem.h"

enum {
    LINE_BYTES = 2048,       /* longer lines are cut */
    RING_BYTES = 256 * 1024, /* about two thousand lines */
};

static const char *const level_names[] = {"debug", "info", "notice", "warn",
                                          "error", "crit", "alert",  "emerg"};

/* Process-wide on purpose, see above. Guarded by `lock`; while the writer runs, fd and path are its own. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t more;
    pthread_t writer;
    bool running;
    bool stopping;
    bool reopen;
    int fd;
    char *path; /* NULL: stderr */
    char *ring;
    size_t used;
    uint64_t dropped_reported;
} sink = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER, .fd = STDERR_FILENO};

static _Atomic int current_level = LOG_NOTICE;
static _Atomic uint64_t dropped;

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

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

static size_t format_line(char line[LINE_BYTES], enum log_level level, const char *format, va_list values)
{
    struct timespec now;
    struct tm parts;
    size_t length;
    int added;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    length = strftime(line, LINE_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
    added = snprintf(line + length, LINE_BYTES - length, ".%03ldZ [%s] ", now.tv_nsec / 1000000,
                     level_names[level]);
    length += (size_t)added;
    added = vsnprintf(line + length, LINE_BYTES - length - 1, format, values);
    if (added > 0)
        length += (size_t)added;
    if (length > LINE_BYTES - 2)
        length = LINE_BYTES - 2;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' && line[i] != '\t')
            line[i] = ' '; /* one fact, one line, whatever a peer sent */
    line[length++] = '\n';
    return length;
}

/* Under lock, which is released while the disk is busy: the file is the writer's alone. */
static void reopen_now(void)
{
    int fd;

    sink.reopen = false;
    if (sink.path == NULL)
        return;
    (void)pthread_mutex_unlock(&sink.lock);
    fd = open_file(sink.path);
    if (fd >= 0) {
        (void)close(sink.fd);
        sink.fd = fd;
    }
    (void)pthread_mutex_lock(&sink.lock);
}

/* Under lock, which is released while writing. */
static void write_queued(char *batch)
{
    size_t count = sink.used;
    uint64_t lost = atomic_load_explicit(&dropped, memory_order_relaxed);
    char note[96];
    int note_length = 0;

    memcpy(batch, sink.ring, count);
    sink.used = 0;
    if (lost != sink.dropped_reported) {
        note_length = snprintf(note, sizeof(note), "log: writer was behind; lines_lost=%" PRIu64 "\n",
                               lost - sink.dropped_reported);
        sink.dropped_reported = lost;
    }
    (void)pthread_mutex_unlock(&sink.lock);
    write_all(sink.fd, batch, count);
    if (note_length > 0)
        write_all(sink.fd, note, (size_t)note_length);
    (void)pthread_mutex_lock(&sink.lock);
}

static void *run_writer(void *arg)
{
    char *batch = arg;

    (void)pthread_mutex_lock(&sink.lock);
    while (!sink.stopping || sink.used > 0) {
        if (sink.reopen)
            reopen_now();
        else if (sink.used == 0)
            (void)pthread_cond_wait(&sink.more, &sink.lock);
        else
            write_queued(batch);
    }
    (void)pthread_mutex_unlock(&sink.lock);
    free(batch);
    return NULL;
}

bool log_open(const char *path, enum log_level level, struct err *err)
{
    char *batch;

    if (path != NULL) {
        sink.fd = open_file(path);
        if (sink.fd < 0) {
            sink.fd = STDERR_FILENO;
            return err_set(err, ERR_IO, "log file %s: %s", path, strerror(errno));
        }
        sink.path = mem_strdup(path);
    }
    log_set_level(level);
    sink.ring = mem_alloc(RING_BYTES);
    batch = mem_alloc(RING_BYTES);
    sink.stopping = false;
    if (pthread_create(&sink.writer, NULL, run_writer, batch) != 0) {
        free(batch);
        free(sink.ring);
        return err_set(err, ERR_INTERNAL, "cannot start the log thread");
    }
    (void)pthread_mutex_lock(&sink.lock);
    sink.running = true;
    (void)pthread_mutex_unlock(&sink.lock);
    return true;
}

void log_close(void)
{
    if (!sink.running)
        return;
    (void)pthread_mutex_lock(&sink.lock);
    sink.stopping = true;
    (void)pthread_cond_signal(&sink.more);
    (void)pthread_mutex_unlock(&sink.lock);
    (void)pthread_join(sink.writer, NULL);
    (void)pthread_mutex_lock(&sink.lock);
    sink.running = false;
    free(sink.ring);
    sink.ring = NULL;
    if (sink.path != NULL)
        (void)close(sink.fd);
    sink.fd = STDERR_FILENO;
    free(sink.path);
    sink.path = NULL;
    (void)pthread_mutex_unlock(&sink.lock);
}

void log_reopen(void)
{
    (void)pthread_mutex_lock(&sink.lock);
    sink.reopen = true;
    (void)pthread_cond_signal(&sink.more);
    (void)pthread_mutex_unlock(&sink.lock);
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
    return atomic_load_explicit(&dropped, memory_order_relaxed);
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
    (void)pthread_mutex_lock(&sink.lock);
    if (!sink.running) {
        write_all(sink.fd, line, length);
    } else if (sink.used + length > RING_BYTES) {
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
    } else {
        memcpy(sink.ring + sink.used, line, length);
        sink.used += length;
        (void)pthread_cond_signal(&sink.more);
    }
    (void)pthread_mutex_unlock(&sink.lock);
}
