#pragma once

/*
 * scope - which configuration of a plugin applies to a request (data-plane reference, 9.2).
 *
 * Persistent like the router: a change makes a new index that shares the rest. At most one instance per
 * plugin name, the most specific that exists: route+service+consumer, route+consumer, service+consumer,
 * route+service, consumer, route, service, global.
 *
 * Threads: making and freeing one thread at a time; scope_find() any.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/uuid.h"
#include "gateway/chain/plugin.h"

struct scope_index;

/* `plugins` is the registry in descending priority; its order numbers plugins from 0. Borrowed for ever. */
struct scope_index *scope_new(const struct plugin *const *plugins, size_t count);
/* `index` with `old` out and `new` in (either may be NULL). Disabled rows are not put in at all. */
struct scope_index *scope_change(const struct scope_index *index, struct plugin_instance *old,
                                 struct plugin_instance *new);
struct scope_index *scope_ref(struct scope_index *index);
void scope_unref(struct scope_index *index);

/* Bit i set: some configuration of plugin number i exists. At most 64 plugins. */
uint64_t scope_present(const struct scope_index *index);
/* Some configuration exists of a plugin that reads spans. */
bool scope_reads_spans(const struct scope_index *index);
const struct plugin *scope_plugin(const struct scope_index *index, size_t number);
/* route, service, consumer: NULL when the request has none (yet). NULL: none applies. */
const struct plugin_instance *scope_find(const struct scope_index *index, size_t number,
                                         const struct uuid *route, const struct uuid *service,
                                         const struct uuid *consumer);
