#pragma once

/*
 * zipkin - passes traces on and tells a Zipkin server of requests, as spans of its version 2 in JSON (plugin
 * reference, 24).
 *
 * Threads: see chain/plugin.h.
 */

struct plugin;

extern const struct plugin zipkin_plugin;
