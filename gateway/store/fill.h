#pragma once

/*
 * fill - loads for the keyed cache, in batches, each answer with the log position its snapshot saw.
 *
 * Threads: fills_open/close: main. fills_give: any.
 */

#include <stdbool.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/store/store.h"

struct fills;

bool fills_open(const struct store_options *options, struct fills **fills, struct err *err) MUST_CHECK;
/* Finishes what runs, fails what waits. */
void fills_close(struct fills *fills);
void fills_give(struct fills *fills, struct store_fill *fill);
