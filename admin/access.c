/*
 * access - see access.h.
 *
 * The order is that of effort: the address, the certificate (verified at the handshake), the token. None of
 * them looks at the path: a stranger learns nothing from a 404. What h2o cannot do is to refuse before the
 * body is there.
 *
 * Plain HTTP cannot bring a certificate. From loopback, where the settings allow it, it needs none; from
 * elsewhere it needs a token, and access_load() refuses settings in which there is neither. Addresses change
 * only with a restart, so the same is asked once more of each request.
 */

#include "admin/access.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/request.h"
#include "admin/state.h"
#include "admin/tokens.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/metrics.h"
#include "gateway/base/network.h"
#include "gateway/config/config.h"
#include "gateway/config/source.h"
#include "gateway/http/tls.h"

enum {
    LOG_PAUSE_US = 10 * 1000 * 1000
};

struct access {
    size_t references; /* thread: the loop */
    struct network *networks;
    size_t network_count; /* 0: from everywhere */
    bool wants_certificate;
    struct tokens *tokens; /* NULL: not asked for */
    SSL_CTX *tls;          /* NULL: no address wants it */
    uint8_t tls_digest[TLS_DIGEST_SIZE];
};

/* ---- from the settings ---- */

static const char *place_of(const struct config *config)
{
    return config->file != NULL ? config->file : "settings";
}

static bool is_plain_from_elsewhere(const char *text)
{
    struct config_listen listen;
    char reason[160];

    return config_parse_listen(text, &listen, reason) && !listen.ssl && !network_is_loopback(listen.host);
}

static bool check_plain_addresses(const struct config *config, struct config_problems *problems)
{
    bool ok = true;

    if (config->admin_ssl_client_ca == NULL || config->admin_tokens_file != NULL)
        return true;
    for (size_t i = 0; i < config->admin_listen.count; i++) {
        if (!is_plain_from_elsewhere(config->admin_listen.at[i]))
            continue;
        problem_add(problems, place_of(config), 0, "admin_listen",
                    "'%s' lets everybody in past admin_ssl_client_ca: plain HTTP has no certificates; give "
                    "it ssl, move it to 127.0.0.1, or set admin_tokens_file",
                    config->admin_listen.at[i]);
        ok = false;
    }
    return ok;
}

static bool has_tls(const struct config *config)
{
    struct config_listen listen;
    char reason[160];
    bool found = false;

    for (size_t i = 0; i < config->admin_listen.count && !found; i++)
        found = config_parse_listen(config->admin_listen.at[i], &listen, reason) && listen.ssl;
    return found;
}

static bool load_tls(const struct config *config, struct access *access, struct config_problems *problems)
{
    bool is_own = config->admin_ssl_cert != NULL;
    const struct tls_server files = {
        .certificates = is_own ? config->admin_ssl_cert : config->ssl_cert,
        .keys = is_own ? config->admin_ssl_cert_key : config->ssl_cert_key,
        .client_ca_file = config->admin_ssl_client_ca,
    };
    struct err err;

    if (!has_tls(config))
        return true;
    /* In this order: what changes in between is another digest next time. */
    if (tls_server_digest(&files, access->tls_digest, &err) &&
        tls_server_new(&files, &access->tls, NULL, &err))
        return true;
    problem_add(problems, place_of(config), 0, "admin_listen", "%s", err.text);
    return false;
}

static void load_networks(const struct config *config, struct access *access)
{
    access->networks = mem_zalloc((config->admin_allow.count + 1) * sizeof(*access->networks));
    for (size_t i = 0; i < config->admin_allow.count; i++)
        if (network_parse(str_of(config->admin_allow.at[i]), &access->networks[access->network_count]))
            access->network_count++; /* always: they were checked when they were read */
}

bool access_load(const struct config *config, struct access **access, struct config_problems *problems)
{
    struct access *made = mem_zalloc(sizeof(*made));

    made->references = 1;
    made->wants_certificate = config->admin_ssl_client_ca != NULL;
    load_networks(config, made);
    bool ok = check_plain_addresses(config, problems);
    ok = load_tls(config, made, problems) && ok;
    if (config->admin_tokens_file != NULL)
        ok = tokens_read(config->admin_tokens_file, &made->tokens, problems) && ok;
    if (!ok) {
        access_unref(made);
        return false;
    }
    *access = made;
    return true;
}

struct access *access_ref(struct access *access)
{
    access->references++;
    return access;
}

void access_unref(struct access *access)
{
    if (access == NULL || --access->references > 0)
        return;
    tokens_free(access->tokens);
    SSL_CTX_free(access->tls);
    free(access->networks);
    free(access);
}

SSL_CTX *access_tls(const struct access *access)
{
    return access->tls;
}

bool access_same_tls(const struct access *one, const struct access *other)
{
    return (one->tls == NULL) == (other->tls == NULL) &&
           memcmp(one->tls_digest, other->tls_digest, sizeof(one->tls_digest)) == 0;
}

static bool is_from_elsewhere(const char *text)
{
    struct config_listen listen;
    char reason[160];

    return config_parse_listen(text, &listen, reason) && !network_is_loopback(listen.host);
}

