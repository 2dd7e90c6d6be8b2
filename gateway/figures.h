#pragma once

/*
 * figures - what the bus counts, by the names that /status and /metrics have for it.
 *
 * Threads: any.
 */

#include <stdint.h>

struct buf;
struct bus;
struct cJSON;

/* An object for /status; the caller owns it. */
struct cJSON *figures_describe(struct bus *bus);
/* Families for /metrics (base/exposition.h). */
void figures_expose(struct bus *bus, struct buf *out);
