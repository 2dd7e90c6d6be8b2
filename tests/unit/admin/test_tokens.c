/*
 * The file of tokens: what a line may say, what is wrong with others, and whose a presented token is.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/tokens.h"
#include "gateway/base/mem.h"
#include "gateway/config/config.h"

/* printf abc... | sha256sum */
#define SECRET        "abcdefghijklmnop"
#define SECRET_DIGEST "f39dac6cbaba535e2c207cd0cd8f154974223c848f727f98b3564cea569b41cf"

static struct tokens *parse(const char *text)
{
    struct config_problems problems = {0};
    struct tokens *tokens = NULL;

    if (!tokens_parse(str_of(text), "file", &tokens, &problems))
        fail_msg("%s", problems.at[0].reason);
    assert_int_equal(problems.count, 0);
    return tokens;
}

/* `expected`: "line reason" of each mistake, one a line. */
static void is_wrong_of(struct str text, const char *expected)
{
    struct config_problems problems = {0};
    struct tokens *tokens = NULL;
    struct buf found = {0};

    assert_false(tokens_parse(text, "file", &tokens, &problems));
    assert_null(tokens);
    for (size_t i = 0; i < problems.count; i++) {
        assert_string_equal(problems.at[i].where, "file");
        buf_printf(&found, "%d %s\n", problems.at[i].line, problems.at[i].reason);
    }
    assert_string_equal(found.at, expected);
    buf_fini(&found);
    config_problems_fini(&problems);
}

static void is_wrong(const char *text, const char *expected)
{
    is_wrong_of(str_of(text), expected);
}

static void each_line_is_a_name_a_right_and_a_token(void **state)
{
    struct tokens *tokens = parse("# all of them\n\n  ann\tread-only  0123456789abcdef\r\n#bob read-write x\n"
                                  "bob.b-2@x read-write " SECRET " \n \t\n");

    (void)state;
    assert_int_equal(tokens_count(tokens), 2);
    const struct token *ann = tokens_find(tokens, STR("0123456789abcdef"));
    const struct token *bob = tokens_find(tokens, STR(SECRET));
    assert_string_equal(ann->name, "ann");
    assert_false(ann->can_write);
    assert_string_equal(bob->name, "bob.b-2@x");
    assert_true(bob->can_write);
    tokens_free(tokens);
}

static void a_digest_stands_for_its_token(void **state)
{
    struct tokens *tokens = parse("ann read-only sha256:" SECRET_DIGEST);

    (void)state;
    assert_string_equal(tokens_find(tokens, STR(SECRET))->name, "ann");
    assert_null(tokens_find(tokens, STR(SECRET_DIGEST)));
    assert_null(tokens_find(tokens, STR("sha256:" SECRET_DIGEST)));
    tokens_free(tokens);
}

static void only_the_whole_token_is_found(void **state)
{
    struct tokens *tokens = parse("ann read-only " SECRET "\nbob read-write " SECRET "q");

    (void)state;
    assert_string_equal(tokens_find(tokens, STR(SECRET))->name, "ann");
    assert_string_equal(tokens_find(tokens, STR(SECRET "q"))->name, "bob");
    assert_null(tokens_find(tokens, STR("abcdefghijklmno")));
    assert_null(tokens_find(tokens, STR(SECRET "r")));
    assert_null(tokens_find(tokens, STR(SECRET "\0")));
    assert_null(tokens_find(tokens, STR("Abcdefghijklmnop")));
    assert_null(tokens_find(tokens, STR("ann")));
    assert_null(tokens_find(tokens, STR("")));
    assert_null(tokens_find(tokens, STR_NONE));
    tokens_free(tokens);
}

static void a_file_without_tokens_lets_nobody_in(void **state)
{
    struct tokens *tokens = parse("# nobody\n");

    (void)state;
    assert_int_equal(tokens_count(tokens), 0);
    assert_null(tokens_find(tokens, STR("")));
    assert_null(tokens_find(tokens, STR_NONE));
    tokens_free(tokens);
}

