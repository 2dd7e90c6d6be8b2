#pragma once

/*
 * redis_link - one connection to a Redis, from its first command to the day nobody asks it any more. For
 * redis_pool.c only.
 *
 * Threads: the loop's.
 */

#include "gateway/base/random.h"
#include "gateway/chain/redis_pool.h"
#include "gateway/chain/redis_target.h"

struct redis_link;

/* Borrows the options and the sequence. */
struct redis_link *redis_link_new(const struct redis_pool_options *options, struct random_sequence *chance,
                                  const struct redis_target *target);
void redis_link_free(struct redis_link *link);

const struct digest *redis_link_digest(const struct redis_link *link);
/* Of the last command; loop_now_ms. */
int64_t redis_link_used_at_ms(const struct redis_link *link);
/* Nothing waits. */
bool redis_link_is_idle(const struct redis_link *link);

bool redis_link_send(struct redis_link *link, const struct str *words, size_t word_count,
                     struct redis_command *command) MUST_CHECK;
