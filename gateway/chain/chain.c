/*
 * chain - the order in which plugins see a request.
 *
 * Numbers of plugins are their order of priority, and scope_present() has a bit for each that has any
 * configuration, so a walk is a loop over bits. Which configuration applies is asked anew at each plugin: one
 * before may have found the consumer (data-plane reference, 9.1). What was found is written down, and the
 * phases of the answer run over that list.
 *
 * Where nothing is configured, nothing is asked and nothing allocated.
 */

#include "gateway/chain/chain.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/chain/scope.h"
#include "gateway/chain/span.h"
#include "gateway/chain/state.h"
#include "gateway/io/loop.h"

enum {
    PLUGINS_MAX = 64 /* bits of scope_present() */
};

struct chain_state *chain_state_of(struct chain *chain)
{
    if (chain->state == NULL) {
        chain->state = exchange_alloc(chain->exchange, sizeof(*chain->state));
        *chain->state = (struct chain_state){.phase = CHAIN_REWRITE};
    }
    return chain->state;
}

/* The first number from `number` on whose plugin has any configuration, or PLUGINS_MAX. */
static size_t next_present(const struct chain *chain, size_t number)
{
    uint64_t left = number < PLUGINS_MAX ? scope_present(chain->scope) >> number : 0;

    return left != 0 ? number + (size_t)__builtin_ctzll(left) : PLUGINS_MAX;
}

/* Writes down which configuration of a plugin applies now. NULL: none. */
static const struct plugin_instance *collect(struct chain *chain, size_t number)
{
    struct chain_state *state = chain_state_of(chain);
    bool was_routed = state->was_routed;
    const struct plugin_instance *instance =
        scope_find(chain->scope, number, was_routed && chain->route != NULL ? &chain->route->id : NULL,
                   was_routed && chain->service != NULL ? &chain->service->id : NULL,
                   was_routed && chain->consumer != NULL ? &chain->consumer->id : NULL);

    if (instance == NULL)
        return NULL;
    if (state->applying == NULL) {
        size_t count = (size_t)__builtin_popcountll(scope_present(chain->scope));
        state->applying = exchange_alloc(chain->exchange, count * sizeof(const struct plugin_instance *));
    }
    state->applying[state->applying_count++] = instance;
    return instance;
}

/* What access has not come to: it takes part in the answer all the same. Once. */
static void collect_rest(struct chain *chain)
{
    struct chain_state *state = chain_state_of(chain);
    size_t from = state->phase == CHAIN_ACCESS ? state->number : 0;

    if (state->phase == CHAIN_OVER)
        return;
    for (size_t number = next_present(chain, from); number < PLUGINS_MAX;
         number = next_present(chain, number + 1))
        (void)collect(chain, number);
    state->phase = CHAIN_OVER;
}

static void fail(struct chain *chain, const struct plugin_instance *instance)
{
    metrics_add(METRIC_PLUGIN_FAILURES, 1);
    log_debug("chain: a plugin failed; plugin=%s", instance->plugin->schema.name);
    (void)chain_answer_message(chain, 500, "An unexpected error occurred");
}

/* A plugin that has waited goes on in the span it had. */
static enum plugin_result run_in_span(struct chain *chain, const struct plugin_instance *instance,
                                      enum span_kind kind)
{
    const struct plugin *plugin = instance->plugin;
    struct chain_state *state = chain_state_of(chain);

    if (state->span == NULL)
        state->span = span_begin(chain, kind, str_of(plugin->schema.name));
    enum plugin_result result =
        (kind == SPAN_PLUGIN_REWRITE ? plugin->rewrite : plugin->access)(chain, instance->object);
    if (result != PLUGIN_WAIT) {
        span_end(state->span);
        state->span = NULL;
    }
    return result;
}

static enum chain_result run(struct chain *chain, const struct plugin_instance *instance, enum span_kind kind)
{
    chain->running = instance;
    switch (run_in_span(chain, instance, kind)) {
    case PLUGIN_NEXT:
        return CHAIN_NEXT;
    case PLUGIN_WAIT:
        return CHAIN_WAIT;
    case PLUGIN_ANSWERED:
        assert(chain->answered);
        return CHAIN_ANSWERED;
    case PLUGIN_FAILED:
        break;
    }
    fail(chain, instance);
    return CHAIN_ANSWERED;
}

static enum chain_result run_rewrite(struct chain *chain, struct chain_state *state)
{
    for (state->number = next_present(chain, state->number); state->number < PLUGINS_MAX;
         state->number = next_present(chain, state->number + 1)) {
        const struct plugin *plugin = scope_plugin(chain->scope, state->number);
        const struct plugin_instance *instance =
            plugin->rewrite != NULL ? scope_find(chain->scope, state->number, NULL, NULL, NULL) : NULL;
        enum chain_result result = instance != NULL ? run(chain, instance, SPAN_PLUGIN_REWRITE) : CHAIN_NEXT;
        if (result != CHAIN_NEXT)
            return result;
    }
    return CHAIN_NEXT;
}

