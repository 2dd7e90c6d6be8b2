#pragma once

/*
 * hop_by_hop - header lines that belong to one connection and go no further (data-plane reference, 5.5).
 *
 * Threads: the exchange's loop.
 */

#include <stdbool.h>

#include "gateway/http/header.h"

/*
 * Removes the lines that Connection names, but not what it means by itself: close, keep-alive, upgrade, te.
 * Of a request this must come before plugins add lines of their own: a client could name those.
 */
void hop_by_hop_drop_named(struct headers *headers);

/* Is `word` an element of a comma-separated list, parameters aside? */
bool hop_by_hop_mentions(struct str list, struct str word);
