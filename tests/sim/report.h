#pragma once

/*
 * report - the trace of a run, and its end when an invariant does not hold.
 *
 * Nothing is formatted unless the run is traced: a seed that fails is run again, traced.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/attributes.h"

enum {
    REPORT_EXIT = 3 /* of a process in which an invariant did not hold */
};

void report_begin(uint64_t seed, bool traced);
void report_set_step(uint64_t step);
bool report_is_traced(void);
/* Called before the process ends; may replace it by a traced run of the seed. */
void report_on_violation(void (*replay)(uint64_t seed));

#define report_say(...)                                                                                      \
    do {                                                                                                     \
        if (report_is_traced())                                                                              \
            report_line(__VA_ARGS__);                                                                        \
    } while (0)
void report_line(const char *format, ...) PRINTF_LIKE(1, 2);

/* Prints seed, step, invariant, the facts and the last lines of the trace. */
void report_violation(const char *invariant, const char *format, ...) PRINTF_LIKE(2, 3) NO_RETURN;
