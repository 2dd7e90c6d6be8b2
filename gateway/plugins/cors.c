/*
 * cors - see cors.h.
 *
 * A preflight is answered here. Other answers, also those of the gateway itself, get their lines when their
 * head is made.
 */

#include "gateway/plugins/cors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/http/token.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/setting_list.h"
#include "gateway/plugins/web_origin.h"

/* ---- settings ---- */

static bool is_origin(const cJSON *value, char message[256])
{
    char words[160];

    if (strcmp(value->valuestring, "*") == 0 || pattern_is_valid(value->valuestring, words))
        return true;
    (void)snprintf(message, 256, "'%.200s' is not a valid regex", value->valuestring);
    return false;
}

static const struct field origins_element = {.name = "elements", .kind = FIELD_STRING, .check = is_origin};

static const char *const methods_elements_choices[] = {"GET",    "HEAD",    "PUT",   "PATCH",   "POST",
                                                       "DELETE", "OPTIONS", "TRACE", "CONNECT", NULL};

static const struct field methods_element = {
    .name = "elements", .kind = FIELD_STRING, .one_of = methods_elements_choices};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "origins", .kind = FIELD_ARRAY, .elements = &origins_element,
     .description = "Origins whose pages may use answers: *, origins, or patterns."},
    {.name = "headers", .kind = FIELD_ARRAY, .elements = &part_text,
     .description = "Request headers such pages may send; null: those they ask for."},
    {.name = "exposed_headers", .kind = FIELD_ARRAY, .elements = &part_text,
     .description = "Headers of answers such pages may read."},
    {.name = "methods", .kind = FIELD_ARRAY,
     .fallback = "[\"GET\",\"HEAD\",\"PUT\",\"PATCH\",\"POST\",\"DELETE\",\"OPTIONS\",\"TRACE\",\"CONNECT\"]",
     .elements = &methods_element,
     .description = "Methods such pages may use."},
    {.name = "max_age", .kind = FIELD_NUMBER,
     .description = "How long browsers may remember it; seconds."},
    {.name = "credentials", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false",
     .description = "Whether cookies and the like may be sent along."},
    {.name = "private_network", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false",
     .description = "Whether public pages may call a private network."},
    {.name = "preflight_continue", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false",
     .description = "Whether the upstream answers browsers that ask beforehand."},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

enum origins {
    ORIGINS_ANY,   /* "*" */
    ORIGINS_FIXED, /* one, told to everybody */
    ORIGINS_LISTED,
};

struct settings {
    enum origins origins;
    char *fixed;                               /* ORIGINS_FIXED */
    struct web_origin_list *listed;            /* ORIGINS_LISTED */
    char *methods, *headers, *exposed_headers; /* joined; NULL: none */
    char max_age[32];                          /* "": none */
    bool credentials, private_network, preflight_continue;
};

static void dispose(void *object)
{
    struct settings *settings = object;

    free(settings->fixed);
    web_origin_list_free(settings->listed);
    free(settings->methods);
    free(settings->headers);
    free(settings->exposed_headers);
    free(settings);
}

static bool has_any(const struct setting_list *origins)
{
    for (size_t i = 0; i < origins->count; i++)
        if (strcmp(origins->at[i], "*") == 0)
            return true;
    return origins->count == 0;
}

static bool set_origins(struct settings *settings, const cJSON *config, struct err *err)
{
    struct setting_list origins = setting_list_read(config, "origins");
    bool ok = true;

    if (has_any(&origins)) {
        settings->origins = ORIGINS_ANY;
    } else if (origins.count == 1 && web_origin_is_plain(str_of(origins.at[0]))) {
        settings->origins = ORIGINS_FIXED;
        settings->fixed = mem_strdup(origins.at[0]);
    } else {
        settings->origins = ORIGINS_LISTED;
        ok = web_origin_list_new(origins.at, origins.count, &settings->listed, err);
    }
    setting_list_fini(&origins);
    return ok;
}

static char *joined(const cJSON *config, const char *name)
{
    struct setting_list list = setting_list_read(config, name);
    char *text = setting_list_join(&list);

    setting_list_fini(&list);
    return text;
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));
    const cJSON *max_age = cJSON_GetObjectItemCaseSensitive(config, "max_age");

    if (!set_origins(settings, config, err)) {
        dispose(settings);
        return false;
    }
    settings->methods = joined(config, "methods");
    settings->headers = joined(config, "headers");
    settings->exposed_headers = joined(config, "exposed_headers");
    if (cJSON_IsNumber(max_age))
        (void)snprintf(settings->max_age, sizeof(settings->max_age), "%.15g", max_age->valuedouble);
    settings->credentials = document_bool(config, "credentials", false);
    settings->private_network = document_bool(config, "private_network", false);
    settings->preflight_continue = document_bool(config, "preflight_continue", false);
    *object = settings;
    return true;
}

