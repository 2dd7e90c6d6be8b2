/*
 * file_sink - see file_sink.h. There is one batch at a time; what is left of it after a failure stays in
 * `lines` for the next try.
 */

#include "gateway/plugins/file_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/base/str.h"
#include "gateway/chain/delivery_queue.h"

struct file_sink {
    struct delivery_sender super;
    char *path;
    enum file_sink_kind kind;
    int fd;             /* -1: closed */
    unsigned opened_at; /* delivery_reopened() */
    struct buf lines;   /* of the batch that was tried last */
    size_t written;
};

static void close_file(struct file_sink *sink)
{
    if (sink->fd >= 0)
        (void)close(sink->fd);
    sink->fd = -1;
}

/* What has begun in the file before is begun anew in the next. */
static void go_back_to_line(struct file_sink *sink)
{
    while (sink->written > 0 && sink->lines.at[sink->written - 1] != '\n')
        sink->written--;
}

static bool open_file(struct file_sink *sink, const struct delivery *delivery)
{
    unsigned reopened = delivery_reopened(delivery);

    if (sink->fd >= 0 && sink->opened_at == reopened)
        return true;
    close_file(sink);
    /* O_NONBLOCK: a pipe without a reader is a failure, not a wait. */
    sink->fd = open(sink->path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0644);
    sink->opened_at = reopened;
    if (sink->fd >= 0)
        go_back_to_line(sink);
    return sink->fd >= 0;
}

/* Of a batch that is tried again its lines are there. One that was given up may have left half a line. */
static void make_lines(struct file_sink *sink, const struct delivery_batch *batch)
{
    if (batch->tries > 0)
        return;
    bool is_torn = sink->written > 0 && sink->lines.at[sink->written - 1] != '\n';
    buf_clear(&sink->lines);
    if (is_torn)
        buf_add_byte(&sink->lines, '\n');
    for (const struct delivery_entry *entry = batch->first; entry != NULL; entry = entry->next) {
        buf_add(&sink->lines, entry->bytes, entry->len);
        buf_add_byte(&sink->lines, '\n');
    }
    sink->written = 0;
}

static bool write_lines(struct file_sink *sink)
{
    while (sink->written < sink->lines.len) {
        ssize_t wrote = write(sink->fd, sink->lines.at + sink->written, sink->lines.len - sink->written);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        sink->written += (size_t)wrote;
    }
    return true;
}

static void send_batch(struct delivery_sender *super, struct delivery *delivery, struct delivery_batch *batch)
{
    struct file_sink *sink = CONTAINER_OF(super, struct file_sink, super);

    make_lines(sink, batch);
    if (!open_file(sink, delivery) || !write_lines(sink)) {
        delivery_batch_done(batch, DELIVERY_FAILED, strerror(errno));
        return;
    }
    if (sink->kind == FILE_SINK_OPENED_EACH_TIME)
        close_file(sink);
    delivery_batch_done(batch, DELIVERY_DONE, NULL);
}

static void free_sink(struct delivery_sender *super)
{
    struct file_sink *sink = CONTAINER_OF(super, struct file_sink, super);

    close_file(sink);
    buf_fini(&sink->lines);
    free(sink->path);
    free(sink);
}

struct delivery_sender *file_sink_new(const char *path, enum file_sink_kind kind)
{
    struct file_sink *sink = mem_zalloc(sizeof(*sink));

    *sink = (struct file_sink){
        .super = {.send = send_batch, .free = free_sink}, .path = mem_strdup(path), .kind = kind, .fd = -1};
    return &sink->super;
}
