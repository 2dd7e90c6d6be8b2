#pragma once

/*
 * registry - the plugins this program has.
 *
 * Threads: any; constant.
 */

#include <stddef.h>

struct plugin;
struct schemas;

size_t registry_count(void);
/* In descending priority. */
const struct plugin *registry_at(size_t i);
/* The settings of these plugins and their own entities; entities of the others are hidden. */
void registry_add_schemas(struct schemas *schemas, const struct plugin *const *enabled, size_t count);
