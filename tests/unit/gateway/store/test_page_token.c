/*
 * page_token - what clients get and what they may send back.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/store/page_token.h"

static enum page_token_verdict verdict(const char *token)
{
    struct uuid id;

    return page_token_read(str_of(token), &id);
}

static void a_token_is_unpadded_base64_of_the_key(void **state)
{
    struct uuid id;
    char token[PAGE_TOKEN_SIZE];

    (void)state;
    assert_true(uuid_from_str(STR("0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11"), &id));
    assert_string_equal(page_token_make(&id, token),
                        "WyIwYzhkNmE1MS0wYzFlLTRiNTUtOWE1My00YTFjN2YwZjhlMTEiXQ");
}

static void a_token_leads_back_to_its_row(void **state)
{
    struct uuid id, back;
    char token[PAGE_TOKEN_SIZE];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uuid_make(&id);
        assert_int_equal(page_token_read(str_of(page_token_make(&id, token)), &back), PAGE_TOKEN_OK);
        assert_true(uuid_equal(&id, &back));
    }
}

static void padding_does_not_matter(void **state)
{
    (void)state;
    assert_int_equal(verdict("WyIwYzhkNmE1MS0wYzFlLTRiNTUtOWE1My00YTFjN2YwZjhlMTEiXQ=="), PAGE_TOKEN_OK);
}

static void what_is_not_base64_is_said_to_be_so(void **state)
{
    (void)state;
    assert_int_equal(verdict("x"), PAGE_TOKEN_BAD_BASE64);
    assert_int_equal(verdict("not base64!"), PAGE_TOKEN_BAD_BASE64);
    assert_int_equal(verdict("WyJh====="), PAGE_TOKEN_BAD_BASE64);
    assert_int_equal(page_token_read((struct str){"Wy\0J", 4}, &(struct uuid){{0}}), PAGE_TOKEN_BAD_BASE64);
}

static void what_is_not_the_array_of_one_uuid_is_bad_json(void **state)
{
    char longest[4096];

    (void)state;
    memset(longest, 'A', sizeof(longest));
    assert_int_equal(verdict(""), PAGE_TOKEN_BAD_JSON);
    assert_int_equal(verdict("eA"), PAGE_TOKEN_BAD_JSON);      /* x */
    assert_int_equal(verdict("WyJ4Il0"), PAGE_TOKEN_BAD_JSON); /* ["x"] */
    assert_int_equal(verdict("WyIwYzhkNmE1MS0wYzFlLTRiNTUtOWE1My00YTFjN2YwZjhlZ2ciXQ"), PAGE_TOKEN_BAD_JSON);
    assert_int_equal(page_token_read((struct str){longest, sizeof(longest)}, &(struct uuid){{0}}),
                     PAGE_TOKEN_BAD_JSON);
}

static void a_place_within_the_rows_of_an_id_comes_back(void **state)
{
    static const int64_t places[] = {1, 2, 10, 999999999};
    struct uuid id, found;
    int64_t place;

    (void)state;
    uuid_make(&id);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char token[PAGE_TOKEN_WITHIN_SIZE];
        page_token_make_within(&id, places[i], token);
        assert_int_equal(page_token_read_within(str_of(token), &found, &place), PAGE_TOKEN_OK);
        assert_true(uuid_equal(&id, &found));
        assert_int_equal(place, places[i]);
        assert_int_equal(page_token_read(str_of(token), &found), PAGE_TOKEN_BAD_JSON);
    }
    char plain[PAGE_TOKEN_SIZE];
    page_token_make(&id, plain);
    assert_int_equal(page_token_read_within(str_of(plain), &found, &place), PAGE_TOKEN_OK);
    assert_int_equal(place, 1);
}

static void what_is_no_place_is_refused(void **state)
{
    /* ["0c8d6a51-0c1e-4b55-9a53-4a1c7f0f8e11",0] and the like: ,0] ,] ;1] ,-1] ,1 ,1234567890] */
    static const char *const tokens[] = {
        "",
        "W10",
        "WyIwYzhkNmE1MS0wYzFlLTRiNTUtOWE1My00YTFjN2YwZjhlMTEiLDBd",
        "WyIwYzhkNmE1MS0wYzFlLTRiNTUtOWE1My00YTFjN2YwZjhlMTEiLF0",
        "WyIwYzhkNmE1MS0wYzFlLTRiNTUtOWE1My00YTFjN2YwZjhlMTEiOzFd",
        "WyIwYzhkNmE1MS0wYzFlLTRiNTUtOWE1My00YTFjN2YwZjhlMTEiLC0xXQ",
        "WyIwYzhkNmE1MS0wYzFlLTRiNTUtOWE1My00YTFjN2YwZjhlMTEiLDE",
        "WyIwYzhkNmE1MS0wYzFlLTRiNTUtOWE1My00YTFjN2YwZjhlMTEiLDEyMzQ1Njc4OTBd",
    };
    struct uuid id;
    int64_t place;

    (void)state;
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
        assert_int_not_equal(page_token_read_within(str_of(tokens[i]), &id, &place), PAGE_TOKEN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_unpadded_base64_of_the_key),
        cmocka_unit_test(a_token_leads_back_to_its_row),
        cmocka_unit_test(padding_does_not_matter),
        cmocka_unit_test(what_is_not_base64_is_said_to_be_so),
        cmocka_unit_test(what_is_not_the_array_of_one_uuid_is_bad_json),
        cmocka_unit_test(a_place_within_the_rows_of_an_id_comes_back),
        cmocka_unit_test(what_is_no_place_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
