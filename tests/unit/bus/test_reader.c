/* What a poll means: every rule of the protocol that decides between batch and starting over. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus/reader.h"

/* Where a fill was read. */
enum {
    PRIMARY
};

enum {
    START = 10
};

struct fixture {
    struct reader reader;
    struct reader_poll poll;
    struct reader_head head;
    struct bus_event events[READER_MAX_EVENTS + 1];
    size_t count;
    const char *reason;
};

static int64_t tag_of(uint64_t position)
{
    return (int64_t)position * 1000 + 1;
}

static void begin(struct fixture *f)
{
    reader_begin(&f->reader, &f->poll);
    f->head.has_tag_at_applied = true;
    f->head.tag_at_applied = tag_of(f->poll.applied);
}

/* The log grows by one commit of `rows` rows. */
static void commit(struct fixture *f, uint32_t rows)
{
    f->head.head++;
    f->head.head_tag = tag_of(f->head.head);
    for (uint32_t n = 1; n <= rows; n++) {
        f->events[f->count++] = (struct bus_event){
            .position = f->head.head, .n = n, .tag = f->head.head_tag, .kind = BUS_EVENT_ROW};
    }
}

static enum reader_step judge(struct fixture *f)
{
    f->reason = NULL;
    return reader_judge_head(&f->reader, &f->poll, &f->head, &f->reason);
}

