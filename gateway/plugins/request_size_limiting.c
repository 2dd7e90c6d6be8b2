/*
 * request_size_limiting - see request_size_limiting.h. The listener has read the body, and has a limit of its
 * own: this one is for routes that take less.
 */

#include "gateway/plugins/request_size_limiting.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/model/document.h"
#include "gateway/plugin_schemas/parts.h"

/* ---- settings ---- */

static const char *const size_unit_choices[] = {"megabytes", "kilobytes", "bytes", NULL};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "allowed_payload_size", .kind = FIELD_INTEGER, .fallback = "128",
     .description = "The largest body that passes."},
    {.name = "size_unit", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .fallback = "\"megabytes\"",
     .one_of = size_unit_choices,
     .description = "What it is counted in: bytes, or 1024 or 1048576 of them."},
    {.name = "require_content_length", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false",
     .description = "Whether requests have to announce their size, or come in chunks."},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

struct settings {
    int64_t max_bytes;
    bool length_required;
};

static int64_t bytes_of_unit(const char *unit)
{
    if (unit != NULL && strcmp(unit, "bytes") == 0)
        return 1;
    return unit != NULL && strcmp(unit, "kilobytes") == 0 ? 1024 : 1024 * 1024;
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));
    int64_t size = document_int(config, "allowed_payload_size", 128);

    (void)err;
    if (__builtin_mul_overflow(size, bytes_of_unit(document_text(config, "size_unit")), &settings->max_bytes))
        settings->max_bytes = size > 0 ? INT64_MAX : -1;
    settings->length_required = document_bool(config, "require_content_length", false);
    *object = settings;
    return true;
}

/* ---- the phase ---- */

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct exchange_request *request = exchange_request(chain->exchange);
    const struct settings *settings = object;

    if (settings->length_required && !request->has_length && !request->chunked)
        return chain_answer_error(chain, 411, "A valid Content-Length header is required");
    if ((int64_t)request->body.len <= settings->max_bytes)
        return PLUGIN_NEXT;
    return chain_answer_error(chain, request->has_length && request->expects_continue ? 417 : 413,
                              "Request size limit exceeded");
}

const struct plugin request_size_limiting_plugin = {
    .schema =
        {
            .name = "request-size-limiting",
            .version = "3.5.0",
            .priority = 951,
            .config = &config_record,
            .protocols = part_web_protocols,
        },
    .configure = configure,
    .dispose = free,
    .access = access_phase,
};
