/* Facts about when a loop counts as hung. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/heartbeat.h"

enum {
    LIMIT_MS = 1000,
    LOOK_MS = LIMIT_MS / HEARTBEAT_LOOKS
};

static int64_t now_ms;

/* Looks as often as it should for so long; whether anybody was lost. */
static bool look_for(struct heartbeat *heartbeat, int64_t time_ms, const size_t *beating, size_t count)
{
    size_t lost;

    for (int64_t end_ms = now_ms + time_ms; now_ms < end_ms;) {
        now_ms += LOOK_MS;
        for (size_t i = 0; i < count; i++)
            heartbeat_beat(heartbeat, beating[i]);
        if (heartbeat_is_lost(heartbeat, now_ms, LIMIT_MS, &lost))
            return true;
    }
    return false;
}

static void a_loop_that_is_silent_for_the_limit_is_lost(void **state)
{
    struct heartbeat *heartbeat = heartbeat_new();
    size_t lost = 77;

    (void)state;
    now_ms = 5000;
    assert_false(look_for(heartbeat, 10 * LIMIT_MS, (size_t[]){0, 1, 2}, 3));
    assert_false(look_for(heartbeat, LIMIT_MS - LOOK_MS, (size_t[]){0, 2}, 2));
    now_ms += LOOK_MS;
    assert_true(heartbeat_is_lost(heartbeat, now_ms, LIMIT_MS, &lost));
    assert_int_equal(lost, 1);
    heartbeat_forgive(heartbeat);
    assert_false(look_for(heartbeat, LIMIT_MS - LOOK_MS, NULL, 0));
    assert_true(look_for(heartbeat, LOOK_MS, NULL, 0));
    heartbeat_free(heartbeat);
}

static void who_has_not_begun_or_has_ended_is_not_missed(void **state)
{
    struct heartbeat *heartbeat = heartbeat_new();

    (void)state;
    now_ms = 5000;
    assert_false(look_for(heartbeat, 10 * LIMIT_MS, NULL, 0));
    heartbeat_beat(heartbeat, 3);
    heartbeat_end(heartbeat, 3);
    heartbeat_beat(heartbeat, HEARTBEAT_LOOPS_MAX);
    assert_false(look_for(heartbeat, 10 * LIMIT_MS, NULL, 0));
    heartbeat_free(heartbeat);
}

static void what_stops_both_is_no_silence(void **state)
{
    struct heartbeat *heartbeat = heartbeat_new();
    size_t lost;

    (void)state;
    now_ms = 5000;
    for (int night = 0; night < 20; night++) {
        assert_false(look_for(heartbeat, 2 * LIMIT_MS, (size_t[]){0}, 1));
        now_ms += 8 * 3600 * 1000;
        assert_false(heartbeat_is_lost(heartbeat, now_ms, LIMIT_MS, &lost)); /* it was faster than the loop */
    }
    assert_true(look_for(heartbeat, LIMIT_MS, NULL, 0));
    heartbeat_free(heartbeat);
}

static void half_the_limit_of_silence_is_known_before_it_is_over(void **state)
{
    struct heartbeat *heartbeat = heartbeat_new();

    (void)state;
    now_ms = 5000;
    assert_true(heartbeat_turns(heartbeat, LIMIT_MS));
    assert_false(look_for(heartbeat, 2 * LIMIT_MS, (size_t[]){0, 1}, 2));
    assert_true(heartbeat_turns(heartbeat, LIMIT_MS));
    assert_false(look_for(heartbeat, LIMIT_MS / 2 - LOOK_MS, (size_t[]){0}, 1));
    assert_true(heartbeat_turns(heartbeat, LIMIT_MS));
    assert_false(look_for(heartbeat, LOOK_MS, (size_t[]){0}, 1));
    assert_false(heartbeat_turns(heartbeat, LIMIT_MS));
    assert_false(look_for(heartbeat, LOOK_MS, (size_t[]){0, 1}, 2));
    assert_true(heartbeat_turns(heartbeat, LIMIT_MS));
    heartbeat_free(heartbeat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_that_is_silent_for_the_limit_is_lost),
        cmocka_unit_test(who_has_not_begun_or_has_ended_is_not_missed),
        cmocka_unit_test(what_stops_both_is_no_silence),
        cmocka_unit_test(half_the_limit_of_silence_is_known_before_it_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
