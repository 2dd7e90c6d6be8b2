#pragma once

/*
 * reader - what a poll of the log means: nothing new, a batch to act on, or the order to start over.
 *
 * One poll is: reader_begin(); ask the database; reader_judge_head(); if there is news, read the events in
 * the same snapshot; reader_check_events(); reader_act(); let the subscriber act; reader_finish(). A resync
 * is: load in one snapshot, then reader_restart(). All rules of the consistency reference, 4.1 and 5, are
 * here and nowhere else.
 *
 * Pure: no I/O, no time, no chance, no lock. In the process, begin, finish and restart run under the bus's
 * mutex because fills judge positions at the same time; the judging in between reads only what the poll
 * thread owns.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/cursor.h"
#include "bus/event.h"

enum {
    READER_MAX_EVENTS = 20000, /* more rows than this behind: loading everything is cheaper */
    READER_MAX_COMMITS = 5000,
};

struct reader {
    struct cursor cursor;
    uint8_t history[16]; /* thread: poll, its own */
    uint64_t head;       /* at the last good poll */
    /* thread: poll, its own. Head of the last batch that somebody began to act on; void once applied. */
    struct cursor_mark begun;
};

/* What the head statement saw, in one snapshot. */
struct reader_head {
    bool in_recovery; /* a standby answered */
    uint8_t history[16];
    uint64_t floor; /* events at or below may be gone */
    bool has_log;   /* false: not a single row; head and head_tag mean nothing */
    uint64_t head;
    int64_t head_tag;
    bool has_tag_at_applied; /* is there a row at the position the poll asked for? */
    int64_t tag_at_applied;
};

/* What the reader knew when the poll was sent. Lives on the poller's stack. */
struct reader_poll {
    uint64_t applied; /* the position to ask for */
    int64_t tag;
    struct cursor_mark pend[CURSOR_PEND + 1]; /* and reader.begun */
    size_t pend_count;
};

enum reader_step {
    READER_IDLE,   /* nothing happened since */
    READER_NEWS,   /* events wait above applied; or, from check_events, they are whole: act on them */
    READER_RESYNC, /* start over; *reason says why: history, lag, gap, empty */
    READER_FAILED, /* this was not the primary: the poll counts as failed */
};

/* Before anything is sent: what fills have shown by now must be in the answer (M: NO_PEND). */
void reader_begin(const struct reader *reader, struct reader_poll *poll);

enum reader_step reader_judge_head(const struct reader *reader, const struct reader_poll *poll,
                                   const struct reader_head *head, const char **reason);

/*
 * Are these all events of poll->applied + 1 .. head->head, in order and without a gap? The query asks for
 * READER_MAX_EVENTS + 1 rows, so that too many can be told from just enough. READER_NEWS or READER_RESYNC.
 */
enum reader_step reader_check_events(const struct reader_poll *poll, const struct reader_head *head,
                                     const struct bus_event *events, size_t count, const char **reason);

/*
 * The subscriber is about to act on the events. Should it fail half-way, fences stand at positions that may
 * be lost before the next poll: like what fills have shown, they must be in the answer to it.
 */
void reader_act(struct reader *reader, const struct reader_head *head);

/*
 * The subscriber has acted on the events: applied = head. false: meanwhile a fill has seen another history;
 * nothing has moved, resync (reason history).
 */
bool reader_finish(struct reader *reader, const struct reader_head *head, const struct bus_event *events,
                   size_t count);

/* The subscriber has loaded everything from the snapshot of `head`. An empty log restarts at the floor. */
void reader_restart(struct reader *reader, const struct reader_head *head);

/* Does a writer of one of these commits wait for the whole cluster? Then report the position after
 * reader_finish(). */
bool reader_must_acknowledge(const struct bus_event *events, size_t count);
