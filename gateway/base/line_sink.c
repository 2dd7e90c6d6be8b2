/*
 * line_sink - two buffers of lines between everybody and one writer.
 *
 *   add --> [front] --exchanged when [back] is written--> [back] --> write(2)
 *
 * The front belongs to the mutex, the back and the file to the writer. A write that fails leaves the rest of
 * the back where it is, so the next try goes on at the very byte: no line is torn, none is written twice.
 *
 * stdout and stderr are shared, with other sinks and other processes, and often a pipe: only writes of at
 * most PIPE_BUF bytes are not mixed with those of others there (pipe(7)), so whole lines go out in pieces of
 * that. Before each the writer asks whether there is room: it must not hang at a reader that sleeps, or the
 * sink could not be closed.
 */

#include "gateway/base/line_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"

enum {
    RETRY_MS = 200, /* after a failure */
    TELL_MS = 1000, /* a writer that is always behind says so no more often */
    TELL_BYTES = 512,
    READER_MS = 1000, /* so long a pipe may be full before that is a trouble */
};

struct target {
    int fd;
    char *path; /* NULL: stdout, stderr or nothing, which are not ours to close */
};

/* What the writer has been asked to do, besides writing. */
struct orders {
    bool reopen;
    bool aim; /* at `next` */
    bool stop;
    struct target next;
};

struct line_sink {
    struct line_sink_options options;
    _Atomic bool on;       /* written under lock */
    _Atomic uint64_t lost; /* lines */
    pthread_mutex_t lock;  /* of what follows; a leaf */
    pthread_cond_t more;
    bool running;
    bool waiting; /* the writer wants to be woken by the next line */
    struct orders orders;
    char *front;
    size_t used;

    /* The writer's own while it runs. */
    pthread_t writer;
    struct target target;
    char *back;
    size_t back_from, back_to; /* what is not written yet */
    bool failing;              /* it could not be, the last time */
    bool is_missing;           /* no file can be opened under the path */
    bool is_told;              /* that something is wrong */
    uint64_t lost_told;
    int64_t told_ms; /* monotonic: when */
};

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* `noun`: what is to be opened, in the error. */
static bool open_target(const char *noun, const char *name, struct target *target, struct err *err)
{
    *target = (struct target){.fd = -1};
    if (strcmp(name, "off") == 0)
        return true;
    if (strcmp(name, "stdout") == 0 || strcmp(name, "stderr") == 0) {
        target->fd = strcmp(name, "stdout") == 0 ? STDOUT_FILENO : STDERR_FILENO;
        return true;
    }
    target->fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (target->fd < 0)
        return err_set(err, ERR_IO, "%s %s: %s", noun, name, strerror(errno));
    target->path = mem_strdup(name);
    return true;
}

static void close_target(struct target *target)
{
    if (target->path != NULL)
        (void)close(target->fd);
    free(target->path);
    *target = (struct target){.fd = -1};
}

/* ---- what is told ---- */

static void tell_trouble(struct line_sink *sink, const char *what, const char *why)
{
    char text[TELL_BYTES];

    if (sink->is_told)
        return;
    sink->is_told = true;
    (void)snprintf(text, sizeof(text), "%s: %s; %s", sink->options.name, what, why);
    sink->options.tell(sink->options.arg, text);
}

/* The end of a trouble, and what it has cost; or that the writer is too slow, now and then but at the end. */
static void tell_end(struct line_sink *sink, bool is_last)
{
    char text[TELL_BYTES];
    uint64_t lost = line_sink_lost(sink);
    bool is_over = sink->is_told && !sink->is_missing;

    bool is_due = lost != sink->lost_told && (is_last || now_ms() - sink->told_ms >= TELL_MS);
    if (!is_over && !is_due)
        return;
    (void)snprintf(text, sizeof(text), "%s: %s; lines_lost=%" PRIu64, sink->options.name,
                   is_over ? "is written again" : "writer was behind", lost - sink->lost_told);
    sink->is_told = sink->is_missing;
    sink->lost_told = lost;
    sink->told_ms = now_ms();
    sink->options.tell(sink->options.arg, text);
}

/* ---- the file ---- */

static void count_lost(struct line_sink *sink, uint64_t lines)
{
    atomic_fetch_add_explicit(&sink->lost, lines, memory_order_relaxed);
    metrics_add(METRIC_LOG_DROPPED, (int64_t)lines);
}

static void lose_back(struct line_sink *sink, size_t to)
{
    uint64_t lines = 0;

    for (size_t i = sink->back_from; i < to; i++)
        lines += sink->back[i] == '\n' ? 1 : 0;
    sink->back_from = to;
    count_lost(sink, lines);
}

