/*
 * period - see period.h. The C library's calendar takes a lock; this one does not.
 */

#include "gateway/plugins/period.h"

const char *const period_names[PERIOD_COUNT] = {"second", "minute", "hour", "day", "month", "year"};
const char *const period_titles[PERIOD_COUNT] = {"Second", "Minute", "Hour", "Day", "Month", "Year"};

static const int64_t lengths_s[PERIOD_COUNT] = {
    1, 60, 3600, 86400, INT64_C(30) * 86400, INT64_C(365) * 86400};

enum {
    DAY_S = 86400
};

static int64_t divide_down(int64_t number, int64_t by)
{
    return number / by - (number % by < 0 ? 1 : 0);
}

/* Days before the first of January, since 1970 (proleptic Gregorian calendar). */
static int64_t days_before_year(int64_t year)
{
    int64_t before = year - 1;

    return 365 * (year - 1970) + divide_down(before, 4) - divide_down(before, 100) +
           divide_down(before, 400) - 477; /* leap days until the end of 1969 */
}

static int64_t days_of_month(int64_t year, int month)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t is_leap = days_before_year(year + 1) - days_before_year(year) - 365;

    return days[month] + (month == 1 ? is_leap : 0);
}

static int64_t first_day(enum period period, int64_t day)
{
    int64_t year = 1970 + divide_down(day, 366);

    while (days_before_year(year + 1) <= day)
        year++;
    int64_t first = days_before_year(year);
    if (period == PERIOD_YEAR)
        return first;
    for (int month = 0; first + days_of_month(year, month) <= day; month++)
        first += days_of_month(year, month);
    return first;
}

int64_t period_start_s(enum period period, int64_t now_s)
{
    if (period <= PERIOD_DAY)
        return divide_down(now_s, lengths_s[period]) * lengths_s[period];
    return first_day(period, divide_down(now_s, DAY_S)) * DAY_S;
}

int64_t period_length_s(enum period period)
{
    return lengths_s[period];
}

int64_t period_end_s(enum period period, int64_t now_s)
{
    enum {
        LONGER_THAN_A_MONTH = 32,
        LONGER_THAN_A_YEAR = 367
    };
    int64_t start_s = period_start_s(period, now_s);

    if (period <= PERIOD_DAY)
        return start_s + lengths_s[period];
    int64_t beyond = period == PERIOD_MONTH ? LONGER_THAN_A_MONTH : LONGER_THAN_A_YEAR;
    return period_start_s(period, start_s + beyond * DAY_S);
}
