/* Locks and condition variables around the pure pieces. What they decide is theirs; here it only becomes
 * safe. */

#include "bus/board.h"

#include <string.h>
#include <time.h>

#include "bus/machine.h"

enum {
    LONGEST_SLEEP_US = 1000000, /* condition variables cannot wait on CLOCK_BOOTTIME: look at it this often */
    IMPLAUSIBLE_PAUSE_US = 1000000,
};

const int64_t bus_delay_limits_us[BUS_DELAY_LIMITS] = {
    1000,   2000,    5000,    10000,   25000,   50000,    100000,
    250000, 1000000, 2500000, 5000000, 7500000, 15000000, 60000000,
};

static void lock(struct board *board)
{
    (void)pthread_mutex_lock(&board->lock);
}

static void unlock(struct board *board)
{
    (void)pthread_mutex_unlock(&board->lock);
}

/* An instant of machine_now_us() on the clock of condition variables, at most LONGEST_SLEEP_US away. */
static struct timespec sleep_limit(int64_t until_us)
{
    int64_t left_us = until_us == BELL_NEVER ? LONGEST_SLEEP_US : until_us - machine_now_us();
    struct timespec limit = {0};

    if (left_us > LONGEST_SLEEP_US)
        left_us = LONGEST_SLEEP_US;
    if (left_us < 0)
        left_us = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &limit);
    limit.tv_sec += left_us / 1000000;
    limit.tv_nsec += left_us % 1000000 * 1000;
    if (limit.tv_nsec >= 1000000000) {
        limit.tv_sec++;
        limit.tv_nsec -= 1000000000;
    }
    return limit;
}

/* With the lock held. */
static void ring(struct board *board)
{
    enum bell_answer answer = bell_ring(&board->bell, machine_now_us(), machine_uniform());

    board->stats.bells_limited += answer == BELL_LIMITED;
    if (answer != BELL_COALESCED)
        (void)pthread_cond_signal(&board->woken);
}

/* With the lock held. */
static void wake(struct board *board)
{
    bell_wake(&board->bell, machine_now_us());
    (void)pthread_cond_signal(&board->woken);
}

/* With the lock held: is anything known that has not been acted on? */
static void look_for_lateness(struct board *board)
{
    uint64_t newest = board->seen > board->heard ? board->seen : board->heard;

    if (newest <= board->reader.cursor.applied)
        board->late_us = 0;
    else if (board->late_us == 0)
        board->late_us = machine_now_us();
}

