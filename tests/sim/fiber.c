/*
 * Fibers on ucontext, and the few calls of pthread and of the machine that the code under test makes.
 *
 * A mutex needs no lock here: whoever holds one never gives way, so nobody can ever find it taken. What
 * remains of it is the preemption before it is taken and after it is released.
 */

#include "tests/sim/fiber.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "bus/machine.h"
#include "gateway/base/mem.h"

enum {
    FIBERS = 6144,
    STACK_BYTES = 256 * 1024,
    PATIENCE_US = 5000,  /* of virtual time: who has been ready for so long runs before time goes on */
    NAP_US = 50000,      /* a thread that loses its processor may come back late */
    SHORT_NAP_US = 3000, /* of those by whom bounds of time are promised */
    NAPS = 4,            /* one preemption in so many is one */
};

enum fiber_state {
    FIBER_FREE,
    FIBER_READY,
    FIBER_SLEEPING, /* until due_us, or until `awaits` is signalled */
};

/* What the scheduler looks at, apart from the rest: it looks at all of them all the time. */
struct fiber {
    enum fiber_state state;
    int group;
    int64_t due_us; /* when it wants to run */
    const void *awaits;
    uint64_t serial;
};

struct body {
    ucontext_t context;
    char *stack;    /* kept for the next one */
    bool is_steady; /* bounds of time are promised by it */
    void (*run)(void *arg);
    void *arg;
};

static struct {
    struct dice *dice;
    unsigned yields;
    int64_t now_us;
    struct fiber fibers[FIBERS];
    struct body bodies[FIBERS];
    size_t crowd;      /* with so many alive, only fibers start new ones: those are threads */
    size_t used, live; /* used: no fiber beyond has ever been started */
    struct fiber *current;
    ucontext_t scheduler;
    bool stopped[FIBER_GROUPS];
    uint64_t switches, serial;
    const void *held; /* the mutex, if any */
    void (*report_nesting)(void);
} machine;

void fibers_reset(struct dice *dice, unsigned yields, size_t crowd)
{
    for (size_t i = 0; i < machine.used; i++)
        machine.fibers[i].state = FIBER_FREE;
    machine.used = 0;
    memset(machine.stopped, 0, sizeof(machine.stopped));
    machine.dice = dice;
    machine.yields = yields;
    machine.crowd = crowd;
    machine.now_us = INT64_C(1000000000);
    machine.live = 0;
    machine.current = NULL;
    machine.held = NULL;
}

void fibers_set_yields(unsigned yields)
{
    machine.yields = yields;
}

void fibers_on_nesting(void (*report)(void))
{
    machine.report_nesting = report;
}

int64_t fibers_now_us(void)
{
    return machine.now_us;
}

static bool is_stopped(const struct fiber *fiber)
{
    return fiber->group >= 0 && machine.stopped[fiber->group];
}

/* When the fiber can run. */
static int64_t due_us(const struct fiber *fiber)
{
    return fiber->state == FIBER_FREE || is_stopped(fiber) ? INT64_MAX : fiber->due_us;
}

static struct body *body_of(const struct fiber *fiber)
{
    return &machine.bodies[fiber - machine.fibers];
}

static int64_t next_due_us(void)
{
    int64_t next_us = INT64_MAX;

    for (size_t i = 0; i < machine.used; i++) {
        int64_t one_us = due_us(&machine.fibers[i]);

        next_us = one_us < next_us ? one_us : next_us;
    }
    return next_us;
}

static void advance_to(int64_t limit_us, int64_t us)
{
    int64_t to_us = machine.now_us + us;

    if (to_us > limit_us)
        to_us = limit_us;
    if (to_us > machine.now_us)
        machine.now_us = to_us;
}

void fibers_advance(int64_t us)
{
    int64_t next_us = next_due_us();

    advance_to(next_us < INT64_MAX - PATIENCE_US ? next_us + PATIENCE_US : INT64_MAX, us);
}

void fibers_advance_to_next(int64_t us)
{
    advance_to(next_due_us(), us);
}

static void enter(void)
{
    struct fiber *fiber = machine.current;
    const struct body *body = body_of(fiber);

    body->run(body->arg);
    fiber->state = FIBER_FREE;
    while (machine.used > 0 && machine.fibers[machine.used - 1].state == FIBER_FREE)
        machine.used--;
    machine.live--;
    setcontext(&machine.scheduler);
}

static struct fiber *find_free(void)
{
    for (size_t i = 0; i < FIBERS; i++) {
        if (machine.fibers[i].state != FIBER_FREE)
            continue;
        if (i >= machine.used)
            machine.used = i + 1;
        return &machine.fibers[i];
    }
    return NULL;
}

bool fiber_start(int group, void (*run)(void *arg), void *arg)
{
    bool is_full = machine.current == NULL && machine.live >= machine.crowd;
    struct fiber *fiber = is_full ? NULL : find_free();

    if (fiber == NULL)
        return false;
    struct body *body = body_of(fiber);
    if (body->stack == NULL)
        body->stack = mem_alloc(STACK_BYTES);
    *fiber = (struct fiber){.state = FIBER_READY, .group = group, .due_us = machine.now_us};
    fiber->serial = ++machine.serial;
    body->is_steady = false;
    body->run = run;
    body->arg = arg;
    (void)getcontext(&body->context);
    body->context.uc_stack.ss_sp = body->stack;
    body->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&body->context, enter, 0);
    machine.live++;
    return true;
}

