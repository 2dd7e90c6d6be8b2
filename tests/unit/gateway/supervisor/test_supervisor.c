/* The supervisor with workers that are functions of this file. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/attributes.h"
#include "gateway/base/log.h"
#include "gateway/supervisor.h"

/* What has happened, in memory that all processes share. */
struct story {
    int lives; /* workers so far */
    int started, ended, reloads, rotations;
    uint64_t restarts; /* as the last worker knows it */
    char failure[64];
    int trials, changes; /* of the program */
    int relieved;        /* old workers that were told to go */
    int upgrades;        /* answers to who has asked for one */
    pid_t old;
    int (*work)(struct story *story, const struct supervisor_link *link);
};

static int work(void *arg, const struct supervisor_link *link)
{
    struct story *story = arg;

    story->lives++;
    story->restarts = link->restarts;
    return story->work(story, link);
}

static void started(void *arg, const char *error)
{
    struct story *story = arg;

    story->started++;
    (void)snprintf(story->failure, sizeof(story->failure), "%s", error != NULL ? error : "");
}

static void reloaded(void *arg)
{
    ((struct story *)arg)->reloads++;
}

static void rotate(void *arg)
{
    ((struct story *)arg)->rotations++;
}

static void ending(void *arg)
{
    ((struct story *)arg)->ended++;
}

static int64_t crash_memory_ms(void *arg)
{
    (void)arg;
    return 60000;
}

/* The program there is now: starts the first time, and no more. */
static pid_t try_program(void *arg)
{
    struct story *story = arg;

    story->trials++;
    pid_t pid = fork();
    if (pid == 0)
        _exit(story->trials == 1 ? 0 : 1);
    return pid;
}

static void become_program(void *arg, pid_t worker, uint64_t restarts)
{
    struct story *story = arg;

    (void)restarts;
    story->changes++;
    story->old = worker;
}

static void upgraded(void *arg, const char *error)
{
    struct story *story = arg;

    story->upgrades++;
    (void)snprintf(story->failure, sizeof(story->failure), "%s", error != NULL ? error : "");
}

/* Waits for a signal as a node does. */
static int next_signal(void)
{
    sigset_t set;
    int number = 0;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGQUIT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigaddset(&set, SIGUSR2);
    (void)sigwait(&set, &number);
    return number;
}

/* What the program before this one has left: ends when it is relieved. */
static pid_t start_old_worker(struct story *story)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    int number = next_signal();
    story->relieved += number == SIGUSR2;
    _exit(0);
}