static void every_mistake_is_reported(void **state)
{
    (void)state;
    is_wrong("ann\nann read-only\nann read-only " SECRET " x\n",
             "1 a line is a name, read-only or read-write, and a token\n"
             "2 a line is a name, read-only or read-write, and a token\n"
             "3 a line is a name, read-only or read-write, and a token\n");
    is_wrong("a/b Read-only short\n\ncarl read-write " SECRET "\n",
             "1 the name has other characters than letters, digits and -._@\n"
             "1 the second word is neither read-only nor read-write\n"
             "1 the token is shorter than 16 characters\n");
    is_wrong("a read-only sha256:12\nb read-only sha256:" SECRET_DIGEST
             "0\nc read-only sha256:g39dac6cbaba535e"
             "2c207cd0cd8f154974223c848f727f98b3564cea569b41cf",
             "1 what follows sha256: is not 64 hexadecimal digits\n"
             "2 what follows sha256: is not 64 hexadecimal digits\n"
             "3 what follows sha256: is not 64 hexadecimal digits\n");
    is_wrong("a read-only abcdefghijklmno\x7f\nb read-only \xc3\xa4" SECRET "\n",
             "1 the token has characters that no header can carry\n"
             "2 the token has characters that no header can carry\n");
}

static void names_and_tokens_are_there_once(void **state)
{
    (void)state;
    is_wrong("ann read-only " SECRET "\nann read-only 0123456789abcdef\n", "2 line 1 has the same name\n");
    is_wrong("ann read-only " SECRET
             "\nbob read-write 0123456789abcdef\neve read-write sha256:" SECRET_DIGEST,
             "3 line 1 has the same token\n");
}

static void a_nul_byte_is_no_letter(void **state)
{
    (void)state;
    is_wrong_of(STR("a\0b read-only " SECRET),
                "1 the name has other characters than letters, digits and -._@\n");
    is_wrong_of(STR("a read-only abcdefgh\0ijklmnop"),
                "1 the token has characters that no header can carry\n");
}

static void sizes_are_bounded(void **state)
{
    char name[80] = "";
    char *token = mem_zalloc(2000);
    struct buf many = {0};

    (void)state;
    memset(name, 'n', 65);
    memset(token, 't', 1025);
    char *text = mem_printf("%s read-only %s", name, token);
    is_wrong(text, "1 the name is longer than 64 characters\n1 the token is longer than 1024 characters\n");
    free(text);
    token[1024] = '\0';
    text = mem_printf("%s read-only %s", name + 1, token);
    struct tokens *tokens = parse(text);
    assert_string_equal(tokens_find(tokens, str_of(token))->name, name + 1);
    tokens_free(tokens);
    free(text);
    free(token);
    for (int i = 0; i < 1001; i++)
        buf_printf(&many, "n%d read-only token-number-%06d\n", i, i);
    is_wrong_of(buf_str(&many), "1001 there are more than 1000 tokens\n");
    buf_fini(&many);
}

static void after_a_hundred_mistakes_it_is_some_other_file(void **state)
{
    struct config_problems problems = {0};
    struct tokens *tokens = NULL;
    struct buf many = {0};

    (void)state;
    for (int i = 0; i < 5000; i++)
        buf_add_text(&many, "x\n");
    assert_false(tokens_parse(buf_str(&many), "file", &tokens, &problems));
    assert_int_equal(problems.count, 100);
    config_problems_fini(&problems);
    buf_fini(&many);
}

static void a_file_knows_who_could_open_it(void **state)
{
    char path[] = "/tmp/freshet-test-tokens-XXXXXX";
    struct config_problems problems = {0};
    struct tokens *tokens = NULL;
    const char text[] = "ann read-only " SECRET "\n";
    int file = mkstemp(path);

    (void)state;
    assert_int_equal(write(file, text, sizeof(text) - 1), sizeof(text) - 1);
    close(file);
    assert_true(tokens_read(path, &tokens, &problems));
    assert_false(tokens_were_open(tokens));
    assert_non_null(tokens_find(tokens, STR(SECRET)));
    tokens_free(tokens);
    assert_int_equal(chmod(path, 0604), 0);
    assert_true(tokens_read(path, &tokens, &problems));
    assert_true(tokens_were_open(tokens));
    tokens_free(tokens);
    unlink(path);
    assert_false(tokens_read(path, &tokens, &problems));
    assert_int_equal(problems.count, 1);
    assert_string_equal(problems.at[0].where, path);
    config_problems_fini(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_is_a_name_a_right_and_a_token),
        cmocka_unit_test(a_digest_stands_for_its_token),
        cmocka_unit_test(only_the_whole_token_is_found),
        cmocka_unit_test(a_file_without_tokens_lets_nobody_in),
        cmocka_unit_test(every_mistake_is_reported),
        cmocka_unit_test(names_and_tokens_are_there_once),
        cmocka_unit_test(a_nul_byte_is_no_letter),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(after_a_hundred_mistakes_it_is_some_other_file),
        cmocka_unit_test(a_file_knows_who_could_open_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