void board_init(struct board *board, int64_t poll_ms)
{
    pthread_condattr_t monotonic;

    memset(board, 0, sizeof(*board));
    bell_init(&board->bell);
    board->poll_us = poll_ms > 0 ? poll_ms * 1000 : 1000;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&board->lock, NULL);
    (void)pthread_cond_init(&board->woken, &monotonic);
    (void)pthread_cond_init(&board->advanced, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

void board_fini(struct board *board)
{
    (void)pthread_cond_destroy(&board->woken);
    (void)pthread_cond_destroy(&board->advanced);
    (void)pthread_mutex_destroy(&board->lock);
}

void board_begin(struct board *board, struct reader_poll *poll)
{
    lock(board);
    (void)bell_take(&board->bell); /* who rings from now on may know more than this poll will see */
    reader_begin(&board->reader, poll);
    unlock(board);
}

bool board_finish(struct board *board, const struct reader_head *head, const struct bus_event *events,
                  size_t count)
{
    bool good;

    lock(board);
    good = reader_finish(&board->reader, head, events, count);
    if (good) {
        board->stats.batches_applied++;
        board->stats.events_applied += count;
    }
    unlock(board);
    return good;
}

void board_restart(struct board *board, const struct reader_head *head, const uint8_t key_salt[16],
                   const char *reason)
{
    struct bus_stats *stats = &board->stats;

    lock(board);
    reader_restart(&board->reader, head);
    memcpy(board->key_salt, key_salt, sizeof(board->key_salt));
    board->heard = board->told = board->seen = 0;
    look_for_lateness(board);
    stats->resyncs++;
    stats->resyncs_start += strcmp(reason, "start") == 0;
    stats->resyncs_history += strcmp(reason, "history") == 0;
    stats->resyncs_lag += strcmp(reason, "lag") == 0;
    stats->resyncs_scrub += strcmp(reason, "scrub") == 0;
    stats->resyncs_gap += strcmp(reason, "gap") == 0 || strcmp(reason, "empty") == 0;
    unlock(board);
}

void board_publish(struct board *board)
{
    atomic_store_explicit(&board->applied, board->reader.cursor.applied, memory_order_release);
    lock(board);
    look_for_lateness(board);
    (void)pthread_cond_broadcast(&board->advanced);
    unlock(board);
}

void board_note_head(struct board *board, uint64_t head)
{
    lock(board);
    board->seen = head;
    look_for_lateness(board);
    unlock(board);
}

/* With the lock held. */
static enum bus_path path_of(const struct board *board, uint64_t position)
{
    if (board->told >= position)
        return BUS_PATH_WAKE;
    return board->heard >= position ? BUS_PATH_HINT : BUS_PATH_POLL;
}

static void count_delay(struct bus_delays *delays, int64_t delay_us)
{
    size_t bucket = 0;

    while (bucket < BUS_DELAY_LIMITS && delay_us > bus_delay_limits_us[bucket])
        bucket++;
    delays->counts[bucket]++;
    delays->sum_us += delay_us;
}

void board_note_delays(struct board *board, const struct bus_event *events, size_t count, int64_t read_us)
{
    int64_t since_read_us = machine_now_us() - read_us;

    lock(board);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || events[i].position != events[i - 1].position)
            count_delay(&board->stats.delays[path_of(board, events[i].position)],
                        events[i].age_us + since_read_us);
    unlock(board);
}

void board_note_good_poll(struct board *board, int64_t started_us)
{
    lock(board);
    board->good_us = started_us;
    board->stats.polls++;
    board->stats.failing_polls = 0;
    board->stats.last_poll_us = machine_now_us() - started_us;
    board->stats.poll_us += board->stats.last_poll_us;
    if (board->heard > board->reader.head)
        board->heard = board->reader.head; /* it was a lie, or it will be heard again */
    look_for_lateness(board);
    unlock(board);
}

void board_note_failed_poll(struct board *board, enum bus_err_code code)
{
    lock(board);
    board->stats.poll_failures++;
    board->stats.failing_polls++;
    board->stats.poll_failures_connect += code == BUS_ERR_CONNECT;
    board->stats.poll_failures_deadline += code == BUS_ERR_DEADLINE;
    board->stats.poll_failures_other += code != BUS_ERR_CONNECT && code != BUS_ERR_DEADLINE;
    unlock(board);
}

void board_note_nodes(struct board *board, uint64_t node_count, uint64_t slowest_position)
{
    lock(board);
    bell_set_nodes(&board->bell, node_count);
    board->stats.node_count = node_count;
    board->stats.slowest_position = slowest_position;
    unlock(board);
}

void board_count(struct board *board, uint64_t *counter, uint64_t by)
{
    lock(board);
    *counter += by;
    unlock(board);
}

bool board_sleep(struct board *board, int64_t due_us, bool listening, bool *rung)
{
    bool going;

    lock(board);
    for (;;) {
        int64_t until_us = listening && board->bell.due_us < due_us ? board->bell.due_us : due_us;

        if (board->stopping || until_us <= machine_now_us())
            break;
        const struct timespec limit = sleep_limit(until_us);

        (void)pthread_cond_timedwait(&board->woken, &board->lock, &limit);
    }
    *rung = listening && board->bell.due_us <= machine_now_us();
    going = !board->stopping;
    unlock(board);
    return going;
}

bool board_is_busy(struct board *board)
{
    bool busy;

    lock(board);
    busy = board->stopping || board->bell.due_us != BELL_NEVER;
    unlock(board);
    return busy;
}

