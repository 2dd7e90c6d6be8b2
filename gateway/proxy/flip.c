/*
 * flip - see flip.h.
 */

#include "gateway/proxy/flip.h"

#include "gateway/balancer/peer.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/base/pmap.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/peer_text.h"
#include "gateway/proxy/snapshot.h"

void flip_tell(const struct flip *flip)
{
    const struct shared_row *row = pmap_find(flip->balanced->targets, flip->target->bytes);
    bool is_good = health_is_good(&flip->peer->health);
    char address[PEER_TEXT_SIZE];

    metrics_add(METRIC_HEALTH_FLIPS, 1);
    log_notice("balancer: a peer is %s; upstream=%s target=%s address=%s cause=\"%s\"",
               is_good ? "healthy again" : "unhealthy", flip->balanced->upstream->name,
               row != NULL ? shared_target(row)->target : "-", peer_text(&flip->peer->address, address),
               flip->cause);
}
