/*
 * timers - GET /timers, which nobody reads: the shape clients know. Timers here hang in wheels, one per loop
 * (gateway/io/timer.h), and are not counted.
 */

#include "admin/handlers.h"

#include "admin/state.h"

void timers_show(struct request *request)
{
    static const char *const figures[] = {"total", "runs", "running", "pending", "waiting"};
    static const char *const flames[] = {"running", "pending", "elapsed_time"};
    cJSON *object = cJSON_CreateObject();
    cJSON *worker = cJSON_AddObjectToObject(object, "worker");
    cJSON *stats = cJSON_AddObjectToObject(object, "stats");
    cJSON *system = cJSON_AddObjectToObject(stats, "sys");
    cJSON *flamegraph = cJSON_AddObjectToObject(stats, "flamegraph");

    (void)cJSON_AddNumberToObject(worker, "id", 0);
    /* The Admin API's loop comes after those of the workers. */
    (void)cJSON_AddNumberToObject(worker, "count", (double)request->admin->options.loop_number);
    for (size_t i = 0; i < COUNT(figures); i++)
        (void)cJSON_AddNumberToObject(system, figures[i], 0);
    for (size_t i = 0; i < COUNT(flames); i++)
        (void)cJSON_AddStringToObject(flamegraph, flames[i], "");
    (void)cJSON_AddObjectToObject(stats, "timers");
    answer_json(&request->answer, 200, object);
}
