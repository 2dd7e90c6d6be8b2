/*
 * cache_key - see cache_key.h. What belongs together is written with its length before it, so that no two
 * requests are written alike.
 */

#include "gateway/plugins/cache_key.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/http/encoded.h"
#include "gateway/model/document.h"

static int compare_names(const void *a, const void *b)
{
    return strcasecmp(*(char *const *)a, *(char *const *)b);
}

void cache_key_rules_init(struct cache_key_rules *rules, const cJSON *config)
{
    *rules = (struct cache_key_rules){
        .arguments = setting_list_read(config, "vary_query_params"),
        .headers = setting_list_read(config, "vary_headers"),
        .ignore_case = document_bool(config, "ignore_uri_case", false),
        .sha256 = EVP_MD_fetch(NULL, "SHA256", NULL),
    };
    assert(rules->sha256 != NULL);
    if (rules->headers.count > 1)
        qsort(rules->headers.at, rules->headers.count, sizeof(char *), compare_names);
}

void cache_key_rules_fini(struct cache_key_rules *rules)
{
    setting_list_fini(&rules->arguments);
    setting_list_fini(&rules->headers);
    EVP_MD_free(rules->sha256);
}

static void add_number(struct buf *text, uint64_t number)
{
    buf_add(text, &number, sizeof(number));
}

/* One that is not there differs from an empty one. */
static void add_part(struct buf *text, struct str part)
{
    add_number(text, part.at != NULL ? part.len : UINT64_MAX);
    if (part.len > 0)
        buf_add_str(text, part);
}

static void add_path(struct buf *text, struct str path, bool ignore_case)
{
    size_t from = text->len + sizeof(uint64_t);

    add_part(text, path);
    for (size_t i = from; ignore_case && i < text->len; i++)
        if (text->at[i] >= 'A' && text->at[i] <= 'Z')
            text->at[i] = (char)(text->at[i] | 0x20);
}

/* ---- arguments ---- */

struct pair {
    struct str name;
    struct str value; /* at == NULL: there was no '=' */
};

static int compare_texts(struct str a, struct str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter > 0 ? memcmp(a.at, b.at, shorter) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *left = a;
    const struct pair *right = b;
    int order = compare_texts(left->name, right->name);

    if (order == 0)
        order = (left->value.at != NULL) - (right->value.at != NULL);
    return order != 0 ? order : compare_texts(left->value, right->value);
}

static struct str decoded(struct exchange *exchange, struct str text)
{
    bool is_plain = str_find(text, '%', 0) == SIZE_MAX && str_find(text, '+', 0) == SIZE_MAX;

    return is_plain ? text : encoded_decode(exchange, text);
}

static bool counts(const struct cache_key_rules *rules, struct str name)
{
    for (size_t i = 0; i < rules->arguments.count; i++)
        if (str_equal(name, str_of(rules->arguments.at[i])))
            return true;
    return rules->arguments.count == 0;
}

static size_t read_pairs(struct chain *chain, const struct cache_key_rules *rules, struct str query,
                         struct pair *pairs)
{
    size_t count = 0;

    for (size_t at = 0; at < query.len;) {
        size_t end = str_find(query, '&', at);
        struct str text = str_part(query, at, end != SIZE_MAX ? end : query.len);
        size_t equals = str_find(text, '=', 0);
        struct pair pair = {
            .name = decoded(chain->exchange, str_part(text, 0, equals < text.len ? equals : text.len))};
        if (equals != SIZE_MAX)
            pair.value = decoded(chain->exchange, str_part(text, equals + 1, text.len));
        if (text.len > 0 && counts(rules, pair.name))
            pairs[count++] = pair;
        at = end != SIZE_MAX ? end + 1 : query.len;
    }
    return count;
}

/* By name, and those of a name by value: the order in which they were sent is nobody's business. */
static void add_arguments(struct buf *text, struct chain *chain, const struct cache_key_rules *rules)
{
    struct str query = exchange_request(chain->exchange)->query;
    size_t most = query.len > 0 ? 1 : 0;
    struct pair *pairs = NULL;
    size_t count = 0;

    for (size_t i = 0; i < query.len; i++)
        most += query.at[i] == '&' ? 1 : 0;
    if (most > 0) {
        pairs = exchange_alloc(chain->exchange, most * sizeof(*pairs));
        count = read_pairs(chain, rules, query, pairs);
    }
    if (count > 1)
        qsort(pairs, count, sizeof(*pairs), compare_pairs);
    add_number(text, count);
    for (size_t i = 0; i < count; i++) {
        add_part(text, pairs[i].name);
        add_part(text, pairs[i].value);
    }
}

/* ---- headers ---- */

static void add_lines(struct buf *text, const struct headers *headers, struct str name)
{
    const struct header *first = headers_find(headers, name);
    uint64_t count = 0;

    for (const struct header *line = first; line != NULL; line = headers_find_next(headers, line, name))
        count++;
    add_number(text, count);
    for (const struct header *line = first; line != NULL; line = headers_find_next(headers, line, name))
        add_part(text, line->value);
}

/* The host is not among the headers of an exchange. */
static void add_headers(struct buf *text, struct chain *chain, const struct cache_key_rules *rules)
{
    const struct exchange_request *request = exchange_request(chain->exchange);

    for (size_t i = 0; i < rules->headers.count; i++) {
        struct str name = str_of(rules->headers.at[i]);
        if (str_equal_nocase(name, STR("Host")))
            add_part(text, request->host);
        else
            add_lines(text, &request->headers, name);
    }
}

void cache_key_make(struct chain *chain, const struct cache_key_rules *rules, struct answer_key *key)
{
    const struct exchange_request *request = exchange_request(chain->exchange);
    static const struct uuid nobody;
    struct buf text = {0};
    unsigned size = 0;

    buf_add(&text, chain->consumer != NULL ? &chain->consumer->id : &nobody, sizeof(nobody));
    buf_add(&text, chain->route != NULL ? &chain->route->id : &nobody, sizeof(nobody));
    add_part(&text, request->method);
    add_part(&text, chain->route != NULL && chain->route->preserve_host ? request->host : STR_NONE);
    add_path(&text, chain->path, rules->ignore_case);
    add_arguments(&text, chain, rules);
    add_headers(&text, chain, rules);
    int made = EVP_Digest(text.at, text.len, key->bytes, &size, rules->sha256, NULL);
    assert(made == 1 && size == sizeof(key->bytes)); /* SHA-256 of bytes in memory does not fail */
    buf_fini(&text);
}
