/* await - see await.h. */

#include "admin/await.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "admin/request.h"
#include "admin/state.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

enum {
    DEFAULT_TIMEOUT_S = 10,
    LONGEST_TIMEOUT_S = 300,
    QUICK_LOOKS = 4,    /* one right after the other */
    FIRST_PAUSE_MS = 1, /* twice as long each time, so that nobody waits twice as long as he must */
    LAST_PAUSE_MS = 250,
    NAMES_SHOWN = 20, /* of laggards, in the header */
};

static const struct {
    const char *name;
    enum await_whom whom;
} words[] = {{"none", AWAIT_NONE}, {"node", AWAIT_NODE}, {"cluster", AWAIT_CLUSTER}};

/* ---- what the client wants ---- */

static bool read_whom(struct request *request)
{
    const struct query_argument *argument = query_string_find(&request->query, "wait");

    request->await_whom = AWAIT_NODE;
    if (argument == NULL)
        return true;
    for (size_t i = 0; i < COUNT(words); i++) {
        if (!str_equal(argument->value, str_of(words[i].name)))
            continue;
        request->await_whom = words[i].whom;
        return true;
    }
    answer_invalid_option(&request->answer, "wait", "must be one of: none, node, cluster");
    return false;
}

static bool read_timeout(struct request *request)
{
    const struct query_argument *argument = query_string_find(&request->query, "wait_timeout");
    char text[32] = "";
    char *end;

    request->await_ms = (int64_t)DEFAULT_TIMEOUT_S * 1000;
    if (argument == NULL)
        return true;
    if (argument->value.len < sizeof(text) && argument->value.len > 0)
        memcpy(text, argument->value.at, argument->value.len);
    double seconds = strtod(text, &end);
    if (text[0] == '\0' || *end != '\0' || !(seconds >= 0 && seconds <= LONGEST_TIMEOUT_S)) {
        answer_invalid_option(&request->answer, "wait_timeout", "must be a number of seconds from 0 to 300");
        return false;
    }
    request->await_ms = (int64_t)ceil(seconds * 1000);
    return true;
}

bool await_read(struct request *request)
{
    return read_whom(request) && read_timeout(request);
}

/* ---- answers ---- */

static void answer_lost(struct request *request)
{
    answer_message(&request->answer, 503,
                   "The change is lost: the database has gone back to a state from before it");
}

static bool is_behind(const cJSON *node, uint64_t position)
{
    const cJSON *applied = cJSON_GetObjectItemCaseSensitive(node, "position");

    return !cJSON_IsNumber(applied) || (uint64_t)applied->valuedouble < position;
}

/* Those of `nodes` that have not applied it; the caller owns the array. */
static cJSON *those_behind(const cJSON *nodes, uint64_t position)
{
    cJSON *behind = cJSON_CreateArray();
    const cJSON *node;

    cJSON_ArrayForEach(node, nodes)
    {
        if (is_behind(node, position))
            (void)cJSON_AddItemToArray(behind, cJSON_Duplicate(node, true));
    }
    return behind;
}

/* "2: east-1, east-2"; what is no printable ASCII in a name becomes '?'. */
static char *names_of(const cJSON *nodes)
{
    struct buf text = {0};
    int count = cJSON_GetArraySize(nodes);

    buf_printf(&text, "%d", count);
    for (int i = 0; i < count && i < NAMES_SHOWN; i++) {
        buf_add_text(&text, i == 0 ? ": " : ", ");
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(nodes, i), "name");
        for (const char *at = cJSON_IsString(name) ? name->valuestring : "?"; *at != '\0'; at++)
            buf_add_byte(&text, *at > ' ' && *at < 0x7f ? *at : '?');
    }
    return text.at;
}

/* The entity stays the body, if there is one: who reads it finds what he would have found in 200 or 201. */
static void answer_late(struct request *request, const cJSON *nodes)
{
    struct answer *answer = &request->answer;
    cJSON *behind = nodes != NULL ? those_behind(nodes, request->receipt.position) : NULL;

    answer->laggards = behind != NULL ? names_of(behind) : mem_strdup("unknown");
    if (answer->status == 204) {
        cJSON *json = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(json, "message",
                                      "The change is committed, but not every node has applied it yet");
        (void)cJSON_AddItemToObject(json, "laggards", behind != NULL ? behind : cJSON_CreateNull());
        uint64_t position = answer->position;
        char *laggards = answer->laggards;
        answer->laggards = NULL;
        answer_json(answer, 202, json); /* replaces everything */
        answer->position = position;
        answer->laggards = laggards;
        return;
    }
    answer->status = 202;
    cJSON_Delete(behind);
}

