/*
 * The bus thread.
 *
 * A poll on schedule is one small statement; only if it shows news, or if the bell promised some, a snapshot
 * is opened for the events and for the subscriber. Nothing here decides what an answer means, that is
 * reader.c; here is only the order of things: the subscriber acts, then the position becomes visible, then
 * others are told.
 */

#include "bus/follow.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/backoff.h"
#include "bus/machine.h"
#include "bus/poller.h"
#include "bus/reader.h"
#include "bus/registry.h"
#include "bus/trim.h"

enum {
    FIRST_RETRY_MS = 100,
    MAX_RETRY_MS = 1000,
    OPEN_DEADLINE_MS = 5000, /* for each step of opening */
    LEAVE_DEADLINE_MS = 500,
    TOLD_LATE_MS = 200, /* a commit older than this without a hint: its writer has not told anybody */
};

struct follow {
    /* immutable after follow_open() */
    struct bus_subscriber subscriber;
    struct board *board;
    void (*on_restart)(void *arg, const uint8_t history[16]);
    void (*on_missed)(void *arg, uint64_t position, int64_t tag);
    void (*describe)(void *arg, char *json, size_t size);
    void *arg;
    void (*log)(void *arg, enum bus_log_level level, const char *text);
    void *log_arg;
    struct registry_self self;
    char *name, *version;
    int64_t beat_us; /* a third of the lease */
    int64_t retention_ms;
    int64_t scrub_ms;
    bool started;
    pthread_t thread;

    /* thread: bus */
    struct pg_session *session;
    struct poller poller;
    struct backoff backoff;
    int64_t next_us; /* when the next poll starts unless the bell rings */
    int64_t beaten_us;
    int64_t trim_us;
    int64_t scrub_us;  /* INT64_MAX: never */
    bool trimming;     /* the floor has moved, rows below it are left */
    uint64_t failures; /* since the last good poll */
    int64_t failed_since_us;
    int64_t read_us; /* when the events of the view had come */
    bool beat_refused;
};