/* Who reaches them may do everything. */
static void warn_of_open_addresses(const struct config *config)
{
    struct buf open = {0};

    for (size_t i = 0; i < config->admin_listen.count; i++)
        if (is_from_elsewhere(config->admin_listen.at[i]))
            buf_printf(&open, "%s%.*s", open.len > 0 ? ", " : "",
                       (int)strcspn(config->admin_listen.at[i], " "), config->admin_listen.at[i]);
    if (open.len > 0)
        log_warn("admin: everybody who reaches these addresses can change everything: set admin_tokens_file, "
                 "admin_ssl_client_ca or admin_allow; admin_listen=%s",
                 open.at);
    buf_fini(&open);
}

void access_warn(const struct access *access, const struct config *config)
{
    if (access->tokens != NULL && tokens_count(access->tokens) == 0)
        log_warn("admin: there is no token in the file, so every request is refused; path=%s",
                 config->admin_tokens_file);
    if (access->tokens != NULL && tokens_were_open(access->tokens))
        log_warn("admin: every user of this machine can open the file of tokens; path=%s",
                 config->admin_tokens_file);
    if (access->wants_certificate && !has_tls(config))
        log_warn("admin: admin_ssl_client_ca is without effect: no address of admin_listen has ssl");
    if (access->tokens == NULL && !access->wants_certificate && access->network_count == 0)
        warn_of_open_addresses(config);
}

bool access_open(const struct config *config, struct access **access, struct err *err)
{
    struct config_problems problems = {0};

    if (access_load(config, access, &problems)) {
        access_warn(*access, config);
        return true;
    }
    char *text = config_problem_text(&problems.at[0]);
    (void)err_set(err, ERR_INVALID, "%s", text);
    free(text);
    config_problems_fini(&problems);
    return false;
}

/* ---- requests ---- */

/* One line now and then, however many are refused. Nothing in it is of the client's choice. */
static void note(struct request *request, const char *reason)
{
    struct access_refusals *refusals = &request->admin->refusals;
    int64_t now_us = loop_clock_us();

    metrics_add(METRIC_ADMIN_REFUSED, 1);
    if (refusals->logged_us != 0 && now_us - refusals->logged_us < LOG_PAUSE_US) {
        refusals->unlogged_count++;
        return;
    }
    log_warn("admin: a request was refused; peer=%.*s reason=\"%s\" others_before=%" PRIu64,
             STR_ARG(exchange_request(request->exchange)->peer_address), reason, refusals->unlogged_count);
    *refusals = (struct access_refusals){.logged_us = now_us};
}

static bool refuse(struct request *request, int status, const char *text, const char *reason)
{
    note(request, reason);
    answer_message(&request->answer, status, "%s", text);
    return false;
}

static bool grants_address(struct request *request)
{
    const struct access *access = request->access;
    const struct sockaddr_storage *peer = &exchange_request(request->exchange)->peer;

    for (size_t i = 0; i < access->network_count; i++)
        if (network_contains(&access->networks[i], peer))
            return true;
    if (access->network_count == 0)
        return true;
    (void)refuse(request, 403, "Your address is not allowed here", "address is not in admin_allow");
    request->answer.close = true;
    return false;
}

static bool refuse_certificate(struct request *request, const char *text, const char *reason)
{
    (void)refuse(request, 400, text, reason);
    request->answer.close = true; /* the next one would be shown at another handshake */
    return false;
}

static bool grants_certificate(struct request *request)
{
    const struct exchange_request *in = exchange_request(request->exchange);
    const char *problem = exchange_peer_problem(request->exchange);

    if (!request->access->wants_certificate || exchange_peer_subject(request->exchange) != NULL)
        return true;
    if (problem != NULL)
        return refuse_certificate(request, "The client certificate is not accepted", problem);
    if (in->tls)
        return refuse_certificate(request, "A client certificate is required", "no client certificate");
    if (request->access->tokens != NULL || network_is_loopback(in->local_address))
        return true;
    return refuse_certificate(request, "A client certificate is required, so use HTTPS",
                              "plain HTTP from elsewhere has no client certificate");
}

static struct str presented_token(const struct headers *headers)
{
    const struct str scheme = STR("bearer ");
    const struct header *own = headers_find(headers, STR("kong-admin-token"));
    const struct header *usual = headers_find(headers, STR("authorization"));

    if (own != NULL)
        return str_trim(own->value);
    if (usual == NULL || usual->value.len < scheme.len ||
        !str_equal_nocase(str_part(usual->value, 0, scheme.len), scheme))
        return STR_NONE;
    return str_trim(str_part(usual->value, scheme.len, usual->value.len));
}

/* Browsers ask without a token what they may send with one. Every path offers everything then. */
static bool answer_preflight(struct request *request)
{
    answer_empty(&request->answer, 204);
    request->answer.allow = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
    return false;
}

static bool grants_token(struct request *request)
{
    struct str presented = presented_token(&exchange_request(request->exchange)->headers);

    if (request->access->tokens == NULL)
        return true;
    const struct token *token = tokens_find(request->access->tokens, presented);
    if (token == NULL && request->method == METHOD_OPTIONS)
        return answer_preflight(request);
    if (token == NULL) {
        (void)refuse(request, 401, "Unauthorized", presented.len > 0 ? "unknown token" : "no token");
        request->answer.challenge = "Bearer realm=\"Admin API\"";
        return false;
    }
    request->principal = token->name;
    if (token->can_write || request->method == METHOD_GET || request->method == METHOD_OPTIONS)
        return true;
    return refuse(request, 403, "This token may only read", "the token is read-only");
}

bool access_grants(struct request *request)
{
    return grants_address(request) && grants_certificate(request) && grants_token(request);
}
