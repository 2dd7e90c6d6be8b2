/*
 * health: section 8.2 of the data-plane reference, and the same when many threads report at once.
 */

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/balancer/health.h"
#include "gateway/base/attributes.h"
#include "gateway/base/random.h"
#include "gateway/model/entities.h"

static const struct health_limits three = {
    .successes = 3, .tcp_failures = 3, .timeouts = 3, .http_failures = 3};
static const enum health_outcome failures[] = {HEALTH_TCP_FAILURE, HEALTH_TIMEOUT, HEALTH_HTTP_FAILURE};

static void report(struct health *health, enum health_outcome outcome, int times)
{
    for (int i = 0; i < times; i++)
        assert_false(health_report(health, &three, outcome));
}

static void a_peer_starts_healthy(void **state)
{
    struct health health = {0};

    (void)state;
    assert_true(health_is_good(&health));
}

static void the_last_failure_of_a_kind_flips_and_only_that_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(failures); i++) {
        struct health health = {0};
        report(&health, failures[i], 2);
        assert_true(health_is_good(&health));
        assert_true(health_report(&health, &three, failures[i]));
        assert_false(health_is_good(&health));
        report(&health, failures[i], 300);
    }
}

static void each_kind_of_failure_has_a_counter_of_its_own(void **state)
{
    struct health health = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(failures); i++)
        report(&health, failures[i], 2);
    assert_true(health_is_good(&health));
    assert_true(health_report(&health, &three, HEALTH_TIMEOUT));
}

static void a_success_clears_all_failures(void **state)
{
    struct health health = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(failures); i++)
        report(&health, failures[i], 2);
    report(&health, HEALTH_SUCCESS, 1);
    for (size_t i = 0; i < COUNT(failures); i++)
        report(&health, failures[i], 2);
    assert_true(health_is_good(&health));
}

static void a_success_that_is_not_counted_clears_failures_too(void **state)
{
    const struct health_limits limits = {.tcp_failures = 2};
    struct health health = {0};

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_false(health_report(&health, &limits, HEALTH_TCP_FAILURE));
        assert_false(health_report(&health, &limits, HEALTH_SUCCESS));
    }
}

static void any_failure_clears_successes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(failures); i++) {
        struct health health = {0};
        assert_true(health_set(&health, false));
        report(&health, HEALTH_SUCCESS, 2);
        report(&health, failures[i], 1);
        report(&health, HEALTH_SUCCESS, 2);
        assert_false(health_is_good(&health));
        assert_true(health_report(&health, &three, HEALTH_SUCCESS));
        assert_true(health_is_good(&health));
    }
}

static void a_limit_of_zero_never_flips(void **state)
{
    const struct health_limits limits = {.http_failures = 1};
    struct health health = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_false(health_report(&health, &limits, HEALTH_TCP_FAILURE));
        assert_false(health_report(&health, &limits, HEALTH_TIMEOUT));
    }
    assert_true(health_report(&health, &limits, HEALTH_HTTP_FAILURE));
    for (int i = 0; i < 1000; i++)
        assert_false(health_report(&health, &limits, HEALTH_SUCCESS));
    assert_false(health_is_good(&health));
}

static void checks_that_are_off_leave_the_counters_alone(void **state)
{
    const struct health_limits off = {0};
    struct health health = {0};

    (void)state;
    report(&health, HEALTH_TIMEOUT, 2);
    assert_false(health_report(&health, &off, HEALTH_SUCCESS));
    assert_true(health_report(&health, &three, HEALTH_TIMEOUT));
}

static void the_greatest_limit_is_reached(void **state)
{
    const struct health_limits limits = {.successes = 255, .timeouts = 255};
    struct health health = {0};

    (void)state;
    for (int i = 1; i < 255; i++)
        assert_false(health_report(&health, &limits, HEALTH_TIMEOUT));
    assert_true(health_report(&health, &limits, HEALTH_TIMEOUT));
    for (int i = 1; i < 255; i++)
        assert_false(health_report(&health, &limits, HEALTH_SUCCESS));
    assert_true(health_report(&health, &limits, HEALTH_SUCCESS));
}

static void setting_it_by_hand_starts_the_counters_over(void **state)
{
    struct health health = {0};

    (void)state;
    report(&health, HEALTH_TIMEOUT, 2);
    assert_false(health_set(&health, true));
    report(&health, HEALTH_TIMEOUT, 2);
    assert_true(health_set(&health, false));
    report(&health, HEALTH_SUCCESS, 2);
    assert_false(health_set(&health, false));
    report(&health, HEALTH_SUCCESS, 2);
    assert_true(health_set(&health, true));
}

/* The same rules, written down plainly. */
struct plain {
    int counters[4];
    bool bad;
};

static bool plain_report(struct plain *plain, const int limits[4], enum health_outcome outcome)
{
    if (outcome == HEALTH_SUCCESS)
        plain->counters[HEALTH_TCP_FAILURE] = plain->counters[HEALTH_TIMEOUT] =
            plain->counters[HEALTH_HTTP_FAILURE] = 0;
    else
        plain->counters[HEALTH_SUCCESS] = 0;
    bool towards_bad = outcome != HEALTH_SUCCESS;
    if (plain->bad == towards_bad || limits[outcome] == 0)
        return false;
    if (++plain->counters[outcome] < limits[outcome])
        return false;
    *plain = (struct plain){.bad = towards_bad};
    return true;
}

