/*
 * Identifiers: read, written, made.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/uuid.h"

static void any_case_is_read_and_lower_case_written(void **state)
{
    struct uuid upper;
    struct uuid lower;
    char text[UUID_TEXT_SIZE];
    (void)state;
    assert_true(uuid_from_str(STR("0C8D6A51-0C1E-4B55-9A53-4A1C7F0F8E11"), &upper));
    assert_true(uuid_from_str(STR("0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11"), &lower));
    assert_true(uuid_equal(&upper, &lower));
    assert_int_equal(upper.bytes[0], 0x0c);
    assert_int_equal(upper.bytes[15], 0x11);
    assert_string_equal(uuid_format(&upper, text), "0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11");
}

static void other_forms_are_refused(void **state)
{
    struct uuid uuid;
    (void)state;
    assert_false(uuid_from_str(STR(""), &uuid));
    assert_false(uuid_from_str(STR_NONE, &uuid));
    assert_false(uuid_from_str(STR("0c8d6a510c1e4b559a534a1c7f0f8e11"), &uuid));
    assert_false(uuid_from_str(STR("0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e1g"), &uuid));
    assert_false(uuid_from_str(STR("0c8d6a51-0c1e-4b55-9a534-a1c7f0f8e11"), &uuid));
    assert_false(uuid_from_str(STR("0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e111"), &uuid));
    assert_false(uuid_from_str(STR("{c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e1}"), &uuid));
    assert_false(uuid_from_str(STR("0c8d6a51-0c1e-4b55-9a53-4a1c7f0\0f8e1"), &uuid));
}

static void made_ones_are_of_version_4_and_differ(void **state)
{
    struct uuid first;
    struct uuid second;
    (void)state;
    uuid_make(&first);
    uuid_make(&second);
    assert_int_equal(first.bytes[6] >> 4, 4);
    assert_int_equal(first.bytes[8] >> 6, 2);
    assert_false(uuid_equal(&first, &second));
    assert_false(uuid_is_nil(&first));
    assert_true(uuid_is_nil(&(struct uuid){{0}}));
}

static void order_is_that_of_the_bytes(void **state)
{
    const struct uuid low = {{1, 255}};
    const struct uuid high = {{2, 0}};
    (void)state;
    assert_true(uuid_order(&low, &high) < 0);
    assert_true(uuid_order(&high, &low) > 0);
    assert_int_equal(uuid_order(&low, &low), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_case_is_read_and_lower_case_written),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(made_ones_are_of_version_4_and_differ),
        cmocka_unit_test(order_is_that_of_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
