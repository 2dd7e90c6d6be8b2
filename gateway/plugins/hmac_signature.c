/*
 * hmac_signature - see hmac_signature.h. Values may have any bytes in them, quotes too: each ends where the
 * next parameter begins.
 */

#include "gateway/plugins/hmac_signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "gateway/http/exchange.h"
#include "gateway/plugins/base64.h"

/* ---- the line ---- */

static struct str skip_blanks(struct str text)
{
    while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
        text = str_part(text, 1, text.len);
    return text;
}

/* Behind `word`, if *text begins with it. */
static bool skip(struct str *text, struct str word)
{
    if (!str_starts_with(*text, word))
        return false;
    *text = str_part(*text, word.len, text->len);
    return true;
}

/* The value up to a quote that is followed by a comma and `next`; *rest is then behind them. */
static bool take_value(struct str *rest, struct str next, struct str *value)
{
    for (size_t quote = str_find(*rest, '"', 0); quote != SIZE_MAX; quote = str_find(*rest, '"', quote + 1)) {
        struct str behind = str_part(*rest, quote + 1, rest->len);
        if (!skip(&behind, STR(",")))
            continue;
        behind = skip_blanks(behind);
        if (!skip(&behind, next))
            continue;
        *value = str_part(*rest, 0, quote);
        *rest = behind;
        return value->len > 0;
    }
    return false;
}

bool hmac_signature_parse(struct str line, struct hmac_signature *signature)
{
    struct hmac_signature found;
    struct str rest = skip_blanks(line);

    if (line.at == NULL || !(skip(&rest, STR("hmac")) || skip(&rest, STR("Hmac"))))
        return false;
    rest = skip_blanks(rest);
    if (!skip(&rest, STR("username=\"")) || !take_value(&rest, STR("algorithm=\""), &found.username) ||
        !take_value(&rest, STR("headers=\""), &found.algorithm) ||
        !take_value(&rest, STR("signature=\""), &found.names))
        return false;
    size_t quote = str_find(rest, '"', 0);
    if (quote == SIZE_MAX || quote == 0)
        return false;
    found.signature = str_part(rest, 0, quote);
    *signature = found;
    return true;
}

/* The next of names between blanks; false: there is none. */
static bool next_name(struct str *names, struct str *name)
{
    *names = skip_blanks(*names);
    size_t end = str_find(*names, ' ', 0);

    *name = str_part(*names, 0, end != SIZE_MAX ? end : names->len);
    *names = str_part(*names, name->len, names->len);
    return name->len > 0;
}

bool hmac_signature_covers(const struct hmac_signature *signature, struct str name)
{
    struct str names = signature->names;
    struct str found;

    while (next_name(&names, &found))
        if (str_equal_nocase(found, name))
            return true;
    return false;
}

/* ---- the text ---- */

static struct str lower(struct exchange *exchange, struct str text)
{
    char *copy = exchange_alloc(exchange, text.len + 1);

    for (size_t i = 0; i < text.len; i++)
        copy[i] = (char)(text.at[i] >= 'A' && text.at[i] <= 'Z' ? text.at[i] - 'A' + 'a' : text.at[i]);
    return (struct str){copy, text.len};
}

static const char *version_of(const struct exchange_request *request)
{
    if (request->version >= 0x200)
        return "HTTP/2.0";
    return request->version == 0x100 ? "HTTP/1.0" : "HTTP/1.1";
}

/* Some headers are not among the headers of an exchange. */
static struct str header_value(struct exchange *exchange, struct str name)
{
    const struct exchange_request *request = exchange_request(exchange);
    const struct header *header = headers_find(&request->headers, name);

    if (header != NULL)
        return header->value;
    if (str_equal_nocase(name, STR("host")))
        return request->host;
    if (str_equal_nocase(name, STR("upgrade")))
        return request->upgrade;
    if (str_equal_nocase(name, STR("content-length")) && request->body.at != NULL)
        return exchange_printf(exchange, "%zu", request->body.len);
    return STR_NONE;
}

static struct str make_line(struct exchange *exchange, struct str name)
{
    const struct exchange_request *request = exchange_request(exchange);

    if (str_equal_nocase(name, STR("request-line")))
        return exchange_printf(exchange, "%.*s %.*s %s", STR_ARG(request->method), STR_ARG(request->target),
                               version_of(request));
    if (str_equal_nocase(name, STR("@request-target")))
        return exchange_printf(exchange, "%.*s: %.*s %.*s", STR_ARG(name),
                               STR_ARG(lower(exchange, request->method)), STR_ARG(request->target));
    struct str value = header_value(exchange, name);
    return exchange_printf(exchange, "%.*s:%s%.*s", STR_ARG(name), value.at != NULL ? " " : "",
                           STR_ARG(value));
}

struct str hmac_signature_text(struct exchange *exchange, const struct hmac_signature *signature)
{
    struct str lines[HMAC_NAMES_MAX];
    struct str names = signature->names;
    struct str name;
    size_t count = 0;
    size_t room = 0;
    size_t len = 0;

    while (next_name(&names, &name)) {
        if (count == HMAC_NAMES_MAX || room > HMAC_TEXT_MAX)
            return STR_NONE;
        lines[count] = make_line(exchange, name);
        room += lines[count++].len + 1;
    }
    if (count == 0 || room > HMAC_TEXT_MAX)
        return STR_NONE;
    char *text = exchange_alloc(exchange, room);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            text[len++] = '\n';
        memcpy(text + len, lines[i].at, lines[i].len);
        len += lines[i].len;
    }
    return (struct str){text, len};
}

/* ---- the proof ---- */

static const struct {
    struct str name;
    const EVP_MD *(*digest)(void);
} algorithms[] = {
    {{"hmac-sha1", 9}, EVP_sha1},
    {{"hmac-sha256", 11}, EVP_sha256},
    {{"hmac-sha384", 11}, EVP_sha384},
    {{"hmac-sha512", 11}, EVP_sha512},
};

static const EVP_MD *digest_of(struct str algorithm)
{
    for (size_t i = 0; i < COUNT(algorithms); i++)
        if (str_equal(algorithms[i].name, algorithm))
            return algorithms[i].digest();
    return NULL;
}

bool hmac_signature_matches(struct exchange *exchange, const struct hmac_signature *signature,
                            struct str secret, struct str text)
{
    unsigned char wanted[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    struct str given = base64_decode(exchange, signature->signature);
    const EVP_MD *digest = digest_of(signature->algorithm);

    return digest != NULL && given.at != NULL &&
           HMAC(digest, secret.at, (int)secret.len, (const unsigned char *)text.at, text.len, wanted,
                &size) != NULL &&
           given.len == size && CRYPTO_memcmp(given.at, wanted, size) == 0;
}

bool hmac_signature_covers_body(struct exchange *exchange)
{
    const struct exchange_request *request = exchange_request(exchange);
    const struct header *header = headers_find(&request->headers, STR("Digest"));
    const struct str start = STR("SHA-256=");
    unsigned char wanted[SHA256_DIGEST_LENGTH];

    if (header == NULL)
        return request->body.len == 0;
    if (!str_starts_with(header->value, start) || request->body.len > HMAC_BODY_MAX)
        return false;
    struct str given = base64_decode(exchange, str_part(header->value, start.len, header->value.len));
    return given.len == sizeof(wanted) &&
           EVP_Digest(request->body.at != NULL ? request->body.at : "", request->body.len, wanted, NULL,
                      EVP_sha256(), NULL) == 1 &&
           CRYPTO_memcmp(given.at, wanted, sizeof(wanted)) == 0;
}
