#pragma once

/*
 * random - two kinds: unguessable bytes from the kernel, and a cheap seeded sequence for jitter and sampling.
 *
 * Threads: any for random_bytes(); a struct random_sequence belongs to one thread.
 */

#include <stddef.h>
#include <stdint.h>

/* From getrandom(2). Never fails once the kernel has entropy; waits for it at boot. */
void random_bytes(void *to, size_t count);
uint64_t random_u64(void);
/* `length` letters and digits, unguessable; `to` has room for length + 1. */
void random_alphanumeric(char *to, size_t length);

/* splitmix64: not for secrets. The same seed gives the same sequence. */
struct random_sequence {
    uint64_t state;
};

void random_seed(struct random_sequence *sequence, uint64_t seed);
uint64_t random_next(struct random_sequence *sequence);
/* Uniform in [0, 1). */
double random_fraction(struct random_sequence *sequence);
