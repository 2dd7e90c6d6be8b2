/*
 * prober - see prober.h.
 *
 *     step:  snapshot pinned -> is anything new? -> look at all upstreams -> turns of each with active checks
 *                            -> who is due?      -> probe_client          -> report, with the rules of then
 *
 * A step costs a comparison per peer that is asked. Upstreams are served in turn, so that none waits for ever
 * when all together ask as much as is allowed.
 */

#include "gateway/proxy/prober.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/base/pmap.h"
#include "gateway/http/probe_client.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/balance.h"
#include "gateway/proxy/by_hand.h"
#include "gateway/proxy/certificates.h"
#include "gateway/proxy/flip.h"
#include "gateway/proxy/health_view.h"
#include "gateway/proxy/health_word.h"
#include "gateway/proxy/probe_head.h"
#include "gateway/proxy/probe_schedule.h"
#include "gateway/proxy/snapshot.h"

enum {
    KEEP_MS = 20000 /* how often upstreams with checks say that they are in use */
};

struct prober {
    struct prober_options options;
    struct balance_loop *at; /* NULL: not attached */
    struct client_pool *pool;
    struct random_sequence random;
    struct timer step;
    struct loop_end end;
    uint64_t number, generation; /* of the snapshot and the names that were looked at; 0: none */
    int64_t looked_ms;
    struct pmap *by_id;  /* id of an upstream -> struct watched */
    struct list watched; /* the next to be served first */
    struct by_hand by_hand;
    size_t running; /* probes, of all upstreams */
};

/* An upstream with checks of any kind. */
struct watched {
    struct list link;
    struct prober *prober;
    struct uuid upstream;
    struct probe_schedule schedule;
};

struct probe {
    struct watched *watched;
    struct probe_turn *turn;
    struct probe_client *client;
};

/* Maps here do not count. */
static const struct pmap_values uncounted = {NULL, NULL};

static const struct snapshot *pin(const struct prober *prober)
{
    return snapshot_pin(prober->options.place, prober->options.loop_number);
}

static void unpin(const struct prober *prober, const struct snapshot *snapshot)
{
    if (snapshot != NULL)
        snapshot_unpin(prober->options.place, prober->options.loop_number, snapshot);
}

static const struct balanced *find_balanced(const struct snapshot *snapshot, const struct uuid *upstream)
{
    return snapshot != NULL ? pmap_find(snapshot->upstreams, upstream->bytes) : NULL;
}

static const struct balance_set *peers_of(struct prober *prober, const struct balanced *balanced)
{
    struct balancer_cursor *cursor;

    return balance_find(prober->at, balanced, /* again= */ false, &cursor);
}

/* ---- probes ---- */

/* What an answer means (data-plane reference, 8.3). False: nothing. */
static bool outcome_of(const struct health_rules *rules, enum probe_outcome answer, int status,
                       enum health_outcome *outcome)
{
    switch (answer) {
    case PROBE_CONNECTED:
        *outcome = HEALTH_SUCCESS;
        return true;
    case PROBE_ANSWERED:
        *outcome = statuses_have(&rules->healthy, status) ? HEALTH_SUCCESS : HEALTH_HTTP_FAILURE;
        return *outcome == HEALTH_SUCCESS || statuses_have(&rules->unhealthy, status);
    case PROBE_REFUSED:
        *outcome = HEALTH_TCP_FAILURE;
        return true;
    case PROBE_TIMED_OUT:
        *outcome = HEALTH_TIMEOUT;
        return true;
    case PROBE_UNREADABLE:
        *outcome = HEALTH_HTTP_FAILURE;
        return true;
    case PROBE_NOT_MADE:
        break;
    }
    return false;
}

static void report(const struct balanced *balanced, const struct probe_turn *turn, enum probe_outcome answer,
                   int status)
{
    static const char *const causes[] = {
        [HEALTH_SUCCESS] = "probe: success",
        [HEALTH_TCP_FAILURE] = "probe: connection failed",
        [HEALTH_TIMEOUT] = "probe: timeout",
        [HEALTH_HTTP_FAILURE] = "probe: bad answer",
    };
    const struct health_rules *rules = &balanced->upstream->active;
    enum health_outcome outcome;

    if (!outcome_of(rules, answer, status, &outcome))
        return;
    if (outcome != HEALTH_SUCCESS)
        metrics_add(METRIC_PROBE_FAILURES, 1);
    if (peer_report(turn->peer, &rules->limits, outcome))
        flip_tell(&(struct flip){balanced, turn->peer, &turn->target, causes[outcome]});
}

