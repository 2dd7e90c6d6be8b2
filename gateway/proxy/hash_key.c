/*
 * hash_key - see hash_key.h. One function per input in a table.
 *
 * What is missing is looked for in the fallback; when that has nothing either, the empty text is hashed: all
 * such requests go to one peer, as clients of the reference expect.
 */

#include "gateway/proxy/hash_key.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/uuid.h"
#include "gateway/http/cookie.h"
#include "gateway/http/encoded.h"
#include "gateway/http/exchange.h"
#include "gateway/model/entities.h"
#include "gateway/proxy/request.h"

enum {
    VALUES_MAX = 100 /* of one query argument */
};

static struct str id_text(struct request *request, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];

    return exchange_copy(request->exchange, str_of(uuid_format(id, text)));
}

static struct str of_consumer(struct request *request, const char *name, struct hash_key *key)
{
    const struct chain *chain = &request->chain;

    (void)name;
    (void)key;
    if (chain->consumer != NULL)
        return id_text(request, &chain->consumer->id);
    return chain->credential != NULL ? chain->credential_identifier : STR_NONE;
}

static struct str of_address(struct request *request, const char *name, struct hash_key *key)
{
    (void)name;
    (void)key;
    return request->origin.address;
}

/* All lines of that name, one after the other. */
static struct str of_header(struct request *request, const char *name, struct hash_key *key)
{
    const struct headers *headers = &exchange_request(request->exchange)->headers;
    struct str whole = STR_NONE;

    (void)key;
    for (const struct header *line = headers_find(headers, str_of(name)); line != NULL;
         line = headers_find_next(headers, line, str_of(name)))
        whole = whole.at == NULL
                    ? line->value
                    : exchange_printf(request->exchange, "%.*s%.*s", STR_ARG(whole), STR_ARG(line->value));
    return whole;
}

static struct str of_cookie(struct request *request, const char *name, struct hash_key *key)
{
    struct str value = cookie_find(&exchange_request(request->exchange)->headers, str_of(name));
    struct uuid fresh;

    if (value.at != NULL)
        return value;
    uuid_make(&fresh);
    key->set_cookie = id_text(request, &fresh);
    return key->set_cookie;
}

static struct str of_path(struct request *request, const char *name, struct hash_key *key)
{
    (void)name;
    (void)key;
    return request->chain.path;
}

static int compare_values(const void *a, const void *b)
{
    const struct str *one = a;
    const struct str *other = b;
    size_t least = one->len < other->len ? one->len : other->len;
    int order = memcmp(one->at, other->at, least);

    return order != 0 ? order : (one->len > other->len) - (one->len < other->len);
}

/* Several values in sorted order, joined; one without '=' is "true". */
static struct str of_argument(struct request *request, const char *name, struct hash_key *key)
{
    struct str values[VALUES_MAX];
    size_t count = encoded_values(request->exchange, exchange_request(request->exchange)->query, str_of(name),
                                  values, VALUES_MAX);
    size_t room = 0;
    size_t len = 0;

    (void)key;
    for (size_t i = 0; i < count; i++) {
        if (values[i].at == NULL)
            values[i] = STR("true");
        room += values[i].len + 1;
    }
    if (count == 0)
        return STR_NONE;
    qsort(values, count, sizeof(values[0]), compare_values);
    char *joined = exchange_alloc(request->exchange, room);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            joined[len++] = ',';
        memcpy(joined + len, values[i].at, values[i].len);
        len += values[i].len;
    }
    return (struct str){joined, len};
}

/* By name, else by number. */
static struct str of_capture(struct request *request, const char *name, struct hash_key *key)
{
    const struct chain *chain = &request->chain;
    int64_t number;

    (void)key;
    for (size_t i = 1; i < chain->capture_count; i++)
        if (chain->captures[i].name.len > 0 && str_equal(chain->captures[i].name, str_of(name)))
            return chain->captures[i].value;
    if (str_to_int(str_of(name), &number) && number > 0 && (size_t)number < chain->capture_count)
        return chain->captures[number].value;
    return STR_NONE;
}

static struct str (*const inputs[])(struct request *request, const char *name, struct hash_key *key) = {
    [HASH_CONSUMER] = of_consumer,   [HASH_IP] = of_address, [HASH_HEADER] = of_header,
    [HASH_COOKIE] = of_cookie,       [HASH_PATH] = of_path,  [HASH_QUERY_ARG] = of_argument,
    [HASH_URI_CAPTURE] = of_capture,
};

static struct str find(struct request *request, const struct hash_source *source, struct hash_key *key)
{
    return source->input != HASH_NONE ? inputs[source->input](request, source->name, key) : STR_NONE;
}

void hash_key_find(struct request *request, const struct upstream *upstream, struct hash_key *key)
{
    *key = (struct hash_key){0};
    key->text = find(request, &upstream->hash_on, key);
    if (key->text.len == 0)
        key->text = find(request, &upstream->hash_fallback, key);
    if (key->set_cookie.at != NULL) {
        const char *name =
            upstream->hash_on.input == HASH_COOKIE ? upstream->hash_on.name : upstream->hash_fallback.name;
        key->set_cookie = exchange_printf(request->exchange, "%s=%.*s; Path=%s; Same-Site=Lax; HttpOnly",
                                          name, STR_ARG(key->set_cookie), upstream->cookie_path);
    }
}
