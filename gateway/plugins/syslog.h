#pragma once

/*
 * syslog - syslog: a request as JSON for the syslog daemon of the machine (plugin reference, 20).
 */

#include "gateway/chain/plugin.h"

extern const struct plugin syslog_plugin;
