#pragma once

/*
 * redis_names - the resolver, for those who connect to a Redis (chain/redis_pool.h).
 *
 * Threads: the loop's.
 */

#include "gateway/chain/redis_pool.h"

struct proxy_loop;

struct redis_names redis_names_of(struct proxy_loop *at);
