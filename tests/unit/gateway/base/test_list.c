/*
 * The list whose links live inside the members.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/attributes.h"
#include "gateway/base/list.h"

struct member {
    int number;
    struct list link;
};

static int number_of(struct list *link)
{
    return CONTAINER_OF(link, struct member, link)->number;
}

static void assert_order(struct list *head, const int *expected, size_t count)
{
    size_t i = 0;
    list_each (link, head) {
        assert_true(i < count);
        assert_int_equal(number_of(link), expected[i++]);
    }
    assert_int_equal(i, count);
}

static void members_stand_in_the_order_they_were_added(void **state)
{
    struct list head;
    struct member members[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    (void)state;
    list_init(&head);
    assert_true(list_is_empty(&head));
    list_add_last(&head, &members[0].link);
    list_add_last(&head, &members[1].link);
    list_add_first(&head, &members[2].link);
    assert_false(list_is_empty(&head));
    assert_order(&head, (const int[]){3, 1, 2}, 3);
}

static void removing_twice_is_fine(void **state)
{
    struct list head;
    struct member members[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    (void)state;
    list_init(&head);
    for (int i = 0; i < 3; i++)
        list_add_last(&head, &members[i].link);
    assert_true(list_is_linked(&members[1].link));
    list_remove(&members[1].link);
    list_remove(&members[1].link);
    assert_false(list_is_linked(&members[1].link));
    assert_order(&head, (const int[]){1, 3}, 2);
    list_add_last(&head, &members[1].link);
    assert_order(&head, (const int[]){1, 3, 2}, 3);
}

static void taking_empties_the_list(void **state)
{
    struct list head;
    struct member members[2] = {{.number = 1}, {.number = 2}};
    (void)state;
    list_init(&head);
    list_add_last(&head, &members[0].link);
    list_add_last(&head, &members[1].link);
    assert_int_equal(number_of(list_take_first(&head)), 1);
    assert_int_equal(number_of(list_take_first(&head)), 2);
    assert_null(list_take_first(&head));
    assert_true(list_is_empty(&head));
    assert_false(list_is_linked(&members[0].link));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_stand_in_the_order_they_were_added),
        cmocka_unit_test(removing_twice_is_fine),
        cmocka_unit_test(taking_empties_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
