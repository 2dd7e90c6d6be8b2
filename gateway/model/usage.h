#pragma once

/*
 * usage - how often something has happened in a window of time: a row of `ratelimiting_metrics`, which all
 * nodes of a database share (plugin reference, 9). No entity: clients do not see it and no event tells of it.
 */

#include <stdint.h>

#include "gateway/base/str.h"
#include "gateway/base/uuid.h"

struct usage {
    struct str identity, period; /* UTF-8 without NUL; the period with the name of a limit, if it has one */
    struct uuid route, service;  /* of the configuration's scope; nil: any */
    int64_t starts_s, ends_s;    /* Unix time. The same period and start have the same end */
    uint64_t count;
};
