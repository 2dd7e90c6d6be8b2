/*
 * What a syslog daemon is told: numbers of RFC 5424, 6.2.1, and the form of syslog(3).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/plugins/syslog_message.h"

static void words_are_the_numbers_of_the_standard(void **state)
{
    static const struct {
        const char *name;
        int number;
    } severities[] = {{"emerg", 0},   {"alert", 1},  {"crit", 2}, {"err", 3},
                      {"warning", 4}, {"notice", 5}, {"info", 6}, {"debug", 7}},
      facilities[] = {{"kern", 0},      {"user", 1},    {"mail", 2},    {"daemon", 3},  {"auth", 4},
                      {"syslog", 5},    {"lpr", 6},     {"news", 7},    {"uucp", 8},    {"cron", 9},
                      {"authpriv", 10}, {"ftp", 11},    {"local0", 16}, {"local1", 17}, {"local2", 18},
                      {"local3", 19},   {"local4", 20}, {"local5", 21}, {"local6", 22}, {"local7", 23}};
    int number;
    (void)state;

    for (size_t i = 0; i < COUNT(severities); i++) {
        assert_true(syslog_severity_named(severities[i].name, &number));
        assert_int_equal(number, severities[i].number);
    }
    for (size_t i = 0; i < COUNT(facilities); i++) {
        assert_true(syslog_facility_named(facilities[i].name, &number));
        assert_int_equal(number, facilities[i].number * 8);
    }
    assert_false(syslog_severity_named("worse", &number));
    assert_false(syslog_severity_named(NULL, &number));
    assert_false(syslog_facility_named("info", &number));
}

static void a_message_has_priority_local_time_and_name(void **state)
{
    struct buf message = {0};
    (void)state;

    (void)setenv("TZ", "UTC-2", 1); /* two hours ahead */
    tzset();
    syslog_message_write(&(struct syslog_head){1764979199, 16 * 8, 6}, STR("{\"a\":1}"), &message);
    assert_string_equal(message.at, "<134>Dec  6 01:59:59 kong: {\"a\":1}");
    syslog_message_write(&(struct syslog_head){1764115200, 8, 3}, STR("x"), &message);
    assert_string_equal(message.at, "<11>Nov 26 02:00:00 kong: x");
    buf_fini(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_the_numbers_of_the_standard),
        cmocka_unit_test(a_message_has_priority_local_time_and_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
