#pragma once

/*
 * rig - a cache with a clock that is set by hand, a database that answers when the test says so, and waiters
 * that remember what they were told.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/cache/cache.h"

enum {
    RIG_LOADS = 4096,
    SECOND = 1000000
};

struct rig_waiter {
    struct cache_waiter super;
    int told;
    enum cache_status status;
    int object; /* 0: none */
};

struct rig {
    struct cache *cache;
    struct cache_options options;
    struct clock clock;
    int64_t now_us;
    int clock_calls;        /* for clocks of a test's own */
    struct rig_waiter late; /* who asks from inside one */
    enum cache_judgement judgement;
    void (*while_judging)(struct rig *rig); /* something that happens between read and arrival */
    struct {
        struct cache_flight *flight;
        struct digest digest;
        enum cache_source source;
    } loads[RIG_LOADS]; /* that were started, in order */
    size_t load_count;
    size_t answered; /* loads[0 .. answered) have been answered */
    int released;    /* objects freed */
};

static inline int64_t rig_now_us(void *arg)
{
    return ((struct rig *)arg)->now_us;
}

static inline void rig_load(void *arg, struct cache_flight *flight, const struct cache_ask *ask,
                            enum cache_source source)
{
    struct rig *rig = arg;
    assert_true(rig->load_count < RIG_LOADS);
    rig->loads[rig->load_count].flight = flight;
    rig->loads[rig->load_count].digest = ask->digest;
    rig->loads[rig->load_count++].source = source;
}

static inline enum cache_judgement rig_judge(void *arg, uint64_t position, int64_t tag,
                                             enum cache_source source)
{
    struct rig *rig = arg;
    (void)position;
    (void)tag;
    (void)source;
    if (rig->while_judging != NULL)
        rig->while_judging(rig);
    return rig->judgement;
}

/* The first int of an object is its number, the second counts the rig's releases by pointer. */
struct rig_object {
    int number;
    int *released;
};

static inline void rig_release(void *object)
{
    struct rig_object *mine = object;
    (*mine->released)++;
    free(mine);
}

static inline struct rig *rig_open_with(void (*change)(struct cache_options *options))
{
    struct rig *rig = mem_zalloc(sizeof(*rig));
    rig->now_us = 1000 * (int64_t)SECOND;
    rig->clock = (struct clock){rig_now_us, rig_now_us, rig};
    rig->judgement = CACHE_ACCEPT;
    rig->options = (struct cache_options){
        .max_bytes = 64 << 20,
        .resurrect_ms = 30000,
        .max_flights = 4,
        .max_queued = 4,
        .fill_deadline_ms = 2000,
        .clock = &rig->clock,
        .seed = 1,
        .load = rig_load,
        .judge = rig_judge,
        .release = rig_release,
        .arg = rig,
    };
    if (change != NULL)
        change(&rig->options);
    cache_open(&rig->options, &rig->cache);
    return rig;
}

static inline void rig_close(struct rig *rig)
{
    cache_close(rig->cache);
    free(rig);
}

static inline struct digest rig_digest(int key)
{
    struct digest_salt salt = {{1}};
    struct digest digest;
    digest_make(&salt, (struct str){(const char *)&key, sizeof(key)}, &digest);
    return digest;
}

/* Keys are numbers; as text they are "consumers:<number>", type key % 4. */
static inline const struct cache_ask *rig_ask(int key, struct cache_ask *ask, char text[40])
{
    int length = snprintf(text, 40, "consumers:%d", key);
    *ask = (struct cache_ask){
        .digest = rig_digest(key),
        .key = {text, (size_t)length},
        .value = {text + 10, (size_t)length - 10},
        .type = (uint8_t)(key % 4),
    };
    return ask;
}

/* MISS: -1. NEGATIVE: 0. HIT: the object's number. */
static inline int rig_get(struct rig *rig, int key)
{
    struct cache_ask ask;
    char text[40];
    const struct cache_value *value;
    int number;
    switch (cache_get(rig->cache, rig_ask(key, &ask, text), &value)) {
    case CACHE_HIT:
        number = ((const struct rig_object *)cache_value_object(value))->number;
        cache_value_unref(value);
        return number;
    case CACHE_NEGATIVE:
        assert_null(value);
        return 0;
    default:
        assert_null(value);
        return -1;
    }
}

static inline void rig_told(struct cache_waiter *super, enum cache_status status,
                            const struct cache_value *value)
{
    struct rig_waiter *waiter = (struct rig_waiter *)super;
    waiter->told++;
    waiter->status = status;
    if (value != NULL)
        waiter->object = ((const struct rig_object *)cache_value_object(value))->number;
    cache_value_unref(value);
}

static inline void rig_fill(struct rig *rig, int key, struct rig_waiter *waiter)
{
    struct cache_ask ask;
    char text[40];
    *waiter = (struct rig_waiter){.super.on_done = rig_told};
    cache_fill(rig->cache, rig_ask(key, &ask, text), &waiter->super);
}

/* The database answers load `i`: an object with this number, 0 for "no such row". */
static inline void rig_answer_load(struct rig *rig, size_t i, uint64_t position, int number)
{
    struct cache_answer answer = {.position = position, .bytes = sizeof(struct rig_object)};
    assert_true(i < rig->load_count);
    if (number != 0) {
        struct rig_object *object = mem_alloc(sizeof(*object));
        *object = (struct rig_object){number, &rig->released};
        answer.object = object;
    }
    cache_fill_done(rig->cache, rig->loads[i].flight, &answer);
}

/* Answers the oldest load that has no answer yet. */
static inline void rig_answer(struct rig *rig, uint64_t position, int number)
{
    rig_answer_load(rig, rig->answered++, position, number);
}

static inline void rig_fail(struct rig *rig)
{
    struct cache_answer answer = {.failed = true};
    assert_true(rig->answered < rig->load_count);
    cache_fill_done(rig->cache, rig->loads[rig->answered++].flight, &answer);
}

/* A whole fill: asked, answered, told. */
static inline void rig_put(struct rig *rig, int key, uint64_t position, int number)
{
    struct rig_waiter waiter;
    rig_fill(rig, key, &waiter);
    rig_answer(rig, position, number);
    assert_int_equal(waiter.told, 1);
    assert_int_equal(waiter.status, number != 0 ? CACHE_HIT : CACHE_NEGATIVE);
}

/* An absence is remembered from its second miss on. */
static inline void rig_put_absence(struct rig *rig, int key, uint64_t position)
{
    rig_put(rig, key, position, 0);
    if (rig_get(rig, key) == -1)
        rig_put(rig, key, position, 0);
    assert_int_equal(rig_get(rig, key), 0);
}

static inline void rig_invalidate(struct rig *rig, int key, uint64_t position)
{
    struct digest digest = rig_digest(key);
    cache_invalidate(rig->cache, &digest, position);
}

static inline struct cache_stats rig_stats(struct rig *rig)
{
    struct cache_stats stats;
    cache_read_stats(rig->cache, &stats);
    return stats;
}