static enum chain_result run_access(struct chain *chain, struct chain_state *state)
{
    for (state->number = next_present(chain, state->number); state->number < PLUGINS_MAX;
         state->number = next_present(chain, state->number + 1)) {
        const struct plugin *plugin = scope_plugin(chain->scope, state->number);
        const struct plugin_instance *instance = collect(chain, state->number);
        enum chain_result result = CHAIN_NEXT;
        if (instance != NULL && plugin->access != NULL)
            result = run(chain, instance, SPAN_PLUGIN_ACCESS);
        if (result == CHAIN_WAIT)
            state->applying_count--; /* collected again when it is run again */
        if (result == CHAIN_ANSWERED)
            state->number++; /* this one is done and collected */
        if (result != CHAIN_NEXT)
            return result;
    }
    return CHAIN_NEXT;
}

void chain_start(struct chain *chain)
{
    const struct exchange_request *request = exchange_request(chain->exchange);

    chain->upstream_query = request->query;
    chain->upstream_body = request->body;
}

void chain_end(struct chain *chain)
{
    if (chain->state != NULL)
        lookup_end(chain->state, chain->world->cache);
    while (chain->ends != NULL) {
        struct chain_end *end = chain->ends;
        chain->ends = end->next;
        end->on_end(end);
    }
    chain->consumer = NULL;
    chain->credential = NULL;
    chain->credential_identifier = STR_NONE;
    buf_fini(&chain->record);
}

enum chain_result chain_access(struct chain *chain, void (*resume)(struct chain *chain, void *arg), void *arg)
{
    enum chain_result result = CHAIN_NEXT;

    if (scope_present(chain->scope) == 0)
        return CHAIN_NEXT;
    struct chain_state *state = chain_state_of(chain);
    if (state->phase == CHAIN_OVER) /* answered elsewhere while a wake-up was under way */
        return chain->answered ? CHAIN_ANSWERED : CHAIN_NEXT;
    state->resume = resume;
    state->resume_arg = arg;
    if (state->phase == CHAIN_REWRITE) {
        result = run_rewrite(chain, state);
        if (result == CHAIN_NEXT) {
            state->phase = CHAIN_ACCESS;
            state->number = 0;
            state->was_routed = true;
        }
    }
    if (state->phase == CHAIN_ACCESS && result == CHAIN_NEXT)
        result = run_access(chain, state);
    if (result != CHAIN_WAIT)
        collect_rest(chain);
    if (result != CHAIN_WAIT && chain->times != NULL)
        chain->times->accessed_us = loop_clock_us();
    return result;
}

void chain_resume(struct chain *chain)
{
    const struct chain_state *state = chain->state;

    assert(state != NULL && state->resume != NULL); /* nothing waits before access has run */
    state->resume(chain, state->resume_arg);
}

/* NULL: nothing applies. Requests that never came to access have global configurations only. */
static const struct chain_state *state_of_answer(struct chain *chain)
{
    if (scope_present(chain->scope) == 0)
        return NULL;
    collect_rest(chain);
    return chain->state;
}

/* The one at `i` of those that apply has its turn. */
static const struct plugin *turn_of(struct chain *chain, const struct chain_state *state, size_t i)
{
    chain->running = state->applying[i];
    return chain->running->plugin;
}

static void keep_head(struct chain *chain)
{
    const struct headers *from = &chain->answer.headers;
    struct headers *to = &chain->upstream_headers;
    size_t bytes = from->count * sizeof(*from->at);

    *to = (struct headers){.owner = chain->exchange, .count = from->count, .capacity = from->count};
    if (bytes > 0)
        to->at = memcpy(exchange_alloc(chain->exchange, bytes), from->at, bytes);
}

void chain_header_filter(struct chain *chain)
{
    const struct chain_state *state = state_of_answer(chain);

    if (chain->keeps_head && chain->hop.head_us != 0)
        keep_head(chain);
    chain->filtering = true;
    for (size_t i = 0; state != NULL && i < state->applying_count; i++) {
        const struct plugin *plugin = turn_of(chain, state, i);
        if (plugin->header_filter == NULL)
            continue;
        struct span *span = span_begin(chain, SPAN_PLUGIN_HEADER_FILTER, str_of(plugin->schema.name));
        plugin->header_filter(chain, chain->running->object);
        span_end(span);
    }
    chain->filtering = false;
    if (chain->times != NULL)
        chain->times->filtered_us = loop_clock_us();
}

void chain_body_filter(struct chain *chain)
{
    const struct chain_state *state = chain->wants_body ? state_of_answer(chain) : NULL;

    for (size_t i = 0; state != NULL && i < state->applying_count; i++) {
        const struct plugin *plugin = turn_of(chain, state, i);
        if (plugin->body_filter != NULL)
            plugin->body_filter(chain, chain->running->object);
    }
}

void chain_body_piece(struct chain *chain, struct str bytes, bool last)
{
    const struct chain_state *state = chain->wants_pieces ? state_of_answer(chain) : NULL;

    for (size_t i = 0; state != NULL && i < state->applying_count; i++) {
        const struct plugin *plugin = turn_of(chain, state, i);
        if (plugin->body_piece != NULL)
            plugin->body_piece(chain, chain->running->object, bytes, last);
    }
}

void chain_log(struct chain *chain)
{
    const struct chain_state *state = state_of_answer(chain);

    for (size_t i = 0; state != NULL && i < state->applying_count; i++) {
        const struct plugin *plugin = turn_of(chain, state, i);
        if (plugin->log != NULL)
            plugin->log(chain, chain->running->object);
    }
}
