/*
 * jwt_token - see jwt_token.h. Of members that are there twice the last one counts, as the standard has it
 * for parsers that allow them at all (RFC 7519, section 4).
 */

#include "gateway/plugins/jwt_token.h"

#include <string.h>

#include "gateway/http/exchange.h"
#include "gateway/plugins/base64.h"
#include "gateway/plugins/jwt_signature.h"

static const cJSON *member(const cJSON *object, const char *name)
{
    const cJSON *last = NULL;
    const cJSON *item;

    cJSON_ArrayForEach(item, object)
    {
        if (strcmp(item->string, name) == 0)
            last = item;
    }
    return last;
}

/* NULL: it is no JSON, or not only. */
static cJSON *read_json(struct exchange *exchange, struct str part)
{
    struct str text = base64_decode(exchange, part);
    const char *end = NULL;

    if (text.at == NULL)
        return NULL;
    cJSON *value = cJSON_ParseWithLengthOpts(text.at, text.len, &end, /* require_null_terminated= */ false);
    if (value == NULL || strspn(end, " \t\r\n") == (size_t)(text.at + text.len - end))
        return value;
    cJSON_Delete(value);
    return NULL;
}

static const char *fault_of(struct jwt_token *token)
{
    const cJSON *algorithm = cJSON_IsObject(token->header) ? member(token->header, "alg") : NULL;

    if (token->header == NULL || token->claims == NULL)
        return "invalid JSON";
    token->algorithm = cJSON_IsString(algorithm) ? str_of(algorithm->valuestring) : STR_NONE;
    if (jwt_algorithm_find(token->algorithm) == NULL)
        return "invalid alg";
    if (!cJSON_IsObject(token->claims))
        return "invalid claims";
    return token->signature.at == NULL ? "invalid signature" : NULL;
}

const char *jwt_token_parse(struct exchange *exchange, struct str text, struct jwt_token *token)
{
    size_t first = str_find(text, '.', 0);
    size_t second = first != SIZE_MAX ? str_find(text, '.', first + 1) : SIZE_MAX;

    if (second == SIZE_MAX)
        return "invalid JSON";
    *token = (struct jwt_token){
        .signed_text = str_part(text, 0, second),
        .signature = base64_decode(exchange, str_part(text, second + 1, text.len)),
        .header = read_json(exchange, str_part(text, 0, first)),
        .claims = read_json(exchange, str_part(text, first + 1, second)),
    };
    const char *fault = fault_of(token);
    if (fault != NULL)
        jwt_token_fini(token);
    return fault;
}

void jwt_token_fini(struct jwt_token *token)
{
    cJSON_Delete(token->header);
    cJSON_Delete(token->claims);
    *token = (struct jwt_token){0};
}

struct str jwt_token_key(const struct jwt_token *token, const char *name)
{
    const cJSON *key = member(token->claims, name);

    if (key == NULL || cJSON_IsNull(key))
        key = member(token->header, name);
    if (key == NULL || cJSON_IsNull(key))
        return STR_NONE;
    return cJSON_IsString(key) ? str_of(key->valuestring) : STR("");
}

/* ---- claims about time ---- */

static bool has_expired(double value, double now_s)
{
    return value <= now_s;
}

static bool is_early(double value, double now_s)
{
    return value > now_s;
}

static const struct {
    enum jwt_claims claim;
    const char *name;
    bool (*is_bad)(double value, double now_s);
    const char *words;
} rules[] = {
    {JWT_EXP, "exp", has_expired, "token expired"},
    {JWT_NBF, "nbf", is_early, "token not valid yet"},
};

static const char *judge(size_t rule, const struct jwt_token *token, double now_s)
{
    const cJSON *claim = member(token->claims, rules[rule].name);

    if (!cJSON_IsNumber(claim))
        return "must be a number";
    return rules[rule].is_bad(claim->valuedouble, now_s) ? rules[rule].words : NULL;
}

struct str jwt_token_untimely(struct exchange *exchange, const struct jwt_token *token,
                              const struct jwt_demands *demands, int64_t now_s)
{
    struct str found = STR_NONE;

    for (size_t i = 0; i < COUNT(rules); i++) {
        const char *words = (demands->claims & rules[i].claim) != 0 ? judge(i, token, (double)now_s) : NULL;
        if (words != NULL)
            found = exchange_printf(exchange, "%.*s%s\"%s\":\"%s\"", STR_ARG(found),
                                    found.at != NULL ? "," : "", rules[i].name, words);
    }
    if (found.at == NULL && demands->maximum_s > 0) {
        const cJSON *exp = member(token->claims, "exp");
        if (!cJSON_IsNumber(exp) || exp->valuedouble - (double)now_s > demands->maximum_s)
            found = STR("\"exp\":\"exceeds maximum allowed expiration\"");
    }
    return found.at != NULL ? exchange_printf(exchange, "{%.*s}", STR_ARG(found)) : STR_NONE;
}
