#pragma once

/*
 * cursor - how far this node has come, and what it remembers to notice that the past has changed.
 *
 * A position alone does not identify a commit: after a failover that lost commits the same number is given
 * out again. So the cursor keeps the tags of the last applied positions (the ring) and those of positions
 * that fills have shown before the log reader came to them (pend). A known position with another tag is
 * another history.
 *
 * Pure: no I/O, no time, no chance, no lock. bus.c holds its mutex around every call; the simulator needs
 * none.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CURSOR_RING = 4096,               /* tags of applied positions that are remembered */
    CURSOR_PEND = 64,                 /* positions above applied that are remembered */
    CURSOR_IMPLAUSIBLE_LEAD = 100000, /* a hint farther ahead is not believed to be news */
};

struct cursor_mark {
    uint64_t position;
    int64_t tag;
};

struct cursor {
    uint64_t base;    /* where everything was last loaded */
    uint64_t applied; /* acted on, up to and including this one */
    uint64_t oldest;  /* the ring holds the tags of oldest..applied */
    int64_t tags[CURSOR_RING];
    struct cursor_mark pend[CURSOR_PEND];
    size_t pend_count;
    bool replica_follows; /* the replica has shown a commit that was made after base */
};

/* Everything has been loaded from the state at `position`: forgets ring and pend. Also the way to begin. */
void cursor_restart(struct cursor *cursor, uint64_t position, int64_t tag);

/* The tag at applied. */
int64_t cursor_tag(const struct cursor *cursor);

/* The events of `position`, which must be applied + 1, have been acted on. Forgets what pend knew of it. */
void cursor_advance(struct cursor *cursor, uint64_t position, int64_t tag);

/* Does pend know `position` under another tag? */
bool cursor_contradicts_pend(const struct cursor *cursor, uint64_t position, int64_t tag);

enum cursor_verdict {
    CURSOR_ACCEPT,
    CURSOR_PASS,        /* above applied and pend is full: may be handed out, not cached */
    CURSOR_OLD,         /* older than the ring, or of a replica that has not yet shown whom it follows */
    CURSOR_CONTRADICTS, /* a known position with another tag */
};

/*
 * What a fill saw (consistency reference, 5). Remembers positions above applied. *ring: the node has learned
 * that it is behind or wrong and should poll.
 *
 * A replica may stay in a lost history for as long as nobody mends it, and its positions may be ahead of
 * ours: what it shows above applied counts only once it has shown a commit made after we last loaded
 * everything, which no other history has. Else each of its answers would be taken, undone by the poll that it
 * rings for and taken again.
 */
enum cursor_verdict cursor_judge(struct cursor *cursor, uint64_t position, int64_t tag, bool from_replica,
                                 bool *ring);

enum cursor_news {
    CURSOR_NEWS,        /* poll */
    CURSOR_NO_NEWS,     /* known: a duplicate or a replay */
    CURSOR_OTHER_TAG,   /* known under another tag: poll, and count */
    CURSOR_IMPLAUSIBLE, /* absurdly far ahead: poll, but seldom */
};

/* What a hint claims. A hint moves nothing and is remembered nowhere (I4). */
enum cursor_news cursor_hear(struct cursor *cursor, uint64_t position, int64_t tag);
