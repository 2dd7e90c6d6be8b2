/*
 * SipHash-2-4 with 128 bits, against the vectors its authors publish (key 00..0f, input 00, 01, 02 ...).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/digest.h"

static const struct vector {
    size_t length;
    uint8_t digest[16];
} vectors[] = {
    {0, {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93}},
    {1, {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45}},
    {7, {0xa1, 0xf1, 0xeb, 0xbe, 0xd8, 0xdb, 0xc1, 0x53, 0xc0, 0xb8, 0x4a, 0xa6, 0x1f, 0xf0, 0x82, 0x39}},
    {8, {0x3b, 0x62, 0xa9, 0xba, 0x62, 0x58, 0xf5, 0x61, 0x0f, 0x83, 0xe2, 0x64, 0xf3, 0x14, 0x97, 0xb4}},
    {9, {0x26, 0x44, 0x99, 0x06, 0x0a, 0xd9, 0xba, 0xab, 0xc4, 0x7f, 0x8b, 0x02, 0xbb, 0x6d, 0x71, 0xed}},
    {15, {0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11, 0x7e, 0x08, 0xec, 0x0f, 0x97, 0xcf, 0xc3, 0xd9}},
    {16, {0x6e, 0xe2, 0xa4, 0xca, 0x67, 0xb0, 0x54, 0xbb, 0xfd, 0x33, 0x15, 0xbf, 0x85, 0x23, 0x05, 0x77}},
    {63, {0x51, 0x50, 0xd1, 0x77, 0x2f, 0x50, 0x83, 0x4a, 0x50, 0x3e, 0x06, 0x9a, 0x97, 0x3f, 0xbd, 0x7c}},
};

static struct digest_salt counting_salt(void)
{
    struct digest_salt salt;
    for (size_t i = 0; i < sizeof(salt.bytes); i++)
        salt.bytes[i] = (uint8_t)i;
    return salt;
}

static void digests_are_those_of_the_authors(void **state)
{
    struct digest_salt salt = counting_salt();
    char input[64];
    (void)state;
    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (char)i;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct digest digest;
        digest_make(&salt, (struct str){input, vectors[i].length}, &digest);
        assert_memory_equal(digest.bytes, vectors[i].digest, 16);
    }
}

static void where_the_bytes_lie_does_not_matter(void **state)
{
    struct digest_salt salt = counting_salt();
    char room[40];
    struct digest first;
    (void)state;
    digest_make(&salt, STR("services:42:::::ws"), &first);
    for (size_t shift = 0; shift < 16; shift++) {
        struct digest digest;
        memcpy(room + shift, "services:42:::::ws", 18);
        digest_make(&salt, (struct str){room + shift, 18}, &digest);
        assert_true(digest_equal(&digest, &first));
        assert_true(digest_hash(&digest) == digest_hash(&first));
    }
}

static void another_salt_is_another_digest(void **state)
{
    struct digest_salt salt = counting_salt();
    struct digest first;
    struct digest second;
    (void)state;
    digest_make(&salt, STR_NONE, &first);
    salt.bytes[15] ^= 1;
    digest_make(&salt, STR_NONE, &second);
    assert_false(digest_equal(&first, &second));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_the_authors),
        cmocka_unit_test(where_the_bytes_lie_does_not_matter),
        cmocka_unit_test(another_salt_is_another_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
