#pragma once

/*
 * prober - asks the peers of every upstream with active checks whether they are well, once per node; and is
 * where the health of peers is set by hand and looked at (data-plane reference, 8.3 to 8.6).
 *
 * Settings are those of the newest snapshot at each moment, so a change of an upstream or its targets is in
 * force with the next step (PROBER_STEP_MS). Upstreams with any checks are kept known: their health is
 * remembered without traffic. When their checks are switched off everybody is healthy again.
 *
 * Health set by hand is a word in the log (health_word.h), as in the reference, and no row: what it says is
 * true of one moment, for the next probe may say otherwise on each node for itself. A node that starts later
 * begins with everybody healthy, as it would if nothing had been said. One that has missed a part of the log
 * cannot know what was said in it: it lets everybody be healthy whom no probe would bring back
 * (prober_start_over()), and traffic trips again who deserves it.
 *
 * Threads: one loop, but for prober_hear() and prober_start_over().
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/uuid.h"
#include "gateway/http/client.h"

struct balance;
struct health_view;
struct loop;
struct prober;
struct snapshot_place;

enum {
    PROBER_STEP_MS = 100,
    PROBER_MAX_PROBES = 512, /* at a time, of all upstreams: each is a descriptor */
};

struct prober_options {
    struct snapshot_place *place;
    struct balance *balance;
    struct client_tls tls; /* what upstreams are met with; what it refers to lives longer */
    struct loop *loop;
    size_t loop_number; /* in the place */
};

struct prober *prober_new(const struct prober_options *options);
/* On the loop's thread, when it starts; it ends with the loop. */
void prober_attach(struct prober *prober);
/* The loop has ended, and nobody can post to it any more. NULL is fine. */
void prober_free(struct prober *prober);

/* What some node has said to all; other words mean nothing. */
void prober_hear(struct prober *prober, const char *word);
/* This node has loaded everything anew, and may have missed words. */
void prober_start_over(struct prober *prober);

/* What is known of an upstream's peers now. NULL: this node does not know the upstream. The caller frees it.
 */
struct health_view *prober_view(struct prober *prober, const struct uuid *upstream);