static void serve(struct watched *watched, const struct snapshot *snapshot, const struct balanced *balanced);

static void on_probe_done(void *arg, enum probe_outcome answer, int status)
{
    struct probe *probe = arg;
    struct watched *watched = probe->watched;
    struct prober *prober = watched->prober;
    const struct snapshot *snapshot = pin(prober);
    const struct balanced *balanced = find_balanced(snapshot, &watched->upstream);

    prober->running--;
    probe_schedule_ended(&watched->schedule, probe->turn, loop_now_ms(prober->options.loop));
    if (balanced != NULL && upstream_probes(balanced->upstream)) {
        report(balanced, probe->turn, answer, status);
        if (watched->schedule.has_waiting)
            serve(watched, snapshot, balanced);
    }
    free(probe);
    unpin(prober, snapshot);
}

/* The certificate to show is the upstream's, else the node's. */
static struct client_tls tls_of(const struct prober *prober, const struct snapshot *snapshot,
                                const struct upstream *upstream, const struct probe_turn *turn)
{
    const struct probe_settings *settings = &upstream->probe;
    struct client_tls tls = prober->options.tls;

    tls.server_name = str_of(settings->server_name != NULL ? settings->server_name : turn->host);
    tls.verify = settings->verify;
    if (!uuid_is_nil(&upstream->client_certificate))
        tls.identity = certificates_get(snapshot, &upstream->client_certificate);
    return tls;
}

static void start_probe(struct watched *watched, struct probe_turn *turn, const struct snapshot *snapshot,
                        const struct balanced *balanced)
{
    const struct probe_settings *settings = &balanced->upstream->probe;
    struct prober *prober = watched->prober;
    struct probe *probe = mem_zalloc(sizeof(*probe));
    const struct client_tls tls = tls_of(prober, snapshot, balanced->upstream, turn);
    struct client_request request = {
        .connect_ms = settings->timeout_ms > 0 ? settings->timeout_ms : 1,
        .tls = settings->kind == PROBE_HTTPS ? &tls : NULL,
    };
    struct buf head = {0};

    if (settings->kind != PROBE_TCP) {
        probe_head_write(balanced->upstream, str_of(turn->host), &head);
        request.head = buf_str(&head);
    }
    request.address_length = peer_address_write(&turn->peer->address, &request.address);
    probe->watched = watched;
    probe->turn = turn;
    probe->client = probe_client_start(prober->pool, &request, on_probe_done, probe);
    probe_schedule_began(&watched->schedule, turn, probe);
    prober->running++;
    metrics_add(METRIC_PROBES, 1);
    buf_fini(&head);
}

/* Everybody who is due, as far as that is allowed. */
static void serve(struct watched *watched, const struct snapshot *snapshot, const struct balanced *balanced)
{
    const struct probe_settings *settings = &balanced->upstream->probe;
    struct prober *prober = watched->prober;
    int64_t now_ms = loop_now_ms(prober->options.loop);
    struct probe_turn *turn;

    while (prober->running < PROBER_MAX_PROBES &&
           (turn = probe_schedule_next(&watched->schedule, settings, now_ms)) != NULL)
        start_probe(watched, turn, snapshot, balanced);
}

/* ---- which upstreams there are ---- */

static void on_gone(void *arg, struct probe_turn *turn)
{
    struct prober *prober = arg;
    struct probe *probe = turn->probe;

    prober->running--;
    probe_client_cancel(probe->client);
    free(probe);
}

