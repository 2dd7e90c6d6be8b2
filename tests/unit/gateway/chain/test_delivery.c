#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/chain/delivery_inside.h"

enum {
    MS = 1000,
    SECOND = 1000 * 1000,
    START = 1000 * SECOND, /* no time of interest is near 0 */
    HELD_MAX = 8,
};

/* A sink that writes down what it is sent, and does with it as it is told. */
struct sink {
    struct delivery_sender super;
    enum {
        SINK_TAKES,
        SINK_FAILS,
        SINK_REFUSES,
        SINK_HANGS
    } mood;
    char seen[4096]; /* "[a b] [c] " */
    size_t tries;
    struct delivery_batch *held[HELD_MAX];
    size_t held_count;
    size_t cancelled;
    bool *freed;
};

static void sink_send(struct delivery_sender *super, struct delivery *delivery, struct delivery_batch *batch)
{
    struct sink *sink = CONTAINER_OF(super, struct sink, super);
    size_t count = 0;
    size_t bytes = 0;

    (void)delivery;
    sink->tries++;
    for (const struct delivery_entry *entry = batch->first; entry != NULL; entry = entry->next) {
        size_t at = strlen(sink->seen);
        (void)snprintf(sink->seen + at, sizeof(sink->seen) - at, "%s%.*s", count > 0 ? " " : "[",
                       (int)entry->len, entry->bytes);
        count++;
        bytes += entry->len;
    }
    strncat(sink->seen, "] ", sizeof(sink->seen) - strlen(sink->seen) - 1);
    assert_int_equal(batch->count, count);
    assert_int_equal(batch->bytes, bytes);
    if (sink->mood == SINK_HANGS)
        sink->held[sink->held_count++] = batch;
    else if (sink->mood == SINK_TAKES)
        delivery_batch_done(batch, DELIVERY_DONE, NULL);
    else
        delivery_batch_done(batch, sink->mood == SINK_FAILS ? DELIVERY_FAILED : DELIVERY_REFUSED, "mood");
}

static void sink_cancel(struct delivery_sender *super, struct delivery_batch *batch)
{
    (void)batch;
    CONTAINER_OF(super, struct sink, super)->cancelled++;
}

static void sink_free(struct delivery_sender *super)
{
    struct sink *sink = CONTAINER_OF(super, struct sink, super);

    if (sink->freed != NULL)
        *sink->freed = true;
    free(sink);
}

static struct sink *sink_new(void)
{
    struct sink *sink = mem_zalloc(sizeof(*sink));

    sink->super = (struct delivery_sender){.send = sink_send, .cancel = sink_cancel, .free = sink_free};
    return sink;
}

static struct delivery_queue *queue_of(struct sink *sink, const char *rules, size_t lanes)
{
    cJSON *record = cJSON_Parse(rules);
    struct delivery_options options = {.name = "test", .lanes = lanes, .sender = &sink->super};

    assert_non_null(record);
    delivery_rules_read(record, &options.rules);
    cJSON_Delete(record);
    return delivery_queue_new(&options);
}

static void add(struct delivery_queue *queue, struct delivery *delivery, const char *texts)
{
    for (; *texts != '\0'; texts++)
        delivery_queue_add(queue, delivery, (struct str){texts, 1});
}

static void assert_seen(struct sink *sink, const char *wanted)
{
    assert_string_equal(sink->seen, wanted);
    sink->seen[0] = '\0';
}

static void the_record_is_read(void **state)
{
    struct delivery_rules rules;
    cJSON *record =
        cJSON_Parse("{\"max_batch_size\":7,\"max_coalescing_delay\":0.25,\"max_entries\":9,\"max_bytes\":100,"
                    "\"max_retry_time\":-1,\"initial_retry_delay\":0.5,\"max_retry_delay\":3}");

    (void)state;
    delivery_rules_read(record, &rules);
    cJSON_Delete(record);
    assert_int_equal(rules.max_batch_size, 7);
    assert_int_equal(rules.max_coalescing_us, 250 * MS);
    assert_int_equal(rules.max_entries, 9);
    assert_int_equal(rules.max_bytes, 100);
    assert_true(rules.max_retry_us < 0);
    assert_int_equal(rules.first_retry_us, 500 * MS);
    assert_int_equal(rules.longest_retry_us, 3 * SECOND);
    delivery_rules_read(NULL, &rules);
    assert_int_equal(rules.max_batch_size, 1);
    assert_int_equal(rules.max_coalescing_us, SECOND);
    assert_int_equal(rules.max_entries, 10000);
    assert_int_equal(rules.max_bytes, 0);
    assert_int_equal(rules.max_retry_us, 60 * SECOND);
    assert_int_equal(rules.first_retry_us, 10 * MS);
    assert_int_equal(rules.longest_retry_us, 60 * SECOND);
}

