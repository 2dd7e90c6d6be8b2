#pragma once

/*
 * period - the calendar periods of rate limits: second to year, in UTC (plugin reference, 9).
 *
 * Threads: any; pure.
 */

#include <stdint.h>

enum period {
    PERIOD_SECOND,
    PERIOD_MINUTE,
    PERIOD_HOUR,
    PERIOD_DAY,
    PERIOD_MONTH,
    PERIOD_YEAR,
    PERIOD_COUNT
};

/* "second" ... and as headers write it, "Second". */
extern const char *const period_names[PERIOD_COUNT];
extern const char *const period_titles[PERIOD_COUNT];

/* Unix seconds of the beginning of the period that `now_s` is in. */
int64_t period_start_s(enum period period, int64_t now_s);
/* As clients are told: a month has 30 days, a year 365. */
int64_t period_length_s(enum period period);
/* Where the next one begins. */
int64_t period_end_s(enum period period, int64_t now_s);