/* set NULL: nobody. Who takes nothing is not asked. */
static void set_peers(struct watched *watched, const struct balance_set *set)
{
    struct prober *prober = watched->prober;
    const struct probe_moment moment = {
        .now_ms = loop_now_ms(prober->options.loop),
        .random = &prober->random,
        .on_gone = on_gone,
        .arg = prober,
    };
    size_t count = 0;
    size_t asked = 0;
    const struct balancer_entry *entries = set != NULL ? balancer_entries(set->balancer, &count) : NULL;
    struct probe_peer *peers = mem_zalloc((count + 1) * sizeof(*peers));

    for (size_t i = 0; i < count; i++)
        if (entries[i].weight > 0)
            peers[asked++] = (struct probe_peer){entries[i].peer, set->targets[entries[i].target].id,
                                                 balance_host(set, &entries[i])};
    probe_schedule_set(&watched->schedule, peers, asked, &moment);
    free(peers);
}

static struct watched *watch(struct prober *prober, const struct uuid *upstream)
{
    struct watched *watched = pmap_find(prober->by_id, upstream->bytes);

    if (watched != NULL)
        return watched;
    watched = mem_zalloc(sizeof(*watched));
    watched->prober = prober;
    watched->upstream = *upstream;
    list_add_last(&prober->watched, &watched->link);
    pmap_set(&prober->by_id, &uncounted, upstream->bytes, watched);
    return watched;
}

static void unwatch(struct watched *watched)
{
    set_peers(watched, NULL);
    list_remove(&watched->link);
    pmap_set(&watched->prober->by_id, &uncounted, watched->upstream.bytes, NULL);
    free(watched);
}

static bool look_at(void *arg, const uint8_t key[16], void *value)
{
    const struct balanced *balanced = value;
    struct prober *prober = arg;
    bool probes = upstream_probes(balanced->upstream);

    (void)key;
    if (!probes && !upstream_watches(balanced->upstream))
        return true;
    struct watched *watched = watch(prober, &balanced->upstream->id);
    const struct balance_set *set = peers_of(prober, balanced);
    (void)balance_keep(prober->at, &watched->upstream); /* it is there now */
    set_peers(watched, probes ? set : NULL);
    return true;
}

/* Which upstreams have checks, and who their peers are. */
static void look(struct prober *prober, const struct snapshot *snapshot)
{
    struct list *next;

    prober->looked_ms = loop_now_ms(prober->options.loop);
    prober->number = snapshot->number;
    prober->generation = balance_generation(prober->at);
    pmap_each(snapshot->upstreams, look_at, prober);
    for (struct list *link = prober->watched.next; link != &prober->watched; link = next) {
        struct watched *watched = CONTAINER_OF(link, struct watched, link);
        const struct balanced *balanced = find_balanced(snapshot, &watched->upstream);
        next = link->next;
        if (balanced != NULL && (upstream_probes(balanced->upstream) || upstream_watches(balanced->upstream)))
            continue;
        if (balanced != NULL)
            (void)peers_of(prober, balanced); /* which makes everybody healthy, if no loop has done so */
        unwatch(watched);
    }
}

static bool is_to_look(const struct prober *prober, const struct snapshot *snapshot)
{
    return snapshot->number != prober->number || balance_generation(prober->at) != prober->generation ||
           loop_now_ms(prober->options.loop) - prober->looked_ms >= KEEP_MS;
}

/* Who was served goes to the end; who could not be begins the next time. */
static void serve_all(struct prober *prober, const struct snapshot *snapshot)
{
    struct list served;

    list_init(&served);
    while (!list_is_empty(&prober->watched) && prober->running < PROBER_MAX_PROBES) {
        struct watched *watched = CONTAINER_OF(prober->watched.next, struct watched, link);
        list_remove(&watched->link);
        list_add_last(&served, &watched->link);
        serve(watched, snapshot, find_balanced(snapshot, &watched->upstream));
    }
    for (struct list *link = list_take_first(&served); link != NULL; link = list_take_first(&served))
        list_add_last(&prober->watched, link);
}

/* ---- the loop ---- */

static void on_step(struct timer *timer)
{
    struct prober *prober = CONTAINER_OF(timer, struct prober, step);
    const struct snapshot *snapshot = pin(prober);

    if (snapshot != NULL) {
        if (is_to_look(prober, snapshot))
            look(prober, snapshot);
        by_hand_retry(&prober->by_hand, snapshot, prober->at, loop_now_ms(prober->options.loop));
        serve_all(prober, snapshot);
    }
    unpin(prober, snapshot);
    timer_start(prober->options.loop, &prober->step, PROBER_STEP_MS, on_step);
}