static enum reader_step check(struct fixture *f)
{
    f->reason = NULL;
    return reader_check_events(&f->poll, &f->head, f->events, f->count, &f->reason);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->head = (struct reader_head){.has_log = true, .head = START, .head_tag = tag_of(START)};
    memset(f->head.history, 0xab, sizeof(f->head.history));
    reader_restart(&f->reader, &f->head);
    begin(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static void nothing_new_is_idle(void **state)
{
    assert_int_equal(judge(*state), READER_IDLE);
}

static void commits_in_order_are_applied_up_to_the_head(void **state)
{
    struct fixture *f = *state;

    commit(f, 3);
    commit(f, 1);
    commit(f, 2);
    assert_int_equal(judge(f), READER_NEWS);
    assert_int_equal(check(f), READER_NEWS);
    assert_true(reader_finish(&f->reader, &f->head, f->events, f->count));
    assert_int_equal(f->reader.cursor.applied, START + 3);
    assert_int_equal(cursor_tag(&f->reader.cursor), tag_of(START + 3));
    begin(f);
    assert_int_equal(judge(f), READER_IDLE);
}

static void a_standby_is_a_failed_poll(void **state)
{
    struct fixture *f = *state;

    f->head.in_recovery = true;
    assert_int_equal(judge(f), READER_FAILED);
}

static void another_history_starts_over(void **state)
{
    struct fixture *f = *state;

    f->head.history[15] ^= 1;
    assert_int_equal(judge(f), READER_RESYNC);
    assert_string_equal(f->reason, "history");
}

static void a_head_below_applied_starts_over(void **state)
{
    struct fixture *f = *state;

    f->head.head = START - 1;
    f->head.head_tag = tag_of(START - 1);
    f->head.has_tag_at_applied = false;
    assert_int_equal(judge(f), READER_RESYNC);
    assert_string_equal(f->reason, "history");
}

static void another_tag_at_applied_starts_over(void **state)
{
    struct fixture *f = *state;

    commit(f, 1);
    f->head.tag_at_applied++;
    assert_int_equal(judge(f), READER_RESYNC);
    assert_string_equal(f->reason, "history");
}

static void a_missing_row_at_applied_starts_over(void **state)
{
    struct fixture *f = *state;

    commit(f, 1);
    f->head.has_tag_at_applied = false;
    assert_int_equal(judge(f), READER_RESYNC);
    assert_string_equal(f->reason, "history");
}

static void a_trimmed_row_at_applied_proves_nothing(void **state)
{
    struct fixture *f = *state;

    commit(f, 1);
    f->head.floor = START;
    assert_int_equal(judge(f), READER_NEWS); /* at the floor, and still there */
    f->head.has_tag_at_applied = false;
    assert_int_equal(judge(f), READER_RESYNC);
    assert_string_equal(f->reason, "lag");
}

static void a_floor_above_applied_starts_over(void **state)
{
    struct fixture *f = *state;

    commit(f, 1);
    commit(f, 1);
    f->head.floor = START + 1;
    f->head.has_tag_at_applied = false;
    assert_int_equal(judge(f), READER_RESYNC);
    assert_string_equal(f->reason, "lag");
}

static void too_many_commits_start_over(void **state)
{
    struct fixture *f = *state;

    f->head.head = START + READER_MAX_COMMITS;
    assert_int_equal(judge(f), READER_NEWS);
    f->head.head++;
    assert_int_equal(judge(f), READER_RESYNC);
    assert_string_equal(f->reason, "lag");
}

static void too_many_rows_start_over(void **state)
{
    struct fixture *f = *state;

    commit(f, READER_MAX_EVENTS);
    assert_int_equal(check(f), READER_NEWS);
    f->count++;
    assert_int_equal(check(f), READER_RESYNC);
    assert_string_equal(f->reason, "lag");
}

static void an_empty_log_starts_over_at_the_floor(void **state)
{
    struct fixture *f = *state;

    f->head = (struct reader_head){.floor = 8};
    memset(f->head.history, 0xab, sizeof(f->head.history));
    assert_int_equal(judge(f), READER_RESYNC);
    assert_string_equal(f->reason, "empty");
    reader_restart(&f->reader, &f->head);
    assert_int_equal(f->reader.cursor.applied, 8);

    /* The next append continues behind the floor; no tag there tells whose history that is. */
    f->head = (struct reader_head){.floor = 8, .has_log = true, .head = 8};
    memset(f->head.history, 0xab, sizeof(f->head.history));
    f->count = 0;
    reader_begin(&f->reader, &f->poll);
    commit(f, 1);
    assert_int_equal(judge(f), READER_RESYNC);
    assert_string_equal(f->reason, "lag");
    reader_restart(&f->reader, &f->head);
    begin(f);
    commit(f, 1);
    f->events[0] = f->events[1];
    f->count = 1;
    assert_int_equal(judge(f), READER_NEWS);
    assert_int_equal(check(f), READER_NEWS);
}

static void assert_gap(struct fixture *f)
{
    assert_int_equal(check(f), READER_RESYNC);
    assert_string_equal(f->reason, "gap");
}

static void a_missing_commit_is_a_gap(void **state)
{
    struct fixture *f = *state;

    commit(f, 1);
    commit(f, 1);
    commit(f, 1);
    f->events[1] = f->events[2];
    f->count = 2;
    assert_gap(f);
}

static void a_missing_first_commit_is_a_gap(void **state)
{
    struct fixture *f = *state;

    commit(f, 1);
    commit(f, 1);
    f->events[0] = f->events[1];
    f->count = 1;
    assert_gap(f);
}

static void a_missing_row_inside_a_commit_is_a_gap(void **state)
{
    struct fixture *f = *state;

    commit(f, 3);
    f->events[1] = f->events[2];
    f->count = 2;
    assert_gap(f);
}

static void a_missing_first_row_is_a_gap(void **state)
{
    struct fixture *f = *state;

    commit(f, 1);
    commit(f, 2);
    f->events[1] = f->events[2];
    f->count = 2;
    assert_gap(f);
}

static void events_that_end_before_the_head_are_a_gap(void **state)
{
    struct fixture *f = *state;

    commit(f, 1);
    commit(f, 1);
    f->count = 1;
    assert_gap(f);
    f->count = 0;
    assert_gap(f);
}

static void two_tags_in_one_commit_are_a_gap(void **state)
{
    struct fixture *f = *state;

    commit(f, 2);
    f->events[0].tag++;
    assert_gap(f);
}

static void a_position_shown_by_a_fill_must_be_in_the_answer(void **state)
{
    struct fixture *f = *state;
    bool ring;

    assert_int_equal(cursor_judge(&f->reader.cursor, START + 1, tag_of(START + 1), PRIMARY, &ring),
                     CURSOR_ACCEPT);
    begin(f);
    assert_int_equal(judge(f), READER_RESYNC); /* the head is still START: the fill saw another history */
    assert_string_equal(f->reason, "history");
    commit(f, 1);
    assert_int_equal(judge(f), READER_NEWS);
    assert_int_equal(check(f), READER_NEWS);
}

static void a_fill_after_the_poll_was_sent_may_know_more(void **state)
{
    struct fixture *f = *state;
    bool ring;

    assert_int_equal(cursor_judge(&f->reader.cursor, START + 1, tag_of(START + 1), PRIMARY, &ring),
                     CURSOR_ACCEPT);
    assert_int_equal(judge(f), READER_IDLE);
}

static void another_tag_than_a_fill_showed_starts_over(void **state)
{
    struct fixture *f = *state;
    bool ring;

    assert_int_equal(cursor_judge(&f->reader.cursor, START + 1, 5, PRIMARY, &ring), CURSOR_ACCEPT);
    begin(f);
    commit(f, 1);
    assert_int_equal(judge(f), READER_RESYNC);
    commit(f, 1);
    assert_int_equal(judge(f), READER_NEWS); /* the head alone does not show it any more, the events do */
    assert_int_equal(check(f), READER_RESYNC);
    assert_string_equal(f->reason, "history");
}

static void a_contradicting_fill_during_the_poll_keeps_the_position_back(void **state)
{
    struct fixture *f = *state;
    bool ring;

    commit(f, 1);
    assert_int_equal(judge(f), READER_NEWS);
    assert_int_equal(check(f), READER_NEWS);
    assert_int_equal(cursor_judge(&f->reader.cursor, START + 1, 5, PRIMARY, &ring), CURSOR_ACCEPT);
    assert_false(reader_finish(&f->reader, &f->head, f->events, f->count));
    assert_int_equal(f->reader.cursor.applied, START);
}

static void a_batch_that_failed_half_way_must_be_in_the_next_answer(void **state)
{
    struct fixture *f = *state;

    commit(f, 1);
    assert_int_equal(judge(f), READER_NEWS);
    assert_int_equal(check(f), READER_NEWS);
    reader_act(&f->reader, &f->head); /* fences have been raised, and then the subscriber failed */
    begin(f);
    assert_int_equal(judge(f), READER_NEWS); /* it comes again */
    f->events[0].tag = ++f->head.head_tag;
    assert_int_equal(judge(f), READER_RESYNC); /* or in its place another */
    assert_string_equal(f->reason, "history");
    f->head.head = START;
    f->head.head_tag = tag_of(START);
    assert_int_equal(judge(f), READER_RESYNC); /* or it has been lost */
    assert_string_equal(f->reason, "history");
    reader_restart(&f->reader, &f->head);
    begin(f);
    assert_int_equal(judge(f), READER_IDLE);
}

static void only_a_flagged_commit_asks_for_acknowledgement(void **state)
{
    struct fixture *f = *state;

    commit(f, 2);
    assert_false(reader_must_acknowledge(f->events, f->count));
    f->events[1].flags = BUS_EVENT_ACKNOWLEDGE;
    assert_true(reader_must_acknowledge(f->events, f->count));
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FACT(nothing_new_is_idle),
        FACT(commits_in_order_are_applied_up_to_the_head),
        FACT(a_standby_is_a_failed_poll),
        FACT(another_history_starts_over),
        FACT(a_head_below_applied_starts_over),
        FACT(another_tag_at_applied_starts_over),
        FACT(a_missing_row_at_applied_starts_over),
        FACT(a_trimmed_row_at_applied_proves_nothing),
        FACT(a_floor_above_applied_starts_over),
        FACT(too_many_commits_start_over),
        FACT(too_many_rows_start_over),
        FACT(an_empty_log_starts_over_at_the_floor),
        FACT(a_missing_commit_is_a_gap),
        FACT(a_missing_first_commit_is_a_gap),
        FACT(a_missing_row_inside_a_commit_is_a_gap),
        FACT(a_missing_first_row_is_a_gap),
        FACT(events_that_end_before_the_head_are_a_gap),
        FACT(two_tags_in_one_commit_are_a_gap),
        FACT(a_position_shown_by_a_fill_must_be_in_the_answer),
        FACT(a_fill_after_the_poll_was_sent_may_know_more),
        FACT(another_tag_than_a_fill_showed_starts_over),
        FACT(a_contradicting_fill_during_the_poll_keeps_the_position_back),
        FACT(a_batch_that_failed_half_way_must_be_in_the_next_answer),
        FACT(only_a_flagged_commit_asks_for_acknowledgement),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
