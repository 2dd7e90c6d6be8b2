/*
 * syslog_message - see syslog_message.h. syslog(3) itself is not used: it has one facility per process, and
 * waits for the daemon.
 */

#include "gateway/plugins/syslog_message.h"

#include <string.h>
#include <syslog.h>
#include <time.h>

#include "gateway/base/attributes.h"

struct word {
    const char *name;
    int value;
};

static const struct word severities[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"notice", LOG_NOTICE}, {"warning", LOG_WARNING},
    {"err", LOG_ERR},     {"crit", LOG_CRIT}, {"alert", LOG_ALERT},   {"emerg", LOG_EMERG},
};

static const struct word facilities[] = {
    {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"cron", LOG_CRON},     {"daemon", LOG_DAEMON},
    {"ftp", LOG_FTP},       {"kern", LOG_KERN},         {"lpr", LOG_LPR},       {"mail", LOG_MAIL},
    {"news", LOG_NEWS},     {"syslog", LOG_SYSLOG},     {"user", LOG_USER},     {"uucp", LOG_UUCP},
    {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1},     {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},
    {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5},     {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7},
};

static bool find_word(const struct word *words, size_t count, const char *name, int *value)
{
    for (size_t i = 0; name != NULL && i < count; i++) {
        if (strcmp(words[i].name, name) != 0)
            continue;
        *value = words[i].value;
        return true;
    }
    return false;
}

bool syslog_severity_named(const char *name, int *severity)
{
    return find_word(severities, COUNT(severities), name, severity);
}

bool syslog_facility_named(const char *name, int *facility)
{
    return find_word(facilities, COUNT(facilities), name, facility);
}

void syslog_message_write(const struct syslog_head *head, struct str text, struct buf *to)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t second = (time_t)head->unix_s;
    struct tm parts;

    (void)localtime_r(&second, &parts);
    buf_clear(to);
    buf_printf(to, "<%d>%s %2d %02d:%02d:%02d kong: ", head->facility | head->severity, months[parts.tm_mon],
               parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
    buf_add_str(to, text);
}
