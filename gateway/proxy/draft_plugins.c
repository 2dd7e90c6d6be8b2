/*
 * draft_plugins - configurations of plugins: compiled, and found by what they apply to.
 */

#include "gateway/proxy/draft_inside.h"

#include <string.h>

#include "gateway/chain/plugin.h"
#include "gateway/chain/scope.h"
#include "gateway/model/document.h"
#include "gateway/model/entities.h"

bool draft_set_plugin(struct draft *draft, const struct uuid *id, void *value, struct err *err)
{
    struct plugin_instance *before = pmap_find(draft->next->plugins, id->bytes);
    (void)err;
    if (before == NULL && value == NULL)
        return true;
    struct scope_index *scope = scope_change(draft->next->scope, before, value);
    scope_unref(draft->next->scope);
    draft->next->scope = scope;
    pmap_set(&draft->next->plugins, &snapshot_plugins, id->bytes, value);
    return true;
}

static const struct plugin *plugin_named(const struct draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->options->plugin_count; i++)
        if (strcmp(draft->options->plugins[i]->schema.name, name) == 0)
            return draft->options->plugins[i];
    return NULL;
}

bool draft_put_plugin(struct draft *draft, const struct uuid *id, void *object, struct err *err)
{
    struct plugin_setting *setting = object;
    const struct plugin *plugin = plugin_named(draft, setting->name);
    struct plugin_instance *instance = NULL;
    bool ok = plugin != NULL ||
              err_set(err, ERR_INVALID, "plugin '%s' is in the database but not among this node's 'plugins'",
                      setting->name);
    if (ok && setting->enabled) {
        document_fill_config(&plugin->schema, setting->config);
        instance = plugin_instance_new(plugin, setting, err);
        ok = instance != NULL;
    }
    if (ok) /* one that is switched off is as though it were not there */
        ok = draft_set_plugin(draft, id, instance, err);
    plugin_instance_unref(instance);
    plugin_setting_schema.release(setting);
    return ok;
}
