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

/* Words of a command; their bytes are in one buffer that has room for all of them from the start. */
struct words {
    struct str *at;
    size_t count;
    struct buf bytes;
};

static void words_init(struct words *words, const struct tally *tally, const struct tally_op *op)
{
    size_t bytes = 0;

    for (size_t i = 0; i < op->count; i++)
        bytes += strlen(tally->family) + op->counts[i].usage.identity.len + op->counts[i].usage.period.len +
                 KEY_MORE + 2 * NUMBER_SIZE;
    *words = (struct words){.at = mem_alloc((3 + 3 * op->count) * sizeof(struct str))};
    (void)buf_reserve(&words->bytes, bytes + NUMBER_SIZE);
}

static void words_fini(struct words *words)
{
    buf_fini(&words->bytes);
    free(words->at);
}

/* What has been added to the bytes since `from` is a word. */
static void end_word(struct words *words, size_t from)
{
    words->at[words->count++] = (struct str){words->bytes.at + from, words->bytes.len - from};
}

static void add_number_word(struct words *words, int64_t number)
{
    size_t from = words->bytes.len;

    json_add_number(&words->bytes, number);
    end_word(words, from);
}

static void add_keys(struct words *words, const struct tally *tally, const struct tally_op *op)
{
    for (size_t i = 0; i < op->count; i++) {
        size_t from = words->bytes.len;
        tally_redis_key(&words->bytes, tally->family, &op->counts[i].usage);
        end_word(words, from);
    }
}

static void make_words(struct words *words, const struct tally *tally, const struct tally_op *op)
{
    if (op->kind == TALLY_READ) {
        words->at[words->count++] = STR("MGET");
        add_keys(words, tally, op);
        return;
    }
    words->at[words->count++] = STR("EVAL");
    words->at[words->count++] = STR(add_script);
    add_number_word(words, (int64_t)op->count);
    add_keys(words, tally, op);
    for (size_t i = 0; i < op->count; i++) {
        const struct usage *usage = &op->counts[i].usage;
        int64_t left_s = usage->ends_s - tally->now_s;
        add_number_word(words, (int64_t)usage->count);
        add_number_word(words, (left_s > 0 ? left_s : 0) + SPARE_S);
    }
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
    struct words words;

    if (op->count > REDIS_NUMBERS_MAX)
        return false;
    words_init(&words, tally, op);
    make_words(&words, tally, op);
    op->command = (struct redis_command){.wanted = op->count, .on_reply = on_reply};
    bool sent = redis_pool_send(pool, tally->settings->redis, words.at, words.count, &op->command);
    words_fini(&words);
    return sent;
}
