#pragma once

/*
 * supervisor - a small process that keeps another one running.
 *
 * It starts a worker, passes signals on to it, and when the worker ends without having been told to, starts
 * another: at once the first time, then later and later. It has no threads and does not serve, so a fork
 * takes nothing along that could be broken. It knows nothing of gateways.
 *
 * An upgrade keeps the process: once the new program has shown that it can start, the supervisor becomes it,
 * starts a worker beside the old one, and retires that when the new one serves.
 *
 * A worker that serves and hangs is aborted, so that there is a core, and replaced like one that has crashed.
 *
 * Threads: one per process.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct heartbeat;
struct notify;

/* What a worker knows of its supervisor. */
struct supervisor_link {
    struct heartbeat *heartbeat; /* in which its loops have to beat (heartbeat.h); NULL: they need not */
    int fd;                      /* for worker_tell() */
    pid_t supervisor;
    uint64_t restarts; /* how often a worker has been started because the one before had crashed */
};

struct supervisor_options {
    /* The worker's life, in the new process; returns its exit status. It has to worker_tell_ready(). */
    int (*work)(void *arg, const struct supervisor_link *link);
    /* Called once: the first worker serves (error NULL), or nothing will come of it. */
    void (*started)(void *arg, const char *error);
    /* The worker has taken changed settings; the next one must have them, too. */
    void (*reloaded)(void *arg);
    /* SIGUSR1 has come: logs have other names now. */
    void (*rotate)(void *arg);
    /* The worker was told to end: what the supervisor holds for the next one can go. */
    void (*ending)(void *arg);
    /*
     * An upgrade, which SIGUSR2 asks for: a process that ends with 0 if the program there is now could take
     * over (0: there is none), then becoming it, with the worker that serves; that returns only if it has
     * failed.
     */
    pid_t (*try_program)(void *arg);
    void (*become_program)(void *arg, pid_t worker, uint64_t restarts);
    /* What has become of it; NULL: the new worker serves. */
    void (*upgraded)(void *arg, const char *error);
    /* A crash after so much service counts as the first one. */
    int64_t (*crash_memory_ms)(void *arg);
    /* A worker that serves and one of whose loops is silent for so long is replaced; 0: none is. */
    int64_t hang_limit_ms;
    struct notify *notify; /* who is told how it goes (notify.h); NULL: nobody */
    void *arg;
    /* The worker of the program whose place this one has taken: the new one's first worker relieves it. */
    pid_t worker;
    uint64_t restarts;
    bool is_upgrade;
    const char *obstacle; /* why it stays with the old worker after all; NULL: nothing */
};

/*
 * Until a signal has ended the worker: TERM, INT and QUIT are passed on and end it, HUP and USR1 are passed
 * on; SIGUSR2 begins an upgrade, and in the worker means that another one goes on. All must be blocked
 * before, and stay so in the worker, who is killed if its supervisor dies. Returns the exit status: the
 * worker's, or 128 and the signal that ended it.
 */
int supervisor_run(const struct supervisor_options *options);

/* For the worker: it serves. */
void worker_tell_ready(const struct supervisor_link *link);
/* It cannot; the text goes where the first worker's errors go. */
void worker_tell_failure(const struct supervisor_link *link, const char *error);
/* It has been asked to take changed settings: it has, or they were wrong. */
void worker_tell_reloaded(const struct supervisor_link *link);
void worker_tell_refused(const struct supervisor_link *link);

/* How long to wait after the given number of crashes in a row, the last one included. */
int64_t supervisor_pause_ms(unsigned crashes);
