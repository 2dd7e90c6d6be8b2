#pragma once

/*
 * parts - what the settings of several plugins have in common: queues, lists of words, plain elements,
 * checks.
 *
 * A check returns true, or false with the message a client sees. Threads: any; pure.
 */

#include <stdbool.h>

#include "gateway/model/schema.h"

/* A text without further rules, as element of a list and as key and value of a map. */
extern const struct field part_text, part_key, part_value;
/* The record `queue` (plugin reference, 0.4). */
extern const struct field part_queue_fields[7];
extern const char *const part_severities[];
extern const char *const part_trace_headers[];
/* Of plugins that answer requests or change them. */
extern const char *const part_web_protocols[];
extern const struct field_note part_method_notes[];

/* Why a plugin will never run here. */
extern const char part_no_lua[];
extern const char part_not_here[];

/* With scheme and host. */
bool text_is_url(const cJSON *value, char message[256]);
/* A map of Lua code: nothing but an empty one is taken. */
bool text_is_no_lua(const cJSON *value, char message[256]);
/* Limits of a record: those of a longer period are not smaller. */
bool part_periods_ascend(const cJSON *limits, char message[256]);
/* With policy = redis: conditions of checks. */
extern const struct field part_if_redis, part_needs_redis_host, part_needs_redis_port,
    part_needs_redis_timeout;
/* Of metrics for statsd and the like: samples have a rate. */
extern const struct check part_metric_checks[1];
extern const char *const part_consumer_identifiers[];
/* What is said of a text that does not have the form it must have. */
bool part_refuse_unless(bool good, const cJSON *value, char message[256]);

/* clang-format off */
/* Of loggers: a row of fields. */
#define PART_CUSTOM_FIELDS_BY_LUA                                                                             \
    {.name = "custom_fields_by_lua", .kind = FIELD_MAP, .check = text_is_no_lua, .keys = &part_key,           \
     .values = &part_value}
/* Where a Redis is and how to speak to it: rows of fields, before the one that says which database. */
#define PART_REDIS                                                                                            \
    {.name = "redis_host", .kind = FIELD_STRING, .check = text_is_host},                                      \
    {.name = "redis_port", .kind = FIELD_INTEGER, .fallback = "6379", .has_between = true,                    \
     .between_max = 65535},                                                                                   \
    {.name = "redis_password", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE | FIELD_EMPTY_OK},          \
    {.name = "redis_username", .kind = FIELD_STRING, .flags = FIELD_REFERENCEABLE},                           \
    {.name = "redis_ssl", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},               \
    {.name = "redis_ssl_verify", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},        \
    {.name = "redis_server_name", .kind = FIELD_STRING, .check = text_is_sni},                                \
    {.name = "redis_timeout", .kind = FIELD_NUMBER, .fallback = "2000"}
/* clang-format on */
