/*
 * proxy_cache_admin - see proxy_cache_admin.h.
 *
 * Words are "proxy-cache:" and half a key in hexadecimal digits, or '*'. They are said even if this node has
 * nothing to forget: another may.
 */

#include "gateway/plugins/proxy_cache_admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/chain/answer_cache.h"
#include "gateway/chain/chain.h"
#include "gateway/plugins/base64.h"

#define START "proxy-cache:"

enum {
    HALF_KEY_DIGITS = ANSWER_KEY_BYTES,
    FORMAT_VERSION = 1 /* of what is shown */
};

_Static_assert(sizeof(START) + HALF_KEY_DIGITS <= PLUGIN_WORD_SIZE, "a word has room for half a key");

/* ---- showing ---- */

/* Lines of one name become a list. */
static void add_line(cJSON *lines, const struct header *line)
{
    char *name = mem_printf("%.*s", STR_ARG(line->name));
    char *value = mem_printf("%.*s", STR_ARG(line->value));
    cJSON *text = cJSON_CreateString(value);
    cJSON *there = cJSON_GetObjectItem(lines, name);

    if (there == NULL) {
        (void)cJSON_AddItemToObject(lines, name, text);
    } else if (cJSON_IsArray(there)) {
        (void)cJSON_AddItemToArray(there, text);
    } else {
        cJSON *list = cJSON_CreateArray();
        (void)cJSON_AddItemToArray(list, cJSON_Duplicate(there, true));
        (void)cJSON_AddItemToArray(list, text);
        (void)cJSON_ReplaceItemInObject(lines, name, list);
    }
    free(value);
    free(name);
}

/* Text as text; what JSON cannot hold as base64, and so said. */
static void add_body(cJSON *object, struct str body)
{
    bool is_text = str_is_utf8(body) && str_find(body, '\0', 0) == SIZE_MAX;
    char *text = is_text ? mem_printf("%.*s", STR_ARG(body)) : base64_encode(body);

    (void)cJSON_AddStringToObject(object, is_text ? "body" : "body_base64", text);
    (void)cJSON_AddNumberToObject(object, "body_len", (double)body.len);
    free(text);
}

static cJSON *show(const struct stored_answer *answer)
{
    cJSON *object = cJSON_CreateObject();

    (void)cJSON_AddNumberToObject(object, "status", answer->status);
    cJSON *lines = cJSON_AddObjectToObject(object, "headers");
    for (size_t i = 0; i < answer->header_count; i++)
        add_line(lines, &answer->headers[i]);
    add_body(object, answer->body);
    (void)cJSON_AddNumberToObject(object, "timestamp", (double)answer->stored_unix_s);
    (void)cJSON_AddNumberToObject(object, "ttl", (double)answer->ttl_s);
    (void)cJSON_AddNumberToObject(object, "version", FORMAT_VERSION);
    return object;
}

/* A reference, or NULL. owner at == NULL: whoever stored it. */
static const struct stored_answer *find(const struct chain_world *world, struct str key_text,
                                        struct str owner)
{
    struct answer_key key;
    struct uuid id;
    const struct stored_answer *answer =
        answer_key_parse(key_text, &key) ? answer_cache_get(world->answers, &key) : NULL;

    if (answer == NULL || owner.at == NULL)
        return answer;
    if (uuid_from_str(owner, &id) && uuid_equal(&id, &answer->owner))
        return answer;
    stored_answer_unref(answer);
    return NULL;
}

static int show_answer(const void *world, struct str key, struct str owner, cJSON **json)
{
    const struct stored_answer *answer = find(world, key, owner);

    if (answer == NULL)
        return 404;
    *json = show(answer);
    stored_answer_unref(answer);
    return 200;
}

static int show_one(const void *world, const struct str *segments, cJSON **json)
{
    return show_answer(world, segments[0], STR_NONE, json);
}

