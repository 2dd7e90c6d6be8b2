#pragma once

/*
 * log_level - the level of the log while the node runs: the configured one, or for a while another.
 *
 * Threads: the loop.
 */

#include "gateway/base/str.h"

struct admin;

/* What a node has said to all: "log_level:debug:60000". Other words are none of ours. */
void log_level_hear(struct admin *admin, struct str word);
/* Other settings are in force: their level too, unless another one's time is not over. */
void log_level_reload(struct admin *admin);
