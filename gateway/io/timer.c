/*
 * timer - see timer.h.
 *
 * A timer due at d ms hangs in the slot of the first step that begins at or after d. A step is run once its
 * beginning has passed, so that nothing fires early. Slots are visited only when their bit is set; a bit is
 * cleared when its slot is found empty, so a stopped timer costs at most one look.
 */

#include "gateway/io/timer.h"

#include <assert.h>

#include "gateway/base/attributes.h"
#include "gateway/base/metrics.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer_wheel.h"

static int64_t step_of(int64_t due_ms)
{
    return (due_ms + TIMER_STEP_MS - 1) / TIMER_STEP_MS;
}

/* Steps from `from` (exclusive) to the next slot that may hold a timer: 1 to TIMER_SLOTS, or 0 for none at
 * all. */
static int64_t steps_to_next(const struct timer_wheel *wheel, int64_t from)
{
    for (int64_t ahead = 1; ahead <= TIMER_SLOTS;) {
        uint64_t slot = (uint64_t)(from + ahead) % TIMER_SLOTS;
        uint64_t word = wheel->maybe[slot / 64] >> (slot % 64);

        if (word != 0) {
            int64_t found = ahead + __builtin_ctzll(word);

            return found <= TIMER_SLOTS ? found : TIMER_SLOTS;
        }
        ahead += (int64_t)(64 - slot % 64);
    }
    return 0;
}

static void fire(struct timer *timer)
{
    metrics_add(METRIC_TIMERS, -1);
    timer->on_due(timer);
}

static void run_step(struct timer_wheel *wheel, int64_t step)
{
    uint64_t slot = (uint64_t)step % TIMER_SLOTS;
    struct list *timers = &wheel->slots[slot];
    struct list todo;
    struct list *link;

    /* Taken aside: what a callback starts now belongs to a later step or round. */
    list_init(&todo);
    while ((link = list_take_first(timers)) != NULL)
        list_add_last(&todo, link);
    while ((link = list_take_first(&todo)) != NULL) {
        struct timer *timer = CONTAINER_OF(link, struct timer, link);

        if (step_of(timer->due_ms) > step)
            list_add_last(timers, link);
        else
            fire(timer);
    }
    if (list_is_empty(timers))
        wheel->maybe[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

void timer_wheel_init(struct timer_wheel *wheel, int64_t now_ms)
{
    for (size_t i = 0; i < TIMER_SLOTS; i++)
        list_init(&wheel->slots[i]);
    for (size_t i = 0; i < COUNT(wheel->maybe); i++)
        wheel->maybe[i] = 0;
    wheel->step = now_ms / TIMER_STEP_MS;
}

void timer_wheel_run(struct timer_wheel *wheel, int64_t now_ms)
{
    int64_t last = now_ms / TIMER_STEP_MS;

    /* After a long stop one round visits every slot; what is due in it is due whatever round it was meant
     * for. */
    if (last - wheel->step > TIMER_SLOTS)
        wheel->step = last - TIMER_SLOTS;
    while (wheel->step < last) {
        int64_t ahead = steps_to_next(wheel, wheel->step);

        if (ahead == 0 || wheel->step + ahead > last) {
            wheel->step = last;
            return;
        }
        wheel->step += ahead;
        run_step(wheel, wheel->step);
    }
}

int timer_wheel_wait_ms(struct timer_wheel *wheel, int64_t now_ms, int longest_ms)
{
    int64_t ahead = steps_to_next(wheel, wheel->step);

    if (ahead == 0)
        return longest_ms;
    int64_t wait_ms = (wheel->step + ahead) * TIMER_STEP_MS - now_ms;
    if (wait_ms < 0)
        return 0;
    return wait_ms < longest_ms ? (int)wait_ms : longest_ms;
}

void timer_stop(struct timer *timer)
{
    if (!timer_is_running(timer))
        return;
    list_remove(&timer->link);
    metrics_add(METRIC_TIMERS, -1);
}

void timer_start(struct loop *loop, struct timer *timer, int64_t delay_ms,
                 void (*on_due)(struct timer *timer))
{
    struct timer_wheel *wheel = loop_wheel(loop);

    assert(loop_is_mine(loop));
    assert(delay_ms >= 0);
    timer_stop(timer);
    timer->due_ms = loop_now_ms(loop) + delay_ms;
    timer->on_due = on_due;

    int64_t step = step_of(timer->due_ms);
    if (step <= wheel->step)
        step = wheel->step + 1;
    uint64_t slot = (uint64_t)step % TIMER_SLOTS;
    list_add_last(&wheel->slots[slot], &timer->link);
    metrics_add(METRIC_TIMERS, 1);
    wheel->maybe[slot / 64] |= UINT64_C(1) << (slot % 64);
}
