/* library: gateway_plugins */

/*
 * fuzz_basic_login - any bytes as the value of an Authorization header: what is read of it, written again, is
 * read as the same.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "gateway/http/exchange_recorder.h"
#include "gateway/plugins/basic_login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

static struct basic_login read_again(struct exchange *exchange, const struct basic_login *login)
{
    size_t len = login->username.len + 1 + login->password.len;
    unsigned char *plain = exchange_alloc(exchange, len + 1);
    char *coded = exchange_alloc(exchange, 4 * (len / 3 + 1) + 8);

    memcpy(plain, login->username.at, login->username.len);
    plain[login->username.len] = ':';
    memcpy(plain + login->username.len + 1, login->password.at, login->password.len);
    memcpy(coded, "Basic ", 6);
    int written = EVP_EncodeBlock((unsigned char *)coded + 6, plain, (int)len);
    const struct header header = {STR("Authorization"), {coded, 6 + (size_t)written}};
    return basic_login_read(exchange, &header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct exchange_request request = {.method = STR("GET"), .path = STR("/")};
    struct exchange *exchange = exchange_recorder_new(NULL, &request);
    const struct header header = {STR("Authorization"), {(const char *)data, size}};
    struct basic_login login = basic_login_read(exchange, &header);

    demand(login.username.len + login.password.len <= size);
    if (login.username.len > 0) {
        struct basic_login again = read_again(exchange, &login);
        demand(memchr(login.username.at, ':', login.username.len) == NULL);
        demand(str_equal(again.username, login.username) && str_equal(again.password, login.password));
    }
    exchange_recorder_free(exchange);
    return 0;
}
