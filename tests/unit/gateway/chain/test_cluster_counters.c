/*
 * Batches of windows: of requests at once exactly as many get through as the limit says, what was let through
 * is written once, and a database that is gone keeps nobody waiting. The database and its thread are the
 * test's.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/chain/cluster_counters.h"
#include "gateway/chain/tally_op.h"

/* A database with one row per period, "a" to "z", and the job that it has been given. */
static struct {
    int64_t now_ms;
    uint64_t rows[26];
    enum usage_outcome outcome;
    size_t exchanges, adds, reads, swept;
    bool refuses;
    void (*run)(struct store_session *session, void *arg);
    void *arg;
} database;

static int64_t now_us(void *arg)
{
    (void)arg;
    return database.now_ms * 1000;
}

static const struct clock test_clock = {.monotonic_us = now_us, .wall_us = now_us};

static bool submit(struct store *store, void (*run)(struct store_session *session, void *arg), void *arg)
{
    (void)store;
    if (database.refuses)
        return false;
    assert_null(database.run); /* one at a time */
    database.run = run;
    database.arg = arg;
    return true;
}

static uint64_t *row_of(const struct usage *usage)
{
    return &database.rows[usage->period.at[0] - 'a'];
}

static enum usage_outcome exchange(struct store_session *session, const struct usage *adds, size_t add_count,
                                   struct usage *reads, size_t read_count, struct err *err)
{
    (void)session;
    (void)err;
    database.exchanges++;
    database.adds += add_count;
    database.reads += read_count;
    for (size_t i = 0; database.outcome == USAGE_DONE && i < add_count; i++)
        *row_of(&adds[i]) += adds[i].count;
    for (size_t i = 0; database.outcome == USAGE_DONE && i < read_count; i++)
        reads[i].count = *row_of(&reads[i]);
    return database.outcome;
}

static size_t sweep(struct store_session *session, size_t most)
{
    size_t removed = database.swept > most ? most : database.swept;

    (void)session;
    database.swept -= removed;
    return removed;
}

/* What the store's thread does with the job it has; false: there is none. */
static bool work(void)
{
    void (*run)(struct store_session * session, void *arg) = database.run;

    database.run = NULL;
    if (run != NULL)
        run(NULL, database.arg);
    return run != NULL;
}

/* ---- requests ---- */

/* Of the periods in `periods`, each a letter. Nobody waits at a chain: the loop of the op tells what became
 * of it. */
static struct tally_op *ask(const char *periods, uint64_t limit, enum tally_kind kind, struct loop *loop)
{
    size_t count = strlen(periods);
    struct tally_op *op = mem_zalloc(sizeof(*op) + count * sizeof(op->counts[0]));

    op->kind = kind;
    op->loop = loop;
    op->count = count;
    for (size_t i = 0; i < count; i++)
        op->counts[i] = (struct tally_count){
            .usage = {.identity = STR("who"), .period = {periods + i, 1}, .count = kind != TALLY_READ},
            .limit = limit};
    return op;
}

struct bench {
    struct cluster_counters *counters;
    struct loop *loop; /* it does not run: what is posted to it waits */
};

static const struct usage_store store = {.submit = submit, .exchange = exchange, .sweep = sweep};

static int set_up(void **state)
{
    struct bench *bench = mem_zalloc(sizeof(*bench));
    struct err err;

    memset(&database, 0, sizeof(database));
    database.now_ms = 1000000;
    bench->counters = cluster_counters_new(&store, &test_clock);
    assert_true(loop_open("test", &bench->loop, &err));
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    while (work())
        continue;
    loop_run_late(bench->loop);
    cluster_counters_free(bench->counters);
    loop_close(bench->loop);
    free(bench);
    return 0;
}

/* The answers are in the op's memory until the loop takes them; tests look before. */
static struct tally_op *give(struct bench *bench, const char *periods, uint64_t limit)
{
    struct tally_op *op = ask(periods, limit, TALLY_TAKE, bench->loop);

    assert_true(cluster_counters_give(bench->counters, op));
    return op;
}

static bool passes(const struct tally_op *op)
{
    bool passes = !op->failed;

    for (size_t i = 0; i < op->count; i++)
        passes &= !op->counts[i].over;
    return passes;
}

static void a_batch_lets_through_exactly_what_is_left(void **state)
{
    struct bench *bench = *state;
    struct tally_op *ops[10];
    size_t passed = 0;

    database.rows[0] = 4;
    for (size_t i = 0; i < COUNT(ops); i++)
        ops[i] = give(bench, "a", 9);
    assert_true(work());
    for (size_t i = 0; i < COUNT(ops); i++) {
        passed += passes(ops[i]);
        assert_int_equal(ops[i]->counts[0].used, i < 5 ? 4 + i : 9);
    }
    assert_int_equal(passed, 5);
    assert_int_equal(database.reads, 1); /* one window, however many ask */
    assert_int_equal(database.rows[0], 4);
    assert_true(work()); /* what was let through */
    assert_int_equal(database.rows[0], 9);
    assert_false(work());
}

