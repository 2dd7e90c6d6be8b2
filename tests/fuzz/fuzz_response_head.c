/* library: gateway_http */

/*
 * The head of an upstream's answer: found at the same place however it comes, and what is accepted has one
 * framing.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/http/response_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parsed(struct str text)
{
    struct header lines[RESPONSE_HEAD_MAX_LINES];
    struct response_head head;

    if (!response_head_parse(text, lines, &head))
        return;
    if (head.status < 100 || head.status > 599 || head.line_count > RESPONSE_HEAD_MAX_LINES)
        abort();
    if (head.chunked && (head.content_length >= 0 || head.version != 0x101))
        abort();
    for (size_t i = 0; i < head.line_count; i++) {
        if (lines[i].name.len == 0 || memchr(lines[i].value.at, '\n', lines[i].value.len) != NULL ||
            memchr(lines[i].value.at, '\0', lines[i].value.len) != NULL)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct response_head_scan whole_scan = {0};
    struct response_head_scan scan = {0};
    char *bytes = malloc(size + 1);
    enum response_head_found found = RESPONSE_HEAD_PARTIAL;
    size_t whole_length = 0;
    size_t length = 0;

    if (bytes == NULL)
        abort();
    if (size == 0)
        goto out;
    memcpy(bytes, data, size);
    enum response_head_found whole =
        response_head_find(&whole_scan, (struct str){bytes, size}, &whole_length);
    for (size_t come = 1; come <= size && found == RESPONSE_HEAD_PARTIAL; come++)
        found = response_head_find(&scan, (struct str){bytes, come}, &length);
    if (found != whole || (whole == RESPONSE_HEAD_WHOLE && (length != whole_length || length > size)))
        abort();
    if (whole == RESPONSE_HEAD_WHOLE)
        check_parsed((struct str){bytes, length});
    check_parsed((struct str){bytes, size});
out:
    free(bytes);
    return 0;
}
