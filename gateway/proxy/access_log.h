#pragma once

/*
 * access_log - lines of requests that have ended, on their way from one loop to the sink that all loops
 * share.
 *
 * They are gathered where they are made and handed over many at a time: when the room is used up, or 80 ms
 * after the first. So a loop takes the sink's lock once for dozens of requests.
 *
 * Threads: the loop's, but for what concerns settings.
 */

#include <stdbool.h>

#include "gateway/proxy/access_line.h"

struct access_log;
struct line_sink;
struct loop;

/* The sink is borrowed; NULL: there is none, and the log is always off. */
struct access_log *access_log_new(struct line_sink *sink, struct loop *loop);
/* Hands over what it holds. NULL is fine. */
void access_log_free(struct access_log *log);

/* Off: nobody wants lines, and none need be made. NULL is off. */
bool access_log_is_on(const struct access_log *log);
void access_log_add(struct access_log *log, enum access_format format, const struct access_line *line);

/*
 * Settings are "where", or "where format": the first word, and the format that the second one names or else
 * `usual`, the setting access_log_format. Names of formats that only nginx would know mean `usual`.
 */
struct str access_log_where(const char *setting);
enum access_format access_log_format(const char *setting, const char *usual);
