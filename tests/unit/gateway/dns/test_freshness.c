/*
 * freshness, with a time of our own: seconds since the record was made.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <netinet/in.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/dns/freshness.h"

static const struct resolver_options options = {.stale_ttl_s = 4, .not_found_ttl_s = 30, .error_ttl_s = 1};

/* At a time of its own, since 0 is when a record without any outcome is due. */
static int64_t at(int64_t seconds)
{
    return 1000000 + seconds * 1000;
}

static uint64_t number;

static bool settle(struct record *record, enum dns_outcome outcome, uint8_t last_byte, int64_t ttl_s,
                   int64_t seconds)
{
    struct resolver_address address = {.port = 0};
    struct sockaddr_in *four = (void *)&address.at;

    four->sin_family = AF_INET;
    four->sin_addr.s_addr = htonl(0x0a000000u + last_byte);
    const struct lookup_result result = {.outcome = outcome,
                                         .type = DNS_A,
                                         .ttl_s = ttl_s,
                                         .count = outcome == DNS_FOUND ? 1 : 0,
                                         .addresses = &address};
    return freshness_settle(record, &result, &options, ++number, at(seconds));
}

/* The last byte of the address, 0: an empty answer, -1: none that may be used. */
static int used(const struct record *record, enum resolver_use use, int64_t seconds)
{
    const struct resolver_answer *answer = freshness_usable(record, use, at(seconds));

    if (answer == NULL || answer->count == 0)
        return answer == NULL ? -1 : 0;
    return (
        int)(ntohl(((const struct sockaddr_in *)(const void *)&answer->addresses[0].at)->sin_addr.s_addr) &
             0xff);
}

static int new_record(void **state)
{
    *state = mem_zalloc(sizeof(struct record));
    return 0;
}

static int free_record(void **state)
{
    struct record *record = *state;

    resolver_answer_unref(record->answer);
    resolver_answer_unref(record->good);
    free(record);
    return 0;
}

static void an_answer_is_fresh_then_stale_then_gone_for_services(void **state)
{
    struct record *record = *state;

    assert_int_equal(used(record, RESOLVER_SERVICE, 0), -1);
    assert_true(settle(record, DNS_FOUND, 1, 10, 0));
    assert_int_equal(used(record, RESOLVER_SERVICE, 9), 1);
    assert_false(freshness_is_due(record, RESOLVER_SERVICE, at(9)));
    assert_true(freshness_is_due(record, RESOLVER_SERVICE, at(10)));
    assert_true(freshness_is_due(record, RESOLVER_TARGET, at(10)));
    assert_int_equal(used(record, RESOLVER_SERVICE, 13), 1);
    assert_int_equal(used(record, RESOLVER_SERVICE, 14), -1);
    assert_int_equal(used(record, RESOLVER_TARGET, 1000), 1);
}

static void the_same_addresses_are_no_change_but_a_new_life(void **state)
{
    struct record *record = *state;

    assert_true(settle(record, DNS_FOUND, 1, 10, 0));
    const struct resolver_answer *before = record->answer;
    assert_false(settle(record, DNS_FOUND, 1, 10, 10));
    assert_ptr_equal(record->answer, before);
    assert_int_equal(used(record, RESOLVER_SERVICE, 19), 1);
    assert_true(settle(record, DNS_FOUND, 2, 10, 20));
    assert_true(record->answer->number > 2);
    assert_int_equal(used(record, RESOLVER_TARGET, 20), 2);
}

static void a_failure_keeps_what_was_there_and_is_tried_again(void **state)
{
    struct record *record = *state;

    (void)settle(record, DNS_FOUND, 1, 10, 0);
    assert_false(settle(record, DNS_FAILED, 0, 0, 11));
    assert_int_equal(used(record, RESOLVER_SERVICE, 12), 1);
    assert_false(freshness_is_due(record, RESOLVER_SERVICE, at(11)));
    assert_true(freshness_is_due(record, RESOLVER_SERVICE, at(12)));
    assert_false(freshness_is_due(record, RESOLVER_TARGET, at(40)));
    assert_true(freshness_is_due(record, RESOLVER_TARGET, at(41)));
    assert_true(settle(record, DNS_FAILED, 0, 0, 41)); /* too stale for services by now */
    assert_int_equal(used(record, RESOLVER_SERVICE, 41), 0);
    assert_int_equal(used(record, RESOLVER_SERVICE, 42), -1);
    assert_int_equal(used(record, RESOLVER_TARGET, 42), 1);
    assert_true(settle(record, DNS_FOUND, 1, 10, 71));
    assert_int_equal(used(record, RESOLVER_SERVICE, 72), 1);
}

static void a_name_that_goes_is_gone_for_services_only(void **state)
{
    struct record *record = *state;

    (void)settle(record, DNS_FOUND, 1, 10, 0);
    assert_true(settle(record, DNS_NOT_FOUND, 0, 0, 10));
    assert_int_equal(used(record, RESOLVER_SERVICE, 39), 0);
    assert_int_equal(used(record, RESOLVER_SERVICE, 40), -1);
    assert_int_equal(used(record, RESOLVER_TARGET, 40), 1);
    assert_false(settle(record, DNS_NOT_FOUND, 0, 0, 40));
    assert_true(freshness_is_due(record, RESOLVER_TARGET, at(70)));
    assert_int_equal(freshness_past(record, at(70)).last, DNS_A);
    assert_null(freshness_past(record, at(70)).answer);
}

static void a_ttl_of_zero_is_asked_for_each_time_and_each_minute(void **state)
{
    struct record *record = *state;

    (void)settle(record, DNS_FOUND, 1, 0, 0);
    assert_int_equal(used(record, RESOLVER_SERVICE, 0), -1);
    assert_int_equal(used(record, RESOLVER_TARGET, 0), 1);
    assert_false(freshness_is_due(record, RESOLVER_TARGET, at(59)));
    assert_true(freshness_is_due(record, RESOLVER_TARGET, at(60)));
    assert_false(settle(record, DNS_FAILED, 0, 0, 2)); /* whoever waits gets what was there */
    assert_int_equal(record->answer->count, 1);
}

static void a_ttl_of_the_settings_overrides_the_records_own(void **state)
{
    struct record *record = *state;
    const struct resolver_options fixed = {.valid_ttl_s = 7};
    const struct resolver_address address = {.at.ss_family = AF_INET};
    const struct lookup_result result = {
        .outcome = DNS_FOUND, .type = DNS_A, .ttl_s = 0, .count = 1, .addresses = &address};

    assert_true(freshness_settle(record, &result, &fixed, 1, at(0)));
    assert_false(record->each_time);
    assert_non_null(freshness_usable(record, RESOLVER_SERVICE, at(6)));
    assert_null(freshness_usable(record, RESOLVER_SERVICE, at(7)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FACT(name) cmocka_unit_test_setup_teardown(name, new_record, free_record)
        FACT(an_answer_is_fresh_then_stale_then_gone_for_services),
        FACT(the_same_addresses_are_no_change_but_a_new_life),
        FACT(a_failure_keeps_what_was_there_and_is_tried_again),
        FACT(a_name_that_goes_is_gone_for_services_only),
        FACT(a_ttl_of_zero_is_asked_for_each_time_and_each_minute),
        FACT(a_ttl_of_the_settings_overrides_the_records_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