/* The supervisor's exit status. It runs in a process of its own, for its signals' sake. */
static int run_as(struct story *story, bool is_upgrade,
                  int (*life)(struct story *story, const struct supervisor_link *link))
{
    struct supervisor_options options = {
        .work = work,
        .started = started,
        .reloaded = reloaded,
        .rotate = rotate,
        .ending = ending,
        .try_program = try_program,
        .become_program = become_program,
        .upgraded = upgraded,
        .is_upgrade = is_upgrade,
        .crash_memory_ms = crash_memory_ms,
        .arg = story,
    };
    int status = 0;

    story->work = life;
    pid_t pid = fork();
    if (pid == 0) {
        log_set_level(LOG_EMERG);
        if (is_upgrade)
            options.worker = start_old_worker(story);
        _exit(supervisor_run(&options));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int run(struct story *story, int (*life)(struct story *story, const struct supervisor_link *link))
{
    return run_as(story, false, life);
}

static int cannot_start(struct story *story, const struct supervisor_link *link)
{
    (void)story;
    worker_tell_failure(link, "no database");
    return 1;
}

static void what_keeps_the_first_worker_from_serving_ends_the_supervisor(void **state)
{
    struct story *story = *state;

    assert_int_equal(run(story, cannot_start), 1);
    assert_int_equal(story->lives, 1);
    assert_int_equal(story->started, 1);
    assert_string_equal(story->failure, "no database");
}

static int die_while_starting(struct story *story, const struct supervisor_link *link)
{
    (void)story;
    (void)link;
    (void)raise(SIGKILL);
    return 0;
}

static void a_first_worker_that_dies_while_starting_is_not_tried_again(void **state)
{
    struct story *story = *state;

    assert_int_equal(run(story, die_while_starting), 1);
    assert_int_equal(story->lives, 1);
    assert_true(story->failure[0] != '\0');
}

/* Dies twice, then has the supervisor told to end. */
static int die_twice(struct story *story, const struct supervisor_link *link)
{
    worker_tell_ready(link);
    if (story->lives == 1)
        (void)raise(SIGKILL);
    if (story->lives == 2)
        return 0; /* nobody has asked for it */
    (void)kill(link->supervisor, SIGTERM);
    return next_signal() == SIGTERM ? 0 : 1;
}

static void whoever_ends_unasked_is_replaced(void **state)
{
    struct story *story = *state;

    assert_int_equal(run(story, die_twice), 0);
    assert_int_equal(story->lives, 3);
    assert_int_equal(story->restarts, 2);
    assert_int_equal(story->started, 1);
    assert_int_equal(story->ended, 1);
}

static int fail_at_the_end(struct story *story, const struct supervisor_link *link)
{
    (void)story;
    worker_tell_ready(link);
    (void)kill(link->supervisor, SIGQUIT);
    return next_signal() == SIGQUIT ? 23 : 1;
}

static void the_workers_last_word_is_the_supervisors(void **state)
{
    struct story *story = *state;

    assert_int_equal(run(story, fail_at_the_end), 23);
    assert_int_equal(story->lives, 1);
}

static int take_orders(struct story *story, const struct supervisor_link *link)
{
    (void)story;
    worker_tell_ready(link);
    (void)kill(link->supervisor, SIGHUP);
    if (next_signal() != SIGHUP)
        return 1;
    worker_tell_reloaded(link);
    (void)kill(link->supervisor, SIGUSR1);
    if (next_signal() != SIGUSR1)
        return 2;
    (void)kill(link->supervisor, SIGTERM);
    return next_signal() == SIGTERM ? 0 : 3;
}

static void orders_are_passed_on(void **state)
{
    struct story *story = *state;

    assert_int_equal(run(story, take_orders), 0);
    assert_int_equal(story->reloads, 1);
    assert_int_equal(story->rotations, 1);
}

/* Asks for an upgrade twice; the second program is no good. */
static int ask_for_upgrades(struct story *story, const struct supervisor_link *link)
{
    worker_tell_ready(link);
    for (int answers = 1; answers <= 2; answers++) {
        (void)kill(link->supervisor, SIGUSR2);
        for (int i = 0; i < 500 && ((volatile struct story *)story)->upgrades < answers; i++)
            (void)poll(NULL, 0, 10);
    }
    (void)kill(link->supervisor, SIGTERM);
    return next_signal() == SIGTERM ? 0 : 1;
}

static void a_program_is_tried_before_it_takes_over(void **state)
{
    struct story *story = *state;

    assert_int_equal(run(story, ask_for_upgrades), 0);
    assert_int_equal(story->trials, 2);
    assert_int_equal(story->changes, 1);
    assert_true(story->old > 0);
    assert_int_equal(story->upgrades, 2); /* here the change itself has failed, too */
    assert_int_equal(story->lives, 1);
}

static int serve_briefly(struct story *story, const struct supervisor_link *link)
{
    worker_tell_ready(link);
    for (int i = 0; i < 500 && ((volatile struct story *)story)->relieved == 0; i++)
        (void)poll(NULL, 0, 10);
    (void)kill(link->supervisor, SIGTERM);
    return next_signal() == SIGTERM ? 0 : 1;
}

static void the_old_worker_is_relieved_when_the_new_one_serves(void **state)
{
    struct story *story = *state;

    assert_int_equal(run_as(story, true, serve_briefly), 0);
    assert_int_equal(story->relieved, 1);
    assert_int_equal(story->upgrades, 1);
    assert_string_equal(story->failure, "");
    assert_int_equal(story->restarts, 0);
}

static int fail_beside_the_old_one(struct story *story, const struct supervisor_link *link)
{
    (void)story;
    worker_tell_failure(link, "no database");
    (void)kill(link->supervisor, SIGTERM); /* to come to an end; heard after what was said */
    return 1;
}

static void the_old_worker_stays_when_the_new_one_cannot_serve(void **state)
{
    struct story *story = *state;

    assert_int_equal(run_as(story, true, fail_beside_the_old_one), 0);
    assert_int_equal(story->relieved, 0); /* TERM has ended it */
    assert_int_equal(story->lives, 1);
    assert_int_equal(story->upgrades, 1);
    assert_string_equal(story->failure, "no database");
}

static void pauses_double_up_to_half_a_minute(void **state)
{
    (void)state;
    assert_int_equal(supervisor_pause_ms(1), 0);
    assert_int_equal(supervisor_pause_ms(2), 250);
    assert_int_equal(supervisor_pause_ms(3), 500);
    assert_int_equal(supervisor_pause_ms(8), 16000);
    assert_int_equal(supervisor_pause_ms(9), 30000);
    assert_int_equal(supervisor_pause_ms(4000000000U), 30000);
}

static int begin(void **state)
{
    sigset_t set;

    (void)sigfillset(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    *state = mmap(NULL, sizeof(struct story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return *state == MAP_FAILED;
}

static int end(void **state)
{
    return munmap(*state, sizeof(struct story));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(what_keeps_the_first_worker_from_serving_ends_the_supervisor),
        TEST(a_first_worker_that_dies_while_starting_is_not_tried_again),
        TEST(whoever_ends_unasked_is_replaced),
        TEST(the_workers_last_word_is_the_supervisors),
        TEST(orders_are_passed_on),
        TEST(a_program_is_tried_before_it_takes_over),
        TEST(the_old_worker_is_relieved_when_the_new_one_serves),
        TEST(the_old_worker_stays_when_the_new_one_cannot_serve),
        TEST(pauses_double_up_to_half_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
