#pragma once

/*
 * machine - what the bus takes from the machine it runs on: time, chance, memory.
 *
 * Everything pure in this folder is handed these values; only the threads ask for them.
 *
 * Threads: any.
 */

#include <stddef.h>
#include <stdint.h>

/* CLOCK_BOOTTIME: goes on while the machine is suspended, and is never set. */
int64_t machine_now_us(void);
/* Wall clock; for the eyes of others only. */
int64_t machine_unix_us(void);

/* getrandom(2); aborts if the kernel has none to give. */
void machine_random(void *bytes, size_t size);
/* [0, 1) */
double machine_uniform(void);

/* For the first line of a thread: signals are the main thread's, and a broken pipe is an error, not a signal.
 */
void machine_block_signals(void);

/* Zeroed; aborts when there is none. Free with free(). */
void *machine_alloc(size_t size);
void *machine_grow(void *memory, size_t size);
/* NULL stays NULL. */
char *machine_copy(const char *text);
/* Takes back what machine_copy() has made, out of a struct that shows it as constant. */
void machine_free_copy(const char *text);
