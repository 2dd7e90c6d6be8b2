#pragma once

/*
 * plugin - what a plugin is: a name, a priority, a schema of settings, and one function per phase.
 *
 * A plugin is one file in gateway/plugins/ that offers one const struct plugin, and a line in registry.c.
 * Nothing else knows it. It sees a request through struct chain only.
 *
 * Threads: configure(), dispose() and hear() on the bus thread; phases on the loop of the request. A
 * configured object is immutable and may be used by all loops at once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "gateway/base/attributes.h"
#include "gateway/base/err.h"
#include "gateway/model/schema.h"

struct chain;
struct chain_world;

enum plugin_result {
    PLUGIN_NEXT,     /* go on */
    PLUGIN_WAIT,     /* parked: chain_resume() will run the same phase of this plugin again */
    PLUGIN_ANSWERED, /* chain_answer() was called */
    PLUGIN_FAILED,   /* internal error: 500 family B, counted */
};

struct plugin {
    struct plugin_schema schema;          /* name, version, priority, config record, protocols, scopes */
    const struct schema *const *entities; /* its own (credentials); NULL-terminated; NULL: none */
    /* From a complete config document; false: err. The object is given to every phase. */
    bool (*configure)(const cJSON *config, void **object, struct err *err);
    void (*dispose)(void *object);
    /* Is the health of upstreams to be shown among the metrics? Any thread. NULL: not for this plugin's sake.
     */
    bool (*wants_health)(const void *object);
    /* Phases; NULL: takes no part. */
    enum plugin_result (*rewrite)(struct chain *chain, const void *object); /* global configurations only */
    enum plugin_result (*access)(struct chain *chain, const void *object);
    void (*header_filter)(struct chain *chain, const void *object);
    /* The whole body of an answer, chain->answer_body, for whoever's header_filter has asked for it. */
    void (*body_filter)(struct chain *chain, const void *object);
    /*
     * A piece of an upstream's body on its way to the client, as it came, for whoever's header_filter has
     * asked for it: to look at, during the call. `last`: nothing follows; if that never comes, the body broke
     * off.
     */
    void (*body_piece)(struct chain *chain, const void *object, struct str bytes, bool last);
    void (*log)(struct chain *chain, const void *object);
    /* A word that some node has said to all (plugin_endpoint.say); at == NULL: some may have been missed. On
     * the bus thread. */
    void (*hear)(const struct chain_world *world, struct str word);
    bool reads_spans; /* what it tells of a request includes what took time in it (span.h) */
};

/* A row of `plugins`, ready to run: counted by whoever shares it (chain/scope.h). */
struct plugin_instance {
    uint32_t refs; /* making thread only */
    const struct plugin *plugin;
    struct uuid id;
    struct uuid route, service, consumer; /* nil: any */
    void *object;
};
/* From a typed row (entities.h) and its plugin. NULL with err: the settings do not compile. */
struct plugin_setting;
struct plugin_instance *plugin_instance_new(const struct plugin *plugin, const struct plugin_setting *setting,
                                            struct err *err) MUST_CHECK;
struct plugin_instance *plugin_instance_ref(struct plugin_instance *instance);
void plugin_instance_unref(struct plugin_instance *instance);
