/*
 * The memory of the log reader (consistency reference, 4.3 and 5).
 *
 * The ring is an array indexed by position modulo its size. It needs no head or tail of its own: `oldest` and
 * `applied` bound what in it means something. pend is small and unordered; a linear search of 64 pairs is one
 * cache line walk.
 */

#include "bus/cursor.h"

#include <assert.h>

static int64_t *ring_slot(struct cursor *cursor, uint64_t position)
{
    return &cursor->tags[position % CURSOR_RING];
}

static int64_t ring_tag(const struct cursor *cursor, uint64_t position)
{
    return cursor->tags[position % CURSOR_RING];
}

static const struct cursor_mark *find_pend(const struct cursor *cursor, uint64_t position)
{
    for (size_t i = 0; i < cursor->pend_count; i++) {
        if (cursor->pend[i].position == position)
            return &cursor->pend[i];
    }
    return NULL;
}

static void forget_pend(struct cursor *cursor, uint64_t up_to)
{
    size_t kept = 0;

    for (size_t i = 0; i < cursor->pend_count; i++) {
        if (cursor->pend[i].position > up_to)
            cursor->pend[kept++] = cursor->pend[i];
    }
    cursor->pend_count = kept;
}

static enum cursor_verdict judge_ahead(struct cursor *cursor, uint64_t position, int64_t tag)
{
    const struct cursor_mark *known = find_pend(cursor, position);

    if (known != NULL) {
#ifdef MUTANT_POS_ONLY_FILL
        return CURSOR_ACCEPT;
#else
        return known->tag == tag ? CURSOR_ACCEPT : CURSOR_CONTRADICTS;
#endif
    }
    if (cursor->pend_count == CURSOR_PEND)
#ifdef MUTANT_PEND_FULL
        return CURSOR_ACCEPT;
#else
        return CURSOR_PASS;
#endif
    cursor->pend[cursor->pend_count++] = (struct cursor_mark){.position = position, .tag = tag};
    return CURSOR_ACCEPT;
}

void cursor_restart(struct cursor *cursor, uint64_t position, int64_t tag)
{
    cursor->base = position;
    cursor->applied = position;
    cursor->oldest = position;
    cursor->pend_count = 0;
    cursor->replica_follows = false;
    *ring_slot(cursor, position) = tag;
}

int64_t cursor_tag(const struct cursor *cursor)
{
    return ring_tag(cursor, cursor->applied);
}

void cursor_advance(struct cursor *cursor, uint64_t position, int64_t tag)
{
#ifndef MUTANT_SKIP_GAP
    assert(position == cursor->applied + 1);
#endif
    *ring_slot(cursor, position) = tag;
    cursor->applied = position;
    if (position - cursor->oldest >= CURSOR_RING)
        cursor->oldest = position - CURSOR_RING + 1;
    forget_pend(cursor, position);
}

bool cursor_contradicts_pend(const struct cursor *cursor, uint64_t position, int64_t tag)
{
    const struct cursor_mark *known = find_pend(cursor, position);

    return known != NULL && known->tag != tag;
}

enum cursor_verdict cursor_judge(struct cursor *cursor, uint64_t position, int64_t tag, bool from_replica,
                                 bool *ring)
{
    enum cursor_verdict verdict;

    *ring = false;
    if (position > cursor->applied) {
#ifndef MUTANT_NO_PROOF
        if (from_replica && !cursor->replica_follows)
            return CURSOR_OLD;
#endif
        verdict = judge_ahead(cursor, position, tag);
        *ring = true; /* behind, if the answer is right; in another history, if not */
        return verdict;
    }
    if (position < cursor->oldest)
        return CURSOR_OLD;
#ifndef MUTANT_POS_ONLY_FILL
    if (ring_tag(cursor, position) != tag) {
        *ring = true;
        return CURSOR_CONTRADICTS;
    }
#endif
    cursor->replica_follows |= from_replica && position > cursor->base;
    return CURSOR_ACCEPT;
}

enum cursor_news cursor_hear(struct cursor *cursor, uint64_t position, int64_t tag)
{
    if (position > cursor->applied && position - cursor->applied > CURSOR_IMPLAUSIBLE_LEAD)
        return CURSOR_IMPLAUSIBLE;
    if (position > cursor->applied) {
#ifdef MUTANT_HINT_ADVANCES
        cursor_restart(cursor, position, tag);
#endif
        return CURSOR_NEWS;
    }
    if (position >= cursor->oldest && ring_tag(cursor, position) != tag)
        return CURSOR_OTHER_TAG;
    return CURSOR_NO_NEWS;
}
