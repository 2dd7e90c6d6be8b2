/*
 * by_hand - see by_hand.h.
 */

#include "gateway/proxy/by_hand.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/pmap.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/balance.h"
#include "gateway/proxy/flip.h"
#include "gateway/proxy/health_word.h"
#include "gateway/proxy/snapshot.h"

enum {
    WAITING_MAX = 64,
    PATIENCE_MS = 10000,
};

struct waiting_word {
    struct list link;
    struct health_word word;
    int64_t until_ms;
};

static bool is_unknown_yet(const struct balance_set *set, const struct uuid *target)
{
    for (size_t i = 0; i < set->target_count; i++)
        if (uuid_equal(&set->targets[i].id, target))
            return set->targets[i].name == BALANCE_UNKNOWN;
    return false;
}

static void set_peers(const struct balanced *balanced, const struct balance_set *set,
                      const struct health_word *word)
{
    size_t count;
    const struct balancer_entry *entries = balancer_entries(set->balancer, &count);

    for (size_t i = 0; i < count; i++) {
        struct peer *peer = entries[i].peer;
        bool is_meant =
            uuid_equal(&set->targets[entries[i].target].id, &word->target) &&
            (!word->has_address || memcmp(&peer->address, &word->address, sizeof(word->address)) == 0);
        if (is_meant && peer_set_health(peer, word->healthy))
            flip_tell(&(struct flip){balanced, peer, &word->target, "by hand"});
    }
}

/* False: its name has no address yet. */
static bool obey(const struct snapshot *snapshot, struct balance_loop *at, const struct health_word *word)
{
    const struct shared_row *row = pmap_find(snapshot->targets, word->target.bytes);
    const struct balanced *balanced =
        row != NULL ? pmap_find(snapshot->upstreams, shared_target(row)->upstream.bytes) : NULL;
    struct balancer_cursor *cursor;

    if (balanced == NULL)
        return true;
    const struct balance_set *set = balance_find(at, balanced, /* again= */ false, &cursor);
    if (is_unknown_yet(set, &word->target))
        return false;
    set_peers(balanced, set, word);
    return true;
}

static void forget(struct by_hand *by_hand, struct waiting_word *waiting)
{
    list_remove(&waiting->link);
    by_hand->count--;
    free(waiting);
}

void by_hand_init(struct by_hand *by_hand)
{
    list_init(&by_hand->waiting);
    by_hand->count = 0;
}

void by_hand_fini(struct by_hand *by_hand)
{
    while (!list_is_empty(&by_hand->waiting))
        forget(by_hand, CONTAINER_OF(by_hand->waiting.next, struct waiting_word, link));
}

void by_hand_set(struct by_hand *by_hand, const struct snapshot *snapshot, struct balance_loop *at,
                 const struct health_word *word, int64_t now_ms)
{
    if (obey(snapshot, at, word) || by_hand->count == WAITING_MAX)
        return;
    struct waiting_word *waiting = mem_zalloc(sizeof(*waiting));
    waiting->word = *word;
    waiting->until_ms = now_ms + PATIENCE_MS;
    list_add_last(&by_hand->waiting, &waiting->link);
    by_hand->count++;
}

void by_hand_retry(struct by_hand *by_hand, const struct snapshot *snapshot, struct balance_loop *at,
                   int64_t now_ms)
{
    struct list *next;

    for (struct list *link = by_hand->waiting.next; link != &by_hand->waiting; link = next) {
        struct waiting_word *waiting = CONTAINER_OF(link, struct waiting_word, link);
        next = link->next;
        if (obey(snapshot, at, &waiting->word) || now_ms > waiting->until_ms)
            forget(by_hand, waiting);
    }
}
