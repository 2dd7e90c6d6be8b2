#pragma once

/*
 * syslog_message - what a local syslog daemon is told: severities and facilities (RFC 5424, 6.2.1), and the
 * form syslog(3) uses, which is that of RFC 3164 without the host.
 *
 * Threads: any. syslog_message_write() looks at the local time zone, which may mean reading a file: not on
 * loops.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/str.h"

/* By the words of settings; false: there is no such. Severities: the smaller, the worse. */
bool syslog_severity_named(const char *name, int *severity);
bool syslog_facility_named(const char *name, int *facility);

/* A message that waits: this, and its text behind it. */
struct syslog_head {
    int64_t unix_s;
    int32_t facility, severity;
};

/* "<14>Nov 26 00:40:00 kong: text" into the buffer, which is cleared. */
void syslog_message_write(const struct syslog_head *head, struct str text, struct buf *to);
