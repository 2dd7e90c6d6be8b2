/*
 * ip_restriction - see ip_restriction.h. What is denied is denied, also if it is allowed.
 */

#include "gateway/plugins/ip_restriction.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/base/network.h"
#include "gateway/chain/chain.h"
#include "gateway/model/document.h"
#include "gateway/model/texts.h"
#include "gateway/plugins/setting_list.h"

/* ---- settings ---- */

static const struct field list_element = {
    .name = "elements", .kind = FIELD_STRING, .check = text_is_ip_or_cidr};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "allow", .kind = FIELD_ARRAY, .elements = &list_element,
     .description = "Addresses and ranges that pass; null or empty: all that are not denied."},
    {.name = "deny", .kind = FIELD_ARRAY, .elements = &list_element,
     .description = "Addresses and ranges that do not pass."},
    {.name = "status", .kind = FIELD_NUMBER,
     .description = "The status of a refusal; null: 403."},
    {.name = "message", .kind = FIELD_STRING,
     .description = "The text of a refusal."},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

static const char *const lists[] = {"config.allow", "config.deny", NULL};

static const struct check checks[] = {{.kind = CHECK_AT_LEAST_ONE_OF, .names = lists}};

struct networks {
    struct network *at;
    size_t count;
};

struct settings {
    struct networks allow, deny;
    int status;
    char *message; /* NULL: one with the address */
};

static void dispose(void *object)
{
    struct settings *settings = object;

    free(settings->allow.at);
    free(settings->deny.at);
    free(settings->message);
    free(settings);
}

static bool read_networks(const cJSON *config, const char *name, struct networks *networks, struct err *err)
{
    struct setting_list texts = setting_list_read(config, name);
    bool ok = true;

    networks->at = mem_zalloc((texts.count + 1) * sizeof(*networks->at));
    for (size_t i = 0; ok && i < texts.count; i++)
        ok = network_parse(str_of(texts.at[i]), &networks->at[networks->count++]) ||
             err_set(err, ERR_INVALID, "ip-restriction: '%s' is no range of addresses", texts.at[i]);
    setting_list_fini(&texts);
    return ok;
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));

    if (!read_networks(config, "allow", &settings->allow, err) ||
        !read_networks(config, "deny", &settings->deny, err)) {
        dispose(settings);
        return false;
    }
    settings->status = (int)document_int(config, "status", 403);
    settings->message = mem_strdup(document_text(config, "message"));
    *object = settings;
    return true;
}

/* ---- the phase ---- */

static bool contains(const struct networks *networks, const struct sockaddr_storage *address)
{
    for (size_t i = 0; i < networks->count; i++)
        if (network_contains(&networks->at[i], address))
            return true;
    return false;
}

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct sockaddr_storage address;

    if (!network_address(chain->client_address, &address))
        return chain_answer_error(
            chain, 403, "Cannot identify the client IP address, unix domain sockets are not supported.");
    bool is_denied = contains(&settings->deny, &address) ||
                     (settings->allow.count > 0 && !contains(&settings->allow, &address));
    if (!is_denied)
        return PLUGIN_NEXT;
    if (settings->status < 200 || settings->status > 599)
        return PLUGIN_FAILED; /* the schema takes any number; HTTP does not */
    if (settings->message != NULL)
        return chain_answer_error(chain, settings->status, settings->message);
    struct str text = exchange_printf(chain->exchange, "IP address not allowed: %.*s%c",
                                      STR_ARG(chain->client_address), '\0');
    return chain_answer_error(chain, settings->status, text.at);
}

const struct plugin ip_restriction_plugin = {
    .schema =
        {
            .name = "ip-restriction",
            .version = "3.5.0",
            .priority = 990,
            .config = &config_record,
            .protocols = protocol_names,
            .protocols_default = "[\"http\",\"https\",\"tcp\",\"tls\",\"grpc\",\"grpcs\"]",
            .checks = checks,
            .check_count = COUNT(checks),
        },
    .configure = configure,
    .dispose = dispose,
    .access = access_phase,
};
