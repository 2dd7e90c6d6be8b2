#pragma once

/*
 * line_sink - complete lines from any thread into a file, stdout or stderr, written by a thread of its own.
 *
 * Nobody who adds a line ever waits for a disk or a pipe: lines go into a bounded queue, and what finds no
 * room is dropped and counted. While nothing can be written (disk full, reader gone) the queue keeps what it
 * has and the writer tries again, so a short outage loses nothing. A trouble is told when it begins and, with
 * the count of lines lost, when it is over; never per line.
 *
 * Adding a line is one mutex held for one memcpy of the line: the writer never holds it for longer than it
 * takes to exchange two pointers. Queues per producer would spare that lock, but lines of several threads
 * would not come out in the order they were added, each thread would need room for the worst burst, and
 * threads would have to register and leave; at 20,000 lines a second the lock is held for less than 1 % of
 * the time. What costs a producer more is waking the writer: with `linger_ms` it does so once per pause
 * instead of once per line.
 *
 * Threads: any for line_sink_add(), line_sink_is_on(), line_sink_reopen() and line_sink_lost(); the others
 * belong to one thread that may block.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/base/str.h"

struct line_sink;

struct line_sink_options {
    const char *name;      /* in what is told: "audit log"; a constant */
    size_t capacity_bytes; /* of waiting lines; as much again is in the writer's hands */
    int linger_ms;         /* a line may wait so long for others to be written with; 0: written at once */
    /* A sentence about a trouble that begins or ends. On the writer's thread; must not block. */
    void (*tell)(void *arg, const char *text);
    void *arg;
};

/* Off until line_sink_aim(). */
struct line_sink *line_sink_new(const struct line_sink_options *options);
/* Writes what is queued; what cannot be written at once is lost. Nobody may use it any more. NULL is fine. */
void line_sink_free(struct line_sink *sink);

/*
 * Where lines go from now on: "off", "stdout", "stderr" or the path of a file, which is appended to. What is
 * queued still goes to where it went before. On false nothing has changed.
 */
bool line_sink_aim(struct line_sink *sink, const char *target, struct err *err) MUST_CHECK;
/* The same as "off", but everything is written, or lost, and the thread has ended when it returns. */
void line_sink_close(struct line_sink *sink);
bool line_sink_is_on(const struct line_sink *sink);

/* One or several complete lines, newlines included; all or none. false: the sink is off, or they are lost. */
bool line_sink_add(struct line_sink *sink, struct str lines);
/* Opens the file again under the same path (log rotation). The old one is kept while there is no new one. */
void line_sink_reopen(struct line_sink *sink);
/* Lines lost so far. */
uint64_t line_sink_lost(const struct line_sink *sink);
