#pragma once

/*
 * opentelemetry - passes traces on, and tells an OpenTelemetry collector of requests: OTLP over HTTP in
 * protobuf (plugin reference, 22).
 *
 * Traces are always passed on; spans are told where the setting tracing_instrumentations says so.
 *
 * Threads: see chain/plugin.h.
 */

struct plugin;

extern const struct plugin opentelemetry_plugin;
