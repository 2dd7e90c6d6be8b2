/*
 * metrics - see metrics.h.
 *
 * Each thread owns a block of relaxed atomics that only it writes; readers walk the list of blocks. Blocks
 * are never freed: their counts belong to the process. The list head is one of the process-wide states
 * style.md allows.
 */

#include "gateway/base/metrics.h"

#include <stdatomic.h>
#include <stddef.h>

#include "gateway/base/mem.h"

struct slots {
    _Atomic int64_t values[METRIC_COUNT];
    struct slots *next;
};

static _Atomic(struct slots *) all;
static _Thread_local struct slots *mine;

static const struct metric_info infos[] = {
#define METRIC(symbol, name, kind, help)          {name, "", #kind, help},
#define LABELED(symbol, name, labels, kind, help) {name, labels, #kind, help},
#include "gateway/base/metrics.def"
};

static struct slots *make_slots(void)
{
    struct slots *slots = mem_zalloc(sizeof(*slots));

    slots->next = atomic_load_explicit(&all, memory_order_relaxed);
    /* release: a reader that finds the block (acquire in metrics_read) also sees its zeroes and its next */
    while (!atomic_compare_exchange_weak_explicit(&all, &slots->next, slots, memory_order_release,
                                                  memory_order_relaxed))
        continue;
    return slots;
}

void metrics_add(enum metric metric, int64_t amount)
{
    _Atomic int64_t *value;

    if (mine == NULL)
        mine = make_slots();
    value = &mine->values[metric];
    /* only this thread writes here, so load and store need not be one step */
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

int64_t metrics_read(enum metric metric)
{
    int64_t sum = 0;

    for (struct slots *slots = atomic_load_explicit(&all, memory_order_acquire); slots != NULL;
         slots = slots->next)
        sum += atomic_load_explicit(&slots->values[metric], memory_order_relaxed);
    return sum;
}

const struct metric_info *metrics_info(enum metric metric)
{
    return &infos[metric];
}
