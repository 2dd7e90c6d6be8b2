/* A ring of lines, printed when it ends badly. */

#include "tests/sim/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/fiber.h"

enum {
    LINES = 120,
    LINE_BYTES = 200
};

static struct {
    uint64_t seed, step;
    bool traced;
    char lines[LINES][LINE_BYTES];
    uint64_t count;
    void (*replay)(uint64_t seed);
} report;

void report_begin(uint64_t seed, bool traced)
{
    report.seed = seed;
    report.step = 0;
    report.traced = traced;
    report.count = 0;
}

void report_set_step(uint64_t step)
{
    report.step = step;
}

bool report_is_traced(void)
{
    return report.traced;
}

void report_on_violation(void (*replay)(uint64_t seed))
{
    report.replay = replay;
}

void report_line(const char *format, ...)
{
    char *line = report.lines[report.count++ % LINES];
    int used = snprintf(line, LINE_BYTES, "%6" PRIu64 " %9.3f ms  ", report.step,
                        (double)(fibers_now_us() - 1000000000) / 1000);
    va_list arguments;

    if (fiber_group() >= 0)
        used += snprintf(line + used, LINE_BYTES - (size_t)used, "node %d: ", fiber_group());
    va_start(arguments, format);
    (void)vsnprintf(line + used, LINE_BYTES - (size_t)used, format, arguments);
    va_end(arguments);
}

void report_violation(const char *invariant, const char *format, ...)
{
    uint64_t first = report.count > LINES ? report.count - LINES : 0;
    va_list arguments;

    for (uint64_t i = first; i < report.count; i++)
        (void)printf("%s\n", report.lines[i % LINES]);
    (void)printf("violation: seed=%" PRIu64 " step=%" PRIu64 " invariant=%s: ", report.seed, report.step,
                 invariant);
    if (fiber_group() >= 0)
        (void)printf("node %d: ", fiber_group());
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)printf("\n");
    (void)fflush(stdout);
    if (!report.traced && report.replay != NULL)
        report.replay(report.seed);
    exit(REPORT_EXIT);
}
