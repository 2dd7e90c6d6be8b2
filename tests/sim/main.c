/*
 * The simulator's command line.
 *
 *     sim --seeds FIRST COUNT [--steps N] [--brief]   runs seeds; the first violation ends it
 *     sim --seed N [--steps N]                        runs one, traced
 *
 * Exit: 0 all invariants held; 3 one did not; 4 the code under test aborted.
 */

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/fiber.h"
#include "tests/sim/report.h"
#include "tests/sim/world.h"

enum {
    CRASH_EXIT = 4
};

static struct {
    uint64_t first, count, steps;
    bool traced, brief;
    const char *program;
} options = {.first = 1, .count = 100, .steps = 2000};

static uint64_t seed_running;

/* The same seed once more, in a process of its own, with its trace. */
static void replay(uint64_t seed)
{
    char seed_text[24], steps_text[24];

    (void)snprintf(seed_text, sizeof(seed_text), "%" PRIu64, seed);
    (void)snprintf(steps_text, sizeof(steps_text), "%" PRIu64, options.steps);
    if (!options.brief)
        (void)execl("/proc/self/exe", options.program, "--seed", seed_text, "--steps", steps_text,
                    (char *)NULL);
}

static void on_crash(int number)
{
    char text[100];
    int length = snprintf(text, sizeof(text), "crash: seed=%" PRIu64 " signal=%d\n", seed_running, number);

    if (write(STDOUT_FILENO, text, (size_t)length) < 0)
        _exit(1);
    _exit(CRASH_EXIT);
}

static void report_nesting(void)
{
    report_violation("locks", "a second mutex was taken while one was held");
}

static bool parse(int count, char **words)
{
    options.program = words[0];
    for (int i = 1; i < count; i++) {
        int left = count - i - 1;

        if (strcmp(words[i], "--seeds") == 0 && left >= 2) {
            options.first = strtoull(words[++i], NULL, 10);
            options.count = strtoull(words[++i], NULL, 10);
        } else if (strcmp(words[i], "--seed") == 0 && left >= 1) {
            options.first = strtoull(words[++i], NULL, 10);
            options.count = 1;
            options.traced = true;
        } else if (strcmp(words[i], "--steps") == 0 && left >= 1) {
            options.steps = strtoull(words[++i], NULL, 10);
        } else if (strcmp(words[i], "--brief") == 0) {
            options.brief = true;
        } else {
            return false;
        }
    }
    return true;
}

static void add(struct tallies *sum, const struct tallies *one)
{
    uint64_t *into = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)one;

    for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
        into[i] += from[i];
}

int main(int count, char **words)
{
    struct tallies sum = {0}, one;

    if (!parse(count, words)) {
        (void)fprintf(stderr, "sim: see the head of tests/sim/main.c\n");
        return 2;
    }
    report_on_violation(replay);
    fibers_on_nesting(report_nesting);
    (void)signal(SIGABRT, on_crash);
    (void)signal(SIGSEGV, on_crash);
    for (uint64_t i = 0; i < options.count; i++) {
        seed_running = options.first + i;
        world_run(seed_running, options.steps, options.traced, &one);
        add(&sum, &one);
    }
    (void)printf("seeds=%" PRIu64 " steps=%" PRIu64 " requests=%" PRIu64 " hits=%" PRIu64 " absences=%" PRIu64
                 " misses=%" PRIu64 " answers=%" PRIu64 " refused=%" PRIu64 " failed=%" PRIu64
                 " commits=%" PRIu64 " polls=%" PRIu64 " batches=%" PRIu64 " renewals=%" PRIu64
                 " resyncs=%" PRIu64 " hints=%" PRIu64 " forged=%" PRIu64 " failovers=%" PRIu64
                 " restores=%" PRIu64 "\n",
                 options.count, sum.steps, sum.requests, sum.hits, sum.absences, sum.misses, sum.answers,
                 sum.refused, sum.failed, sum.commits, sum.polls, sum.batches, sum.renewals, sum.resyncs,
                 sum.hints, sum.forged, sum.failovers, sum.restores);
    return 0;
}
