/*
 * loop: messages from many threads, and the order of its end.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/base/mem.h"
#include "gateway/io/loop.h"

enum {
    SENDERS = 4,
    MESSAGES = 2000
};

struct counted {
    struct loop_message super;
    struct loop *loop;
    int sender, number;
    int *last;       /* per sender. thread: the loop */
    atomic_int *bad; /* out of order, or on the wrong thread */
    atomic_int *done;
};

struct sender {
    pthread_t thread;
    struct loop *loop;
    int number;
    int *last;
    atomic_int *bad, *done;
};

static void count(struct loop_message *message)
{
    struct counted *counted = CONTAINER_OF(message, struct counted, super);

    if (!loop_is_mine(counted->loop) || counted->last[counted->sender] + 1 != counted->number)
        atomic_fetch_add(counted->bad, 1);
    counted->last[counted->sender] = counted->number;
    atomic_fetch_add(counted->done, 1);
    free(counted);
}

static void *post_many(void *arg)
{
    struct sender *sender = arg;

    for (int i = 0; i < MESSAGES; i++) {
        struct counted *counted = mem_zalloc(sizeof(*counted));

        *counted = (struct counted){{.run = count}, sender->loop, sender->number, i + 1,
                                    sender->last,   sender->bad,  sender->done};
        loop_post(sender->loop, &counted->super);
    }
    return NULL;
}

static void messages_of_each_thread_run_once_in_order_on_the_loop(void **state)
{
    struct sender senders[SENDERS];
    int last[SENDERS] = {0};
    atomic_int bad = 0;
    atomic_int done = 0;
    struct loop *loop;
    struct err err;

    (void)state;
    assert_true(loop_open("test", &loop, &err));
    assert_true(loop_start(loop, NULL, NULL, &err));
    assert_false(loop_is_mine(loop));
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.loop = loop, .number = i, .last = last, .bad = &bad, .done = &done};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, post_many, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
    loop_stop(loop);
    loop_join(loop);
    assert_int_equal(atomic_load(&done), SENDERS * MESSAGES);
    assert_int_equal(atomic_load(&bad), 0);
    loop_close(loop);
}

static void what_was_posted_before_the_stop_still_runs(void **state)
{
    int last[1] = {0};
    atomic_int bad = 0;
    atomic_int done = 0;
    struct loop *loop;
    struct err err;

    (void)state;
    assert_true(loop_open("test", &loop, &err));
    for (int i = 0; i < 10; i++) {
        struct counted *counted = mem_zalloc(sizeof(*counted));

        *counted = (struct counted){{.run = count}, loop, 0, i + 1, last, &bad, &done};
        loop_post(loop, &counted->super); /* before the thread exists */
    }
    loop_stop(loop);
    assert_true(loop_start(loop, NULL, NULL, &err));
    loop_join(loop);
    assert_int_equal(atomic_load(&done), 10);
    assert_int_equal(atomic_load(&bad), 0);
    loop_close(loop);
}

/* Messages of one turn that all ask for the same thing to be done at its end. */
struct crowd {
    struct loop_later later;
    struct loop_message messages[3];
    struct loop *loop;
    int came, came_before, runs;
    bool is_forgotten;
};

static void at_the_end(struct loop_later *later)
{
    struct crowd *crowd = CONTAINER_OF(later, struct crowd, later);

    crowd->runs++;
    crowd->came_before = crowd->came;
    loop_stop(crowd->loop);
}

static void come(struct crowd *crowd)
{
    crowd->came++;
    loop_run_later(crowd->loop, &crowd->later);
    if (!crowd->is_forgotten)
        return;
    loop_forget_later(crowd->loop, &crowd->later);
    loop_stop(crowd->loop);
}

static void first(struct loop_message *message)
{
    come(CONTAINER_OF(message, struct crowd, messages[0]));
}

static void second(struct loop_message *message)
{
    come(CONTAINER_OF(message, struct crowd, messages[1]));
}

static void third(struct loop_message *message)
{
    come(CONTAINER_OF(message, struct crowd, messages[2]));
}

static void run_crowd(struct crowd *crowd)
{
    void (*const runs[])(struct loop_message * message) = {first, second, third};
    struct err err;

    crowd->later.run = at_the_end;
    assert_true(loop_open("test", &crowd->loop, &err));
    for (size_t i = 0; i < COUNT(runs); i++) {
        crowd->messages[i].run = runs[i];
        loop_post(crowd->loop, &crowd->messages[i]);
    }
    assert_true(loop_start(crowd->loop, NULL, NULL, &err));
    loop_join(crowd->loop);
    loop_close(crowd->loop);
}

static void what_is_asked_for_later_runs_once_at_the_end_of_the_turn(void **state)
{
    struct crowd crowd = {.came = 0};
    struct crowd forgotten = {.is_forgotten = true};

    (void)state;
    run_crowd(&crowd);
    assert_int_equal(crowd.runs, 1);
    assert_int_equal(crowd.came_before, 3);
    run_crowd(&forgotten);
    assert_int_equal(forgotten.runs, 0);
}

static void what_comes_too_late_runs_for_whoever_ends_the_loop(void **state)
{
    struct sender sender = {.number = 0};
    int last[1] = {0};
    atomic_int bad = 0;
    atomic_int done = 0;
    struct err err;

    (void)state;
    assert_true(loop_open("test", &sender.loop, &err));
    assert_true(loop_start(sender.loop, NULL, NULL, &err));
    loop_stop(sender.loop);
    loop_join(sender.loop);
    sender.last = last;
    sender.bad = &bad;
    sender.done = &done;
    (void)post_many(&sender);
    assert_int_equal(atomic_load(&done), 0);
    loop_run_late(sender.loop);
    assert_int_equal(atomic_load(&done), MESSAGES);
    assert_int_equal(atomic_load(&bad), 0);
    assert_false(loop_is_mine(sender.loop));
    loop_close(sender.loop);
}

struct ending {
    struct loop_end first, second;
    struct loop *loop;
    int order[3];
    int count;
};

static void on_first_end(struct loop_end *end)
{
    struct ending *ending = CONTAINER_OF(end, struct ending, first);

    ending->order[ending->count++] = 1;
}

static void on_second_end(struct loop_end *end)
{
    struct ending *ending = CONTAINER_OF(end, struct ending, second);

    ending->order[ending->count++] = 2;
}

static void register_ends(void *arg)
{
    struct ending *ending = arg;

    ending->first.on_end = on_first_end;
    ending->second.on_end = on_second_end;
    loop_on_end(ending->loop, &ending->first);
    loop_on_end(ending->loop, &ending->second);
}

static void ends_run_the_last_registered_first(void **state)
{
    struct ending ending = {0};
    struct err err;

    (void)state;
    assert_true(loop_open("test", &ending.loop, &err));
    assert_true(loop_start(ending.loop, register_ends, &ending, &err));
    loop_stop(ending.loop);
    loop_join(ending.loop);
    assert_int_equal(ending.count, 2);
    assert_int_equal(ending.order[0], 2);
    assert_int_equal(ending.order[1], 1);
    loop_close(ending.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_each_thread_run_once_in_order_on_the_loop),
        cmocka_unit_test(what_was_posted_before_the_stop_still_runs),
        cmocka_unit_test(what_is_asked_for_later_runs_once_at_the_end_of_the_turn),
        cmocka_unit_test(what_comes_too_late_runs_for_whoever_ends_the_loop),
        cmocka_unit_test(ends_run_the_last_registered_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
