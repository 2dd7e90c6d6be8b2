/*
 * random - see random.h.
 */

#include "gateway/base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *to, size_t count)
{
    unsigned char *at = to;

    while (count > 0) {
        ssize_t got = getrandom(at, count, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            perror("freshet: getrandom");
            abort();
        }
        at += got;
        count -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t value;

    random_bytes(&value, sizeof(value));
    return value;
}

void random_alphanumeric(char *to, size_t length)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t i = 0;

    while (i < length) {
        unsigned char byte;

        random_bytes(&byte, 1);
        byte &= 63;
        if (byte < sizeof(alphabet) - 1) /* drawing again keeps every character equally likely */
            to[i++] = alphabet[byte];
    }
    to[length] = '\0';
}

void random_seed(struct random_sequence *sequence, uint64_t seed)
{
    sequence->state = seed;
}

/* Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. */
uint64_t random_next(struct random_sequence *sequence)
{
    uint64_t z = sequence->state += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

double random_fraction(struct random_sequence *sequence)
{
    return (double)(random_next(sequence) >> 11) * 0x1.0p-53;
}
