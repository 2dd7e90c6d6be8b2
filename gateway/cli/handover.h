#pragma once

/*
 * handover - what a program leaves to the one that takes its place in the same process (execve(2)): the lock
 * of the prefix, listening sockets, the worker that serves until there is another. It travels as numbers in
 * the environment, and only to the same process; the secret goes through memory that only a descriptor names.
 *
 * Threads: one caller, before there are others.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"

enum {
    HANDOVER_SOCKETS_MAX = 256,
    HANDOVER_SECRET_SIZE = 32
};

struct handover {
    bool is_trial;  /* nothing is handed over: would the program start? The rest is not set */
    bool is_needed; /* something is */
    int lock;
    pid_t worker; /* 0: none runs */
    uint64_t restarts;
    bool has_secret; /* set by handover_take() */
    uint8_t secret[HANDOVER_SECRET_SIZE];
    int sockets[HANDOVER_SOCKETS_MAX];
    size_t socket_count;
};

/* What the program before this one has left, which it does only once; descriptors are closed on exec again.
 */
void handover_take(struct handover *handover);

/* Runs the program that `argv` names now, in a new process that ends with 0 if it could start with these
 * settings. 0: it cannot be run. */
pid_t handover_try(char *const *argv);
/* Becomes that program. Returns only if that fails, with everything as before. */
void handover_do(char *const *argv, const struct handover *handover, struct err *err);
