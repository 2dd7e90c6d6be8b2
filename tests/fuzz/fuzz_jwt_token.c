/* library: gateway_plugins */

/*
 * fuzz_jwt_token - any bytes as a token, and as the three texts of one that is well coded: who is refused is
 * told why, who is not has an algorithm, a signature and claims; no signature that was not made is genuine.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "gateway/http/exchange_recorder.h"
#include "gateway/plugins/jwt_signature.h"
#include "gateway/plugins/jwt_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

static void try_token(struct exchange *exchange, struct str text)
{
    const struct jwt_demands demands = {.claims = JWT_EXP | JWT_NBF, .maximum_s = 60};
    const struct jwt_verifier verifier = {.secret = STR("nobody signs with this")};
    struct jwt_token token;

    if (jwt_token_parse(exchange, text, &token) != NULL)
        return;
    const struct jwt_algorithm *algorithm = jwt_algorithm_find(token.algorithm);
    demand(algorithm != NULL && token.signature.at != NULL && cJSON_IsObject(token.claims));
    demand(token.signed_text.at == text.at && token.signed_text.len < text.len);
    demand(jwt_signature_check(algorithm, &verifier, token.signed_text, token.signature) != JWT_GENUINE);
    (void)jwt_token_key(&token, "iss");
    struct str answer = jwt_token_untimely(exchange, &token, &demands, 1795400100);
    cJSON *shown = answer.at != NULL ? cJSON_ParseWithLength(answer.at, answer.len) : NULL;
    demand(answer.at == NULL || cJSON_IsObject(shown));
    cJSON_Delete(shown);
    jwt_token_fini(&token);
}

/* Lines to parts: most inputs that are not coded by us are no base64. */
static struct str make_token(struct exchange *exchange, struct str lines)
{
    char *text = exchange_alloc(exchange, 2 * lines.len + 32);
    size_t len = 0;

    for (int part = 0; part < 3; part++) {
        size_t end = str_find(lines, '\n', 0);
        struct str line = str_part(lines, 0, end != SIZE_MAX ? end : lines.len);
        lines = str_part(lines, end != SIZE_MAX ? end + 1 : lines.len, lines.len);
        len += (size_t)EVP_EncodeBlock((unsigned char *)text + len, (const unsigned char *)line.at,
                                       (int)line.len);
        if (part < 2)
            text[len++] = '.';
    }
    return (struct str){text, len};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct exchange_request request = {.method = STR("GET"), .path = STR("/")};
    struct exchange *exchange = exchange_recorder_new(NULL, &request);
    struct str text = exchange_copy(exchange, (struct str){(const char *)data, size});

    try_token(exchange, text);
    try_token(exchange, make_token(exchange, text));
    exchange_recorder_free(exchange);
    return 0;
}
