/*
 * ask - a request to a node over the network, for who has nothing else to ask with: an image without a shell.
 */

#include <stdio.h>

#include <curl/curl.h>

#include "gateway/cli/command.h"

enum {
    STATUS_OF_TROUBLE = 500 /* lesser ones are a gateway's own word, such as 404 where no route is */
};

static size_t ignore_body(const char *at, size_t size, size_t count, void *arg)
{
    (void)at;
    (void)arg;
    return size * count;
}

/* The status of the answer; 0: none, and trouble says why. */
static long ask(const char *url, int64_t limit_s, char trouble[CURL_ERROR_SIZE])
{
    long status = 0;
    CURL *easy = curl_easy_init();
    trouble[0] = '\0';
    if (easy == NULL)
        return 0;
    /* Whose certificate it is does not matter: a node without one of its own shows one it has signed itself.
     */
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "freshet/" FRESHET_VERSION);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)limit_s);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_body);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, trouble);
    if (curl_easy_perform(easy) == CURLE_OK)
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    return status;
}

int command_ask(const struct command_line *line)
{
    char trouble[CURL_ERROR_SIZE];
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return command_fail("libcurl refuses");
    long status = ask(line->url, line->timeout_s, trouble);
    curl_global_cleanup();
    if (status == 0)
        return command_fail("%s does not answer: %s", line->url, trouble);
    if (status >= STATUS_OF_TROUBLE)
        return command_fail("%s answers %ld", line->url, status);
    printf("%s answers %ld\n", line->url, status);
    return 0;
}
