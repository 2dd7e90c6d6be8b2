/* library: admin */

/*
 * fuzz_tokens_file - any bytes as a file of tokens: either every mistake has a line and a reason of its own
 * words, or each line's token is found under its name, and nothing else is.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin/tokens.h"
#include "gateway/base/mem.h"
#include "gateway/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Every word of the file as a token: what is found has a name that the file has too. */
static void present_words(const struct tokens *tokens, struct str input)
{
    size_t found = 0;

    for (size_t from = 0; from < input.len; from++) {
        size_t to = from;
        while (to < input.len && !is_blank(input.at[to]))
            to++;
        const struct token *token = tokens_find(tokens, str_part(input, from, to));
        demand(token == NULL || memmem(input.at, input.len, token->name, strlen(token->name)) != NULL);
        found += token != NULL ? 1 : 0;
        from = to;
    }
    demand(found == 0 || tokens_count(tokens) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = {(const char *)data, size};
    struct config_problems problems = {0};
    struct tokens *tokens = NULL;

    if (tokens_parse(input, "file", &tokens, &problems)) {
        demand(problems.count == 0 && tokens_count(tokens) <= 1000);
        demand(tokens_find(tokens, STR("")) == NULL || memmem(data, size, "sha256:", 7) != NULL);
        present_words(tokens, input);
    } else {
        demand(problems.count > 0 && tokens == NULL);
        for (size_t i = 0; i < problems.count; i++) {
            demand(problems.at[i].line > 0 && problems.at[i].reason[0] != '\0');
            demand(i == 0 || problems.at[i - 1].line <= problems.at[i].line);
        }
    }
    tokens_free(tokens);
    config_problems_fini(&problems);
    return 0;
}
