/*
 * tls_settings - see tls_settings.h.
 */

#include "gateway/proxy/tls_settings.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/base/str.h"
#include "gateway/config/config.h"
#include "gateway/config/source.h"
#include "gateway/http/tls.h"
#include "gateway/http/tls_authority.h"
#include "gateway/http/tls_identity.h"
#include "gateway/http/tls_policy.h"
#include "gateway/http/tls_self_signed.h"
#include "gateway/http/tls_tickets.h"

enum {
    SESSION_BYTES = 256 /* 4,000 sessions in a megabyte, as Kong's engine counts */
};

/* Collects what is wrong. */
struct loading {
    const struct config *config;
    struct config_problems *problems;
    bool ok;
};

static bool wrong(struct loading *loading, const char *setting, const struct err *err)
{
    const char *where = loading->config->file != NULL ? loading->config->file : "settings";

    problem_add(loading->problems, where, 0, setting, "%s", err->text);
    loading->ok = false;
    return false;
}

static bool wants_tls(const struct config *config)
{
    struct config_listen listen;
    char reason[160];

    for (size_t i = 0; i < config->proxy_listen.count; i++)
        if (config_parse_listen(config->proxy_listen.at[i], &listen, reason) && listen.ssl)
            return true;
    return false;
}

/* "86400", "90s", "15m", "12h", "1d" */
static bool duration_of(const char *text, int64_t *seconds, struct err *err)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 60 * 60}, {'d', 24 * 60 * 60}};
    struct str number = str_of(text);
    int64_t factor = 1;

    for (size_t i = 0; i < COUNT(units) && number.len > 1; i++) {
        if (text[number.len - 1] != units[i].unit)
            continue;
        factor = units[i].seconds;
        number.len--;
        break;
    }
    if (!str_to_int(number, seconds) || *seconds < 1 || *seconds > INT32_MAX / factor)
        return err_set(err, ERR_INVALID, "'%.40s' is not a time such as 90s, 15m, 12h or 1d", text);
    *seconds *= factor;
    return true;
}

static void load_server(struct loading *loading, struct tls_settings *settings)
{
    const struct config *config = loading->config;
    struct tls_policy policy = {
        .suite = config->ssl_cipher_suite,
        .ciphers = config->ssl_ciphers,
        .protocols = config->ssl_protocols,
        .clients_choose = !config->ssl_prefer_server_ciphers,
        .dhparam = config->ssl_dhparam,
        .without_tickets = !config->ssl_session_tickets,
        .sessions_kept = config->ssl_session_cache_size / SESSION_BYTES,
    };
    const struct tls_server server = {.policy = &policy, .by_name = true};
    const char *setting = "ssl_cipher_suite";
    struct err err = {0};

    if (!duration_of(config->ssl_session_timeout, &policy.session_s, &err))
        (void)wrong(loading, "ssl_session_timeout", &err);
    settings->session_s = policy.session_s;
    if (config->ssl_cert != NULL &&
        !tls_identity_load(config->ssl_cert, config->ssl_cert_key, &settings->fallback, &err))
        (void)wrong(loading, "ssl_cert", &err);
    if (!tls_server_new(&server, &settings->server, &setting, &err))
        (void)wrong(loading, setting, &err);
}

static void load_client(struct loading *loading, struct tls_settings *settings)
{
    const struct config *config = loading->config;
    struct client_tls *upstream = &settings->upstream;
    struct err err = {0};

    upstream->verify_depth = (int)config->lua_ssl_verify_depth;
    if (!tls_policy_versions(config->lua_ssl_protocols, &upstream->lowest_version, &upstream->highest_version,
                             &err))
        (void)wrong(loading, "lua_ssl_protocols", &err);
    if (!tls_authorities_load(config->lua_ssl_trusted_certificate, &settings->trusted, &err))
        (void)wrong(loading, "lua_ssl_trusted_certificate", &err);
    upstream->trusted = settings->trusted;
    if (!config->client_ssl)
        return;
    if (config->client_ssl_cert == NULL)
        (void)wrong(
            loading, "client_ssl_cert",
            &(struct err){.code = ERR_INVALID, .text = "client_ssl needs it and client_ssl_cert_key"});
    else if (!tls_identity_load(config->client_ssl_cert, config->client_ssl_cert_key, &settings->client,
                                &err))
        (void)wrong(loading, "client_ssl_cert", &err);
    upstream->identity = settings->client;
}

struct tls_settings *tls_settings_load(const struct config *config, struct config_problems *problems)
{
    struct tls_settings *settings = mem_zalloc(sizeof(*settings));
    struct loading loading = {config, problems, true};

    if (wants_tls(config))
        load_server(&loading, settings);
    load_client(&loading, settings);
    if (loading.ok)
        return settings;
    tls_settings_free(settings);
    return NULL;
}

bool tls_settings_complete(struct tls_settings *settings, const struct config *config, struct err *err)
{
    if (settings->server == NULL || settings->fallback != NULL)
        return true;
    char *directory = mem_printf("%s/ssl", config->prefix);
    bool ok = tls_self_signed_keep(directory, &settings->fallback, err);
    free(directory);
    return ok;
}

/* A key is in use for as long as the youngest session it has sealed: nobody is turned away too early. */
bool tls_settings_seal(struct tls_settings *settings, const uint8_t *secret, struct err *err)
{
    return settings->server == NULL ||
           tls_tickets_use(settings->server, secret, settings->session_s, clock_system(), err);
}

void tls_settings_free(struct tls_settings *settings)
{
    if (settings == NULL)
        return;
    SSL_CTX_free(settings->server);
    tls_identity_unref(settings->fallback);
    tls_identity_unref(settings->client);
    X509_STORE_free(settings->trusted);
    free(settings);
}
