#pragma once

/*
 * place - where in a body something is, as the way down to it: {"config"}, {"limits"}, {2}.
 *
 * Not a dotted text, because members that clients invent may have dots and digits in their names.
 *
 * Threads: any; names are borrowed.
 */

#include <assert.h>
#include <stddef.h>

#include "gateway/model/document.h"

enum {
    PLACE_DEPTH_MAX = 24 /* schemas are not that deep */
};

struct place_part {
    const char *name; /* NULL: a position */
    int position;     /* in a list, from 1 */
};

struct place {
    struct place_part parts[PLACE_DEPTH_MAX];
    size_t depth;
};

static inline void place_push(struct place *place, const char *name)
{
    assert(place->depth < PLACE_DEPTH_MAX);
    place->parts[place->depth++] = (struct place_part){name, 0};
}

static inline void place_push_position(struct place *place, int position)
{
    assert(place->depth < PLACE_DEPTH_MAX);
    place->parts[place->depth++] = (struct place_part){NULL, position};
}

static inline void place_pop(struct place *place)
{
    place->depth--;
}

/* violations_add() at a place. */
void violations_put(struct violations *violations, const struct place *place, const char *text);
/* The same among the rules over several fields of the record at `place`. */
void violations_put_entity(struct violations *violations, const struct place *place, const char *text);
/* Takes back what has been said about the member `name` of the record at `place`. */
void violations_forget(struct violations *violations, const struct place *place, const char *name);
/* What has been said about `place` or something below it; NULL: nothing. */
const cJSON *violations_find(const struct violations *violations, const struct place *place);
