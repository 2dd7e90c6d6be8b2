/*
 * file_log - see file_log.h. A configuration is a queue (chain/delivery_queue.h) into a file (file_sink.h):
 * the disk is waited for elsewhere.
 */

#include "gateway/plugins/file_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/chain/delivery_queue.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/file_sink.h"
#include "gateway/plugins/record_logger.h"

/* ---- settings ---- */

static bool is_file_name(const cJSON *value, char message[256])
{
    if (strpbrk(value->valuestring, "*&%\\`") == NULL)
        return true;
    (void)snprintf(message, 256, "not a valid filename");
    return false;
}

static const struct field_note path_notes[] = {
    {"match", "\"^[^*&%%\\\\`]+$\""}, {"err", "\"not a valid filename\""}, {NULL, NULL}};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "path", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = is_file_name, .notes = path_notes},
    {.name = "reopen", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false"},
    PART_CUSTOM_FIELDS_BY_LUA,
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

/* ---- lines ---- */

/* A second of much traffic; a full disk may be mended within a minute. */
static const struct delivery_rules rules = {
    .max_batch_size = 1000,
    .max_coalescing_us = 20000,
    .max_entries = 100000,
    .max_bytes = 64 * 1024 * 1024,
    .max_retry_us = 60000000,
    .first_retry_us = 200000,
    .longest_retry_us = 1000000,
};

static bool configure(const cJSON *config, void **object, struct err *err)
{
    const char *path = document_text(config, "path");

    if (path == NULL)
        return err_set(err, ERR_INVALID, "no path");
    char *name = mem_printf("file-log %s", path);
    const struct delivery_options options = {
        .name = name,
        .rules = rules,
        .sender = file_sink_new(path, document_bool(config, "reopen", false) ? FILE_SINK_OPENED_EACH_TIME
                                                                             : FILE_SINK_KEPT_OPEN),
    };
    *object = record_logger_new(&options);
    free(name);
    return true;
}

const struct plugin file_log_plugin = {
    .schema =
        {
            .name = "file-log",
            .version = "3.5.0",
            .priority = 9,
            .config = &config_record,
            .protocols = protocol_names,
        },
    .configure = configure,
    .dispose = record_logger_dispose,
    .log = record_logger_log,
};
