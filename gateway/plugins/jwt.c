/*
 * jwt - see jwt.h. Which algorithm a token must have is said by the credential, never by the token: else a
 * public key could be used as the secret of an HMAC. Claims are not looked at before the signature is good.
 */

#include "gateway/plugins/jwt.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/chain/chain.h"
#include "gateway/http/cookie.h"
#include "gateway/http/encoded.h"
#include "gateway/model/document.h"
#include "gateway/model/pack.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/base64.h"
#include "gateway/plugins/identity.h"
#include "gateway/plugins/jwt_secrets.h"
#include "gateway/plugins/jwt_signature.h"
#include "gateway/plugins/jwt_token.h"

/* ---- settings ---- */

static const char *const claims[] = {"exp", "nbf", NULL};

static const struct field claim = {.name = "elements", .kind = FIELD_STRING, .one_of = claims};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "uri_param_names", .kind = FIELD_SET, .fallback = "[\"jwt\"]", .elements = &part_text,
     .description = "Query arguments that may have the token."},
    {.name = "cookie_names", .kind = FIELD_SET, .fallback = "[]", .elements = &part_text,
     .description = "Cookies that may have the token."},
    {.name = "key_claim_name", .kind = FIELD_STRING, .fallback = "\"iss\"",
     .description = "The claim, or member of the token's header, that names the credential."},
    {.name = "secret_is_base64", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "false",
     .description = "Whether stored secrets are base64 of what tokens are signed with."},
    {.name = "claims_to_verify", .kind = FIELD_SET, .elements = &claim,
     .description = "Claims about time that a token must have and fulfil."},
    {.name = "anonymous", .kind = FIELD_STRING,
     .description = "The consumer, by id or username, of requests that cannot be authenticated."},
    {.name = "run_on_preflight", .kind = FIELD_BOOLEAN, .flags = FIELD_REQUIRED, .fallback = "true",
     .description = "Whether OPTIONS requests need a token as well."},
    {.name = "maximum_expiration", .kind = FIELD_NUMBER, .fallback = "0", .has_between = true,
     .between_max = 31536000, .description = "Seconds that a token may still be good for at most; 0: any."},
    {.name = "header_names", .kind = FIELD_SET, .fallback = "[\"authorization\"]", .elements = &part_text,
     .description = "Headers that may have the token, behind the word Bearer."},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

static const struct field if_limited = {.name = "config.maximum_expiration", .has_gt = true};

static const struct field needs_exp = {.name = "config.claims_to_verify", .contains = "exp"};

static const struct check checks[] = {
    {.kind = CHECK_CONDITIONAL, .if_field = &if_limited, .then_field = &needs_exp}};

struct settings {
    struct texts arguments, cookies, headers;
    char *key_claim;
    char *anonymous; /* NULL: none */
    struct jwt_demands demands;
    bool secret_is_base64;
    bool run_on_preflight;
};

static unsigned claims_of(const cJSON *names)
{
    const cJSON *name;
    unsigned found = 0;

    cJSON_ArrayForEach(name, names)
    {
        if (cJSON_IsString(name))
            found |= strcmp(name->valuestring, "exp") == 0 ? JWT_EXP : JWT_NBF;
    }
    return found;
}

static bool pack_settings(struct packer *packer, const cJSON *config, struct settings *settings,
                          struct err *err)
{
    const char *key_claim = document_text(config, "key_claim_name");
    const cJSON *maximum = cJSON_GetObjectItemCaseSensitive(config, "maximum_expiration");

    (void)err;
    settings->arguments = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(config, "uri_param_names"));
    settings->cookies = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(config, "cookie_names"));
    settings->headers = pack_texts(packer, cJSON_GetObjectItemCaseSensitive(config, "header_names"));
    settings->key_claim = pack_text(packer, key_claim != NULL ? key_claim : "iss");
    settings->anonymous = pack_text(packer, document_text(config, "anonymous"));
    settings->demands.claims = claims_of(cJSON_GetObjectItemCaseSensitive(config, "claims_to_verify"));
    settings->demands.maximum_s = cJSON_IsNumber(maximum) ? maximum->valuedouble : 0;
    settings->secret_is_base64 = document_bool(config, "secret_is_base64", false);
    settings->run_on_preflight = document_bool(config, "run_on_preflight", true);
    return true;
}

PACK_DECODE_AS(decode_settings, settings, pack_settings)

static bool configure(const cJSON *config, void **object, struct err *err)
{
    size_t bytes;

    return decode_settings(config, object, &bytes, err);
}

/* ---- finding the token ---- */

/* All places are looked at; different tokens contradict each other, the same one may be there often. */
struct search {
    struct str token; /* at == NULL: none so far */
    bool is_ambiguous;
};

static void find_token(struct search *search, struct str token)
{
    if (token.len == 0)
        return;
    if (search->token.at == NULL)
        search->token = token;
    else if (!str_equal(search->token, token))
        search->is_ambiguous = true;
}

static void search_argument(struct search *search, const struct chain *chain, struct str name)
{
    size_t count = encoded_find(chain->exchange, chain->upstream_query, name).count;
    struct str *values = exchange_alloc(chain->exchange, (count + 1) * sizeof(*values));

    count = encoded_values(chain->exchange, chain->upstream_query, name, values, count);
    for (size_t i = 0; i < count; i++)
        find_token(search, values[i]);
}

