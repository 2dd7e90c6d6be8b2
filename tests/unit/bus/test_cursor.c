/* The memory of the log reader: what it accepts, what it refuses, what it forgets. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bus/cursor.h"

/* Where a fill was read. */
enum {
    PRIMARY,
    REPLICA
};

/* Some tag for every position. */
static int64_t tag_of(uint64_t position)
{
    return (int64_t)(position * 0x9E3779B97F4A7C15u);
}

static int set_up(void **state)
{
    struct cursor *cursor = calloc(1, sizeof(*cursor));

    cursor_restart(cursor, 100, tag_of(100));
    *state = cursor;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static void advance_to(struct cursor *cursor, uint64_t position)
{
    while (cursor->applied < position)
        cursor_advance(cursor, cursor->applied + 1, tag_of(cursor->applied + 1));
}

static void a_known_position_with_its_tag_is_accepted_quietly(void **state)
{
    struct cursor *cursor = *state;
    bool ring = true;

    advance_to(cursor, 110);
    for (uint64_t position = 100; position <= 110; position++) {
        assert_int_equal(cursor_judge(cursor, position, tag_of(position), PRIMARY, &ring), CURSOR_ACCEPT);
        assert_false(ring);
    }
}

static void a_known_position_with_another_tag_contradicts_and_rings(void **state)
{
    struct cursor *cursor = *state;
    bool ring = false;

    advance_to(cursor, 105);
    assert_int_equal(cursor_judge(cursor, 103, tag_of(103) + 1, PRIMARY, &ring), CURSOR_CONTRADICTS);
    assert_true(ring);
}

static void what_is_older_than_the_restart_is_old(void **state)
{
    bool ring;

    assert_int_equal(cursor_judge(*state, 99, tag_of(99), PRIMARY, &ring), CURSOR_OLD);
    assert_false(ring);
}

static void the_ring_remembers_exactly_its_size(void **state)
{
    struct cursor *cursor = *state;
    uint64_t last = 100 + CURSOR_RING * 2;
    bool ring;

    advance_to(cursor, last);
    assert_int_equal(
        cursor_judge(cursor, last - CURSOR_RING + 1, tag_of(last - CURSOR_RING + 1), PRIMARY, &ring),
        CURSOR_ACCEPT);
    assert_int_equal(cursor_judge(cursor, last - CURSOR_RING, tag_of(last - CURSOR_RING), PRIMARY, &ring),
                     CURSOR_OLD);
    assert_int_equal(cursor->base, 100);
}

static void a_position_ahead_is_remembered_with_its_tag(void **state)
{
    struct cursor *cursor = *state;
    bool ring = false;

    assert_int_equal(cursor_judge(cursor, 105, 7, PRIMARY, &ring), CURSOR_ACCEPT);
    assert_true(ring);
    assert_int_equal(cursor_judge(cursor, 105, 7, PRIMARY, &ring), CURSOR_ACCEPT);
    assert_int_equal(cursor_judge(cursor, 105, 8, PRIMARY, &ring), CURSOR_CONTRADICTS);
    assert_true(cursor_contradicts_pend(cursor, 105, 8));
    assert_false(cursor_contradicts_pend(cursor, 105, 7));
    assert_false(cursor_contradicts_pend(cursor, 106, 8));
}

static void a_full_pend_passes_what_it_cannot_remember(void **state)
{
    struct cursor *cursor = *state;
    bool ring;

    for (uint64_t i = 1; i <= CURSOR_PEND; i++)
        assert_int_equal(cursor_judge(cursor, 100 + i, tag_of(100 + i), PRIMARY, &ring), CURSOR_ACCEPT);
    assert_int_equal(cursor_judge(cursor, 200, tag_of(200), PRIMARY, &ring), CURSOR_PASS);
    assert_true(ring);
    assert_int_equal(cursor_judge(cursor, 101, tag_of(101), PRIMARY, &ring), CURSOR_ACCEPT);
}

static void advancing_makes_room_in_pend(void **state)
{
    struct cursor *cursor = *state;
    bool ring;

    for (uint64_t i = 1; i <= CURSOR_PEND; i++)
        assert_int_equal(cursor_judge(cursor, 100 + i, tag_of(100 + i), PRIMARY, &ring), CURSOR_ACCEPT);
    advance_to(cursor, 103);
    assert_int_equal(cursor->pend_count, CURSOR_PEND - 3);
    assert_int_equal(cursor_judge(cursor, 200, tag_of(200), PRIMARY, &ring), CURSOR_ACCEPT);
}

static void a_restart_forgets_ring_and_pend(void **state)
{
    struct cursor *cursor = *state;
    bool ring;

    advance_to(cursor, 150);
    assert_int_equal(cursor_judge(cursor, 160, 1, PRIMARY, &ring), CURSOR_ACCEPT);
    cursor_restart(cursor, 120, 55);
    assert_int_equal(cursor->applied, 120);
    assert_int_equal(cursor_tag(cursor), 55);
    assert_int_equal(cursor_judge(cursor, 119, tag_of(119), PRIMARY, &ring), CURSOR_OLD);
    assert_int_equal(cursor_judge(cursor, 120, tag_of(120), PRIMARY, &ring), CURSOR_CONTRADICTS);
    assert_int_equal(cursor_judge(cursor, 160, 2, PRIMARY, &ring), CURSOR_ACCEPT);
}

static void a_replica_ahead_of_us_is_not_believed_before_it_shows_whom_it_follows(void **state)
{
    struct cursor *cursor = *state;
    bool ring;

    assert_int_equal(cursor_judge(cursor, 100, tag_of(100), REPLICA, &ring), CURSOR_ACCEPT);
    assert_int_equal(cursor_judge(cursor, 170, 1, REPLICA, &ring),
                     CURSOR_OLD); /* 100 may be what both pasts have */
    assert_false(ring);
    assert_int_equal(cursor->pend_count, 0);
    assert_int_equal(cursor_judge(cursor, 101, tag_of(101), PRIMARY, &ring), CURSOR_ACCEPT);

    advance_to(cursor, 102);
    assert_int_equal(cursor_judge(cursor, 101, tag_of(101), PRIMARY, &ring), CURSOR_ACCEPT);
    assert_int_equal(cursor_judge(cursor, 103, tag_of(103), REPLICA, &ring), CURSOR_OLD);
    assert_int_equal(cursor_judge(cursor, 101, tag_of(101), REPLICA, &ring), CURSOR_ACCEPT);
    assert_int_equal(cursor_judge(cursor, 103, tag_of(103), REPLICA, &ring), CURSOR_ACCEPT);
    assert_true(ring);

    cursor_restart(cursor, 102, 7);
    assert_int_equal(cursor_judge(cursor, 103, tag_of(103), REPLICA, &ring), CURSOR_OLD);
}

static void a_hint_moves_nothing(void **state)
{
    struct cursor *cursor = *state;

    assert_int_equal(cursor_hear(cursor, 101, 1), CURSOR_NEWS);
    assert_int_equal(cursor_hear(cursor, 101, 2), CURSOR_NEWS);
    assert_int_equal(cursor_hear(cursor, UINT64_MAX, 2), CURSOR_IMPLAUSIBLE);
    assert_int_equal(cursor->applied, 100);
    assert_int_equal(cursor->pend_count, 0);
}

static void a_hint_is_news_only_above_applied(void **state)
{
    struct cursor *cursor = *state;

    advance_to(cursor, 105);
    assert_int_equal(cursor_hear(cursor, 105, tag_of(105)), CURSOR_NO_NEWS);
    assert_int_equal(cursor_hear(cursor, 3, 12345), CURSOR_NO_NEWS);
    assert_int_equal(cursor_hear(cursor, 104, 12345), CURSOR_OTHER_TAG);
    assert_int_equal(cursor_hear(cursor, 105 + CURSOR_IMPLAUSIBLE_LEAD, 1), CURSOR_NEWS);
    assert_int_equal(cursor_hear(cursor, 106 + CURSOR_IMPLAUSIBLE_LEAD, 1), CURSOR_IMPLAUSIBLE);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FACT(a_known_position_with_its_tag_is_accepted_quietly),
        FACT(a_known_position_with_another_tag_contradicts_and_rings),
        FACT(what_is_older_than_the_restart_is_old),
        FACT(the_ring_remembers_exactly_its_size),
        FACT(a_position_ahead_is_remembered_with_its_tag),
        FACT(a_full_pend_passes_what_it_cannot_remember),
        FACT(advancing_makes_room_in_pend),
        FACT(a_restart_forgets_ring_and_pend),
        FACT(a_replica_ahead_of_us_is_not_believed_before_it_shows_whom_it_follows),
        FACT(a_hint_moves_nothing),
        FACT(a_hint_is_news_only_above_applied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
