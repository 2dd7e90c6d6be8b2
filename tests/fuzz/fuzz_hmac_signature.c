/* library: gateway_plugins */

/*
 * fuzz_hmac_signature - the first line is the value of an Authorization header, the second a secret, the rest
 * a body: what is read of the line can be written again, texts stay within their bounds, and what was made
 * with the secret is the only proof.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/http/exchange_recorder.h"
#include "gateway/plugins/hmac_signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

static struct str take_line(struct str *rest)
{
    size_t end = str_find(*rest, '\n', 0);
    struct str line = str_part(*rest, 0, end != SIZE_MAX ? end : rest->len);

    *rest = str_part(*rest, end != SIZE_MAX ? end + 1 : rest->len, rest->len);
    return line;
}

static bool is_within(struct str part, struct str whole)
{
    return part.len > 0 && part.at >= whole.at && part.at + part.len <= whole.at + whole.len;
}

static void try_signature(struct exchange *exchange, const struct hmac_signature *signature,
                          struct str secret)
{
    struct str text = hmac_signature_text(exchange, signature);

    if (text.at == NULL)
        return;
    demand(text.len > 0 && text.len <= HMAC_TEXT_MAX);
    if (hmac_signature_covers(signature, STR("x-seen")))
        demand(memmem(text.at, text.len, ": and signed", 12) != NULL);
    (void)hmac_signature_matches(exchange, signature, secret, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    struct str line = take_line(&rest);
    struct str secret = take_line(&rest);
    const struct exchange_request request = {
        .method = STR("PATCH"), .target = STR("/a?b"), .version = 0x101, .host = STR("h"), .body = rest};
    struct exchange *exchange = exchange_recorder_new(NULL, &request);
    struct hmac_signature signature;

    headers_add(&exchange_request(exchange)->headers, STR("X-Seen"), STR("and signed"));
    headers_add(&exchange_request(exchange)->headers, STR("Digest"), line);
    if (hmac_signature_parse(line, &signature)) {
        demand(is_within(signature.username, line) && is_within(signature.algorithm, line));
        demand(is_within(signature.names, line) && is_within(signature.signature, line));
        try_signature(exchange, &signature, secret);
    }
    (void)hmac_signature_covers_body(exchange);
    exchange_recorder_free(exchange);
    return 0;
}