static void single_entries_do_not_wait(void **state)
{
    struct delivery *delivery = delivery_new();
    struct sink *sink = sink_new();
    struct delivery_queue *queue = queue_of(sink, "{\"max_coalescing_delay\":3600}", 1);

    (void)state;
    add(queue, delivery, "abc");
    assert_true(delivery_turn(delivery, START) == INT64_MAX);
    assert_seen(sink, "[a] [b] [c] ");
    delivery_queue_let_go(queue);
    delivery_free(delivery);
}

static void batches_wait_for_company(void **state)
{
    struct delivery *delivery = delivery_new();
    struct sink *sink = sink_new();
    struct delivery_queue *queue = queue_of(sink, "{\"max_batch_size\":4,\"max_coalescing_delay\":0.5}", 1);

    (void)state;
    add(queue, delivery, "abc");
    assert_int_equal(delivery_turn(delivery, START), START + 500 * MS);
    add(queue, delivery, "d"); /* full */
    (void)delivery_turn(delivery, START + 100 * MS);
    assert_seen(sink, "[a b c d] ");
    add(queue, delivery, "efghij");
    assert_int_equal(delivery_turn(delivery, START + 200 * MS), START + 700 * MS);
    assert_seen(sink, "[e f g h] ");
    (void)delivery_turn(delivery, START + 699 * MS);
    assert_seen(sink, "");
    assert_true(delivery_turn(delivery, START + 700 * MS) == INT64_MAX);
    assert_seen(sink, "[i j] ");
    delivery_queue_let_go(queue);
    delivery_free(delivery);
}

static void the_oldest_give_way(void **state)
{
    struct delivery *delivery = delivery_new();
    struct sink *sink = sink_new();
    struct delivery_queue *queue =
        queue_of(sink, "{\"max_batch_size\":100,\"max_entries\":4,\"max_coalescing_delay\":1}", 1);
    int64_t lost = metrics_read(METRIC_DELIVERY_LOST);

    (void)state;
    add(queue, delivery, "abcdefg");
    assert_int_equal(metrics_read(METRIC_DELIVERY_LOST) - lost, 3);
    (void)delivery_turn(delivery, START);
    (void)delivery_turn(delivery, START + SECOND);
    assert_seen(sink, "[d e f g] ");
    delivery_queue_let_go(queue);
    delivery_free(delivery);
}

/* What is under way counts as well, so that a sink that hangs does not make it hold more. */
static void what_is_under_way_takes_room(void **state)
{
    struct delivery *delivery = delivery_new();
    struct sink *sink = sink_new();
    struct delivery_queue *queue = queue_of(sink, "{\"max_entries\":3}", 1);

    (void)state;
    sink->mood = SINK_HANGS;
    add(queue, delivery, "a");
    (void)delivery_turn(delivery, START);
    add(queue, delivery, "bcde");
    assert_int_equal(queue->waiting, 2);
    assert_int_equal(queue->lost.full, 2);
    sink->mood = SINK_TAKES;
    delivery_batch_done(sink->held[0], DELIVERY_DONE, NULL);
    (void)delivery_turn(delivery, START);
    assert_seen(sink, "[a] [d] [e] ");
    assert_int_equal(queue->held + queue->held_bytes, 0);
    assert_int_equal(atomic_load(&delivery->held_bytes), 0);
    delivery_queue_let_go(queue);
    delivery_free(delivery);
}

