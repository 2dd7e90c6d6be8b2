/* Facts about the memory of exchanges. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/http/arena.h"

static void all_of_an_arena_can_be_used_and_no_more(void **state)
{
    struct arena_stock stock = {0};
    struct arena *arena = arena_take(&stock);
    size_t total = 0;
    char *memory;

    (void)state;
    assert_null(arena_alloc(arena, ARENA_BYTES + 1));
    assert_null(arena_alloc(arena, SIZE_MAX));
    while ((memory = arena_alloc(arena, 1000)) != NULL) {
        assert_int_equal((uintptr_t)memory % 16, 0);
        memset(memory, 0xee, 1000);
        total += 1000;
    }
    assert_true(total > ARENA_BYTES - 2 * 1008);
    memory = arena_alloc(arena, ARENA_BYTES - arena->used);
    assert_non_null(memory);
    assert_null(arena_alloc(arena, 1));
    arena_give(&stock, arena);
    arena_stock_fini(&stock);
}

static void pieces_do_not_overlap(void **state)
{
    struct arena_stock stock = {0};
    struct arena *arena = arena_take(&stock);
    char *first = arena_alloc(arena, 17);
    char *none = arena_alloc(arena, 0);
    char *second = arena_alloc(arena, 1);

    (void)state;
    assert_true(second >= first + 17);
    assert_non_null(none);
    arena_give(&stock, arena);
    arena_stock_fini(&stock);
}

static void a_used_arena_comes_back_empty(void **state)
{
    struct arena_stock stock = {0};
    struct arena *one = arena_take(&stock);
    struct arena *two = arena_take(&stock);

    (void)state;
    assert_non_null(arena_alloc(one, ARENA_BYTES));
    arena_give(&stock, two);
    arena_give(&stock, one);
    struct arena *again = arena_take(&stock);
    assert_non_null(arena_alloc(again, ARENA_BYTES));
    arena_give(&stock, again);
    arena_stock_fini(&stock);
    assert_null(stock.spare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_an_arena_can_be_used_and_no_more),
        cmocka_unit_test(pieces_do_not_overlap),
        cmocka_unit_test(a_used_arena_comes_back_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