static void the_next_batch_sees_what_the_last_has_let_through(void **state)
{
    struct bench *bench = *state;

    assert_true((give(bench, "a", 2), work()));
    struct tally_op *second = give(bench, "a", 2);
    struct tally_op *third = give(bench, "a", 2);
    assert_true(work());
    assert_true(passes(second));
    assert_false(passes(third));
    assert_true(work());
    assert_int_equal(database.rows[0], 2);
}

static void all_windows_or_none(void **state)
{
    struct bench *bench = *state;

    database.rows[1] = 1;
    struct tally_op *op = give(bench, "ab", 1);
    struct tally_op *other = give(bench, "a", 1);
    assert_true(work());
    assert_false(passes(op));
    assert_false(op->counts[0].over);
    assert_true(op->counts[1].over);
    assert_true(passes(other)); /* the refused one has left its room */
    assert_true(work());
    assert_int_equal(database.rows[0], 1);
    assert_int_equal(database.rows[1], 1);
}

static void reading_counts_nothing_and_adding_asks_nobody(void **state)
{
    struct bench *bench = *state;
    struct tally_op *read = ask("a", 1, TALLY_READ, bench->loop);
    struct tally_op *added = ask("a", 0, TALLY_ADD, bench->loop);

    assert_true(cluster_counters_give(bench->counters, read));
    added->counts[0].usage.count = 5;
    assert_true(cluster_counters_give(bench->counters, added));
    assert_true(work());
    assert_int_equal(read->counts[0].used, 0);
    assert_true(work());
    assert_int_equal(database.rows[0], 5);
    assert_int_equal(database.adds, 1);
}

static void a_database_that_is_gone_is_left_alone_for_a_while(void **state)
{
    struct bench *bench = *state;

    database.outcome = USAGE_NOT_SENT;
    struct tally_op *failed = give(bench, "a", 9);
    assert_true(work());
    assert_true(failed->failed);
    struct tally_op *refused = ask("a", 9, TALLY_TAKE, bench->loop);
    assert_false(cluster_counters_give(bench->counters, refused)); /* at once, without a job */
    free(refused);
    assert_null(database.run);
    database.now_ms += 100;
    database.outcome = USAGE_DONE;
    assert_true(passes((work(), give(bench, "a", 9))));
    assert_true(work());
    assert_true(work());
    assert_int_equal(database.rows[0], 1);
}

static void who_passes_all_the_same_is_counted_later_and_who_does_not_is_not(void **state)
{
    struct bench *bench = *state;
    struct tally_op *tolerant = ask("a", 9, TALLY_TAKE, bench->loop);
    struct tally_op *strict = ask("b", 9, TALLY_TAKE, bench->loop);
    struct tally_op *late = ask("a", 9, TALLY_TAKE, bench->loop);

    database.outcome = USAGE_NOT_SENT;
    tolerant->lets_through = late->lets_through = true;
    assert_true(cluster_counters_give(bench->counters, tolerant));
    assert_true(cluster_counters_give(bench->counters, strict));
    assert_true(work());
    assert_false(cluster_counters_give(bench->counters, late));
    free(late);
    database.now_ms += 100;
    database.outcome = USAGE_DONE;
    struct tally_op *again = give(bench, "a", 9);
    assert_true(work());
    assert_int_equal(again->counts[0].used, 2);
    assert_int_equal(database.rows[1], 0);
}

static void what_may_have_been_written_is_not_written_again(void **state)
{
    struct bench *bench = *state;

    assert_true((give(bench, "a", 9), work()));
    database.outcome = USAGE_UNKNOWN;
    assert_true(work());
    database.outcome = USAGE_DONE;
    database.now_ms += 100;
    struct tally_op *op = give(bench, "b", 9);
    assert_true(work());
    assert_true(passes(op));
    assert_int_equal(database.rows[0], 0);
}

static void a_store_that_takes_no_job_fails_who_waits(void **state)
{
    struct bench *bench = *state;

    database.refuses = true;
    struct tally_op *op = give(bench, "a", 9);
    assert_true(op->failed);
    database.refuses = false;
    assert_true(passes((give(bench, "a", 9))));
}

static void old_rows_go_in_pieces_now_and_then(void **state)
{
    struct bench *bench = *state;

    database.swept = 1500;
    assert_true((give(bench, "a", 99), work()));
    assert_int_equal(database.swept, 500);
    assert_true(work()); /* there was more: the next batch goes on */
    assert_int_equal(database.swept, 0);
    database.swept = 7;
    assert_true((give(bench, "a", 99), work()));
    assert_int_equal(database.swept, 7);
    database.now_ms += 60000;
    assert_true(work());
    assert_int_equal(database.swept, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_batch_lets_through_exactly_what_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_batch_sees_what_the_last_has_let_through, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_windows_or_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reading_counts_nothing_and_adding_asks_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_database_that_is_gone_is_left_alone_for_a_while, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_passes_all_the_same_is_counted_later_and_who_does_not_is_not,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_may_have_been_written_is_not_written_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_that_takes_no_job_fails_who_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_rows_go_in_pieces_now_and_then, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
