#pragma once

/*
 * event - one row of the log: what a commit changed, and under which keys somebody may have cached it.
 *
 * Threads: plain data.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bus_event_kind {
    BUS_EVENT_ROW = 1,    /* one row of `entity`, and the keys of its old and new version */
    BUS_EVENT_ENTITY = 2, /* everything of type `entity` */
    BUS_EVENT_EVERYTHING = 3,
    BUS_EVENT_BARRIER = 4, /* nothing changed; `entity` may be a word to the nodes, who may not know it */
};

enum {
    BUS_EVENT_ACKNOWLEDGE = 1
}; /* flags: wait=cluster, report the position at once */

enum {
    BUS_ENTITY_NAME_SIZE = 64
};

struct bus_event {
    uint64_t position;
    uint32_t n; /* 1..m within the commit */
    int64_t tag;
    enum bus_event_kind kind;
    unsigned flags;
    char entity[BUS_ENTITY_NAME_SIZE]; /* empty for kind 3 */
    bool has_id;
    uint8_t id[16];
    const uint8_t (*keys)[16]; /* digests; borrowed from the batch (reading) or the caller (writing) */
    size_t key_count;
    int64_t age_us; /* reading: how long ago it was appended, by the database's clock */
};
