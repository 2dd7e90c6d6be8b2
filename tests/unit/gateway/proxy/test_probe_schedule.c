/*
 * probe_schedule: who is asked when, on a clock of ours.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/balancer/peer.h"
#include "gateway/base/mem.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/probe_schedule.h"

enum {
    PEERS = 40
};

static const struct uuid upstream = {{1}};
static int probe; /* something to point at */

struct fixture {
    struct peer_table *table;
    struct probe_peer peers[PEERS];
    struct probe_schedule schedule;
    struct probe_settings settings;
    struct random_sequence random;
    int gone;
};

static void note_gone(void *arg, struct probe_turn *turn)
{
    struct fixture *f = arg;

    assert_ptr_equal(turn->probe, &probe);
    f->gone++;
}

/* The peers from `first` on are there. */
static void set(struct fixture *f, size_t first, size_t count, int64_t now_ms)
{
    const struct probe_moment moment = {now_ms, &f->random, note_gone, f};

    probe_schedule_set(&f->schedule, f->peers + first, count, &moment);
}

static int start(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    f->table = peer_table_new();
    random_seed(&f->random, /* seed= */ 7);
    f->settings = (struct probe_settings){
        .healthy_interval_ms = 1000, .unhealthy_interval_ms = 200, .concurrency = PEERS};
    for (size_t i = 0; i < PEERS; i++) {
        struct peer_address address = {.bytes = {[15] = (uint8_t)i}, .port = {0, 80}};
        f->peers[i] =
            (struct probe_peer){peer_get(f->table, &upstream, &address), {{(uint8_t)i}}, STR("host")};
    }
    *state = f;
    return 0;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    set(f, 0, 0, 0);
    for (size_t i = 0; i < PEERS; i++)
        peer_unref(f->peers[i].peer);
    peer_table_free(f->table);
    free(f);
    return 0;
}

static struct probe_turn *begin(struct fixture *f, int64_t now_ms)
{
    struct probe_turn *turn = probe_schedule_next(&f->schedule, &f->settings, now_ms);

    if (turn != NULL)
        probe_schedule_began(&f->schedule, turn, &probe);
    return turn;
}

/* Everybody who is due at that moment is asked, and answers at once. Returns how many. */
static size_t ask_all(struct fixture *f, int64_t now_ms)
{
    size_t count = 0;

    for (struct probe_turn *turn = begin(f, now_ms); turn != NULL; turn = begin(f, now_ms)) {
        probe_schedule_ended(&f->schedule, turn, now_ms);
        count++;
    }
    return count;
}

static void the_first_probe_comes_after_an_interval_and_not_with_all_others(void **state)
{
    struct fixture *f = *state;
    size_t asked = 0;

    set(f, 0, PEERS, 5000);
    assert_int_equal(ask_all(f, 5999), 0);
    for (int64_t now_ms = 6000; now_ms <= 6250; now_ms += 25) {
        size_t count = ask_all(f, now_ms);
        assert_in_range(count, 0, 12);
        asked += count;
    }
    assert_int_equal(asked, PEERS);
}

static void the_next_comes_one_interval_after_the_end_of_the_last(void **state)
{
    struct fixture *f = *state;

    set(f, 0, 1, 0);
    struct probe_turn *turn = begin(f, 1250);
    assert_non_null(turn);
    assert_null(begin(f, 9999)); /* it runs */
    probe_schedule_ended(&f->schedule, turn, 10000);
    assert_null(begin(f, 10999));
    assert_ptr_equal(begin(f, 11000), turn);
}

static void the_interval_is_that_of_the_health_at_the_moment(void **state)
{
    struct fixture *f = *state;

    set(f, 0, 1, 0);
    struct probe_turn *turn = begin(f, 1250);
    probe_schedule_ended(&f->schedule, turn, 2000);
    assert_int_equal(probe_turn_due_ms(turn, &f->settings), 3000);
    assert_true(peer_set_health(turn->peer, /* healthy= */ false));
    assert_int_equal(probe_turn_due_ms(turn, &f->settings), 2200);
    assert_ptr_equal(begin(f, 2200), turn);
    probe_schedule_ended(&f->schedule, turn, 2200);
    f->settings.unhealthy_interval_ms = 50;
    assert_ptr_equal(begin(f, 2250), turn);
    probe_schedule_ended(&f->schedule, turn, 2250);
    f->settings.unhealthy_interval_ms = 0;
    assert_null(begin(f, INT64_MAX - 1));
    assert_true(peer_set_health(turn->peer, /* healthy= */ true));
    assert_ptr_equal(begin(f, 3250), turn);
}

