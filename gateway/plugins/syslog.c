/*
 * syslog - see syslog.h. What waits for the delivery thread is a head and the record; the message is made of
 * them there, since it needs the local time zone.
 */

#include "gateway/plugins/syslog.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/delivery_datagram.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/chain/log_record.h"
#include "gateway/http/exchange.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/syslog_message.h"

static const char *const facility_choices[] = {"auth",   "authpriv", "cron",   "daemon", "ftp",    "kern",
                                               "lpr",    "mail",     "news",   "syslog", "user",   "uucp",
                                               "local0", "local1",   "local2", "local3", "local4", "local5",
                                               "local6", "local7",   NULL};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "log_level", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"info\"",
     .one_of = part_severities},
    {.name = "successful_severity", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"info\"",
     .one_of = part_severities},
    {.name = "client_errors_severity", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"info\"",
     .one_of = part_severities},
    {.name = "server_errors_severity", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"info\"",
     .one_of = part_severities},
    PART_CUSTOM_FIELDS_BY_LUA,
    {.name = "facility", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"user\"",
     .one_of = facility_choices},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

enum outcome {
    SUCCESSFUL,
    CLIENT_ERROR,
    SERVER_ERROR,
    OUTCOME_COUNT
};

struct settings {
    struct delivery_queue *queue;
    int facility;
    int log_level; /* the least severe that is told; the smaller, the worse */
    int severities[OUTCOME_COUNT];
};

static void dispose(void *object)
{
    struct settings *settings = object;

    delivery_queue_let_go(settings->queue);
    free(settings);
}

static bool write_message(struct str entry, size_t limit, size_t *from, struct buf *room,
                          struct str *datagram)
{
    struct syslog_head head;

    (void)limit;
    if (*from > 0)
        return false;
    memcpy(&head, entry.at, sizeof(head));
    syslog_message_write(&head, str_part(entry, sizeof(head), entry.len), room);
    *datagram = buf_str(room);
    *from = entry.len;
    return true;
}

static int severity_of(const cJSON *config, const char *name)
{
    int severity = LOG_INFO;

    (void)syslog_severity_named(document_text(config, name), &severity);
    return severity;
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));
    const struct delivery_datagram_options sender = {.cut = write_message};
    struct delivery_options options = {.name = "syslog", .sender = delivery_datagram_new(&sender)};

    (void)err;
    settings->facility = LOG_USER;
    (void)syslog_facility_named(document_text(config, "facility"), &settings->facility);
    settings->log_level = severity_of(config, "log_level");
    settings->severities[SUCCESSFUL] = severity_of(config, "successful_severity");
    settings->severities[CLIENT_ERROR] = severity_of(config, "client_errors_severity");
    settings->severities[SERVER_ERROR] = severity_of(config, "server_errors_severity");
    delivery_rules_read(NULL, &options.rules);
    settings->queue = delivery_queue_new(&options);
    *object = settings;
    return true;
}

static enum outcome outcome_of(int status)
{
    if (status >= 500)
        return SERVER_ERROR;
    return status >= 400 ? CLIENT_ERROR : SUCCESSFUL;
}

static void log_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct exchange_outcome outcome;

    exchange_read_outcome(chain->exchange, &outcome);
    const struct syslog_head head = {
        .unix_s = clock_unix_s(chain->world->clock),
        .facility = settings->facility,
        .severity = settings->severities[outcome_of(outcome.status != 0 ? outcome.status : 499)],
    };
    if (head.severity > settings->log_level)
        return;
    struct str record = log_record(chain);
    char *entry = exchange_alloc(chain->exchange, sizeof(head) + record.len);
    memcpy(entry, &head, sizeof(head));
    memcpy(entry + sizeof(head), record.at, record.len);
    delivery_queue_add(settings->queue, chain->world->delivery,
                       (struct str){entry, sizeof(head) + record.len});
}

const struct plugin syslog_plugin = {
    .schema =
        {
            .name = "syslog",
            .version = "3.5.0",
            .priority = 4,
            .config = &config_record,
            .protocols = protocol_names,
        },
    .configure = configure,
    .dispose = dispose,
    .log = log_phase,
};
