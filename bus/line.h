#pragma once

/*
 * line - a way to carry hints: a connection that is subscribed and can send. One table of functions per way.
 *
 * A line that has failed is closed and another one opened; no line repairs itself. What is carried is bytes;
 * what they mean is hint.h's.
 *
 * Threads: the channel's thread.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/bus.h"
#include "bus/pg_session.h"

struct line; /* each kind has its own */

enum {
    LINE_MAX_POLLS = 2
};

struct line_options {
    const struct bus_redis *redis; /* borrowed while the line is open; likewise the others */
    const struct pg_options *postgres;
    const char *channel; /* whole name */
    int stop;            /* readable: whoever waits in open() gives up */
    void (*on_message)(void *arg, const uint8_t *bytes, size_t length);
    void *arg;
};

struct line_kind {
    const char *name;
    size_t max_keys; /* that fit into one message */
    /* Connects and subscribes; returns when the server has confirmed it. Blocks up to the timeout in the
     * options. */
    struct line *(*open)(const struct line_options *options, struct bus_err *err);
    void (*close)(struct line *line);
    /* What to poll for; returns how many. */
    size_t (*fill_polls)(const struct line *line, struct pollfd polls[LINE_MAX_POLLS]);
    /* When work() wants to be called even if nothing comes. */
    int64_t (*due_us)(const struct line *line);
    /* Reads, writes, asks whether the server is alive. Calls on_message. false: the line is dead. */
    bool (*work)(struct line *line, struct bus_err *err);
    bool (*send)(struct line *line, const uint8_t *bytes, size_t length, struct bus_err *err);
    /* Has everything sent been confirmed? */
    bool (*is_settled)(const struct line *line);
};

extern const struct line_kind redis_line;  /* redis_line.c */
extern const struct line_kind notify_line; /* notify_line.c */
