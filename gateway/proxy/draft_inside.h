#pragma once

/*
 * draft_inside - what the files of a draft know in common. For draft*.c only.
 *
 * put: from a decoded object, which it owns. set: to a member of the snapshot's map, or to none (NULL); fails
 * for a new member only.
 *
 * Threads: the bus thread.
 */

#include <stdbool.h>

#include "gateway/base/err.h"
#include "gateway/base/pmap.h"
#include "gateway/base/uuid.h"
#include "gateway/proxy/draft.h"
#include "gateway/proxy/snapshot.h"

struct draft {
    const struct draft_options *options;
    const struct snapshot *last;
    enum draft_start start;
    struct snapshot *next;
};

/* groups[group][id] = value, or without. A nil group: nothing. */
void draft_set_in_group(struct pmap **groups, const struct pmap_values *values,
                        const struct pmap_values *members, const struct uuid *group, const struct uuid *id,
                        void *value);

bool draft_put_service(struct draft *draft, const struct uuid *id, void *object, struct err *err);
bool draft_set_service(struct draft *draft, const struct uuid *id, void *value, struct err *err);
bool draft_put_route(struct draft *draft, const struct uuid *id, void *object, struct err *err);
bool draft_set_route(struct draft *draft, const struct uuid *id, void *value, struct err *err);
bool draft_put_plugin(struct draft *draft, const struct uuid *id, void *object, struct err *err);
bool draft_set_plugin(struct draft *draft, const struct uuid *id, void *value, struct err *err);
bool draft_put_upstream(struct draft *draft, const struct uuid *id, void *object, struct err *err);
bool draft_set_upstream(struct draft *draft, const struct uuid *id, void *value, struct err *err);
bool draft_put_target(struct draft *draft, const struct uuid *id, void *object, struct err *err);
bool draft_set_target(struct draft *draft, const struct uuid *id, void *value, struct err *err);
bool draft_put_certificate(struct draft *draft, const struct uuid *id, void *object, struct err *err);
bool draft_set_certificate(struct draft *draft, const struct uuid *id, void *value, struct err *err);
bool draft_put_sni(struct draft *draft, const struct uuid *id, void *object, struct err *err);
bool draft_set_sni(struct draft *draft, const struct uuid *id, void *value, struct err *err);
bool draft_put_authority(struct draft *draft, const struct uuid *id, void *object, struct err *err);
bool draft_set_authority(struct draft *draft, const struct uuid *id, void *value, struct err *err);
