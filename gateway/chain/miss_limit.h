#pragma once

/*
 * miss_limit - how often one client may send the database after things that do not exist.
 *
 * Random credentials are never in the cache, so each would cost a statement. A client pays for a load that
 * finds nothing; while its credit is used up, what it asks for and is not in memory is not looked up at all
 * (consistency reference, 6.5). Loads that find something cost nothing: a cold cache slows nobody down.
 *
 * A fixed table of instants, by hash of the client's address: two clients in one slot share a credit.
 *
 * Threads: any.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/attributes.h"
#include "gateway/base/digest.h"
#include "gateway/base/str.h"

struct miss_limit;

/* per_second 0: no limit. The credit of a full second may be used at once. */
struct miss_limit *miss_limit_new(int64_t per_second);
void miss_limit_free(struct miss_limit *limit);
void miss_limit_set(struct miss_limit *limit, int64_t per_second);

/* May this client cost a load now? */
bool miss_limit_allows(const struct miss_limit *limit, struct str client, int64_t now_us) MUST_CHECK;
/* A load for it has found nothing. */
void miss_limit_charge(struct miss_limit *limit, struct str client, int64_t now_us);