static void bytes_are_bounded_too(void **state)
{
    struct delivery *delivery = delivery_new();
    struct sink *sink = sink_new();
    struct delivery_queue *queue = queue_of(sink, "{\"max_bytes\":10,\"max_batch_size\":100}", 1);

    (void)state;
    delivery_queue_add(queue, delivery, STR("1234"));
    delivery_queue_add(queue, delivery, STR("5678"));
    delivery_queue_add(queue, delivery, STR("abcd"));
    delivery_queue_add(queue, delivery, STR("more than all of it"));
    assert_int_equal(queue->lost.full, 4);
    delivery_queue_add(queue, delivery, STR("x"));
    delivery_queue_let_go(queue);
    (void)delivery_turn(delivery, START);
    delivery_free(delivery);
}

static void all_queues_together_are_bounded(void **state)
{
    struct delivery *delivery = delivery_new();
    struct sink *sinks[2] = {sink_new(), sink_new()};
    struct delivery_queue *queues[2] = {queue_of(sinks[0], "{\"max_batch_size\":9}", 1),
                                        queue_of(sinks[1], "{\"max_batch_size\":9}", 1)};

    (void)state;
    add(queues[0], delivery, "a");
    atomic_fetch_add(&delivery->held_bytes, DELIVERY_BYTES_MAX - 2);
    add(queues[1], delivery, "bcd"); /* its own give way, the other's do not */
    assert_int_equal(queues[0]->waiting, 1);
    assert_int_equal(queues[1]->waiting, 1);
    assert_int_equal(queues[1]->lost.full, 2);
    atomic_fetch_sub(&delivery->held_bytes, DELIVERY_BYTES_MAX - 2);
    for (size_t i = 0; i < 2; i++)
        delivery_queue_let_go(queues[i]);
    (void)delivery_turn(delivery, START);
    assert_int_equal(atomic_load(&delivery->held_bytes), 0);
    delivery_free(delivery);
}

static void failures_are_tried_again_later_each_time(void **state)
{
    struct delivery *delivery = delivery_new();
    struct sink *sink = sink_new();
    struct delivery_queue *queue =
        queue_of(sink, "{\"initial_retry_delay\":0.1,\"max_retry_delay\":0.35,\"max_retry_time\":60}", 1);
    static const int64_t rests_ms[] = {100, 200, 350, 350};
    int64_t now_us = START;

    (void)state;
    sink->mood = SINK_FAILS;
    add(queue, delivery, "ab");
    for (size_t i = 0; i < COUNT(rests_ms); i++) {
        assert_int_equal(delivery_turn(delivery, now_us), now_us + rests_ms[i] * MS);
        assert_seen(sink, "[a] ");
        (void)delivery_turn(delivery, now_us + rests_ms[i] * MS - 1);
        assert_seen(sink, "");
        now_us += rests_ms[i] * MS;
    }
    sink->mood = SINK_TAKES;
    (void)delivery_turn(delivery, now_us);
    assert_seen(sink, "[a] [b] ");
    assert_int_equal(queue->lost.given_up, 0);
    delivery_queue_let_go(queue);
    delivery_free(delivery);
}