static void no_more_run_than_allowed_and_everybody_has_his_turn(void **state)
{
    struct fixture *f = *state;
    struct probe_turn *running[3];
    bool seen[PEERS] = {false};

    f->settings.concurrency = 3;
    set(f, 0, PEERS, 0);
    for (int round = 0; round < (PEERS + 2) / 3; round++) {
        size_t count = 0;
        /* All are always due: who was asked just now is not asked before the others. */
        while (count < 3 && (running[count] = begin(f, 1250 + round * 100000)) != NULL)
            seen[running[count++]->target.bytes[0]] = true;
        assert_int_equal(count, 3);
        assert_null(begin(f, 1250 + round * 100000));
        assert_true(f->schedule.has_waiting);
        for (size_t i = 0; i < count; i++)
            probe_schedule_ended(&f->schedule, running[i], 1250 + round * 100000);
    }
    for (size_t i = 0; i < PEERS; i++)
        assert_true(seen[i]);
}

static void nobody_waits_where_nobody_is_due(void **state)
{
    struct fixture *f = *state;

    f->settings.concurrency = 1;
    set(f, 0, 2, 0);
    struct probe_turn *turn = begin(f, 1250);
    assert_null(begin(f, 1250));
    assert_true(f->schedule.has_waiting);
    probe_schedule_ended(&f->schedule, turn, 1250);
    probe_schedule_ended(&f->schedule, begin(f, 1250), 1250);
    assert_null(begin(f, 1250));
    assert_false(f->schedule.has_waiting);
}

static void who_stays_keeps_his_turn_and_who_goes_is_told_of_if_he_is_asked(void **state)
{
    struct fixture *f = *state;

    set(f, 0, 10, 0);
    struct probe_turn *turns[10];
    for (size_t i = 0; i < 10; i++)
        assert_non_null(turns[i] = begin(f, 1250));
    probe_schedule_ended(&f->schedule, turns[0], 1300);
    probe_schedule_ended(&f->schedule, turns[9], 1300);
    set(f, 5, 10, 2000); /* 0 to 4 go, 4 of them while they are asked; 10 to 14 come */
    assert_int_equal(f->gone, 4);
    assert_int_equal(f->schedule.count, 10);
    assert_int_equal(f->schedule.running, 4);
    assert_int_equal(ask_all(f, 2299), 0);
    assert_int_equal(ask_all(f, 2300), 1); /* number 9 */
    assert_int_equal(ask_all(f, 3250), 5);
    set(f, 0, 0, 4000);
    assert_int_equal(f->gone, 8);
    assert_int_equal(f->schedule.running, 0);
}

static void an_address_of_two_targets_is_asked_once(void **state)
{
    struct fixture *f = *state;

    f->peers[1].peer = peer_ref(f->peers[0].peer);
    set(f, 0, 3, 0);
    assert_int_equal(f->schedule.count, 2);
    assert_int_equal(f->schedule.turns[0]->target.bytes[0], 0);
    set(f, 1, 2, 0); /* the other target has it now */
    assert_int_equal(f->schedule.turns[0]->target.bytes[0], 1);
    struct peer_address address = {.bytes = {[15] = 1}, .port = {0, 80}};
    peer_unref(f->peers[1].peer);
    f->peers[1].peer = peer_get(f->table, &upstream, &address);
    peer_unref(f->peers[1].peer);
}

static void names_follow(void **state)
{
    struct fixture *f = *state;

    set(f, 0, 1, 0);
    f->peers[0].host = STR("other");
    set(f, 0, 1, 500);
    assert_string_equal(f->schedule.turns[0]->host, "other");
    assert_int_equal(f->schedule.turns[0]->since_ms, 0);
}

#define FACT(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(the_first_probe_comes_after_an_interval_and_not_with_all_others),
        FACT(the_next_comes_one_interval_after_the_end_of_the_last),
        FACT(the_interval_is_that_of_the_health_at_the_moment),
        FACT(no_more_run_than_allowed_and_everybody_has_his_turn),
        FACT(nobody_waits_where_nobody_is_due),
        FACT(who_stays_keeps_his_turn_and_who_goes_is_told_of_if_he_is_asked),
        FACT(an_address_of_two_targets_is_asked_once),
        FACT(names_follow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
