#pragma once

/*
 * shown - typed objects of the data plane back as JSON, from a table of their members: as the Admin API shows
 * the entity, without what is not set. As text for those who show one per request, and as a tree.
 *
 * Threads: any; pure.
 */

#include <stddef.h>

#include <cjson/cJSON.h>

#include "gateway/base/json_write.h"
#include "gateway/base/str.h"

enum shown_kind {
    SHOWN_ID,         /* struct uuid */
    SHOWN_TEXT,       /* char *; NULL is left out */
    SHOWN_TEXTS,      /* struct texts; none is left out */
    SHOWN_INT,        /* int */
    SHOWN_POSITIVE,   /* int; below 0 is left out */
    SHOWN_LONG,       /* int64_t */
    SHOWN_BOOLEAN,    /* bool */
    SHOWN_BOOLEAN_IF, /* bool, `with`: bool, whether it is set */
    SHOWN_REFERENCE,  /* struct uuid; nil is left out */
    SHOWN_IDS,        /* struct uuid *, `with`: size_t, how many; none is left out */
    SHOWN_PROTOCOL,   /* unsigned */
    SHOWN_PROTOCOLS,  /* unsigned */
    SHOWN_HEADERS,    /* struct route_header *, `with`: size_t, how many; none is left out */
    SHOWN_WORKSPACE,
};

struct shown_member {
    struct str name; /* JSON_NAME() */
    enum shown_kind kind;
    size_t at, with;
};
#define SHOWN_MEMBER(type, member, kind)                                                                     \
    {                                                                                                        \
        JSON_NAME(#member), SHOWN_##kind, offsetof(struct type, member), 0                                   \
    }

void shown_print(struct buf *buf, const struct shown_member *members, size_t count, const void *object);
/* The caller owns it. */
cJSON *shown_tree(void (*print)(struct buf *buf, const void *object), const void *object);
