/* min_position - see min_position.h. While a request waits it is among the admin's running ones. */

#include "admin/min_position.h"

#include "admin/request.h"
#include "admin/routes.h"
#include "admin/state.h"

enum {
    LONGEST_WAIT_US = 2000000,
    NAP_MS = 5,
};

static enum admin_place look(const struct request *request)
{
    const struct admin_bus *bus = &request->admin->options.bus;
    const struct header *header =
        headers_find(&exchange_request(request->exchange)->headers, STR("freshet-min-position"));

    return header != NULL ? bus->look(bus->arg, header->value.at, header->value.len) : ADMIN_THERE;
}

static void on_nap_over(struct timer *timer);

/* false: it has been parked. */
static bool decide(struct request *request)
{
    switch (look(request)) {
    case ADMIN_THERE:
        routes_answer(request);
        return true;
    case ADMIN_NOWHERE:
        answer_message(&request->answer, 400, "Freshet-Min-Position is not a position");
        return true;
    case ADMIN_ELSEWHERE:
        answer_message(&request->answer, 504,
                       "Freshet-Min-Position belongs to another history of the configuration");
        return true;
    case ADMIN_BEHIND:
        break;
    }
    if (loop_clock_us() - request->received_us >= LONGEST_WAIT_US) {
        answer_message(&request->answer, 504, "This node has not reached Freshet-Min-Position in time");
        return true;
    }
    timer_start(request->admin->options.loop, &request->nap, NAP_MS, on_nap_over);
    request->is_running = true;
    list_add_last(&request->admin->running, &request->link);
    return false;
}

static void on_nap_over(struct timer *timer)
{
    struct request *request = CONTAINER_OF(timer, struct request, nap);

    request->is_running = false;
    list_remove(&request->link);
    if (request->exchange == NULL)
        request_free(request);
    else if (decide(request) && !request->is_running)
        request_reply(request);
}

void min_position_admit(struct request *request)
{
    (void)decide(request);
}
