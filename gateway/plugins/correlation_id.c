/*
 * correlation_id - see correlation_id.h.
 *
 * The number lives in the request's own header: whoever answers early, or goes to the upstream, finds it
 * there.
 */

#include "gateway/plugins/correlation_id.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/model/document.h"
#include "gateway/model/header_name.h"
#include "gateway/plugin_schemas/parts.h"

/* ---- settings ---- */

static const char *const generator_choices[] = {"uuid", "uuid#counter", "tracker", NULL};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "header_name", .kind = FIELD_STRING, .fallback = "\"Kong-Request-ID\"", .check = text_is_header_name,
     .description = "The header that has the number."},
    {.name = "generator", .kind = FIELD_STRING, .fallback = "\"uuid#counter\"", .one_of = generator_choices,
     .description = "How a number is made."},
    {.name = "echo_downstream", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false",
     .description = "Whether the answer has the number as well."},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

enum generator {
    GENERATOR_COUNTER, /* a prefix of this configuration on this node, and how many before */
    GENERATOR_UUID,
    GENERATOR_TRACKER, /* where and when the request came in */
};

struct settings {
    struct str header_name;
    char *header_text;
    enum generator generator;
    bool echo;
    char prefix[UUID_TEXT_SIZE];
    atomic_uint_fast64_t *count; /* thread: any; a relaxed counter, each value is given once */
};

static void dispose(void *object)
{
    struct settings *settings = object;

    free(settings->header_text);
    free(settings->count);
    free(settings);
}

static enum generator generator_named(const char *name)
{
    if (name != NULL && strcmp(name, "uuid") == 0)
        return GENERATOR_UUID;
    return name != NULL && strcmp(name, "tracker") == 0 ? GENERATOR_TRACKER : GENERATOR_COUNTER;
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));
    const char *name = document_text(config, "header_name");
    struct uuid prefix;

    (void)err;
    settings->header_text = mem_strdup(name != NULL ? name : "Kong-Request-ID");
    settings->header_name = str_of(settings->header_text);
    settings->generator = generator_named(document_text(config, "generator"));
    settings->echo = document_bool(config, "echo_downstream", false);
    uuid_make(&prefix);
    (void)uuid_format(&prefix, settings->prefix);
    settings->count = mem_zalloc(sizeof(*settings->count));
    *object = settings;
    return true;
}

/* ---- numbers ---- */

static struct str make_uuid(struct chain *chain)
{
    char text[UUID_TEXT_SIZE];
    struct uuid uuid;

    uuid_make(&uuid);
    return exchange_copy(chain->exchange, str_of(uuid_format(&uuid, text)));
}

static struct str make_tracker(struct chain *chain)
{
    const struct exchange_request *request = exchange_request(chain->exchange);
    int64_t now_ms = chain->world->clock->wall_us(chain->world->clock->arg) / 1000;

    return exchange_printf(chain->exchange, "%.*s-%d-%d-%" PRIu64 "-%" PRIu32 "-%" PRId64 ".%03d",
                           STR_ARG(request->local_address), request->local_port, (int)getpid(),
                           request->connection, request->requests, now_ms / 1000, (int)(now_ms % 1000));
}

static struct str make_number(struct chain *chain, const struct settings *settings)
{
    switch (settings->generator) {
    case GENERATOR_UUID:
        return make_uuid(chain);
    case GENERATOR_TRACKER:
        return make_tracker(chain);
    case GENERATOR_COUNTER:
        break;
    }
    uint64_t before = atomic_fetch_add_explicit(settings->count, 1, memory_order_relaxed);
    return exchange_printf(chain->exchange, "%s#%" PRIu64, settings->prefix, before + 1);
}

/* The client's own, or the one it has got here; made if there is none. */
static struct str number_of(struct chain *chain, const struct settings *settings)
{
    struct headers *headers = &exchange_request(chain->exchange)->headers;
    const struct header *there = headers_find(headers, settings->header_name);

    if (there != NULL && there->value.len > 0)
        return there->value;
    struct str number = make_number(chain, settings);
    headers_set(headers, settings->header_name, number);
    return number;
}

/* ---- phases ---- */

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    chain_share(chain, STR("correlation_id"), number_of(chain, object));
    return PLUGIN_NEXT;
}

/* Somebody before may have answered: then access has not run here. */
static void header_filter(struct chain *chain, const void *object)
{
    const struct settings *settings = object;

    if (settings->echo)
        headers_set(&chain->answer.headers, settings->header_name, number_of(chain, settings));
}

const struct plugin correlation_id_plugin = {
    .schema =
        {
            .name = "correlation-id",
            .version = "3.5.0",
            .priority = 1,
            .config = &config_record,
            .protocols = part_web_protocols,
        },
    .configure = configure,
    .dispose = dispose,
    .access = access_phase,
    .header_filter = header_filter,
};
