/*
 * tally_redis - a request's windows in a Redis: one command, one answer (plugin reference, 9).
 */

#include <stdlib.h>
#include <string.h>

#include "gateway/base/json_write.h"
#include "gateway/base/mem.h"
#include "gateway/chain/redis_target.h"
#include "gateway/chain/tally_op.h"

/* Adds to each key its first argument, gives a new one its second as seconds to live, and tells what is
 * there. */
static const char add_script[] = "local r={} "
                                 "for i,k in ipairs(KEYS) do "
                                 "local n=ARGV[2*i-1] "
                                 "local v=redis.call('INCRBY',k,n) "
                                 "if v==tonumber(n) then redis.call('EXPIRE',k,ARGV[2*i]) end "
                                 "r[i]=v end return r";

enum {
    SPARE_S = 2,      /* clocks of nodes differ */
    NUMBER_SIZE = 24, /* digits of any */
    KEY_MORE = 160    /* of a key, beside identity and period */
};

void tally_redis_key(struct buf *key, const char *family, const struct usage *usage)
{
    char route[UUID_TEXT_SIZE], service[UUID_TEXT_SIZE];

    buf_add_text(key, family);
    buf_add_byte(key, ':');
    buf_add_text(key, uuid_format(&usage->route, route));
    buf_add_byte(key, ':');
    buf_add_text(key, uuid_format(&usage->service, service));
    buf_add_byte(key, ':');
    buf_add_str(key, usage->identity);
    buf_add_byte(key, ':');
    json_add_number(key, usage->starts_s * 1000);
    buf_add_byte(key, ':');
    buf_add_str(key, usage->period);
}

/* A word that is what has been added to the bytes since `from`. They have room for all from the start. */
static struct str word_since(const struct buf *bytes, size_t from)
{
    return str_part(buf_str(bytes), from, bytes->len);
}

static struct str number_word(struct buf *bytes, int64_t number)
{
    size_t from = bytes->len;

    json_add_number(bytes, number);
    return word_since(bytes, from);
}

bool tally_redis_change(struct redis_pool *pool, const struct redis_target *target,
                        const struct tally_change *changes, size_t count, struct redis_command *command)
{
    struct str *words = mem_alloc((3 + 3 * count) * sizeof(*words));
    struct str *arguments = words + 3 + count;
    struct buf numbers = {0};

    (void)buf_reserve(&numbers, (1 + 2 * count) * NUMBER_SIZE);
    words[0] = STR("EVAL");
    words[1] = STR(add_script);
    words[2] = number_word(&numbers, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        int64_t left_s = changes[i].left_s > 0 ? changes[i].left_s : 0;
        words[3 + i] = changes[i].key;
        arguments[2 * i] = number_word(&numbers, changes[i].amount);
        arguments[2 * i + 1] = number_word(&numbers, left_s + SPARE_S);
    }
    bool sent = redis_pool_send(pool, target, words, 3 + 3 * count, command);
    buf_fini(&numbers);
    free(words);
    return sent;
}

static bool read_keys(struct redis_pool *pool, const struct redis_target *target,
                      const struct tally_change *changes, size_t count, struct redis_command *command)
{
    struct str *words = mem_alloc((1 + count) * sizeof(*words));

    words[0] = STR("MGET");
    for (size_t i = 0; i < count; i++)
        words[1 + i] = changes[i].key;
    bool sent = redis_pool_send(pool, target, words, 1 + count, command);
    free(words);
    return sent;
}

static void on_reply(struct redis_command *command, const int64_t *numbers)
{
    struct tally_op *op = CONTAINER_OF(command, struct tally_op, command);

    op->failed = numbers == NULL;
    for (size_t i = 0; numbers != NULL && i < op->count; i++) {
        struct tally_count *count = &op->counts[i];
        int64_t before = numbers[i] - (int64_t)count->usage.count;
        count->used = before > 0 ? (uint64_t)before : 0;
        count->over = count->used >= count->limit;
    }
    tally_op_finish(op);
}

bool tally_redis_start(struct redis_pool *pool, const struct tally *tally, struct tally_op *op)
{
    const struct redis_target *target = tally->settings->redis;
    struct buf keys = {0};
    size_t key_bytes = 0;

    if (op->count > REDIS_NUMBERS_MAX)
        return false;
    for (size_t i = 0; i < op->count; i++)
        key_bytes += strlen(tally->family) + op->counts[i].usage.identity.len +
                     op->counts[i].usage.period.len + KEY_MORE;
    (void)buf_reserve(&keys, key_bytes);
    struct tally_change *changes = mem_alloc(op->count * sizeof(*changes));
    for (size_t i = 0; i < op->count; i++) {
        const struct usage *usage = &op->counts[i].usage;
        size_t from = keys.len;
        tally_redis_key(&keys, tally->family, usage);
        changes[i] = (struct tally_change){.key = word_since(&keys, from),
                                           .amount = (int64_t)usage->count,
                                           .left_s = usage->ends_s - tally->now_s};
    }
    op->command = (struct redis_command){.wanted = op->count, .on_reply = on_reply};
    bool sent = op->kind == TALLY_READ ? read_keys(pool, target, changes, op->count, &op->command)
                                       : tally_redis_change(pool, target, changes, op->count, &op->command);
    free(changes);
    buf_fini(&keys);
    return sent;
}
