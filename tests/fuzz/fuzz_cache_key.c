/* library: gateway_plugins */

/*
 * fuzz_cache_key - two texts, as arguments and as a header that answers vary by: the order of arguments makes
 * no other key, another method, path or header does.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/chain/chain.h"
#include "gateway/http/exchange_recorder.h"
#include "gateway/plugins/cache_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

struct asked {
    struct str method, path, query, varied;
};

static struct answer_key key_of(const struct asked *asked)
{
    const struct exchange_request request = {
        .method = asked->method, .path = asked->path, .query = asked->query};
    struct exchange *exchange = exchange_recorder_new(NULL, &request);
    struct chain chain = {.exchange = exchange, .path = asked->path};
    cJSON *config = cJSON_Parse("{\"vary_headers\":[\"X-Vary\"],\"ignore_uri_case\":false}");
    struct cache_key_rules rules;
    struct answer_key key;

    headers_add(&exchange_request(exchange)->headers, STR("x-vary"), asked->varied);
    cache_key_rules_init(&rules, config);
    cache_key_make(&chain, &rules, &key);
    cache_key_rules_fini(&rules);
    cJSON_Delete(config);
    exchange_recorder_free(exchange);
    return key;
}

static bool is_same(const struct asked *a, const struct asked *b)
{
    const struct answer_key one = key_of(a), other = key_of(b);

    return memcmp(one.bytes, other.bytes, sizeof(one.bytes)) == 0;
}

static struct str joined(struct str a, struct str b, char *to)
{
    memcpy(to, a.at, a.len);
    to[a.len] = '&';
    memcpy(to + a.len + 1, b.at, b.len);
    return (struct str){to, a.len + 1 + b.len};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = {(const char *)data, size};
    size_t end = str_find(all, '\n', 0);
    if (end == SIZE_MAX)
        return 0;
    struct str left = str_part(all, 0, end), right = str_part(all, end + 1, size);
    char *room = malloc(2 * size + 2);
    const struct asked one = {STR("GET"), left, joined(left, right, room), right};
    struct asked other = one;

    other.query = joined(right, left, room + size + 1);
    demand(is_same(&one, &other));
    other.method = STR("HEAD");
    demand(!is_same(&one, &other));
    other = one;
    other.varied = left;
    demand(is_same(&one, &other) == str_equal(left, right));
    other = one;
    other.path = right;
    demand(is_same(&one, &other) == str_equal(left, right));
    free(room);
    return 0;
}
