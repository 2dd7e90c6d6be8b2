/*
 * request_chunks - takes libh2o's lenient decoder of chunked request bodies out of service.
 *
 * libh2o reads "0x4" as 0, ends chunk lines at a bare LF and takes any bytes for an extension: whoever stands
 * before us and reads the same bytes by the rules sees another end of the body, and what follows is a
 * smuggled request. Handlers see decoded bodies only, so the guard cannot tell. But the library calls the
 * decoder through its exported name, and a program's own function of that name comes first (h2o.md section
 * 1): here it is, with the library's interface and chunked.c behind it.
 */

#include <assert.h>
#include <dlfcn.h>
#include <string.h>
#include <sys/types.h>

#include "gateway/http/chunked.h"
#include "gateway/http/front.h"

/* The library's struct phr_chunked_decoder is a size_t and three chars; it clears all 16 bytes first. */
struct phr_chunked_decoder {
    uint64_t left;
    char consume_trailer; /* the library's; set */
    uint8_t digits;
    uint8_t state;
    uint32_t overhead;
};
_Static_assert(sizeof(struct phr_chunked_decoder) == 16, "no more is there");

ssize_t phr_decode_chunked(struct phr_chunked_decoder *decoder, char *bytes, size_t *size);

/* -1: refused. -2: more is to come. Otherwise so many bytes behind the body, moved up to it. *size: decoded.
 */
__attribute__((visibility("default"))) ssize_t phr_decode_chunked(struct phr_chunked_decoder *decoder,
                                                                  char *bytes, size_t *size)
{
    struct chunked chunked = {(enum chunked_state)decoder->state, decoder->left, decoder->digits,
                              decoder->overhead};
    size_t decoded;
    size_t used;

    enum chunked_result result = chunked_decode(&chunked, bytes, *size, &decoded, &used);
    if (result == CHUNKED_BAD)
        return -1;
    decoder->state = (uint8_t)chunked.state;
    decoder->left = chunked.left;
    decoder->digits = (uint8_t)chunked.digits;
    decoder->overhead = (uint32_t)chunked.overhead;
    size_t behind = *size - used;
    memmove(bytes + decoded, bytes + used, behind);
    *size = decoded;
    return result == CHUNKED_DONE ? (ssize_t)behind : -2;
}

void front_check_decoder(void)
{
    /* A program whose linker did not export ours would be lenient without a word. */
    uintptr_t in_force = (uintptr_t)dlsym(RTLD_DEFAULT, "phr_decode_chunked");

    assert(in_force == (uintptr_t)phr_decode_chunked);
}
