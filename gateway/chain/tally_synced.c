/*
 * tally_synced - windows of a Redis that are counted here between two news (synced_counters.h).
 *
 *     take --> known: there is an answer
 *          \-> not, or not any more --> read from the Redis, parked --> learn --> take
 *          \-> no room for the window --> count it in the Redis
 *
 * What was read for is not read for again: a window can end, and be forgotten, before its answer has come.
 * Then the Redis counts, too.
 *
 * Where the Redis cannot be read and the request passes all the same, it is counted here, to be told later.
 */

#include <stdint.h>

#include "gateway/base/clock.h"
#include "gateway/chain/redis_target.h"
#include "gateway/chain/synced_teller.h"
#include "gateway/chain/tally_op.h"

enum {
    WINDOWS_MAX = 16 /* periods */
};

/* The same window at another Redis, or told at another rate, is another one. */
struct place {
    struct digest window, redis;
    int64_t sync_ms;
};

static void make_digest(const struct chain *chain, const struct tally *tally,
                        const struct tally_window *window, struct digest *digest)
{
    struct place place = {.redis = tally->settings->redis->digest, .sync_ms = tally->settings->sync_ms};

    tally_digest(chain, tally, window, &place.window);
    digest_make(&chain->world->salt, (struct str){(const char *)&place, sizeof(place)}, digest);
}

/* false: there are too many. */
static bool adopt(struct chain *chain, const struct tally *tally, const struct tally_window *window,
                  const struct digest *digest)
{
    char text[TALLY_IDENTITY_SIZE];
    const struct usage usage = {.identity = tally_shared_identity(chain, tally, text),
                                .period = str_of(window->period),
                                .route = chain->running->route,
                                .service = chain->running->service,
                                .starts_s = window->starts_s,
                                .ends_s = window->ends_s};
    struct buf key = {0};

    tally_redis_key(&key, tally->family, &usage);
    const struct synced_window adopted = {.digest = *digest, .key = buf_str(&key), .ends_s = window->ends_s};
    bool good =
        synced_teller_adopt(chain->teller, tally->settings->redis, tally->settings->sync_ms, &adopted);
    buf_fini(&key);
    return good;
}

/* Where one is not known, nothing has been taken. */
static enum synced_answer take_all(struct chain *chain, struct tally *tally, const struct digest *digests)
{
    struct synced_counters *counters = synced_teller_counters(chain->teller);
    int64_t now_ms = clock_now_ms(chain->world->clock);
    /* A window in use has news each sync_ms; twice that leaves the Redis time to answer. */
    int64_t fresh_ms = 2 * tally->settings->sync_ms;
    enum synced_answer answers[WINDOWS_MAX], all = SYNCED_TAKEN;

    for (size_t i = 0; i < tally->count; i++) {
        struct tally_window *window = &tally->windows[i];
        answers[i] = synced_take(counters, &digests[i], window->limit, now_ms, fresh_ms, &window->used);
        window->over = answers[i] == SYNCED_OVER;
        all = answers[i] > all ? answers[i] : all;
    }
    for (size_t i = 0; all != SYNCED_TAKEN && i < tally->count; i++)
        if (answers[i] == SYNCED_TAKEN)
            synced_give_back(counters, &digests[i]);
    return all;
}

static void learn(struct chain *chain, const struct tally *tally, const struct digest *digests)
{
    for (size_t i = 0; i < tally->count; i++)
        synced_learn(synced_teller_counters(chain->teller), &digests[i], (int64_t)tally->windows[i].used,
                     clock_now_ms(chain->world->clock));
}

static bool adopt_all(struct chain *chain, const struct tally *tally, const struct digest *digests)
{
    bool good = true;

    for (size_t i = 0; good && i < tally->count; i++)
        good = adopt(chain, tally, &tally->windows[i], &digests[i]);
    return good;
}

static enum tally_result fail(struct chain *chain, const struct tally *tally, const struct digest *digests)
{
    for (size_t i = 0; tally->settings->fault_tolerant && i < tally->count; i++)
        synced_add(synced_teller_counters(chain->teller), &digests[i]);
    return TALLY_FAILED;
}

enum tally_result tally_synced_take(struct chain *chain, struct tally *tally)
{
    struct digest digests[WINDOWS_MAX];

    if (chain->teller == NULL || tally->settings->redis == NULL)
        return TALLY_FAILED;
    if (tally->counts_there) /* not here */
        return tally_ask(chain, tally, TALLY_TAKE);
    for (size_t i = 0; i < tally->count; i++)
        make_digest(chain, tally, &tally->windows[i], &digests[i]);
    if (tally->has_answer && tally->has_failed)
        return fail(chain, tally, digests);
    bool was_read = tally->has_answer;
    if (was_read)
        learn(chain, tally, digests);
    enum synced_answer answer = take_all(chain, tally, digests);
    if (answer <= SYNCED_OVER)
        return TALLY_DONE;
    tally->has_answer = false;
    if (was_read || (answer == SYNCED_ABSENT && !adopt_all(chain, tally, digests))) {
        tally->counts_there = true;
        return tally_ask(chain, tally, TALLY_TAKE);
    }
    enum tally_result result = tally_ask(chain, tally, TALLY_READ);
    return result == TALLY_FAILED ? fail(chain, tally, digests) : result;
}