static void give_way(enum fiber_state state, int64_t until_us)
{
    struct fiber *fiber = machine.current;

    assert(fiber != NULL && machine.held == NULL);
    fiber->state = state;
    fiber->due_us = until_us;
    machine.switches++;
    (void)swapcontext(&body_of(fiber)->context, &machine.scheduler);
}

void fiber_pause(void)
{
    give_way(FIBER_READY, machine.now_us);
}

static void sleep_until(int64_t until_us, const void *awaits)
{
    machine.current->awaits = awaits;
    give_way(FIBER_SLEEPING, until_us);
    machine.current->awaits = NULL;
}

void fiber_sleep(int64_t us)
{
    sleep_until(machine.now_us + us, NULL);
}

int fiber_group(void)
{
    return machine.current != NULL ? machine.current->group : -1;
}

uint64_t fiber_self(void)
{
    return machine.current != NULL ? machine.current->serial : 0;
}

void fibers_stop_group(int group, bool stopped)
{
    machine.stopped[group] = stopped;
    for (size_t i = 0; i < machine.used && !stopped; i++) {
        if (machine.fibers[i].group == group && machine.fibers[i].due_us < machine.now_us)
            machine.fibers[i].due_us = machine.now_us;
    }
}

/* Whose turn it is: who has waited too long, else anybody. */
static struct fiber *pick(void)
{
    static struct fiber *ready[FIBERS];
    size_t count = 0;

    for (size_t i = 0; i < machine.used; i++) {
        struct fiber *fiber = &machine.fibers[i];

        if (due_us(fiber) > machine.now_us)
            continue;
        if (machine.now_us - due_us(fiber) >= PATIENCE_US)
            return fiber;
        ready[count++] = fiber;
    }
    return count > 0 ? ready[dice_below(machine.dice, (unsigned)count)] : NULL;
}

int fibers_run_one(void)
{
    struct fiber *fiber = pick();
    int group;

    if (fiber == NULL)
        return -2;
    group = fiber->group;
    fiber->state = FIBER_READY;
    machine.current = fiber;
    machine.switches++;
    (void)swapcontext(&machine.scheduler, &body_of(fiber)->context);
    machine.current = NULL;
    return group;
}

size_t fibers_count(void)
{
    return machine.live;
}

uint64_t fibers_switches(void)
{
    return machine.switches;
}

bool fibers_is_unlocked(void)
{
    return machine.held == NULL;
}

static void maybe_give_way(void)
{
    if (machine.current == NULL || machine.yields == 0 || machine.held != NULL ||
        !dice_chance(machine.dice, machine.yields))
        return;
    if (dice_below(machine.dice, NAPS) == 0)
        fiber_sleep(dice_up_to(machine.dice, body_of(machine.current)->is_steady ? SHORT_NAP_US : NAP_US));
    else
        fiber_pause();
}

/* ---- pthread, as the linker redirects it ---- */

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *limit);
int __wrap_pthread_cond_signal(pthread_cond_t *cond);
int __wrap_pthread_cond_broadcast(pthread_cond_t *cond);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *arg),
                          void *arg);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    maybe_give_way();
    if (machine.held != NULL)
        machine.report_nesting();
    machine.held = mutex;
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    assert(machine.held == mutex);
    machine.held = NULL;
    maybe_give_way();
    return 0;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *limit)
{
    assert(machine.held == mutex);
    machine.held = NULL;
    sleep_until((int64_t)limit->tv_sec * 1000000 + limit->tv_nsec / 1000, cond);
    machine.held = mutex;
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
    for (size_t i = 0; i < machine.used; i++) {
        struct fiber *fiber = &machine.fibers[i];

        if (fiber->state == FIBER_SLEEPING && fiber->awaits == cond) {
            fiber->state = FIBER_READY;
            fiber->due_us = machine.now_us;
        }
    }
    return 0;
}

int __wrap_pthread_cond_signal(pthread_cond_t *cond)
{
    return __wrap_pthread_cond_broadcast(cond); /* a wake-up too many is allowed */
}

struct thread {
    void *(*run)(void *arg);
    void *arg;
};

static void run_thread(void *arg)
{
    struct thread thread = *(struct thread *)arg;

    body_of(machine.current)->is_steady = true;
    free(arg);
    (void)thread.run(thread.arg);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *arg),
                          void *arg)
{
    struct thread *made = mem_alloc(sizeof(*made));

    (void)attributes;
    *made = (struct thread){run, arg};
    if (!fiber_start(fiber_group(), run_thread, made)) {
        free(made);
        return -1;
    }
    *thread = machine.serial;
    return 0;
}

static bool is_alive(uint64_t serial)
{
    for (size_t i = 0; i < machine.used; i++) {
        if (machine.fibers[i].serial == serial && machine.fibers[i].state != FIBER_FREE)
            return true;
    }
    return false;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    (void)result;
    while (is_alive(thread))
        fiber_sleep(1000);
    return 0;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){.tv_sec = machine.now_us / 1000000, .tv_nsec = machine.now_us % 1000000 * 1000};
    return 0;
}

/* ---- bus/machine.h ---- */

int64_t machine_now_us(void)
{
    return machine.now_us;
}

int64_t machine_unix_us(void)
{
    return machine.now_us;
}

double machine_uniform(void)
{
    return (double)(dice_next(machine.dice) >> 32) / 4294967296.0;
}

void machine_block_signals(void)
{
}

void *machine_alloc(size_t size)
{
    return mem_zalloc(size);
}

void *machine_grow(void *memory, size_t size)
{
    return mem_realloc(memory, size);
}

char *machine_copy(const char *text)
{
    return mem_strdup(text);
}