/* The rest of a line whose beginning is in another file is of no use in this one. */
static void change_target(struct line_sink *sink, const struct target *next)
{
    const char *end;

    if (sink->back_from > 0 && sink->back_from < sink->back_to && sink->back[sink->back_from - 1] != '\n') {
        end = memchr(sink->back + sink->back_from, '\n', sink->back_to - sink->back_from);
        lose_back(sink, end != NULL ? (size_t)(end - sink->back) + 1 : sink->back_to);
    }
    close_target(&sink->target);
    sink->target = *next;
    sink->is_missing = false;
}

static bool reopen(struct line_sink *sink)
{
    struct target next;
    struct err err;

    if (!open_target("file", sink->target.path, &next, &err)) {
        sink->is_missing = true;
        tell_trouble(sink, "cannot be opened again", err.text);
        return false;
    }
    change_target(sink, &next);
    return true;
}

/*
 * Opens the file again if that is asked for or necessary. false: there is none that anybody could read. An
 * old one that still has a name goes on to be written to.
 */
static bool find_file(struct line_sink *sink, bool is_asked)
{
    struct stat file;

    if (sink->target.path == NULL)
        return true;
    bool is_nameless = fstat(sink->target.fd, &file) == 0 && file.st_nlink == 0;
    if (!is_asked && !sink->is_missing && !is_nameless)
        return true;
    return reopen(sink) || !is_nameless;
}

/* How much of the back to write at once to what is shared: whole lines, if one fits. */
static size_t piece_of(const struct line_sink *sink)
{
    const char *from = sink->back + sink->back_from;
    size_t left = sink->back_to - sink->back_from;

    if (left <= PIPE_BUF)
        return left;
    const char *end = memrchr(from, '\n', PIPE_BUF);
    return end != NULL ? (size_t)(end - from) + 1 : PIPE_BUF;
}

/* As much as goes at once; < 0 with errno: nothing. */
static ssize_t write_some(struct line_sink *sink)
{
    const char *from = sink->back + sink->back_from;
    struct pollfd room = {.fd = sink->target.fd, .events = POLLOUT};

    if (sink->target.path != NULL)
        return write(sink->target.fd, from, sink->back_to - sink->back_from);
    int ready = poll(&room, 1, READER_MS);
    if (ready == 0)
        errno = EAGAIN;
    return ready > 0 ? write(sink->target.fd, from, piece_of(sink)) : -1;
}

/* false: something is left to write. */
static bool write_back(struct line_sink *sink)
{
    if (sink->target.fd < 0)
        lose_back(sink, sink->back_to);
    while (sink->back_from < sink->back_to) {
        ssize_t wrote = write_some(sink);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            tell_trouble(sink, "cannot be written, lines wait", strerror(errno));
            return false;
        }
        sink->back_from += (size_t)wrote;
    }
    return true;
}

/* ---- the writer ---- */

static bool has_orders(const struct line_sink *sink)
{
    return sink->orders.reopen || sink->orders.aim || sink->orders.stop;
}

/* Under lock: until somebody signals; false: `until_ms` (monotonic) is over. */
static bool wait_until(struct line_sink *sink, int64_t until_ms)
{
    const struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    return pthread_cond_timedwait(&sink->more, &sink->lock, &until) != ETIMEDOUT;
}

/* Under lock: until there are orders or, if that helps, many lines; at most `limit_ms`. */
static void pause_writer(struct line_sink *sink, int64_t limit_ms)
{
    int64_t until_ms = now_ms() + limit_ms;

    while (!has_orders(sink) && (sink->failing || sink->used < sink->options.capacity_bytes / 2))
        if (!wait_until(sink, until_ms))
            return;
}

/* Under lock: until there is something to write, to do or to tell. */
static void wait_for_work(struct line_sink *sink)
{
    bool has_time = true;

    if (sink->failing) {
        pause_writer(sink, RETRY_MS);
        return;
    }
    while (sink->used == 0 && !has_orders(sink) && has_time) {
        sink->waiting = true;
        if (line_sink_lost(sink) != sink->lost_told)
            has_time = wait_until(sink, sink->told_ms + TELL_MS);
        else
            (void)pthread_cond_wait(&sink->more, &sink->lock);
    }
    sink->waiting = false;
    if (sink->options.linger_ms > 0)
        pause_writer(sink, sink->options.linger_ms);
}

/* Under lock: all lines there are become the writer's, once it has written those it had. */
static void take_lines(struct line_sink *sink)
{
    char *taken = sink->front;

    if (sink->back_from < sink->back_to)
        return;
    sink->front = sink->back;
    sink->back = taken;
    sink->back_from = 0;
    sink->back_to = sink->used;
    sink->used = 0;
}

/* A new target is for what comes after the lines in hand, or for those as well that the old one refused. */
static void work(struct line_sink *sink, const struct orders *orders)
{
    sink->failing = !find_file(sink, orders->reopen) || !write_back(sink);
    if (orders->aim) {
        change_target(sink, &orders->next);
        sink->failing = !write_back(sink);
    }
    if (orders->stop && sink->failing)
        lose_back(sink, sink->back_to);
    if (!sink->failing)
        tell_end(sink, orders->stop);
}

