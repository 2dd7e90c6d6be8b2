#pragma once

/*
 * registry - the plugins this program has.
 *
 * Threads: any; constant.
 */

#include <stdbool.h>
#include <stddef.h>

struct plugin;
struct plugin_schema;
struct schemas;

size_t registry_count(void);
/* In descending priority. */
const struct plugin *registry_at(size_t i);
/* The settings of these plugins and their own entities; entities of the others are hidden. */
void registry_add_schemas(struct schemas *schemas, const struct plugin *const *enabled, size_t count);
/*
 * Of a plugin that does not run (plugin_schemas.h). One that is enabled is known and its entities can be
 * written, so that credentials are there when it learns to run; those of one that is not are hidden.
 */
void registry_add_idle(struct schemas *schemas, const struct plugin_schema *plugin, bool enabled);
