/*
 * plugin_instance - a row of `plugins` with its settings compiled.
 */

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/chain/plugin.h"
#include "gateway/model/entities.h"
#include "gateway/model/secret.h"

struct plugin_instance *plugin_instance_new(const struct plugin *plugin, const struct plugin_setting *setting,
                                            struct err *err)
{
    void *object = NULL;
    cJSON *resolved = NULL;
    if (plugin->configure != NULL) {
        bool ok = secrets_resolve(plugin->schema.config, setting->config, &resolved, err) &&
                  plugin->configure(resolved != NULL ? resolved : setting->config, &object, err);
        cJSON_Delete(resolved);
        if (!ok)
            return NULL;
    }
    struct plugin_instance *instance = mem_alloc(sizeof(*instance));
    *instance = (struct plugin_instance){
        .refs = 1,
        .plugin = plugin,
        .id = setting->id,
        .route = setting->route,
        .service = setting->service,
        .consumer = setting->consumer,
        .object = object,
    };
    return instance;
}

struct plugin_instance *plugin_instance_ref(struct plugin_instance *instance)
{
    instance->refs++;
    return instance;
}

void plugin_instance_unref(struct plugin_instance *instance)
{
    if (instance == NULL || --instance->refs > 0)
        return;
    if (instance->plugin->dispose != NULL)
        instance->plugin->dispose(instance->object);
    free(instance);
}
