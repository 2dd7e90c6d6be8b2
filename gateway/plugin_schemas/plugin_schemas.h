#pragma once

/*
 * plugin_schemas - the settings of the bundled plugins of the reference that this gateway does not run.
 *
 * Clients ask for them and validate with them. A plugin that learns to run takes its schema along into its
 * own file in gateway/plugins/ and leaves this list.
 *
 * Threads: any; constant.
 */

#include <stddef.h>

#include "gateway/model/schema.h"

size_t plugin_schemas_count(void);
/* By name. */
const struct plugin_schema *plugin_schemas_at(size_t i);
