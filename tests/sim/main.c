/*
 * The simulator's command line.
 *
 *     sim --seeds FIRST COUNT [--steps N] [--brief]   runs seeds; the first violation ends it
 *     sim --seed N [--steps N]                        runs one, traced
 *     sim --faults                                    names the faults
 *
 * Both also take --nodes N, however many the seed draws, and --without FAULT,FAULT...
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
    CRASH_EXIT = 4,
    MOST_WORDS = 20
};

static struct {
    uint64_t first, count;
    struct wish wish;
    bool brief;
    char **words;
} options = {.first = 1, .count = 100, .wish = {.steps = 2000}};

static uint64_t seed_running;

/* The same seed once more, in a process of its own, with its trace. */
static void replay(uint64_t seed)
{
    char seed_text[24], option[] = "--seed";
    char *words[MOST_WORDS + 3] = {options.words[0], option, seed_text};
    size_t count = 3;

    (void)snprintf(seed_text, sizeof(seed_text), "%" PRIu64, seed);
    for (char **word = options.words + 1; *word != NULL; word++) {
        if (strcmp(*word, "--seeds") == 0)
            word += 2;
        else
            words[count++] = *word;
    }
    if (!options.brief)
        (void)execv("/proc/self/exe", words);
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

static bool spare(char *names)
{
    char *rest = NULL;

    for (const char *name = strtok_r(names, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
        int number = world_find_fault(name);

        if (number < 0)
            return false;
        options.wish.spared |= UINT64_C(1) << number;
    }
    return true;
}

/* Does `word` with those that follow it say something? *used: how many of them. */
static bool take(char **words, int left, int *used)
{
    uint64_t number = left >= 1 ? strtoull(words[1], NULL, 10) : 0;
    const char *word = words[0];

    *used = 1;
    if (strcmp(word, "--seeds") == 0 && left >= 2) {
        options.first = number;
        options.count = strtoull(words[2], NULL, 10);
        *used = 2;
    } else if (strcmp(word, "--seed") == 0 && left >= 1) {
        options.first = number;
        options.count = 1;
        options.wish.traced = true;
    } else if (strcmp(word, "--steps") == 0 && left >= 1) {
        options.wish.steps = number;
    } else if (strcmp(word, "--nodes") == 0 && number >= 1 && number <= MOST_NODES) {
        options.wish.nodes = (int)number;
    } else if (strcmp(word, "--without") == 0 && left >= 1) {
        char names[256];

        (void)snprintf(names, sizeof(names), "%s", words[1]);
        return spare(names); /* the words are needed whole for a replay */
    } else {
        *used = 0;
        options.brief = options.brief || strcmp(word, "--brief") == 0;
        return strcmp(word, "--brief") == 0;
    }
    return true;
}

static bool parse(int count, char **words)
{
    int used;

    options.words = words;
    for (int i = 1; i < count; i += 1 + used) {
        if (!take(words + i, count - i - 1, &used))
            return false;
    }
    return count <= MOST_WORDS;
}

static void list_faults(void)
{
    for (int i = 0; world_fault_name(i) != NULL; i++) {
        if (world_find_fault(world_fault_name(i)) >= 0)
            (void)printf("%s\n", world_fault_name(i));
    }
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

    if (count == 2 && strcmp(words[1], "--faults") == 0) {
        list_faults();
        return 0;
    }
    if (!parse(count, words)) {
        (void)fprintf(stderr, "sim: see the head of tests/sim/main.c\n");
        return 2;
    }
    report_on_violation(replay);
    fibers_on_nesting(report_nesting);
    (void)signal(SIGABRT, on_crash);
    (void)signal(SIGSEGV, on_crash);
    for (uint64_t i = 0; i < options.count; i++) {
        options.wish.seed = seed_running = options.first + i;
        world_run(&options.wish, &one);
        add(&sum, &one);
    }
    (void)printf("seeds=%" PRIu64 " steps=%" PRIu64 " requests=%" PRIu64 " hits=%" PRIu64 " absences=%" PRIu64
                 " misses=%" PRIu64 " answers=%" PRIu64 " refused=%" PRIu64 " failed=%" PRIu64
                 " commits=%" PRIu64 " polls=%" PRIu64 " batches=%" PRIu64 " renewals=%" PRIu64
                 " resyncs=%" PRIu64 " hints=%" PRIu64 " forged=%" PRIu64 " failovers=%" PRIu64
                 " restores=%" PRIu64 " fingerprint=x%016" PRIx64 "\n",
                 options.count, sum.steps, sum.requests, sum.hits, sum.absences, sum.misses, sum.answers,
                 sum.refused, sum.failed, sum.commits, sum.polls, sum.batches, sum.renewals, sum.resyncs,
                 sum.hints, sum.forged, sum.failovers, sum.restores, sum.fingerprint);
    return 0;
}
