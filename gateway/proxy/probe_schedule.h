#pragma once

/*
 * probe_schedule - which peer of an upstream is asked next, and when. Pure: time and chance are passed in.
 *
 * A peer is due one interval after its last probe has ended; which interval, its health says at that moment,
 * so that a change of either is in force at once. The first probe comes after one interval and up to a
 * quarter more, by chance: peers that came together are not asked together. No more than `concurrency` run
 * at a time; who has to wait for that is served in turn.
 *
 * Threads: its owner's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/random.h"
#include "gateway/base/str.h"
#include "gateway/base/uuid.h"

struct peer;
struct probe_settings;

/* Whom to ask. Borrowed. */
struct probe_peer {
    struct peer *peer;
    struct uuid target; /* one that has this address */
    struct str host;    /* what the peer is called */
};

struct probe_turn {
    struct peer *peer; /* a reference */
    struct uuid target;
    char *host;
    int64_t since_ms; /* end of the last probe; before the first, when the peer came */
    double delay;     /* of the first, in intervals */
    void *probe;      /* the caller's, while it runs; NULL: it does not */
};

/* When peers come and go. */
struct probe_moment {
    int64_t now_ms;
    struct random_sequence *random;
    void (*on_gone)(void *arg, struct probe_turn *turn); /* its `probe` runs, and it is about to be freed */
    void *arg;
};

struct probe_schedule {
    struct probe_turn **turns; /* by address */
    size_t count, running;
    size_t next;      /* where to look on */
    bool has_waiting; /* somebody was due while too many ran */
};

/*
 * From now on these are the peers, sorted by address; of those with the same address the first counts. Who
 * was there before keeps his turn.
 */
void probe_schedule_set(struct probe_schedule *schedule, const struct probe_peer *peers, size_t count,
                        const struct probe_moment *moment);
/* Whom to ask now: then comes probe_schedule_began(). NULL: nobody. */
struct probe_turn *probe_schedule_next(struct probe_schedule *schedule, const struct probe_settings *settings,
                                       int64_t now_ms);
void probe_schedule_began(struct probe_schedule *schedule, struct probe_turn *turn, void *probe);
void probe_schedule_ended(struct probe_schedule *schedule, struct probe_turn *turn, int64_t now_ms);
/* INT64_MAX: not in the state it is in. */
int64_t probe_turn_due_ms(const struct probe_turn *turn, const struct probe_settings *settings);
