/*
 * Calendar periods agree with the C library's calendar, over leap years and centuries.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/base/random.h"
#include "gateway/plugins/period.h"

static int64_t start_by_calendar(enum period period, int64_t now_s)
{
    time_t now = (time_t)now_s;
    struct tm parts;

    (void)gmtime_r(&now, &parts);
    parts.tm_sec = period > PERIOD_SECOND ? 0 : parts.tm_sec;
    parts.tm_min = period > PERIOD_MINUTE ? 0 : parts.tm_min;
    parts.tm_hour = period > PERIOD_HOUR ? 0 : parts.tm_hour;
    parts.tm_mday = period > PERIOD_DAY ? 1 : parts.tm_mday;
    parts.tm_mon = period > PERIOD_MONTH ? 0 : parts.tm_mon;
    return (int64_t)timegm(&parts);
}

static void periods_begin_where_the_calendar_says(void **state)
{
    static const int64_t moments[] = {0,
                                      951782400 /* 2000-02-29 */,
                                      951868799,
                                      951868800,
                                      946684799,
                                      946684800,
                                      1709164800 /* 2024-02-29 */,
                                      1709251199,
                                      4107542399 /* 2100 */,
                                      4107542400,
                                      1767225599,
                                      1767225600};
    struct random_sequence sequence;
    (void)state;

    random_seed(&sequence, 1);
    for (size_t i = 0; i < 20000; i++) {
        int64_t now_s = i < COUNT(moments) ? moments[i] : (int64_t)(random_next(&sequence) % 6000000000);
        for (enum period period = PERIOD_SECOND; period < PERIOD_COUNT; period++) {
            int64_t start_s = period_start_s(period, now_s);
            assert_int_equal(start_s, start_by_calendar(period, now_s));
            assert_true(now_s < period_end_s(period, now_s));
            assert_int_equal(period_start_s(period, period_end_s(period, now_s)),
                             period_end_s(period, now_s));
            assert_int_equal(period_start_s(period, period_end_s(period, now_s) - 1), start_s);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(periods_begin_where_the_calendar_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
