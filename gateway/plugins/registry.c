/*
 * registry - a line per plugin, in descending priority; equal ones by name, descending.
 */

#include "gateway/plugins/registry.h"

#include <assert.h>

#include "gateway/chain/plugin.h"
#include "gateway/plugins/key_auth.h"
#include "gateway/plugins/request_termination.h"

static const struct plugin *const plugins[] = {
    &key_auth_plugin,            /* 1250 */
    &request_termination_plugin, /* 2 */
};

size_t registry_count(void)
{
    return COUNT(plugins);
}

const struct plugin *registry_at(size_t i)
{
    assert(i < COUNT(plugins));
    assert(i == 0 || plugins[i - 1]->schema.priority >= plugins[i]->schema.priority);
    return plugins[i];
}

void registry_add_schemas(struct schemas *schemas, const struct plugin *const *enabled, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        schemas_add_plugin(schemas, &enabled[i]->schema);
        for (const struct schema *const *entity = enabled[i]->entities; entity != NULL && *entity != NULL;
             entity++)
            schemas_add(schemas, *entity);
    }
}