static void a_batch_is_given_up_in_the_end(void **state)
{
    static const struct {
        const char *rules;
        int mood;
        size_t tries;
    } rows[] = {
        {"{\"initial_retry_delay\":1,\"max_retry_delay\":1,\"max_retry_time\":3}", SINK_FAILS, 5},
        {"{\"initial_retry_delay\":1,\"max_retry_delay\":1,\"max_retry_time\":-1}", SINK_FAILS, 1},
        {"{\"initial_retry_delay\":1,\"max_retry_delay\":1,\"max_retry_time\":3}", SINK_REFUSES, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct delivery *delivery = delivery_new();
        struct sink *sink = sink_new();
        struct delivery_queue *queue = queue_of(sink, rows[i].rules, 1);
        int64_t lost = metrics_read(METRIC_DELIVERY_LOST);
        sink->mood = rows[i].mood;
        add(queue, delivery, "a");
        for (int64_t second = 0; second < 10; second++)
            (void)delivery_turn(delivery, START + second * SECOND);
        assert_int_equal(sink->tries, rows[i].tries);
        assert_int_equal(metrics_read(METRIC_DELIVERY_LOST) - lost, 1);
        assert_int_equal(queue->lost.given_up, 1);
        delivery_queue_let_go(queue);
        delivery_free(delivery);
    }
}

static void who_hangs_delays_nobody_else(void **state)
{
    struct delivery *delivery = delivery_new();
    struct sink *hanging = sink_new();
    struct sink *good = sink_new();
    struct delivery_queue *queues[2] = {queue_of(hanging, "{}", 2), queue_of(good, "{}", 1)};

    (void)state;
    hanging->mood = SINK_HANGS;
    add(queues[0], delivery, "abcd");
    add(queues[1], delivery, "xyz");
    (void)delivery_turn(delivery, START);
    assert_seen(hanging, "[a] [b] "); /* its two lanes */
    assert_seen(good, "[x] [y] [z] ");
    delivery_batch_done(hanging->held[0], DELIVERY_DONE, NULL);
    (void)delivery_turn(delivery, START);
    assert_seen(hanging, "[c] ");
    for (size_t i = 1; i < 3; i++)
        delivery_batch_done(hanging->held[i], DELIVERY_DONE, NULL);
    for (size_t i = 0; i < 2; i++)
        delivery_queue_let_go(queues[i]);
    (void)delivery_turn(delivery, START);
    delivery_batch_done(hanging->held[3], DELIVERY_DONE, NULL);
    (void)delivery_turn(delivery, START);
    delivery_free(delivery);
}

/* One that always has more must not keep the thread. */
static void nobody_has_more_than_his_turn(void **state)
{
    struct delivery *delivery = delivery_new();
    struct sink *sink = sink_new();
    struct delivery_queue *queue = queue_of(sink, "{}", 1);

    (void)state;
    for (int i = 0; i < 100; i++)
        add(queue, delivery, "a");
    assert_int_equal(delivery_turn(delivery, START), START);
    assert_true(sink->tries < 100);
    assert_true(delivery_turn(delivery, START) == INT64_MAX);
    assert_int_equal(sink->tries, 100);
    delivery_queue_let_go(queue);
    delivery_free(delivery);
}

static void who_is_let_go_finishes(void **state)
{
    struct delivery *delivery = delivery_new();
    struct sink *sink = sink_new();
    struct delivery_queue *queue = queue_of(sink, "{\"max_batch_size\":10,\"initial_retry_delay\":1}", 1);
    bool freed = false;

    (void)state;
    sink->freed = &freed;
    sink->mood = SINK_FAILS;
    add(queue, delivery, "ab");
    (void)delivery_turn(delivery, START);
    assert_seen(sink, ""); /* it waits for company */
    delivery_queue_let_go(queue);
    (void)delivery_turn(delivery, START);
    assert_seen(sink, "[a b] ");
    assert_false(freed);
    sink->mood = SINK_TAKES;
    (void)delivery_turn(delivery, START + SECOND);
    assert_true(freed);
    delivery_free(delivery);
}

static void who_was_never_used_just_goes(void **state)
{
    struct sink *sink = sink_new();
    bool freed = false;

    (void)state;
    sink->freed = &freed;
    struct delivery_queue *queue = queue_of(sink, "{}", 1);
    delivery_queue_add(queue, NULL, STR("lost"));
    delivery_queue_let_go(queue);
    assert_true(freed);
    delivery_queue_let_go(NULL);
}

static void one_line_a_second_tells_of_losses(void **state)
{
    struct delivery *delivery = delivery_new();
    struct sink *sinks[2] = {sink_new(), sink_new()};
    struct delivery_queue *queues[2] = {queue_of(sinks[0], "{\"max_entries\":1,\"max_batch_size\":2}", 1),
                                        queue_of(sinks[1], "{\"max_entries\":1,\"max_batch_size\":2}", 1)};

    (void)state;
    for (size_t i = 0; i < 2; i++)
        add(queues[i], delivery, "ab");
    int64_t due_us = delivery_turn(delivery, START);
    assert_int_equal(queues[0]->told.full + queues[1]->told.full, 1);
    assert_int_equal(due_us, START + SECOND);
    (void)delivery_turn(delivery, START + SECOND - 1);
    assert_int_equal(queues[0]->told.full + queues[1]->told.full, 1);
    (void)delivery_turn(delivery, START + SECOND);
    assert_int_equal(queues[0]->told.full + queues[1]->told.full, 2);
    for (size_t i = 0; i < 2; i++)
        delivery_queue_let_go(queues[i]);
    (void)delivery_turn(delivery, START + 2 * SECOND);
    delivery_free(delivery);
}

static void who_loses_all_the_time_keeps_nobody_from_telling(void **state)
{
    struct delivery *delivery = delivery_new();
    struct delivery_queue *queues[2];

    (void)state;
    for (size_t i = 0; i < COUNT(queues); i++) {
        queues[i] =
            queue_of(sink_new(), "{\"max_entries\":1,\"max_coalescing_delay\":100,\"max_batch_size\":9}", 1);
        add(queues[i], delivery, "ab"); /* one of them is too many */
    }
    for (int second = 0; second < 3; second++) {
        (void)delivery_turn(delivery, START + second * SECOND);
        add(queues[0], delivery, "c"); /* which is looked at first */
    }
    assert_true(queues[0]->told.full >= 2);
    assert_int_equal(queues[1]->told.full, 1);
    for (size_t i = 0; i < COUNT(queues); i++)
        delivery_queue_let_go(queues[i]);
    delivery_free(delivery);
}

/* A queue that has something to tell stays the thread's, which sleeps until it may be told. */
static void an_entry_is_seen_whatever_the_thread_sleeps_for(void **state)
{
    struct delivery *delivery = delivery_new();
    struct sink *sink = sink_new();
    struct delivery_queue *queue = queue_of(sink, "{}", 0);

    (void)state;
    sink->mood = SINK_REFUSES;
    add(queue, delivery, "a");
    (void)delivery_turn(delivery, START); /* tells */
    add(queue, delivery, "b");
    assert_int_equal(delivery_turn(delivery, START + MS), START + SECOND);
    assert_true(queue->is_active);
    assert_int_equal(queue->wake_at, 1);
    add(queue, delivery, "c");
    assert_int_equal(queue->wake_at, 0); /* it has been woken */
    (void)delivery_turn(delivery, START + 2 * MS);
    assert_seen(sink, "[a] [b] [c] ");
    delivery_queue_let_go(queue);
    delivery_free(delivery);
}

static void what_is_left_at_the_end_is_lost(void **state)
{
    struct delivery *delivery = delivery_new();
    struct sink *sink = sink_new();
    struct delivery_queue *queue = queue_of(sink, "{}", 1);
    int64_t lost = metrics_read(METRIC_DELIVERY_LOST);
    bool freed = false;

    (void)state;
    sink->freed = &freed;
    sink->mood = SINK_HANGS;
    add(queue, delivery, "abc");
    (void)delivery_turn(delivery, START);
    delivery_queue_let_go(queue);
    delivery_free(delivery);
    assert_true(freed);
    assert_int_equal(metrics_read(METRIC_DELIVERY_LOST) - lost, 3);
}

/* ---- with the thread ---- */

static void the_end_waits_for_nobody_in_vain(void **state)
{
    struct delivery *delivery = NULL;
    struct sink *sink = sink_new();
    struct delivery_queue *queue =
        queue_of(sink, "{\"max_batch_size\":100,\"max_coalescing_delay\":3600}", 1);
    int64_t sent = metrics_read(METRIC_DELIVERY_SENT);
    struct err err;

    (void)state;
    assert_true(delivery_open(&delivery, &err));
    add(queue, delivery, "abc");
    delivery_queue_let_go(queue);
    delivery_close(delivery, /* patience_ms= */ 60000);
    assert_int_equal(metrics_read(METRIC_DELIVERY_SENT) - sent, 3);
}

static void a_dead_sink_does_not_keep_the_node(void **state)
{
    struct delivery *delivery = NULL;
    struct sink *sink = sink_new();
    struct delivery_queue *queue = queue_of(sink, "{}", 1);
    int64_t lost = metrics_read(METRIC_DELIVERY_LOST);
    struct err err;

    (void)state;
    sink->mood = SINK_HANGS;
    assert_true(delivery_open(&delivery, &err));
    add(queue, delivery, "abc");
    delivery_queue_let_go(queue);
    delivery_close(delivery, /* patience_ms= */ 50);
    assert_int_equal(metrics_read(METRIC_DELIVERY_LOST) - lost, 3);
    delivery_close(NULL, 0);
}

enum {
    WRITERS = 4,
    WRITES = 5000
};

/* Each writer's numbers come in order, and all of them. */
struct counting_sink {
    struct delivery_sender super;
    int *next; /* per writer */
    int *total;
};

static void counting_send(struct delivery_sender *super, struct delivery *delivery,
                          struct delivery_batch *batch)
{
    struct counting_sink *sink = CONTAINER_OF(super, struct counting_sink, super);

    (void)delivery;
    for (const struct delivery_entry *entry = batch->first; entry != NULL; entry = entry->next) {
        int number[2];
        memcpy(number, entry->bytes, sizeof(number));
        assert_int_equal(sink->next[number[0]], number[1]);
        sink->next[number[0]]++;
        (*sink->total)++;
    }
    delivery_batch_done(batch, DELIVERY_DONE, NULL);
}

static void counting_free(struct delivery_sender *super)
{
    free(CONTAINER_OF(super, struct counting_sink, super));
}

struct job {
    struct delivery_queue *queue;
    struct delivery *delivery;
    int number;
};

static void *run_writer(void *arg)
{
    const struct job *job = arg;

    for (int i = 0; i < WRITES; i++) {
        const int number[2] = {job->number, i};
        delivery_queue_add(job->queue, job->delivery, (struct str){(const char *)number, sizeof(number)});
    }
    return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
    static const char *const rules[] = {
        "{\"max_entries\":1000000}",
        "{\"max_entries\":1000000,\"max_batch_size\":7,\"max_coalescing_delay\":0.001}"};
    struct err err;

    (void)state;
    for (size_t r = 0; r < COUNT(rules); r++) {
        struct delivery *delivery = NULL;
        struct counting_sink *sink = mem_zalloc(sizeof(*sink));
        int next[WRITERS] = {0}, total = 0;
        pthread_t writers[WRITERS];
        struct job jobs[WRITERS];
        cJSON *record = cJSON_Parse(rules[r]);
        *sink = (struct counting_sink){{counting_send, NULL, counting_free}, next, &total};
        struct delivery_options options = {.name = "count", .sender = &sink->super};
        delivery_rules_read(record, &options.rules);
        cJSON_Delete(record);
        struct delivery_queue *queue = delivery_queue_new(&options);
        assert_true(delivery_open(&delivery, &err));
        for (int i = 0; i < WRITERS; i++) {
            jobs[i] = (struct job){queue, delivery, i};
            assert_int_equal(pthread_create(&writers[i], NULL, run_writer, &jobs[i]), 0);
        }
        for (int i = 0; i < WRITERS; i++)
            (void)pthread_join(writers[i], NULL);
        delivery_queue_let_go(queue);
        delivery_close(delivery, /* patience_ms= */ 60000);
        assert_int_equal(total, WRITERS * WRITES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_record_is_read),
        cmocka_unit_test(single_entries_do_not_wait),
        cmocka_unit_test(batches_wait_for_company),
        cmocka_unit_test(the_oldest_give_way),
        cmocka_unit_test(what_is_under_way_takes_room),
        cmocka_unit_test(bytes_are_bounded_too),
        cmocka_unit_test(all_queues_together_are_bounded),
        cmocka_unit_test(failures_are_tried_again_later_each_time),
        cmocka_unit_test(a_batch_is_given_up_in_the_end),
        cmocka_unit_test(who_hangs_delays_nobody_else),
        cmocka_unit_test(nobody_has_more_than_his_turn),
        cmocka_unit_test(who_is_let_go_finishes),
        cmocka_unit_test(who_was_never_used_just_goes),
        cmocka_unit_test(one_line_a_second_tells_of_losses),
        cmocka_unit_test(who_loses_all_the_time_keeps_nobody_from_telling),
        cmocka_unit_test(an_entry_is_seen_whatever_the_thread_sleeps_for),
        cmocka_unit_test(what_is_left_at_the_end_is_lost),
        cmocka_unit_test(the_end_waits_for_nobody_in_vain),
        cmocka_unit_test(a_dead_sink_does_not_keep_the_node),
        cmocka_unit_test(nothing_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
