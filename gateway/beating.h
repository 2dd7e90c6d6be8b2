#pragma once

/*
 * beating - shows the supervisor that a loop still turns: a timer of the loop's beats (heartbeat.h).
 *
 * Threads: the loop's.
 */

#include <stddef.h>
#include <stdint.h>

struct heartbeat;
struct loop;

/* Until the loop ends. limit_ms: after which silence the supervisor acts. */
void beating_start(struct heartbeat *heartbeat, struct loop *loop, size_t number, int64_t limit_ms);