static void on_loop_end(struct loop_end *end)
{
    struct prober *prober = CONTAINER_OF(end, struct prober, end);

    timer_stop(&prober->step);
    while (!list_is_empty(&prober->watched))
        unwatch(CONTAINER_OF(prober->watched.next, struct watched, link));
    by_hand_fini(&prober->by_hand);
    balance_detach(prober->at);
    prober->at = NULL;
    client_pool_free(prober->pool);
    prober->pool = NULL;
}

struct prober *prober_new(const struct prober_options *options)
{
    struct prober *prober = mem_zalloc(sizeof(*prober));

    prober->options = *options;
    random_seed(&prober->random, random_u64());
    list_init(&prober->watched);
    by_hand_init(&prober->by_hand);
    return prober;
}

void prober_attach(struct prober *prober)
{
    const struct client_pool_options no_keep_alive = {0};
    struct loop *loop = prober->options.loop;

    assert(loop_is_mine(loop));
    prober->pool = client_pool_new(loop, &no_keep_alive);
    prober->at = balance_attach(prober->options.balance, loop);
    prober->end.on_end = on_loop_end;
    loop_on_end(loop, &prober->end);
    timer_start(loop, &prober->step, PROBER_STEP_MS, on_step);
}

void prober_free(struct prober *prober)
{
    if (prober == NULL)
        return;
    assert(prober->at == NULL);
    free(prober);
}

/* ---- news, from any thread ---- */

struct prober_news {
    struct loop_message super;
    struct prober *prober;
    struct health_word word;
};

static void post(struct prober *prober, void (*run)(struct loop_message *message),
                 const struct health_word *word)
{
    struct prober_news *news = mem_zalloc(sizeof(*news));

    news->super.run = run;
    news->prober = prober;
    news->word = *word;
    loop_post(prober->options.loop, &news->super);
}

static void take_word(struct loop_message *message)
{
    struct prober_news *news = CONTAINER_OF(message, struct prober_news, super);
    struct prober *prober = news->prober;
    const struct snapshot *snapshot = prober->at != NULL ? pin(prober) : NULL; /* not what came too late */

    if (snapshot != NULL)
        by_hand_set(&prober->by_hand, snapshot, prober->at, &news->word, loop_now_ms(prober->options.loop));
    unpin(prober, snapshot);
    free(news);
}

void prober_hear(struct prober *prober, const char *word)
{
    struct health_word heard;

    if (health_word_parse(str_of(word), &heard))
        post(prober, take_word, &heard);
}

/* Whom nothing but a word would bring back. */
static bool heal_unprobed(void *arg, const uint8_t key[16], void *value)
{
    const struct balanced *balanced = value;
    struct prober *prober = arg;

    (void)key;
    if (balanced->upstream->probe.unhealthy_interval_ms == 0 &&
        balance_keep(prober->at, &balanced->upstream->id))
        balance_heal(balanced, peers_of(prober, balanced), "started over");
    return true;
}

static void take_start_over(struct loop_message *message)
{
    struct prober_news *news = CONTAINER_OF(message, struct prober_news, super);
    struct prober *prober = news->prober;
    const struct snapshot *snapshot = prober->at != NULL ? pin(prober) : NULL;

    if (snapshot != NULL)
        pmap_each(snapshot->upstreams, heal_unprobed, prober);
    unpin(prober, snapshot);
    free(news);
}

void prober_start_over(struct prober *prober)
{
    const struct health_word none = {0};

    post(prober, take_start_over, &none);
}

struct health_view *prober_view(struct prober *prober, const struct uuid *upstream)
{
    const struct snapshot *snapshot = pin(prober);
    const struct balanced *balanced = find_balanced(snapshot, upstream);
    struct health_view *view =
        balanced != NULL ? health_view_new(balanced->upstream, peers_of(prober, balanced)) : NULL;

    unpin(prober, snapshot);
    return view;
}