/* ---- looking ---- */

static void look(struct await *await);

static void on_due(struct timer *timer)
{
    look(CONTAINER_OF(timer, struct await, timer));
}

static void look_later(struct await *await)
{
    if (list_is_empty(&await->waiting) || await->is_looking || await->admin->has_ended)
        return;
    if (await->looks++ < QUICK_LOOKS) {
        look(await);
        return;
    }
    timer_start(await->admin->options.loop, &await->timer, await->pause_ms, on_due);
    await->pause_ms = await->pause_ms * 2 < LAST_PAUSE_MS ? await->pause_ms * 2 : LAST_PAUSE_MS;
}

/* The job. A database that does not answer leaves everybody where he is. */
static void ask(struct store_session *session, void *arg)
{
    struct await *await = arg;
    struct store_error error = {0};

    if (!store_cluster_arrivals(session, await->receipts, await->count, await->arrivals, &error)) {
        log_warn("admin: who has applied a change cannot be seen; why=%s", error.err.text);
        for (size_t i = 0; i < await->count; i++)
            await->arrivals[i] = STORE_ON_ITS_WAY;
    } else if (await->late_position != 0 &&
               !store_cluster_laggards(session, await->late_position, &await->laggards, &error)) {
        await->laggards = NULL;
    }
    store_error_fini(&error);
    loop_post(await->admin->options.loop, &await->done);
}

static void finish(struct request *request)
{
    list_remove(&request->link);
    request->is_running = false;
    if (request->exchange != NULL)
        request_reply(request);
    else
        request_free(request);
}

static void on_answer(struct loop_message *message)
{
    struct await *await = CONTAINER_OF(message, struct await, done);
    struct list *next;
    size_t place = 0;

    await->is_looking = false;
    for (struct list *link = await->waiting.next; place < await->count; link = next, place++) {
        struct request *request = CONTAINER_OF(link, struct request, link);
        next = link->next;
        bool is_late = await->late_position != 0 && request->is_late;
        if (await->arrivals[place] == STORE_LOST)
            answer_lost(request);
        else if (await->arrivals[place] == STORE_ON_ITS_WAY && is_late)
            answer_late(request, await->laggards);
        else if (await->arrivals[place] == STORE_ON_ITS_WAY) {
            list_remove(link); /* behind those that this look had no room for */
            list_add_last(&await->waiting, link);
            continue;
        }
        finish(request);
    }
    cJSON_Delete(await->laggards);
    await->laggards = NULL;
    look_later(await);
}

static void look(struct await *await)
{
    int64_t now_us = loop_clock_us();

    await->count = 0;
    await->late_position = 0;
    for (struct list *link = await->waiting.next; link != &await->waiting && await->count < AWAIT_ASKED_MAX;
         link = link->next) {
        struct request *request = CONTAINER_OF(link, struct request, link);
        await->receipts[await->count++] = request->receipt;
        request->is_late = now_us >= request->await_until_us;
        if (request->is_late && request->receipt.position > await->late_position)
            await->late_position = request->receipt.position;
    }
    timer_stop(&await->timer);
    await->is_looking = store_submit(await->admin->options.store, ask, await);
    if (!await->is_looking)
        timer_start(await->admin->options.loop, &await->timer, LAST_PAUSE_MS, on_due);
}

void await_init(struct await *await, struct admin *admin)
{
    *await = (struct await){.admin = admin, .done.run = on_answer};
    list_init(&await->waiting);
}

void await_fini(struct await *await)
{
    for (struct list *link = list_take_first(&await->waiting); link != NULL;
         link = list_take_first(&await->waiting))
        request_free(CONTAINER_OF(link, struct request, link));
    timer_stop(&await->timer);
    cJSON_Delete(await->laggards);
}

void await_add(struct await *await, struct request *request)
{
    request->await_until_us = loop_clock_us() + request->await_ms * 1000;
    request->is_running = true;
    list_add_last(&await->waiting, &request->link);
    await->looks = 0;
    await->pause_ms = FIRST_PAUSE_MS;
    if (!await->is_looking)
        look(await);
}
