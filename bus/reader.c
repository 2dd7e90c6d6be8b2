/*
 * The rules by which the log is read (consistency reference, 4.1 and 5).
 *
 * Two questions are asked of every answer. Is it the continuation of what we know? Then its events are
 * applied in order, none missing. If anything at all contradicts that, no attempt is made to repair:
 * everything is loaded anew.
 */

#include "bus/reader.h"

#include <string.h>

static bool pend_contradicts_head(const struct reader_poll *poll, const struct reader_head *head)
{
#ifdef MUTANT_NO_PEND
    return false;
#endif
    for (size_t i = 0; i < poll->pend_count; i++) {
        const struct cursor_mark *mark = &poll->pend[i];

        if (mark->position > head->head || (mark->position == head->head && mark->tag != head->head_tag))
            return true;
    }
    return false;
}

static bool is_rewritten(const struct reader *reader, const struct reader_poll *poll,
                         const struct reader_head *head)
{
    if (memcmp(reader->history, head->history, sizeof(reader->history)) != 0)
        return true;
    if (head->head < poll->applied)
        return true;
#ifndef MUTANT_NO_TAGS
    if (head->has_tag_at_applied && head->tag_at_applied != poll->tag)
        return true;
    if (!head->has_tag_at_applied && poll->applied > head->floor)
        return true;
#endif
    return pend_contradicts_head(poll, head);
}

/*
 * Events may be missing; or, exactly at the floor, the row whose tag would show that they continue our
 * history: a restored backup can have been trimmed up to where we are.
 */
static bool is_below_floor(const struct reader_poll *poll, const struct reader_head *head)
{
#ifdef MUTANT_TRUST_TRIMMED
    return poll->applied < head->floor;
#endif
    return poll->applied < head->floor || !head->has_tag_at_applied;
}

/* Does the event at `i` follow the one before it? Its commit is the next one, or it is the next row of the
 * same. */
static bool is_next(const struct reader_poll *poll, const struct bus_event *events, size_t i)
{
    const struct bus_event *event = &events[i];
    const struct bus_event *before = i > 0 ? &events[i - 1] : NULL;

#ifdef MUTANT_SKIP_GAP
    return true;
#endif
    if (before == NULL)
        return event->position == poll->applied + 1 && event->n == 1;
    if (event->position == before->position)
        return event->n == before->n + 1 && event->tag == before->tag;
    return event->position == before->position + 1 && event->n == 1;
}

/* Head and events come from one snapshot: if they do not end alike, rows are missing at the end. */
static bool ends_at_head(const struct reader_head *head, const struct bus_event *events, size_t count)
{
#ifdef MUTANT_SKIP_GAP
    return true;
#endif
    return count > 0 && events[count - 1].position == head->head && events[count - 1].tag == head->head_tag;
}

static bool pend_contradicts_event(const struct reader_poll *poll, const struct bus_event *event)
{
#ifdef MUTANT_NO_PEND
    return false;
#endif
    for (size_t i = 0; i < poll->pend_count; i++) {
        if (poll->pend[i].position == event->position && poll->pend[i].tag != event->tag)
            return true;
    }
    return false;
}

void reader_begin(const struct reader *reader, struct reader_poll *poll)
{
    const struct cursor *cursor = &reader->cursor;

    poll->applied = cursor->applied;
    poll->tag = cursor_tag(cursor);
    poll->pend_count = cursor->pend_count;
    memcpy(poll->pend, cursor->pend, cursor->pend_count * sizeof(cursor->pend[0]));
#ifndef MUTANT_FORGET_BATCH
    if (reader->begun.position > cursor->applied)
        poll->pend[poll->pend_count++] = reader->begun;
#endif
}

enum reader_step reader_judge_head(const struct reader *reader, const struct reader_poll *poll,
                                   const struct reader_head *head, const char **reason)
{
    if (head->in_recovery)
        return READER_FAILED;
    if (!head->has_log) {
        *reason = "empty";
        return READER_RESYNC;
    }
    if (is_rewritten(reader, poll, head)) {
        *reason = "history";
        return READER_RESYNC;
    }
#ifndef MUTANT_NO_FLOOR
    if (is_below_floor(poll, head)) {
        *reason = "lag";
        return READER_RESYNC;
    }
#endif
    if (head->head - poll->applied > READER_MAX_COMMITS) {
        *reason = "lag";
        return READER_RESYNC;
    }
    return head->head == poll->applied ? READER_IDLE : READER_NEWS;
}

enum reader_step reader_check_events(const struct reader_poll *poll, const struct reader_head *head,
                                     const struct bus_event *events, size_t count, const char **reason)
{
    if (count > READER_MAX_EVENTS) {
        *reason = "lag";
        return READER_RESYNC;
    }
    *reason = "gap";
    for (size_t i = 0; i < count; i++) {
        if (!is_next(poll, events, i))
            return READER_RESYNC;
        if (pend_contradicts_event(poll, &events[i])) {
            *reason = "history";
            return READER_RESYNC;
        }
    }
    if (!ends_at_head(head, events, count))
        return READER_RESYNC;
    *reason = NULL;
    return READER_NEWS;
}

void reader_act(struct reader *reader, const struct reader_head *head)
{
    reader->begun = (struct cursor_mark){.position = head->head, .tag = head->head_tag};
}

bool reader_finish(struct reader *reader, const struct reader_head *head, const struct bus_event *events,
                   size_t count)
{
#ifndef MUTANT_NO_PEND
    for (size_t i = 0; i < count; i++) {
        if (cursor_contradicts_pend(&reader->cursor, events[i].position, events[i].tag))
            return false;
    }
#endif
    for (size_t i = 0; i < count; i++) {
        if (events[i].position != reader->cursor.applied)
            cursor_advance(&reader->cursor, events[i].position, events[i].tag);
    }
#ifdef MUTANT_SKIP_GAP
    if (reader->cursor.applied != head->head)
        cursor_advance(&reader->cursor, head->head, head->head_tag);
#endif
    reader->head = head->head;
    return true;
}

void reader_restart(struct reader *reader, const struct reader_head *head)
{
    memcpy(reader->history, head->history, sizeof(reader->history));
    if (head->has_log)
        cursor_restart(&reader->cursor, head->head, head->head_tag);
    else
        cursor_restart(&reader->cursor, head->floor, /* tag= */ 0);
    reader->begun = (struct cursor_mark){0}; /* fences have been cleared, or are about to be */
    reader->head = reader->cursor.applied;
}

bool reader_must_acknowledge(const struct bus_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((events[i].flags & BUS_EVENT_ACKNOWLEDGE) != 0)
            return true;
    }
    return false;
}