static void say(const struct follow *follow, enum bus_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(const struct follow *follow, enum bus_log_level level, const char *format, ...)
{
    char text[512];
    va_list arguments;

    if (follow->log == NULL)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    follow->log(follow->log_arg, level, text);
}

/* From start to start, never above U, and early enough for the heartbeat. */
static int64_t draw_pause_us(struct follow *follow)
{
    int64_t poll_us = board_poll_us(follow->board);
    int64_t longest_us = poll_us < follow->beat_us ? poll_us : follow->beat_us;

    return (int64_t)((double)longest_us * (0.94 + 0.06 * machine_uniform()));
}

/* Nodes that were started together, or that a database's return has brought together, part here. */
static int64_t draw_first_pause_us(struct follow *follow)
{
    return (int64_t)((double)draw_pause_us(follow) * machine_uniform());
}

static bool is_beat_due(const struct follow *follow)
{
    return machine_now_us() - follow->beaten_us >= follow->beat_us * 9 / 10;
}

static void fill_beat(const struct follow *follow, struct registry_row *row)
{
    const struct cursor *cursor = &follow->board->reader.cursor;

    registry_fill_row(&follow->self, REGISTRY_LIVE, cursor->applied, cursor_tag(cursor), row);
    if (follow->describe != NULL)
        follow->describe(follow->arg, row->info, sizeof(row->info));
}

static void note_beat(struct follow *follow, int64_t sent_us)
{
    follow->beaten_us = sent_us; /* counted from before it was sent (consistency reference, 8) */
    if (follow->beat_refused)
        say(follow, BUS_LOG_NOTICE, "heartbeats are accepted again");
    follow->beat_refused = false;
    board_count(follow->board, &follow->board->stats.heartbeats, 1);
}

static void note_refused_beat(struct follow *follow, const struct bus_err *err)
{
    follow->beaten_us = machine_now_us();
    if (!follow->beat_refused)
        say(follow, BUS_LOG_WARN, "heartbeat refused, writers do not wait for this node; reason=\"%s\"",
            err->text);
    follow->beat_refused = true;
}

/* Ends the view; the heartbeat travels along if it is due or if a writer waits for it. Neither can undo the
 * batch. */
static void close_view(struct follow *follow, bool acknowledge)
{
    bool beat = acknowledge || is_beat_due(follow);
    int64_t sent_us = machine_now_us();
    struct registry_row row = {0};
    struct bus_err err;

    fill_beat(follow, &row);
    if (poller_close_view(&follow->poller, beat ? &row : NULL, &err)) {
        if (beat)
            note_beat(follow, sent_us);
    } else if (beat && err.code == BUS_ERR_SQL) {
        note_refused_beat(follow, &err);
    }
}

static void abandon_view(struct follow *follow)
{
    struct bus_err ignored; /* a connection that cannot roll back is dropped, which ends the view as well */

    if (pg_session_is_in_transaction(follow->session) &&
        !pg_session_command(follow->session, "ROLLBACK", follow->poller.deadline_ms, &ignored))
        pg_session_drop(follow->session);
}

static void note_nodes(struct follow *follow)
{
    const struct poller_extra *extra = &follow->poller.extra;

    board_note_nodes(follow->board, extra->node_count, extra->slowest_position);
}

static bool fail_recovery(struct follow *follow, struct bus_err *err)
{
    pg_session_drop(follow->session); /* the next connection looks for the primary again */
    return bus_err_set(err, BUS_ERR_INVALID, "a standby answered, not the primary");
}

/* Everything anew, from one snapshot (consistency reference, 5). */
static bool resync(struct follow *follow, const char *reason, struct bus_err *err)
{
    const struct cursor *cursor = &follow->board->reader.cursor;
    struct cursor_mark old = {.position = cursor->applied, .tag = cursor_tag(cursor)};
    struct bus_batch batch = {.view = follow->session, .reason = reason};
    struct reader_head head;

    if (!poller_open_view(&follow->poller, POLLER_HEAD_ONLY, 0, &head, err))
        return false;
    if (head.in_recovery)
        return fail_recovery(follow, err);
    batch.head = head.has_log ? head.head : head.floor;
    batch.head_tag = head.has_log ? head.head_tag : 0;
    if (!follow->subscriber.load(follow->subscriber.arg, &batch, err)) {
        abandon_view(follow);
        return false;
    }
    board_restart(follow->board, &head, follow->poller.extra.key_salt, reason);
    follow->subscriber.restart(follow->subscriber.arg, batch.head, batch.head_tag);
    board_publish(follow->board);
    note_nodes(follow);
    close_view(follow, /* acknowledge= */ true);
    if (follow->on_restart != NULL)
        follow->on_restart(follow->arg, head.history);
    say(follow, strcmp(reason, "start") == 0 ? BUS_LOG_NOTICE : BUS_LOG_ERROR,
        "loaded everything; reason=%s position=%" PRIu64 " tag=%016" PRIx64 " before=%" PRIu64
        " tag_before=%016" PRIx64,
        reason, batch.head, (uint64_t)batch.head_tag, old.position, (uint64_t)old.tag);
    return true;
}

#ifdef MUTANT_ACK_EARLY
static void acknowledge_early(struct follow *follow, const struct reader_head *head)
{
    struct registry_row row = {0};
    struct reader_head unused;
    struct bus_err ignored;

    registry_fill_row(&follow->self, REGISTRY_LIVE, head->head, head->head_tag, &row);
    (void)poller_peek(&follow->poller, head->head, &row, &unused, &ignored);
}
#endif

static bool apply(struct follow *follow, const struct reader_head *head, struct bus_err *err)
{
    const struct poller *poller = &follow->poller;
    const struct bus_batch batch = {
        .head = head->head,
        .head_tag = head->head_tag,
        .events = poller->events,
        .event_count = poller->event_count,
        .view = follow->session,
    };
    bool acknowledge = reader_must_acknowledge(poller->events, poller->event_count);

    reader_act(&follow->board->reader, head);
#ifdef MUTANT_ACK_EARLY
    acknowledge_early(follow, head);
#endif
#ifdef MUTANT_PUBLISH_FIRST
    (void)board_finish(follow->board, head, poller->events, poller->event_count);
    board_publish(follow->board);
#endif
    if (!follow->subscriber.apply(follow->subscriber.arg, &batch, err)) {
        abandon_view(follow);
        return false;
    }
#ifndef MUTANT_PUBLISH_FIRST
    if (!board_finish(follow->board, head, poller->events, poller->event_count)) {
        abandon_view(follow);
        return resync(follow, "history", err);
    }
    board_publish(follow->board);
#endif
    board_note_delays(follow->board, poller->events, poller->event_count, follow->read_us);
    close_view(follow, acknowledge);
    return true;
}

/* Head and events in one snapshot, which stays open for the subscriber. */
static bool read_news(struct follow *follow, const struct reader_poll *poll, struct bus_err *err)
{
    const char *reason = NULL;
    struct reader_head head;
    enum reader_step step;

    if (!poller_open_view(&follow->poller, POLLER_HEAD_AND_EVENTS, poll->applied, &head, err))
        return false;
    follow->read_us = machine_now_us();
    note_nodes(follow);
    step = reader_judge_head(&follow->board->reader, poll, &head, &reason);
    if (step == READER_NEWS)
        step = reader_check_events(poll, &head, follow->poller.events, follow->poller.event_count, &reason);
    switch (step) {
    case READER_IDLE:
        close_view(follow, /* acknowledge= */ false);
        return true;
    case READER_NEWS:
        board_note_head(follow->board, head.head);
        return apply(follow, &head, err);
    case READER_RESYNC:
        abandon_view(follow);
        return resync(follow, reason, err);
    case READER_FAILED:
        break;
    }
    return fail_recovery(follow, err);
}

/* The cheap question. A primary that refuses writes is still worth reading. */
static bool peek(struct follow *follow, uint64_t applied, struct reader_head *head, struct bus_err *err)
{
    int64_t sent_us = machine_now_us();
    struct registry_row row = {0};

    if (!is_beat_due(follow))
        return poller_peek(&follow->poller, applied, NULL, head, err);
    fill_beat(follow, &row);
    if (poller_peek(&follow->poller, applied, &row, head, err)) {
        note_beat(follow, sent_us);
        return true;
    }
    if (err->code != BUS_ERR_SQL)
        return false;
    note_refused_beat(follow, err);
    return poller_peek(&follow->poller, applied, NULL, head, err);
}

static bool poll_log(struct follow *follow, bool news_expected, struct bus_err *err)
{
    const char *reason = NULL;
    struct reader_head head;
    struct reader_poll poll;

    board_begin(follow->board, &poll);
    if (news_expected)
        return read_news(follow, &poll, err);

    if (!peek(follow, poll.applied, &head, err))
        return false;
    note_nodes(follow);
    switch (reader_judge_head(&follow->board->reader, &poll, &head, &reason)) {
    case READER_IDLE:
        board_count(follow->board, &follow->board->stats.idle_polls, 1);
        if (follow->subscriber.idle != NULL)
            follow->subscriber.idle(follow->subscriber.arg);
        return true;
    case READER_NEWS:
        return read_news(follow, &poll, err);
    case READER_RESYNC:
        return resync(follow, reason, err);
    case READER_FAILED:
        break;
    }
    return fail_recovery(follow, err);
}

/* A scheduled poll that finds something has done the channel's work. */
static void notice_missed(struct follow *follow, uint64_t applied_before)
{
    const struct cursor *cursor = &follow->board->reader.cursor;

    if (cursor->applied <= applied_before || follow->poller.newest_age_ms < TOLD_LATE_MS ||
        follow->on_missed == NULL)
        return;
    if (!board_has_heard(follow->board, cursor->applied))
        follow->on_missed(follow->arg, cursor->applied, cursor_tag(cursor));
}

/* A large cluster comes back more slowly, so that the database survives its own return. */
static int64_t retry_cap_ms(struct follow *follow)
{
    struct bus_stats stats;
    int64_t cap_ms, poll_ms = board_poll_us(follow->board) / 1000;

    board_read_stats(follow->board, &stats);
    cap_ms = (int64_t)stats.node_count * 2 > MAX_RETRY_MS ? (int64_t)stats.node_count * 2 : MAX_RETRY_MS;
    return cap_ms < poll_ms ? cap_ms : poll_ms;
}

static void note_failure(struct follow *follow, const struct bus_err *err)
{
    board_note_failed_poll(follow->board, err->code);
    if (follow->failures++ == 0) {
        follow->failed_since_us = machine_now_us();
        say(follow, BUS_LOG_ERROR, "the event log cannot be followed, serving what is known; reason=\"%s\"",
            err->text);
    }
    follow->backoff.cap_ms = retry_cap_ms(follow);
    follow->next_us = machine_now_us() + backoff_next(&follow->backoff, machine_uniform()) * 1000;
}

static void note_recovery(struct follow *follow)
{
    say(follow, BUS_LOG_NOTICE, "the event log is followed again; failures=%" PRIu64 " seconds=%.1f",
        follow->failures, (double)(machine_now_us() - follow->failed_since_us) / 1e6);
    follow->failures = 0;
    backoff_reset(&follow->backoff);
}

/*
 * The bell does not move the schedule: all nodes hear it in the same instant, and from then on would poll in
 * the same instants.
 */
static void set_next(struct follow *follow, int64_t started_us, bool rung)
{
    int64_t next_us = started_us + draw_pause_us(follow);

    if (!rung || follow->next_us <= started_us || next_us < follow->next_us)
        follow->next_us = next_us;
}

static void note_success(struct follow *follow, int64_t started_us, bool rung)
{
    board_note_good_poll(follow->board, started_us);
    if (follow->failures == 0) {
        set_next(follow, started_us, rung);
        return;
    }
    note_recovery(follow);
    follow->next_us = started_us + draw_first_pause_us(follow);
}

static void run_poll(struct follow *follow, bool rung)
{
    struct board *board = follow->board;
    uint64_t applied_before = board->reader.cursor.applied;
    uint64_t connects_before = pg_session_connects(follow->session);
    int64_t started_us = machine_now_us();
    struct bus_err err;

    /* After a failure there probably is news, and a server that hangs should be asked with a timeout of its
     * own. */
    if (poll_log(follow, rung || follow->failures > 0, &err)) {
        note_success(follow, started_us, rung);
        if (!rung)
            notice_missed(follow, applied_before);
    } else {
        note_failure(follow, &err);
    }
    board_count(board, &board->stats.bells_rung, rung ? 1 : 0);
    board_count(board, &board->stats.pg_reconnects, pg_session_connects(follow->session) - connects_before);
}

/* A round of tidying between polls; what the next poll interrupts goes on right after it. */
static void trim(struct follow *follow)
{
    int64_t round_us = follow->retention_ms * 100; /* a tenth, in microseconds */
    int64_t deadline_ms = follow->poller.deadline_ms;
    uint64_t deleted = 0;
    bool moved = false;
    struct bus_err err;

    follow->trim_us = machine_now_us() + (int64_t)((double)round_us * (0.8 + 0.4 * machine_uniform()));
    if (!follow->trimming &&
        !trim_move_floor(follow->session, follow->retention_ms, deadline_ms, &moved, &err)) {
        say(follow, BUS_LOG_DEBUG, "trimming skipped this time; reason=\"%s\"", err.text);
        return;
    }
    follow->trimming = follow->trimming || moved;
    while (follow->trimming) {
        if (!trim_delete(follow->session, deadline_ms, &deleted, &err))
            return; /* a lost connection is the next poll's to report */
        board_count(follow->board, &follow->board->stats.trimmed_rows, deleted);
        follow->trimming = deleted > 0;
        if (follow->trimming && (board_is_busy(follow->board) || follow->next_us <= machine_now_us())) {
            follow->trim_us = 0;
            return;
        }
    }
}

/* Only with nothing better to do; whatever comes of it, the next poll is not put off. */
static void scrub(struct follow *follow)
{
    const struct cursor *cursor = &follow->board->reader.cursor;
    struct bus_batch batch = {.view = follow->session};
    bool is_right = true;
    struct reader_head head;
    struct bus_err err;

    follow->scrub_us =
        machine_now_us() + (int64_t)((double)follow->scrub_ms * 1000 * (0.8 + 0.4 * machine_uniform()));
    if (!poller_open_view(&follow->poller, POLLER_HEAD_ONLY, 0, &head, &err))
        return; /* the next poll's to report */
    batch.head = head.head;
    batch.head_tag = head.head_tag;
    if (!head.has_log || head.in_recovery || head.head != cursor->applied ||
        head.head_tag != cursor_tag(cursor)) {
        abandon_view(follow); /* there is news, which a poll has to bring first */
        return;
    }
    bool seen = follow->subscriber.scrub(follow->subscriber.arg, &batch, &is_right, &err);
    abandon_view(follow);
    if (!seen)
        say(follow, BUS_LOG_DEBUG, "nothing could be compared this time; reason=\"%s\"", err.text);
    else if (!is_right && !resync(follow, "scrub", &err))
        say(follow, BUS_LOG_WARN, "what is wrong cannot be loaded anew yet; reason=\"%s\"", err.text);
}

static void *run(void *arg)
{
    struct follow *follow = arg;
    bool rung;

    machine_block_signals();
    for (;;) {
        bool healthy = follow->failures == 0; /* while the log cannot be read only the backoff decides */
        int64_t chore_us = follow->trim_us < follow->scrub_us ? follow->trim_us : follow->scrub_us;
        bool tidying = healthy && chore_us < follow->next_us;

        if (!board_sleep(follow->board, tidying ? chore_us : follow->next_us, healthy, &rung))
            return NULL;
        if (rung || !tidying)
            run_poll(follow, rung);
        else if (follow->trim_us <= follow->scrub_us)
            trim(follow);
        else
            scrub(follow);
    }
}

static struct follow *make(const struct follow_options *options)
{
    const struct bus_options *bus = options->bus;
    struct follow *follow = machine_alloc(sizeof(*follow));
    struct pg_options primary = bus->primary;
    int64_t lease_ms = bus->lease_ms > 0 ? bus->lease_ms : 15000;

    follow->subscriber = bus->subscriber;
    follow->board = options->board;
    follow->on_restart = options->on_restart;
    follow->on_missed = options->on_missed;
    follow->describe = options->describe;
    follow->arg = options->arg;
    follow->log = bus->log;
    follow->log_arg = bus->arg;
    follow->name = machine_copy(bus->node_name != NULL ? bus->node_name : "");
    follow->version = machine_copy(bus->version != NULL ? bus->version : "");
    follow->self.name = follow->name;
    follow->self.version = follow->version;
    registry_init(&follow->self, bus->node_id, bus->boot_id, lease_ms);
    follow->beat_us = lease_ms * 1000 / 3;
    follow->scrub_ms = bus->subscriber.scrub != NULL ? bus->scrub_ms : 0;
    follow->scrub_us = INT64_MAX;
    follow->retention_ms = bus->retention_ms > 0 ? bus->retention_ms : 3600000;
    if (follow->retention_ms < bus->live.poll_ms * 20)
        follow->retention_ms = bus->live.poll_ms * 20; /* else ordinary polls would come too late */
    primary.read_only = false;
    follow->session = pg_session_new(&primary);
    poller_init(&follow->poller, follow->session, bus->poll_deadline_ms > 0 ? bus->poll_deadline_ms : 2000);
    backoff_init(&follow->backoff, FIRST_RETRY_MS, MAX_RETRY_MS);
    return follow;
}

/* Register, load, and be there. A node that may not write its row still works; nobody waits for it then. */
static bool join(struct follow *follow, struct bus_err *err)
{
    int64_t started_us = machine_now_us();

    if (!pg_session_connect(follow->session, OPEN_DEADLINE_MS, err))
        return false;
    if (!registry_join(&follow->self, follow->session, OPEN_DEADLINE_MS, err)) {
        if (err->code != BUS_ERR_SQL)
            return false;
        note_refused_beat(follow, err);
    }
    if (!resync(follow, "start", err))
        return false;
    follow->trim_us = machine_now_us() + (int64_t)((double)follow->retention_ms * 100 * machine_uniform());
    if (follow->scrub_ms > 0)
        follow->scrub_us = machine_now_us() + (int64_t)((double)follow->scrub_ms * 1000 * machine_uniform());
    board_note_good_poll(follow->board, started_us);
    follow->next_us = started_us + draw_first_pause_us(follow);
    return true;
}

bool follow_open(const struct follow_options *options, struct follow **follow, struct bus_err *err)
{
    struct follow *made = make(options);

    if (!join(made, err))
        goto out;
    if (pthread_create(&made->thread, NULL, run, made) != 0) {
        (void)bus_err_set(err, BUS_ERR_INTERNAL, "no thread for the bus");
        goto out;
    }
    made->started = true;
    *follow = made;
    return true;
out:
    follow_close(made);
    return false;
}

void follow_close(struct follow *follow)
{
    struct bus_err ignored; /* the row expires with its lease */

    if (follow == NULL)
        return;
    if (follow->started) {
        board_stop(follow->board);
        (void)pthread_join(follow->thread, NULL);
        if (pg_session_is_connected(follow->session))
            (void)registry_leave(&follow->self, follow->session, LEAVE_DEADLINE_MS, &ignored);
    }
    poller_fini(&follow->poller);
    pg_session_free(follow->session);
    free(follow->name);
    free(follow->version);
    free(follow);
}
