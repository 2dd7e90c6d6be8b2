/*
 * beating - see beating.h.
 */

#include "gateway/beating.h"

#include <stdlib.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"
#include "gateway/heartbeat.h"
#include "gateway/io/loop.h"
#include "gateway/io/timer.h"

/* Heap; ends with its loop. */
struct beating {
    struct heartbeat *heartbeat;
    struct loop *loop;
    size_t number;
    int64_t every_ms;
    struct timer timer;
    struct loop_end end;
};

static void on_due(struct timer *timer)
{
    struct beating *beating = CONTAINER_OF(timer, struct beating, timer);

    heartbeat_beat(beating->heartbeat, beating->number);
    timer_start(beating->loop, timer, beating->every_ms, on_due);
}

static void on_end(struct loop_end *end)
{
    struct beating *beating = CONTAINER_OF(end, struct beating, end);

    heartbeat_end(beating->heartbeat, beating->number);
    timer_stop(&beating->timer);
    free(beating);
}

void beating_start(struct heartbeat *heartbeat, struct loop *loop, size_t number, int64_t limit_ms)
{
    struct beating *beating = mem_zalloc(sizeof(*beating));

    *beating = (struct beating){.heartbeat = heartbeat,
                                .loop = loop,
                                .number = number,
                                .every_ms = limit_ms / HEARTBEATS_PER_LIMIT,
                                .end.on_end = on_end};
    loop_on_end(loop, &beating->end);
    on_due(&beating->timer);
}