static void *run_writer(void *arg)
{
    struct line_sink *sink = arg;
    struct orders orders = {0};

    (void)pthread_mutex_lock(&sink->lock);
    while (!orders.stop || (sink->used > 0 && !sink->failing)) {
        wait_for_work(sink);
        orders = sink->orders;
        sink->orders = (struct orders){.stop = orders.stop};
        take_lines(sink);
        (void)pthread_mutex_unlock(&sink->lock);
        work(sink, &orders);
        (void)pthread_mutex_lock(&sink->lock);
    }
    take_lines(sink);
    lose_back(sink, sink->back_to);
    (void)pthread_mutex_unlock(&sink->lock);
    return NULL;
}

/* ---- everybody ---- */

struct line_sink *line_sink_new(const struct line_sink_options *options)
{
    struct line_sink *sink = mem_zalloc(sizeof(*sink));
    pthread_condattr_t monotonic;

    sink->options = *options;
    sink->target.fd = -1;
    sink->front = mem_alloc(options->capacity_bytes);
    sink->back = mem_alloc(options->capacity_bytes);
    (void)pthread_mutex_init(&sink->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&sink->more, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return sink;
}

void line_sink_free(struct line_sink *sink)
{
    if (sink == NULL)
        return;
    line_sink_close(sink);
    (void)pthread_cond_destroy(&sink->more);
    (void)pthread_mutex_destroy(&sink->lock);
    free(sink->front);
    free(sink->back);
    free(sink);
}

/* Under lock; takes `next`. */
static bool start_writer(struct line_sink *sink, struct target *next, struct err *err)
{
    sink->target = *next;
    sink->orders = (struct orders){0};
    sink->failing = sink->is_missing = sink->is_told = false;
    sink->running = pthread_create(&sink->writer, NULL, run_writer, sink) == 0;
    if (sink->running)
        return true;
    close_target(&sink->target);
    return err_set(err, ERR_INTERNAL, "cannot start a thread for the %s", sink->options.name);
}

bool line_sink_aim(struct line_sink *sink, const char *target, struct err *err)
{
    struct target next;
    bool ok = true;

    if (!open_target(sink->options.name, target, &next, err))
        return false;
    bool on = next.fd >= 0;
    (void)pthread_mutex_lock(&sink->lock);
    if (sink->running) {
        close_target(&sink->orders.next); /* of an order that was never seen */
        sink->orders.next = next;
        sink->orders.aim = true;
        (void)pthread_cond_signal(&sink->more);
    } else if (on) {
        ok = start_writer(sink, &next, err);
    }
    if (ok)
        atomic_store_explicit(&sink->on, on, memory_order_relaxed);
    (void)pthread_mutex_unlock(&sink->lock);
    return ok;
}

void line_sink_close(struct line_sink *sink)
{
    (void)pthread_mutex_lock(&sink->lock);
    bool was_running = sink->running;
    atomic_store_explicit(&sink->on, false, memory_order_relaxed);
    sink->orders.stop = true;
    (void)pthread_cond_signal(&sink->more);
    (void)pthread_mutex_unlock(&sink->lock);
    if (!was_running)
        return;
    (void)pthread_join(sink->writer, NULL);
    sink->running = false;
    close_target(&sink->target);
}

bool line_sink_is_on(const struct line_sink *sink)
{
    return atomic_load_explicit(&sink->on, memory_order_relaxed);
}

static uint64_t count_lines(struct str lines)
{
    uint64_t count = 0;

    for (size_t i = 0; i < lines.len; i++)
        count += lines.at[i] == '\n' ? 1 : 0;
    return count;
}

bool line_sink_add(struct line_sink *sink, struct str lines)
{
    size_t half = sink->options.capacity_bytes / 2;
    bool wake = false;

    (void)pthread_mutex_lock(&sink->lock);
    bool on = line_sink_is_on(sink);
    bool fits = lines.len <= sink->options.capacity_bytes - sink->used;
    if (on && fits) {
        memcpy(sink->front + sink->used, lines.at, lines.len);
        wake = sink->waiting || (sink->used < half && sink->used + lines.len >= half);
        sink->used += lines.len;
        sink->waiting = false;
    }
    (void)pthread_mutex_unlock(&sink->lock);
    if (wake)
        (void)pthread_cond_signal(&sink->more);
    if (on && !fits)
        count_lost(sink, count_lines(lines));
    return on && fits;
}

void line_sink_reopen(struct line_sink *sink)
{
    (void)pthread_mutex_lock(&sink->lock);
    sink->orders.reopen = true;
    (void)pthread_cond_signal(&sink->more);
    (void)pthread_mutex_unlock(&sink->lock);
}

uint64_t line_sink_lost(const struct line_sink *sink)
{
    return atomic_load_explicit(&sink->lost, memory_order_relaxed);
}
