#pragma once

/*
 * request - clients of a node's cache and the loads they cause: the functions that gateway/wiring.c and
 * gateway/chain/lookup.c give to the cache, and what they do with it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/cache/cache.h"

struct commit;
struct fill;
struct node;
struct world;

/* cache_options */
void request_load(void *arg, struct cache_flight *flight, const struct cache_ask *ask,
                  enum cache_source source);
enum cache_judgement request_judge(void *arg, uint64_t position, int64_t tag, enum cache_source source);
void request_release(void *object);

/* Who waits past its time may be told something old that stands in. */
void request_excuse_late(struct node *node);
/* Is something old being put in the place of an answer right now? */
bool request_is_excusing(const struct node *node, unsigned key);

/* An entry that was in use is read again in the view of a batch, as gateway/proxy/renewal.c does it. */
void request_renew(struct node *node, const struct cache_renewal *renewal, const struct commit *at,
                   uint64_t read_step);

/* The next stage of a load: a server answers it, or the answer arrives (in a fiber of the node). */
void request_move_fill(struct world *world, struct fill *fill);
/* Those that have arrived. */
void request_sweep_fills(struct world *world);
