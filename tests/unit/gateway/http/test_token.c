/* Facts about bytes in heads. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/http/token.h"

/* Values are read eight bytes at a time: every byte counts at every place, whatever stands beside it. */
static void a_control_byte_is_found_wherever_it_stands(void **state)
{
    static const unsigned char beside[] = {'a', ' ', '\t', '!', '~', 0x80, 0xff};
    unsigned char text[19];

    (void)state;
    for (size_t n = 0; n < sizeof(beside); n++)
        for (size_t place = 0; place < sizeof(text); place++)
            for (int byte = 0; byte < 256; byte++) {
                memset(text, beside[n], sizeof(text));
                text[place] = (unsigned char)byte;
                bool fine = (byte >= ' ' && byte != 0x7f) || byte == '\t';
                assert_int_equal(token_is_value((struct str){(const char *)text, sizeof(text)}), fine);
                assert_int_equal(token_is_value((struct str){(const char *)text, place + 1}), fine);
                assert_true(token_is_value((struct str){(const char *)text, place}));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_control_byte_is_found_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
