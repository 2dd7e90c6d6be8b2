/*
 * redis_target - see redis_target.h.
 */

#include "gateway/chain/redis_target.h"

#include <inttypes.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/base/str.h"
#include "gateway/model/document.h"

enum {
    PORT = 6379,
    TIMEOUT_MS = 2000,
    LONGEST_TIMEOUT_MS = 10 * 60 * 1000
};

/* An empty text is none. */
static char *text_of(const cJSON *config, const char *name)
{
    const char *text = document_text(config, name);

    return text != NULL && text[0] != '\0' ? mem_strdup(text) : NULL;
}

static int timeout_of(const cJSON *config)
{
    const cJSON *timeout = cJSON_GetObjectItemCaseSensitive(config, "redis_timeout");

    if (!cJSON_IsNumber(timeout) || !(timeout->valuedouble >= 1))
        return TIMEOUT_MS;
    return timeout->valuedouble < LONGEST_TIMEOUT_MS ? (int)timeout->valuedouble : LONGEST_TIMEOUT_MS;
}

static void add(struct buf *buf, const char *text)
{
    buf_printf(buf, "%zu:%s,", text != NULL ? strlen(text) + 1 : 0, text != NULL ? text : "");
}

/* Not a secret's hiding place: it never leaves the process, and equality is all it is asked for. */
static void make_digest(struct redis_target *target)
{
    static const struct digest_salt salt = {{0}};
    struct buf buf = {0};

    add(&buf, target->host);
    add(&buf, target->username);
    add(&buf, target->password);
    add(&buf, target->server_name);
    buf_printf(&buf, "%d,%" PRId64 ",%d,%d,%d", target->port, target->database, target->timeout_ms,
               target->tls, target->tls_verify);
    digest_make(&salt, buf_str(&buf), &target->digest);
    buf_fini(&buf);
}

struct redis_target *redis_target_new(const cJSON *config)
{
    char *host = text_of(config, "redis_host");

    if (host == NULL)
        return NULL;
    struct redis_target *target = mem_zalloc(sizeof(*target));
    *target = (struct redis_target){
        .host = host,
        .username = text_of(config, "redis_username"),
        .password = text_of(config, "redis_password"),
        .server_name = text_of(config, "redis_server_name"),
        .port = (uint16_t)document_int(config, "redis_port", PORT),
        .database = document_int(config, "redis_database", 0),
        .timeout_ms = timeout_of(config),
        .tls = document_bool(config, "redis_ssl", false),
        .tls_verify = document_bool(config, "redis_ssl_verify", false),
    };
    make_digest(target);
    return target;
}

struct redis_target *redis_target_copy(const struct redis_target *target)
{
    struct redis_target *copy = mem_dup(target, sizeof(*target));

    copy->host = mem_strdup(target->host);
    copy->username = mem_strdup(target->username);
    copy->password = mem_strdup(target->password);
    copy->server_name = mem_strdup(target->server_name);
    return copy;
}

void redis_target_free(struct redis_target *target)
{
    if (target == NULL)
        return;
    free(target->host);
    free(target->username);
    free(target->password);
    free(target->server_name);
    free(target);
}
