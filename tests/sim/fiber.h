#pragma once

/*
 * fiber - threads of the simulated machines, on one real thread and a virtual clock.
 *
 * Every thread of a node is a fiber. It gives way where the real code takes or releases a mutex, waits for a
 * condition, or asks a server: there the seed decides who goes on. So all orders that mutexes allow can
 * happen, and the same seed gives the same one again. The pthread calls of the code under test are wrapped by
 * the linker
 * (--wrap) and end here.
 *
 * Time passes only in fibers_advance(), and never while somebody has been ready for longer than a moment:
 * work takes no time, waiting does.
 *
 * The state is process-wide because a wrapped call brings no argument.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/dice.h"

enum {
    FIBER_GROUPS = 1024 /* a fiber belongs to a node; group -1: to none */
};

/* Forgets every fiber. yields: in 10,000 times that a mutex is touched, how often others may run.
 * crowd: with so many alive only fibers start new ones, which are threads. */
void fibers_reset(struct dice *dice, unsigned yields, size_t crowd);
/* No more preemption at mutexes. */
void fibers_set_yields(unsigned yields);

int64_t fibers_now_us(void);
/* At most so far; less if somebody wants to run before. */
void fibers_advance(int64_t us);
/* To the next instant at which somebody wants to run, at most so far. */
void fibers_advance_to_next(int64_t us);

/* false: there are too many. */
bool fiber_start(int group, void (*run)(void *arg), void *arg);
/* Lets others run. */
void fiber_pause(void);
void fiber_sleep(int64_t us);
/* The group of the fiber that runs now; -1 outside any. */
int fiber_group(void);
/* Its number, never given twice; 0 outside any. */
uint64_t fiber_self(void);

/* A stopped machine: its fibers do not run, its time goes on. */
void fibers_stop_group(int group, bool stopped);

/* Runs one that is ready until it gives way; its group. -2: nobody is ready. */
int fibers_run_one(void);
size_t fibers_count(void);
/* Grows whenever somebody gives way: equal before and after a call means that it was not interrupted. */
uint64_t fibers_switches(void);
/* Is no mutex held? Callbacks must find it so. */
bool fibers_is_unlocked(void);

/* Called when a second mutex is taken while one is held. */
void fibers_on_nesting(void (*report)(void));