static int show_one_of(const void *world, const struct str *segments, cJSON **json)
{
    return show_answer(world, segments[1], segments[0], json);
}

/* ---- forgetting: here when the word is heard, but whether there is anything is known now ---- */

static int is_there(const void *world, struct str key, struct str owner)
{
    const struct stored_answer *answer = find(world, key, owner);

    stored_answer_unref(answer);
    return answer != NULL ? 204 : 404;
}

static int forget_one(const void *world, const struct str *segments, cJSON **json)
{
    (void)json;
    return is_there(world, segments[0], STR_NONE);
}

static int forget_one_of(const void *world, const struct str *segments, cJSON **json)
{
    (void)json;
    return is_there(world, segments[1], segments[0]);
}

static int forget_all(const void *world, const struct str *segments, cJSON **json)
{
    (void)world;
    (void)segments;
    (void)json;
    return 204;
}

static bool say_key(struct str text, char word[PLUGIN_WORD_SIZE])
{
    struct answer_key key;
    char digits[ANSWER_KEY_TEXT];

    if (!answer_key_parse(text, &key))
        return false;
    (void)snprintf(word, PLUGIN_WORD_SIZE, START "%.*s", HALF_KEY_DIGITS, answer_key_format(&key, digits));
    return true;
}

static bool say_one(const struct str *segments, char word[PLUGIN_WORD_SIZE])
{
    return say_key(segments[0], word);
}

static bool say_one_of(const struct str *segments, char word[PLUGIN_WORD_SIZE])
{
    return say_key(segments[1], word);
}

static bool say_all(const struct str *segments, char word[PLUGIN_WORD_SIZE])
{
    (void)segments;
    (void)snprintf(word, PLUGIN_WORD_SIZE, START "*");
    return true;
}

void proxy_cache_hear(const struct chain_world *world, struct str word)
{
    struct str start = STR(START);
    struct answer_key key;
    char text[ANSWER_KEY_TEXT] = {0};

    if (world->answers == NULL)
        return;
    if (word.at == NULL || str_equal(word, STR(START "*"))) {
        answer_cache_purge_all(world->answers);
        return;
    }
    if (word.len != start.len + HALF_KEY_DIGITS || !str_starts_with(word, start))
        return;
    memset(text, '0', ANSWER_KEY_TEXT - 1);
    memcpy(text, word.at + start.len, HALF_KEY_DIGITS);
    if (answer_key_parse((struct str){text, ANSWER_KEY_TEXT - 1}, &key))
        (void)answer_cache_purge(world->answers, key.bytes);
}

#define SHOWN                                                                                                \
    "{'type':'object','properties':{'status':{'type':'integer'},'headers':{'type':'object','"                \
    "additionalProperties':"                                                                                 \
    "{'type':['string','array'],'items':{'type':'string'}}},'body':{'type':'string'},"                       \
    "'body_base64':{'type':'string'},'body_len':{'type':'integer'},'timestamp':{'type':'integer'},"          \
    "'ttl':{'type':'integer'},'version':{'type':'integer'}},"                                                \
    "'required':['status','headers','body_len','timestamp','ttl','version'],'additionalProperties':false}"

/* clang-format off */
const struct plugin_endpoint proxy_cache_endpoints[] = {
    {"DELETE", "/proxy-cache",             "Make every node forget all stored answers",  NULL,  forget_all, say_all},
    {"GET",    "/proxy-cache/{cache_key}", "An answer that this node has stored",        SHOWN, show_one,   NULL},
    {"DELETE", "/proxy-cache/{cache_key}", "Make every node forget a stored answer",     NULL,  forget_one, say_one},
    {"GET",    "/proxy-cache/{plugin_id}/caches/{cache_key}", "The same, of one configuration", SHOWN, show_one_of, NULL},
    {"DELETE", "/proxy-cache/{plugin_id}/caches/{cache_key}", "The same, of one configuration", NULL, forget_one_of, say_one_of},
    {.method = NULL},
};
/* clang-format on */
