/* A fact about the hashes of points: they are the library's. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <xxhash.h>

#include "gateway/balancer/point_hash.h"
#include "gateway/base/random.h"

static void they_are_those_of_the_library(void **state)
{
    struct random_sequence random;

    (void)state;
    random_seed(&random, 7);
    for (int i = 0; i < 20000; i++) {
        struct peer_address address;
        uint8_t text[sizeof(address) + sizeof(uint32_t)];
        uint32_t number = (uint32_t)random_next(&random) >> (i % 32);

        for (size_t k = 0; k < sizeof(address); k++)
            text[k] = (uint8_t)random_next(&random);
        memcpy(&address, text, sizeof(address));
        for (size_t k = 0; k < sizeof(number); k++)
            text[sizeof(address) + k] = (uint8_t)(number >> 8 * k);
        const struct point_hash begun = point_hash_begin(&address);
        assert_int_equal(point_hash_of(&begun, number), XXH32(text, sizeof(text), /* seed= */ 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_those_of_the_library),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