/* "Bearer TOKEN", of the first line of that name. */
static void search_header(struct search *search, const struct headers *headers, struct str name)
{
    const struct header *header = headers_find(headers, name);
    struct str line = header != NULL ? str_trim(header->value) : STR_NONE;
    const size_t word = sizeof("Bearer") - 1;

    if (line.len <= word || !(str_starts_with(line, STR("Bearer")) || str_starts_with(line, STR("bearer"))) ||
        !(line.at[word] == ' ' || line.at[word] == '\t'))
        return;
    find_token(search, str_trim(str_part(line, word, line.len)));
}

static struct search search_token(const struct settings *settings, const struct chain *chain)
{
    const struct headers *headers = &exchange_request(chain->exchange)->headers;
    struct search search = {0};

    for (size_t i = 0; i < settings->arguments.count; i++)
        search_argument(&search, chain, str_of(settings->arguments.at[i]));
    for (size_t i = 0; i < settings->cookies.count; i++)
        find_token(&search, cookie_find(headers, str_of(settings->cookies.at[i])));
    for (size_t i = 0; i < settings->headers.count; i++)
        search_header(&search, headers, str_of(settings->headers.at[i]));
    return search;
}

/* ---- deciding ---- */

/* Why nobody is known: one of the two. */
struct refusal {
    struct str message;
    struct str body; /* at == NULL: {"message":..} */
};

static enum identity unknown(struct refusal *refusal, struct str message)
{
    refusal->message = message;
    return IDENTITY_UNKNOWN;
}

/* NULL: it is the credential's. */
static const char *forgery(const struct settings *settings, struct exchange *exchange,
                           const struct jwt_secret *secret, const struct jwt_token *token)
{
    struct str text = str_of(secret->secret);
    const struct jwt_verifier verifier = {
        .secret = settings->secret_is_base64 ? base64_decode(exchange, text) : text,
        .public_key = secret->public_key,
    };
    const struct jwt_algorithm *algorithm = jwt_algorithm_find(str_of(secret->algorithm));

    if (algorithm == NULL || !str_equal(token->algorithm, str_of(secret->algorithm)))
        return "Invalid algorithm";
    switch (jwt_signature_check(algorithm, &verifier, token->signed_text, token->signature)) {
    case JWT_GENUINE:
        return NULL;
    case JWT_NO_KEY:
        return "Invalid key/secret";
    case JWT_FORGED:
        break;
    }
    return "Invalid signature";
}

static enum identity authenticate_token(const struct settings *settings, struct chain *chain,
                                        const struct jwt_token *token, struct refusal *refusal)
{
    struct exchange *exchange = chain->exchange;
    struct str key = jwt_token_key(token, settings->key_claim);
    const void *object;

    if (key.at == NULL)
        return unknown(refusal,
                       exchange_printf(exchange, "No mandatory '%s' in claims", settings->key_claim));
    if (key.len == 0)
        return unknown(refusal, exchange_printf(exchange, "Invalid '%s' in claims", settings->key_claim));
    refusal->message = exchange_printf(exchange, "No credentials found for given '%s'", settings->key_claim);
    enum identity identity = identity_find(chain, &jwt_secrets_schema, key, &object);
    if (identity != IDENTITY_KNOWN)
        return identity;
    const struct jwt_secret *secret = object;
    const char *problem = forgery(settings, exchange, secret, token);
    if (problem != NULL)
        return unknown(refusal, str_of(problem));
    refusal->body =
        jwt_token_untimely(exchange, token, &settings->demands, clock_unix_s(chain->world->clock));
    if (refusal->body.at != NULL)
        return IDENTITY_UNKNOWN;
    return identity_take(chain, &secret->consumer, secret, str_of(secret->key));
}

static enum identity authenticate(const struct settings *settings, struct chain *chain,
                                  struct refusal *refusal)
{
    struct search search = search_token(settings, chain);
    struct jwt_token token;

    if (search.is_ambiguous)
        return unknown(refusal, STR("Multiple tokens provided"));
    if (search.token.at == NULL)
        return unknown(refusal, STR("Unauthorized"));
    const char *fault = jwt_token_parse(chain->exchange, search.token, &token);
    if (fault != NULL)
        return unknown(refusal, exchange_printf(chain->exchange, "Bad token; %s", fault));
    enum identity identity = authenticate_token(settings, chain, &token, refusal);
    jwt_token_fini(&token);
    return identity;
}

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct settings *settings = object;
    struct refusal refusal = {0};

    if (!settings->run_on_preflight && identity_is_preflight(chain))
        return PLUGIN_NEXT;
    if (identity_is_settled(chain, settings->anonymous))
        return PLUGIN_NEXT;
    enum identity identity = authenticate(settings, chain, &refusal);
    if (identity != IDENTITY_UNKNOWN || settings->anonymous != NULL)
        return identity_settle(chain, identity, settings->anonymous);
    if (refusal.body.at != NULL)
        return chain_answer_body(chain, 401, STR("application/json; charset=utf-8"), refusal.body);
    return chain_answer_message(chain, 401, exchange_copy(chain->exchange, refusal.message).at);
}

static const struct schema *const entities[] = {&jwt_secrets_schema, NULL};

const struct plugin jwt_plugin = {
    .schema =
        {
            .name = "jwt",
            .version = "3.5.0",
            .priority = 1450,
            .config = &config_record,
            .protocols = part_web_protocols,
            .refuses_consumer = true,
            .checks = checks,
            .check_count = COUNT(checks),
        },
    .entities = entities,
    .configure = configure,
    .dispose = free,
    .access = access_phase,
};