/* ---- lines ---- */

static struct str sent(const struct chain *chain, struct str name)
{
    const struct header *header = headers_find(&exchange_request(chain->exchange)->headers, name);

    return header != NULL ? header->value : STR_NONE;
}

static bool is_preflight(const struct chain *chain)
{
    return str_equal(exchange_request(chain->exchange)->method, STR("OPTIONS")) &&
           sent(chain, STR("Origin")).at != NULL &&
           sent(chain, STR("Access-Control-Request-Method")).at != NULL;
}

/* at == NULL: the page may not use the answer. */
static struct str allowed_origin(struct chain *chain, const struct settings *settings)
{
    struct str origin = sent(chain, STR("Origin"));

    switch (settings->origins) {
    case ORIGINS_ANY:
        return settings->credentials && origin.len > 0 ? origin : STR("*");
    case ORIGINS_FIXED:
        return str_of(settings->fixed);
    case ORIGINS_LISTED:
        break;
    }
    return web_origin_find(settings->listed, chain->exchange, origin);
}

static bool is_varied_by_origin(const struct headers *headers)
{
    struct str name = STR("Vary");

    for (const struct header *vary = headers_find(headers, name); vary != NULL;
         vary = headers_find_next(headers, vary, name))
        if (token_list_has(vary->value, STR("Origin")))
            return true;
    return false;
}

/* Who may use the answer: the lines that preflights and other answers have in common. */
static void add_origin(struct chain *chain, const struct settings *settings)
{
    struct headers *headers = &chain->answer.headers;
    struct str origin = allowed_origin(chain, settings);
    bool is_any = str_equal(origin, STR("*"));

    if (origin.at != NULL)
        headers_set(headers, STR("Access-Control-Allow-Origin"), origin);
    else
        (void)headers_remove(headers, STR("Access-Control-Allow-Origin"));
    if (!is_any && !is_varied_by_origin(headers))
        headers_add(headers, STR("Vary"), STR("Origin"));
    if (settings->credentials && !is_any)
        headers_set(headers, STR("Access-Control-Allow-Credentials"), STR("true"));
}

static void add_list(struct headers *headers, struct str name, struct str list)
{
    if (list.len > 0)
        headers_set(headers, name, list);
}

static enum plugin_result answer_preflight(struct chain *chain, const struct settings *settings)
{
    enum plugin_result result = chain_answer_message(chain, 200, NULL);
    struct headers *headers = &chain->answer.headers;
    struct str asked = sent(chain, STR("Access-Control-Request-Headers"));

    add_origin(chain, settings);
    add_list(headers, STR("Access-Control-Allow-Methods"), str_of(settings->methods));
    add_list(headers, STR("Access-Control-Allow-Headers"),
             settings->headers != NULL ? str_of(settings->headers) : asked);
    add_list(headers, STR("Access-Control-Max-Age"), str_of(settings->max_age));
    if (settings->private_network &&
        str_equal(sent(chain, STR("Access-Control-Request-Private-Network")), STR("true")))
        headers_set(headers, STR("Access-Control-Allow-Private-Network"), STR("true"));
    return result;
}

/* ---- phases ---- */

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;

    if (!is_preflight(chain) || settings->preflight_continue)
        return PLUGIN_NEXT;
    return answer_preflight(chain, settings);
}

static void header_filter(struct chain *chain, const void *object)
{
    const struct settings *settings = object;

    if (is_preflight(chain))
        return; /* it has its lines, or the upstream is to give them */
    add_origin(chain, settings);
    add_list(&chain->answer.headers, STR("Access-Control-Expose-Headers"), str_of(settings->exposed_headers));
}

const struct plugin cors_plugin = {
    .schema =
        {
            .name = "cors",
            .version = "3.5.0",
            .priority = 2000,
            .config = &config_record,
            .protocols = part_web_protocols,
            .refuses_consumer = true,
        },
    .configure = configure,
    .dispose = dispose,
    .access = access_phase,
    .header_filter = header_filter,
};
