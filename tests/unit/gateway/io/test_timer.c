/*
 * timer: the wheel without a loop, by a clock that the test moves; and one real timer on a loop.
 */

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/base/random.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer.h"
#include "gateway/io/timer_wheel.h"

enum {
    TIMERS = 500,
    LONGEST_TURN_MS = 30,
};

/* cmocka's assertions belong to the main thread. */
#define CHECK(fact) (on->wrong_line == 0 && !(fact) ? (void)(on->wrong_line = __LINE__) : (void)0)

/* Everything runs on the loop's thread, in one go: the thread is there because timers belong to a loop. */
struct bench {
    struct loop *loop;
    void (*body)(struct bench *bench);
    sem_t done;
    int64_t now_ms;
    int fired, early, late;
    int wrong_line; /* of the first check that failed on the loop's thread; 0: none */
    struct timer timers[TIMERS];
};

static struct bench *bench;

static void on_due(struct timer *timer)
{
    bench->fired++;
    if (bench->now_ms < timer->due_ms)
        bench->early++;
    if (bench->now_ms >= timer->due_ms + TIMER_STEP_MS + LONGEST_TURN_MS)
        bench->late++;
}

static void run_body(void *arg)
{
    struct bench *started = arg;

    started->now_ms = loop_now_ms(started->loop);
    started->body(started);
    sem_post(&started->done);
}

static void on_loop(void (*body)(struct bench *bench))
{
    struct bench here = {.body = body};
    struct err err;

    bench = &here;
    sem_init(&here.done, 0, 0);
    assert_true(loop_open("test", &here.loop, &err));
    assert_true(loop_start(here.loop, run_body, &here, &err));
    sem_wait(&here.done);
    loop_stop(here.loop);
    loop_join(here.loop);
    loop_close(here.loop);
    assert_int_equal(here.wrong_line, 0);
}

/* Moves the clock in turns of 1 to 30 ms. */
static void advance(struct bench *on, int64_t by_ms)
{
    int64_t until = on->now_ms + by_ms;

    for (int i = 0; on->now_ms < until; i++) {
        on->now_ms += 1 + i % LONGEST_TURN_MS;
        timer_wheel_run(loop_wheel(on->loop), on->now_ms);
    }
}

static void many(struct bench *on)
{
    struct random_sequence random;

    random_seed(&random, 42);
    for (int i = 0; i < TIMERS; i++)
        timer_start(on->loop, &on->timers[i], (int64_t)(random_next(&random) % 40000), on_due);
    advance(on, 41000);
    CHECK(on->fired == TIMERS);
    CHECK(on->early == 0);
    CHECK(on->late == 0);
}

static void timers_fire_in_time_and_never_early(void **state)
{
    (void)state;
    on_loop(many);
}

static void stopping(struct bench *on)
{
    for (int i = 0; i < 10; i++)
        timer_start(on->loop, &on->timers[i], 100, on_due);
    for (int i = 0; i < 5; i++) {
        timer_stop(&on->timers[i]);
        timer_stop(&on->timers[i]);
        CHECK(!timer_is_running(&on->timers[i]));
    }
    timer_start(on->loop, &on->timers[9], 1000, on_due); /* again, later */
    advance(on, 200);
    CHECK(on->fired == 4);
    CHECK(timer_is_running(&on->timers[9]));
    timer_stop(&on->timers[9]);
}

static void a_stopped_timer_does_not_fire(void **state)
{
    (void)state;
    on_loop(stopping);
}

static void again_at_once(struct timer *timer)
{
    if (++bench->fired < 1000)
        timer_start(bench->loop, timer, 0, again_at_once);
}

static void restarting(struct bench *on)
{
    timer_start(on->loop, &on->timers[0], 0, again_at_once);
    timer_wheel_run(loop_wheel(on->loop), on->now_ms + TIMER_STEP_MS);
    CHECK(on->fired == 1); /* once per step, whatever it asks for */
    timer_stop(&on->timers[0]);
}

static void a_timer_that_starts_itself_again_does_not_hold_the_loop(void **state)
{
    (void)state;
    on_loop(restarting);
}

static void waiting(struct bench *on)
{
    struct timer_wheel *wheel = loop_wheel(on->loop);

    CHECK(timer_wheel_wait_ms(wheel, on->now_ms, 60000) == 60000);
    timer_start(on->loop, &on->timers[0], 5000, on_due);
    CHECK(timer_wheel_wait_ms(wheel, on->now_ms, 60000) >= 5000 - TIMER_STEP_MS);
    CHECK(timer_wheel_wait_ms(wheel, on->now_ms, 60000) <= 5000 + TIMER_STEP_MS);
    timer_start(on->loop, &on->timers[1], 300000, on_due);
    CHECK(timer_wheel_wait_ms(wheel, on->now_ms, 60000) <= 5000 + TIMER_STEP_MS);
    timer_stop(&on->timers[0]);
    timer_stop(&on->timers[1]);
}

static void the_loop_sleeps_until_the_next_timer(void **state)
{
    (void)state;
    on_loop(waiting);
}

static void long_stop(struct bench *on)
{
    for (int i = 0; i < TIMERS; i++)
        timer_start(on->loop, &on->timers[i], i * 100, on_due);
    on->now_ms += 3600 * 1000; /* the process was stopped */
    timer_wheel_run(loop_wheel(on->loop), on->now_ms);
    CHECK(on->fired == TIMERS);
}

static void everything_due_fires_after_a_long_stop(void **state)
{
    (void)state;
    on_loop(long_stop);
}

struct real {
    struct loop *loop;
    struct timer timer;
    sem_t fired;
};

static void on_real(struct timer *timer)
{
    sem_post(&CONTAINER_OF(timer, struct real, timer)->fired);
}

static void start_real(void *arg)
{
    struct real *real = arg;

    timer_start(real->loop, &real->timer, 50, on_real);
}

static void a_timer_wakes_a_sleeping_loop(void **state)
{
    struct real real = {0};
    struct err err;
    int64_t before_us = loop_clock_us();

    (void)state;
    sem_init(&real.fired, 0, 0);
    assert_true(loop_open("test", &real.loop, &err));
    assert_true(loop_start(real.loop, start_real, &real, &err));
    sem_wait(&real.fired);
    assert_true(loop_clock_us() - before_us >= 49000);
    loop_stop(real.loop);
    loop_join(real.loop);
    loop_close(real.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_time_and_never_early),
        cmocka_unit_test(a_stopped_timer_does_not_fire),
        cmocka_unit_test(a_timer_that_starts_itself_again_does_not_hold_the_loop),
        cmocka_unit_test(the_loop_sleeps_until_the_next_timer),
        cmocka_unit_test(everything_due_fires_after_a_long_stop),
        cmocka_unit_test(a_timer_wakes_a_sleeping_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
