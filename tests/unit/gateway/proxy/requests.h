#pragma once

/*
 * requests - what tests of single files here share: settings from a file's text, and requests without
 * sockets.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/base/network.h"
#include "gateway/config/config.h"
#include "gateway/http/exchange_recorder.h"
#include "gateway/proxy/settings.h"

static inline UNUSED struct config *test_config(const char *text)
{
    char path[] = "/tmp/freshet-test-proxy-XXXXXX";
    struct config_problems problems;
    struct config *config = NULL;
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    assert_int_equal(close(file), 0);
    bool ok = config_load(path, NULL, &config, &problems);
    (void)unlink(path);
    if (!ok)
        fail_msg("%s: %s", problems.at[0].key, problems.at[0].reason);
    return config;
}

static inline UNUSED struct settings *test_settings(const char *text)
{
    struct config *config = test_config(text);
    struct settings *settings = settings_new(config);
    config_free(config);
    return settings;
}

static inline struct str test_word(struct str *rest, char end)
{
    if (rest->at == NULL)
        return STR_NONE;
    size_t at = str_find(*rest, end, 0);
    struct str word = str_part(*rest, 0, at != SIZE_MAX ? at : rest->len);
    *rest = at != SIZE_MAX ? str_part(*rest, at + 1, rest->len) : STR_NONE;
    return word;
}

/* What the front makes of a line: some are members of the request instead. */
static inline void test_line(struct exchange *exchange, struct str line)
{
    struct exchange_request *request = exchange_request(exchange);
    struct str name = test_word(&line, ':');
    struct str value = str_trim(line);
    if (value.at == NULL)
        value = STR("");
    if (str_equal_nocase(name, STR("host")))
        request->host = value;
    else if (str_equal_nocase(name, STR("upgrade")))
        request->upgrade = value;
    else
        headers_add(&request->headers, name, value);
}

/* "GET /path?query HTTP/1.1\nName: value\n...", from a peer, at port 8000. The text stays the caller's. */
static inline UNUSED struct exchange *test_exchange(const char *peer, const char *text)
{
    struct str rest = str_of(text);
    struct str first = test_word(&rest, '\n');
    struct exchange_request request = {.version = 0x101, .local_port = 8000, .peer_port = 40000};
    request.method = test_word(&first, ' ');
    request.target = test_word(&first, ' ');
    if (str_equal(first, STR("HTTP/1.0")))
        request.version = 0x100;
    if (str_equal(first, STR("HTTP/2")))
        request.version = 0x200;
    struct str query = request.target;
    request.path = test_word(&query, '?');
    request.query = query;
    request.peer_address = str_of(peer);
    assert_true(network_address(request.peer_address, &request.peer));
    struct exchange *exchange = exchange_recorder_new(NULL, &request);
    while (rest.len > 0)
        test_line(exchange, test_word(&rest, '\n'));
    return exchange;
}

static inline UNUSED void expect_str(struct str got, const char *wanted)
{
    if (wanted == NULL ? got.at != NULL : got.at == NULL || !str_equal(got, str_of(wanted)))
        fail_msg("'%.*s' instead of '%s'", STR_ARG(got), wanted != NULL ? wanted : "(none)");
}