static void any_sequence_of_reports_leads_where_the_rules_say(void **state)
{
    struct random_sequence random;

    (void)state;
    random_seed(&random, 1);
    for (int round = 0; round < 200; round++) {
        int plain_limits[4];
        struct health health = {0};
        struct plain plain = {0};
        for (size_t i = 0; i < COUNT(plain_limits); i++)
            plain_limits[i] = (int)(random_next(&random) % 5);
        plain_limits[round % 4] = 2; /* checks are on */
        const struct health_limits limits = {.successes = plain_limits[HEALTH_SUCCESS],
                                             .tcp_failures = plain_limits[HEALTH_TCP_FAILURE],
                                             .timeouts = plain_limits[HEALTH_TIMEOUT],
                                             .http_failures = plain_limits[HEALTH_HTTP_FAILURE]};
        for (int i = 0; i < 500; i++) {
            enum health_outcome outcome = (enum health_outcome)(random_next(&random) % 4);
            bool flipped = plain_report(&plain, plain_limits, outcome);
            assert_int_equal(health_report(&health, &limits, outcome), flipped);
            assert_int_equal(health_is_good(&health), !plain.bad);
        }
    }
}

enum {
    REPORTERS = 4,
    REPORTS = 4000000
};

struct reporter {
    pthread_t thread;
    struct health *health;
    uint64_t seed;
    int up, down;
};

static void *report_at_random(void *arg)
{
    struct reporter *reporter = arg;
    struct random_sequence random;

    random_seed(&random, reporter->seed);
    for (int i = 0; i < REPORTS; i++) {
        enum health_outcome outcome = (enum health_outcome)(random_next(&random) % 4);
        if (!health_report(reporter->health, &three, outcome))
            continue;
        reporter->up += outcome == HEALTH_SUCCESS;
        reporter->down += outcome != HEALTH_SUCCESS;
    }
    return NULL;
}

static void every_flip_is_told_to_exactly_one_thread(void **state)
{
    struct health health = {0};
    struct reporter reporters[REPORTERS];
    int up = 0;
    int down = 0;

    (void)state;
    for (size_t i = 0; i < REPORTERS; i++) {
        reporters[i] = (struct reporter){.health = &health, .seed = i};
        assert_int_equal(pthread_create(&reporters[i].thread, NULL, report_at_random, &reporters[i]), 0);
    }
    for (size_t i = 0; i < REPORTERS; i++) {
        pthread_join(reporters[i].thread, NULL);
        up += reporters[i].up;
        down += reporters[i].down;
    }
    assert_true(down > 100);
    assert_int_equal(down - up, health_is_good(&health) ? 0 : 1);
}

enum {
    FAILURES_EACH = 63, /* of four threads: three less than the limit */
    RACES = 500
};
static const struct health_limits most = {.tcp_failures = 255};

struct race {
    struct health health;
    atomic_uint met;
};

/* Lets all of them go at the same moment, as near as can be. */
static void meet(struct race *race, unsigned meeting)
{
    atomic_fetch_add(&race->met, 1);
    while (atomic_load(&race->met) < REPORTERS * meeting)
        sched_yield();
}

static void fail_together(struct race *race, unsigned round)
{
    meet(race, 2 * round + 1);
    for (int i = 0; i < FAILURES_EACH; i++)
        (void)!health_report(&race->health, &most, HEALTH_TCP_FAILURE);
    meet(race, 2 * round + 2);
}

static void *race_along(void *arg)
{
    for (unsigned round = 0; round < RACES; round++)
        fail_together(arg, round);
    return NULL;
}

static void no_report_is_lost(void **state)
{
    struct race race = {0};
    pthread_t threads[REPORTERS - 1];
    unsigned lost = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race_along, &race), 0);
    for (unsigned round = 0; round < RACES; round++) {
        fail_together(&race, round);
        (void)!health_report(&race.health, &most, HEALTH_TCP_FAILURE);
        (void)!health_report(&race.health, &most, HEALTH_TCP_FAILURE);
        lost += !health_is_good(&race.health);
        lost += !health_report(&race.health, &most, HEALTH_TCP_FAILURE);
        (void)!health_set(&race.health, true); /* the others wait for the next meeting */
    }
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(lost, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_starts_healthy),
        cmocka_unit_test(the_last_failure_of_a_kind_flips_and_only_that_one),
        cmocka_unit_test(each_kind_of_failure_has_a_counter_of_its_own),
        cmocka_unit_test(a_success_clears_all_failures),
        cmocka_unit_test(a_success_that_is_not_counted_clears_failures_too),
        cmocka_unit_test(any_failure_clears_successes),
        cmocka_unit_test(a_limit_of_zero_never_flips),
        cmocka_unit_test(checks_that_are_off_leave_the_counters_alone),
        cmocka_unit_test(the_greatest_limit_is_reached),
        cmocka_unit_test(setting_it_by_hand_starts_the_counters_over),
        cmocka_unit_test(any_sequence_of_reports_leads_where_the_rules_say),
        cmocka_unit_test(every_flip_is_told_to_exactly_one_thread),
        cmocka_unit_test(no_report_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
