#pragma once

/*
 * file_sink - a sender (chain/delivery_queue.h) that appends entries to a file, a line each.
 *
 * The file is made with mode 0644. No line is torn or written twice: a write that stops in the middle goes on
 * at the very byte, in a new file at the line's beginning. Pipes are not waited for.
 *
 * Threads: making: any; all else: delivery's, which a slow disk holds up.
 */

struct delivery_sender;

enum file_sink_kind {
    FILE_SINK_KEPT_OPEN,        /* until delivery_reopen() */
    FILE_SINK_OPENED_EACH_TIME, /* which follows a rotation by itself */
};

struct delivery_sender *file_sink_new(const char *path, enum file_sink_kind kind);
