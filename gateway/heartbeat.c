/*
 * heartbeat - see heartbeat.h.
 */

#include "gateway/heartbeat.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "gateway/base/mem.h"

/* Shared by both processes. */
struct beats {
    _Atomic uint64_t of[HEARTBEAT_LOOPS_MAX]; /* 0: it does not run */
};

struct heartbeat {
    struct beats *beats;
    uint64_t seen[HEARTBEAT_LOOPS_MAX];
    int64_t silent_ms[HEARTBEAT_LOOPS_MAX];
    int64_t looked_ms; /* 0: not yet */
};

struct heartbeat *heartbeat_new(void)
{
    void *memory =
        mmap(NULL, sizeof(struct beats), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    struct heartbeat *heartbeat = mem_zalloc(sizeof(*heartbeat));
    heartbeat->beats = memory; /* zero from the start */
    return heartbeat;
}

void heartbeat_free(struct heartbeat *heartbeat)
{
    if (heartbeat == NULL)
        return;
    (void)munmap(heartbeat->beats, sizeof(*heartbeat->beats));
    free(heartbeat);
}

void heartbeat_beat(struct heartbeat *heartbeat, size_t loop)
{
    if (loop < HEARTBEAT_LOOPS_MAX)
        (void)atomic_fetch_add_explicit(&heartbeat->beats->of[loop], 1, memory_order_relaxed);
}

void heartbeat_end(struct heartbeat *heartbeat, size_t loop)
{
    if (loop < HEARTBEAT_LOOPS_MAX)
        atomic_store_explicit(&heartbeat->beats->of[loop], 0, memory_order_relaxed);
}

bool heartbeat_is_lost(struct heartbeat *heartbeat, int64_t now_ms, int64_t limit_ms, size_t *loop)
{
    int64_t passed_ms = heartbeat->looked_ms != 0 ? now_ms - heartbeat->looked_ms : 0;
    bool lost = false;

    if (passed_ms > limit_ms / 2)
        passed_ms = limit_ms / 2;
    heartbeat->looked_ms = now_ms;
    for (size_t i = 0; i < HEARTBEAT_LOOPS_MAX; i++) {
        uint64_t beats = atomic_load_explicit(&heartbeat->beats->of[i], memory_order_relaxed);
        bool lives = beats == 0 || beats != heartbeat->seen[i];

        heartbeat->seen[i] = beats;
        heartbeat->silent_ms[i] = lives ? 0 : heartbeat->silent_ms[i] + passed_ms;
        if (heartbeat->silent_ms[i] >= limit_ms && !lost) {
            lost = true;
            *loop = i;
        }
    }
    return lost;
}

bool heartbeat_turns(const struct heartbeat *heartbeat, int64_t limit_ms)
{
    for (size_t i = 0; i < HEARTBEAT_LOOPS_MAX; i++)
        if (heartbeat->silent_ms[i] >= limit_ms / 2)
            return false;
    return true;
}

void heartbeat_forgive(struct heartbeat *heartbeat)
{
    memset(heartbeat->silent_ms, 0, sizeof(heartbeat->silent_ms));
}
