/*
 * What the board counts for people: how far behind the node is, and how long commits took to get here, by
 * what brought them.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus/board.h"
#include "bus/machine.h"

static struct board *board_at(uint64_t position)
{
    static const uint8_t salt[16];
    struct board *board = machine_alloc(sizeof(*board));
    const struct reader_head head = {.has_log = true, .head = position, .head_tag = (int64_t)position};

    board_init(board, /* poll_ms= */ 1000);
    board_restart(board, &head, salt, "start");
    board_publish(board);
    return board;
}

static void put_away(struct board *board)
{
    board_fini(board);
    free(board);
}

/* A poll finds the commits from..to, `age_us` old, and they are acted on. Tags are positions. */
static void act(struct board *board, uint64_t from, uint64_t to, int64_t age_us)
{
    struct bus_event events[16] = {{0}};
    const struct reader_head head = {.has_log = true, .head = to, .head_tag = (int64_t)to};
    struct reader_poll poll;
    size_t count = 0;

    board_begin(board, &poll);
    for (uint64_t position = from; position <= to; position++)
        for (uint32_t n = 1; n <= 2; n++) /* each of two rows */
            events[count++] =
                (struct bus_event){.position = position, .n = n, .tag = (int64_t)position, .age_us = age_us};
    board_note_head(board, to);
    assert_true(board_finish(board, &head, events, count));
    board_publish(board);
    board_note_delays(board, events, count, machine_now_us());
    board_note_good_poll(board, machine_now_us());
}

static struct bus_stats stats_of(struct board *board)
{
    struct bus_stats stats;

    board_read_stats(board, &stats);
    return stats;
}

static int64_t total(const struct bus_delays *delays)
{
    int64_t sum = 0;

    for (size_t i = 0; i <= BUS_DELAY_LIMITS; i++)
        sum += delays->counts[i];
    return sum;
}

static void what_is_told_and_not_acted_on_is_behind(void **state)
{
    struct board *board = board_at(10);

    (void)state;
    assert_int_equal(stats_of(board).behind_positions, 0);
    assert_int_equal(stats_of(board).behind_ms, 0);
    (void)board_hear(board, 12, 12);
    assert_int_equal(stats_of(board).behind_positions, 2);
    board->late_us -= 5000000;
    board_note_told(board, 13);
    assert_int_equal(stats_of(board).behind_positions, 3);
    assert_in_range(stats_of(board).behind_ms, 5000, 60000); /* since the first, not the last */
    act(board, 11, 13, 0);
    assert_int_equal(stats_of(board).behind_positions, 0);
    assert_int_equal(stats_of(board).behind_ms, 0);
    put_away(board);
}

static void what_a_poll_has_seen_and_nobody_acted_on_is_behind(void **state)
{
    struct board *board = board_at(10);

    (void)state;
    board_note_head(board, 15);
    assert_int_equal(stats_of(board).behind_positions, 5);
    assert_true(board->late_us != 0);
    put_away(board);
}

static void a_lie_is_over_with_the_next_poll(void **state)
{
    struct board *board = board_at(10);

    (void)state;
    (void)board_hear(board, 500, 1);
    assert_int_equal(stats_of(board).behind_positions, 490);
    board_note_good_poll(board, machine_now_us());
    assert_int_equal(stats_of(board).behind_positions, 0);
    assert_int_equal(stats_of(board).behind_ms, 0);
    put_away(board);
}

static void commits_are_counted_once_by_what_brought_them(void **state)
{
    struct board *board = board_at(10);

    (void)state;
    act(board, 11, 12, 0); /* nobody has said anything */
    (void)board_hear(board, 13, 13);
    act(board, 13, 13, 0);
    board_note_told(board, 16);
    act(board, 14, 16, 0);
    act(board, 17, 17, 0);
    struct bus_stats stats = stats_of(board);
    assert_int_equal(total(&stats.delays[BUS_PATH_POLL]), 3);
    assert_int_equal(total(&stats.delays[BUS_PATH_HINT]), 1);
    assert_int_equal(total(&stats.delays[BUS_PATH_WAKE]), 3);
    put_away(board);
}

static void delays_fall_into_their_buckets(void **state)
{
    struct board *board = board_at(10);

    (void)state;
    act(board, 11, 11, 0);
    act(board, 12, 12, 3000000);
    act(board, 13, 13, INT64_C(3600000000));
    struct bus_stats stats = stats_of(board);
    const struct bus_delays *delays = &stats.delays[BUS_PATH_POLL];
    assert_int_equal(delays->counts[BUS_DELAY_LIMITS], 1); /* above them all */
    for (size_t i = 1; i < BUS_DELAY_LIMITS; i++) {
        assert_true(bus_delay_limits_us[i] > bus_delay_limits_us[i - 1]);
        if (bus_delay_limits_us[i - 1] < 3000000 && bus_delay_limits_us[i] > 3500000)
            assert_int_equal(delays->counts[i], 1);
    }
    assert_in_range(delays->sum_us, INT64_C(3603000000), INT64_C(3604000000));
    put_away(board);
}

static void failures_are_told_apart(void **state)
{
    struct board *board = board_at(10);

    (void)state;
    board_note_failed_poll(board, BUS_ERR_CONNECT);
    board_note_failed_poll(board, BUS_ERR_DEADLINE);
    board_note_failed_poll(board, BUS_ERR_SQL);
    struct bus_stats stats = stats_of(board);
    assert_int_equal(stats.poll_failures, 3);
    assert_int_equal(stats.failing_polls, 3);
    assert_int_equal(stats.poll_failures_connect, 1);
    assert_int_equal(stats.poll_failures_deadline, 1);
    assert_int_equal(stats.poll_failures_other, 1);
    board_note_good_poll(board, machine_now_us());
    assert_int_equal(stats_of(board).failing_polls, 0);
    assert_int_equal(stats_of(board).poll_failures, 3);
    put_away(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_and_not_acted_on_is_behind),
        cmocka_unit_test(what_a_poll_has_seen_and_nobody_acted_on_is_behind),
        cmocka_unit_test(a_lie_is_over_with_the_next_poll),
        cmocka_unit_test(commits_are_counted_once_by_what_brought_them),
        cmocka_unit_test(delays_fall_into_their_buckets),
        cmocka_unit_test(failures_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
