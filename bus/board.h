#pragma once

/*
 * board - what the bus thread and everybody else share: the reader, the bell, the position that is in force,
 * counters.
 *
 * One mutex, held for moments, never while anything outside this file runs. The bus thread alone changes the
 * reader (begin, finish, restart), so it may read its positions and history without the mutex; fills add to
 * pend under it.
 *
 * Threads: any, unless a comment says bus.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bus/bell.h"
#include "bus/bus.h"
#include "bus/cursor.h"
#include "bus/reader.h"

struct board {
    pthread_mutex_t lock;
    pthread_cond_t woken;    /* for the bus thread */
    pthread_cond_t advanced; /* for board_wait() */
    /* under lock */
    struct reader reader;
    struct bell bell;
    uint8_t key_salt[16];
    int64_t poll_us;
    int64_t good_us; /* start of the last good poll */
    int64_t implausible_us;
    uint64_t heard;  /* greatest position that anybody has told of */
    uint64_t told;   /* greatest position that this node itself has told of */
    uint64_t seen;   /* greatest head that a poll has seen */
    int64_t late_us; /* since when something is known that has not been acted on; 0: there is nothing */
    bool stopping;
    struct bus_stats stats;
    /* Stored with release after the subscriber has published; board_applied() loads with acquire. */
    _Atomic uint64_t applied;
};

void board_init(struct board *board, int64_t poll_ms);
void board_fini(struct board *board);

/* thread: bus. The steps of reader.h under the mutex. */
void board_begin(struct board *board, struct reader_poll *poll);
bool board_finish(struct board *board, const struct reader_head *head, const struct bus_event *events,
                  size_t count);
void board_restart(struct board *board, const struct reader_head *head, const uint8_t key_salt[16],
                   const char *reason);
/* thread: bus. What the subscriber has published may be relied upon; wakes those who wait for it. */
void board_publish(struct board *board);
/* thread: bus. A poll has seen the head, and is going to act on what is new. */
void board_note_head(struct board *board, uint64_t head);
/* thread: bus. The events, read at read_us, have been acted on: how long did their commits take to get here?
 */
void board_note_delays(struct board *board, const struct bus_event *events, size_t count, int64_t read_us);
/* thread: bus. A poll that began at started_us has succeeded. */
void board_note_good_poll(struct board *board, int64_t started_us);
void board_note_failed_poll(struct board *board, enum bus_err_code code);
void board_note_nodes(struct board *board, uint64_t node_count, uint64_t slowest_position);
void board_count(struct board *board, uint64_t *counter, uint64_t by);

/*
 * thread: bus. Sleeps until due_us, or with `listening` until the bell if that is earlier. *rung: the bell
 * asked for it. false: stop.
 */
bool board_sleep(struct board *board, int64_t due_us, bool listening, bool *rung);
/* thread: bus. Is there something better to do than to tidy up? */
bool board_is_busy(struct board *board);

void board_stop(struct board *board);
void board_set_poll_ms(struct board *board, int64_t poll_ms);
int64_t board_poll_us(struct board *board);

uint64_t board_applied(const struct board *board);
void board_identity(struct board *board, uint8_t salt[16], uint8_t history[16]);
enum cursor_verdict board_judge(struct board *board, uint64_t position, int64_t tag, bool from_replica);
void board_wake(struct board *board);
void board_ring(struct board *board);
/* Somebody claims that the log has grown to `position`. */
enum cursor_news board_hear(struct board *board, uint64_t position, int64_t tag);
/* This node itself has told the others of `position`. */
void board_note_told(struct board *board, uint64_t position);
bool board_has_heard(struct board *board, uint64_t position);
bool board_wait(struct board *board, uint64_t position, int64_t timeout_ms);
/* Everything but what the channel counts. */
void board_read_stats(struct board *board, struct bus_stats *stats);
