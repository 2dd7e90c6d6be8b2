#pragma once

/*
 * record_logger - what plugins that tell a sink of whole requests have in common: a queue for the records
 * (chain/log_record.h), one per configuration. Such a plugin says where they go, and that is all it is.
 *
 * Threads: as struct plugin says of configure(), dispose() and log().
 */

struct chain;
struct delivery_options;

/* The object of a configuration. */
void *record_logger_new(const struct delivery_options *options);
/* What is queued is still sent. */
void record_logger_dispose(void *object);
void record_logger_log(struct chain *chain, const void *object);
