/* library: gateway_proxy */

/*
 * fuzz_health_word - any bytes as a word of another node, and as an address in a URL: what is read is written
 * again as it was.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "gateway/proxy/health_word.h"
#include "gateway/proxy/peer_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct health_word word;
    struct peer_address address;
    struct peer_address again;
    char back[HEALTH_WORD_SIZE];
    char written[PEER_TEXT_SIZE];

    if (health_word_parse(text, &word)) {
        health_word_format(&word, back);
        assert(str_equal(str_of(back), text));
    }
    if (peer_text_parse(text, &address)) {
        assert(peer_text_parse(str_of(peer_text(&address, written)), &again));
        assert(memcmp(&address, &again, sizeof(address)) == 0);
    }
    return 0;
}