void board_stop(struct board *board)
{
    lock(board);
    board->stopping = true;
    (void)pthread_cond_broadcast(&board->woken);
    (void)pthread_cond_broadcast(&board->advanced);
    unlock(board);
}

void board_set_poll_ms(struct board *board, int64_t poll_ms)
{
    lock(board);
    board->poll_us = poll_ms > 0 ? poll_ms * 1000 : 1000;
    wake(board); /* the pause that is running may be far longer than the new one */
    unlock(board);
}

int64_t board_poll_us(struct board *board)
{
    int64_t poll_us;

    lock(board);
    poll_us = board->poll_us;
    unlock(board);
    return poll_us;
}

uint64_t board_applied(const struct board *board)
{
    return atomic_load_explicit(&board->applied, memory_order_acquire);
}

void board_identity(struct board *board, uint8_t salt[16], uint8_t history[16])
{
    lock(board);
    memcpy(salt, board->key_salt, sizeof(board->key_salt));
    memcpy(history, board->reader.history, sizeof(board->reader.history));
    unlock(board);
}

enum cursor_verdict board_judge(struct board *board, uint64_t position, int64_t tag, bool from_replica)
{
    enum cursor_verdict verdict;
    bool behind_or_wrong;

    lock(board);
    verdict = cursor_judge(&board->reader.cursor, position, tag, from_replica, &behind_or_wrong);
    if (behind_or_wrong)
        ring(board);
    unlock(board);
    return verdict;
}

void board_wake(struct board *board)
{
    lock(board);
    wake(board);
    unlock(board);
}

void board_ring(struct board *board)
{
    lock(board);
    ring(board);
    unlock(board);
}

enum cursor_news board_hear(struct board *board, uint64_t position, int64_t tag)
{
    int64_t now_us = machine_now_us();
    enum cursor_news news;

    lock(board);
    news = cursor_hear(&board->reader.cursor, position, tag);
    if (news == CURSOR_NEWS && position > board->heard)
        board->heard = position;
    look_for_lateness(board);
    if (news == CURSOR_NEWS || news == CURSOR_OTHER_TAG)
        ring(board);
    if (news == CURSOR_IMPLAUSIBLE && now_us - board->implausible_us >= IMPLAUSIBLE_PAUSE_US) {
        board->implausible_us = now_us;
        ring(board);
    }
    unlock(board);
    return news;
}

void board_note_told(struct board *board, uint64_t position)
{
    lock(board);
    if (position > board->heard)
        board->heard = position;
    if (position > board->told)
        board->told = position;
    look_for_lateness(board);
    unlock(board);
}

bool board_has_heard(struct board *board, uint64_t position)
{
    bool has_heard;

    lock(board);
    has_heard = board->heard >= position;
    unlock(board);
    return has_heard;
}

bool board_wait(struct board *board, uint64_t position, int64_t timeout_ms)
{
    int64_t until_us = machine_now_us() + timeout_ms * 1000;
    bool reached;

    lock(board);
    for (;;) {
        reached = board_applied(board) >= position;
        if (reached || board->stopping || machine_now_us() >= until_us)
            break;
        const struct timespec limit = sleep_limit(until_us);

        (void)pthread_cond_timedwait(&board->advanced, &board->lock, &limit);
    }
    unlock(board);
    return reached;
}

void board_read_stats(struct board *board, struct bus_stats *stats)
{
    lock(board);
    *stats = board->stats;
    stats->head_position = board->reader.head;
    stats->since_good_poll_ms = (machine_now_us() - board->good_us) / 1000;
    uint64_t newest = board->seen > board->heard ? board->seen : board->heard;
    uint64_t applied = board->reader.cursor.applied;
    stats->behind_positions = newest > applied ? newest - applied : 0;
    stats->behind_ms = board->late_us != 0 ? (machine_now_us() - board->late_us) / 1000 : 0;
    unlock(board);
    stats->applied_position = board_applied(board);
}
