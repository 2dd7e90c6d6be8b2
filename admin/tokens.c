/*
 * tokens - see tokens.h.
 */

#include "admin/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "gateway/base/mem.h"
#include "gateway/config/config.h"
#include "gateway/config/source.h"

enum {
    FILE_BYTES_MAX = 1 << 20,
    TOKENS_MAX = 1000,   /* each request is compared with all of them */
    SHORTEST_TOKEN = 16, /* 96 bits, if every character is one of 64 */
    LONGEST_TOKEN = 1024,
    PROBLEMS_MAX = 100, /* then it is some other file */
};

struct tokens {
    size_t count;
    size_t capacity;
    struct token *at;
    int *lines; /* where each stands, for reports */
    bool were_open;
};

/* One line being read. */
struct line {
    const char *where;
    int number;
    struct config_problems *problems;
};

static const char name_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._@";

_Static_assert(sizeof(((struct token *)0)->digest) == SHA256_DIGEST_LENGTH, "a SHA-256");

static bool wrong(const struct line *line, const char *reason)
{
    problem_add(line->problems, line->where, line->number, "", "%s", reason);
    return false;
}

static struct str take_word(struct str *rest)
{
    size_t from = 0;

    while (from < rest->len && (rest->at[from] == ' ' || rest->at[from] == '\t'))
        from++;
    size_t to = from;
    while (to < rest->len && rest->at[to] != ' ' && rest->at[to] != '\t')
        to++;
    struct str word = str_part(*rest, from, to);
    *rest = str_part(*rest, to, rest->len);
    return word;
}

static bool read_name(const struct line *line, struct str word, struct token *token)
{
    if (word.len > TOKEN_NAME_MAX)
        return wrong(line, "the name is longer than 64 characters");
    for (size_t i = 0; i < word.len; i++)
        if (word.at[i] == '\0' || strchr(name_characters, word.at[i]) == NULL)
            return wrong(line, "the name has other characters than letters, digits and -._@");
    memcpy(token->name, word.at, word.len);
    token->name[word.len] = '\0';
    return true;
}

static bool read_right(const struct line *line, struct str word, struct token *token)
{
    token->can_write = str_equal(word, STR("read-write"));
    return token->can_write || str_equal(word, STR("read-only")) ||
           wrong(line, "the second word is neither read-only nor read-write");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool read_digest(const struct line *line, struct str hex, struct token *token)
{
    bool is_hex = hex.len == 2 * sizeof(token->digest);

    for (size_t i = 0; is_hex && i < sizeof(token->digest); i++) {
        int high = hex_digit(hex.at[2 * i]);
        int low = hex_digit(hex.at[2 * i + 1]);
        is_hex = high >= 0 && low >= 0;
        token->digest[i] = (unsigned char)(is_hex ? high << 4 | low : 0);
    }
    return is_hex || wrong(line, "what follows sha256: is not 64 hexadecimal digits");
}

static bool read_token(const struct line *line, struct str word, struct token *token)
{
    const struct str mark = STR("sha256:");

    if (str_starts_with(word, mark))
        return read_digest(line, str_part(word, mark.len, word.len), token);
    if (word.len < SHORTEST_TOKEN)
        return wrong(line, "the token is shorter than 16 characters");
    if (word.len > LONGEST_TOKEN)
        return wrong(line, "the token is longer than 1024 characters");
    for (size_t i = 0; i < word.len; i++)
        if (word.at[i] <= ' ' || word.at[i] > '~')
            return wrong(line, "the token has characters that no header can carry");
    (void)SHA256((const unsigned char *)word.at, word.len, token->digest);
    return true;
}

/* A name or a token of two lines would be a question in every log, and when one of them is taken back. */
static bool is_new(const struct line *line, const struct tokens *tokens, const struct token *token)
{
    bool ok = true;
    char reason[64];

    for (size_t i = 0; i < tokens->count; i++) {
        const struct token *other = &tokens->at[i];
        bool same_name = strcmp(other->name, token->name) == 0;
        if (!same_name && memcmp(other->digest, token->digest, sizeof(token->digest)) != 0)
            continue;
        (void)snprintf(reason, sizeof(reason), "line %d has the same %s", tokens->lines[i],
                       same_name ? "name" : "token");
        ok = wrong(line, reason);
    }
    return ok;
}

static void add(struct tokens *tokens, const struct token *token, int line)
{
    if (tokens->count == tokens->capacity) {
        tokens->capacity = tokens->capacity > 0 ? 2 * tokens->capacity : 8;
        tokens->at = mem_realloc(tokens->at, tokens->capacity * sizeof(*tokens->at));
        tokens->lines = mem_realloc(tokens->lines, tokens->capacity * sizeof(*tokens->lines));
    }
    tokens->at[tokens->count] = *token;
    tokens->lines[tokens->count++] = line;
}

static void read_line(const struct line *line, struct str text, struct tokens *tokens)
{
    struct token token = {0};

    if (text.len > 0 && text.at[text.len - 1] == '\r')
        text.len--;
    struct str name = take_word(&text);
    if (name.len == 0 || name.at[0] == '#')
        return;
    struct str right = take_word(&text);
    struct str secret = take_word(&text);
    if (secret.len == 0 || take_word(&text).len > 0) {
        (void)wrong(line, "a line is a name, read-only or read-write, and a token");
        return;
    }
    bool ok = read_name(line, name, &token);
    ok = read_right(line, right, &token) && ok;
    ok = read_token(line, secret, &token) && ok;
    if (!ok || !is_new(line, tokens, &token))
        return;
    if (tokens->count < TOKENS_MAX)
        add(tokens, &token, line->number);
    else
        (void)wrong(line, "there are more than 1000 tokens");
}

bool tokens_parse(struct str text, const char *where, struct tokens **tokens,
                  struct config_problems *problems)
{
    struct tokens *made = mem_zalloc(sizeof(*made));
    struct config_problems found = {0};
    struct line line = {.where = where, .problems = &found};

    for (size_t from = 0; from < text.len && found.count < PROBLEMS_MAX;) {
        size_t end = str_find(text, '\n', from);
        if (end == SIZE_MAX)
            end = text.len;
        line.number++;
        read_line(&line, str_part(text, from, end), made);
        from = end + 1;
    }
    if (found.count == 0) {
        *tokens = made;
        return true;
    }
    for (size_t i = 0; i < found.count; i++)
        problem_add(problems, found.at[i].where, found.at[i].line, "", "%s", found.at[i].reason);
    config_problems_fini(&found);
    tokens_free(made);
    return false;
}

/* NULL: *why says what is wrong. The caller owns the bytes, which are secret. */
static char *read_file(const char *path, size_t *size, mode_t *mode, const char **why)
{
    struct stat info = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would be waited for */
    char *bytes = NULL;
    ssize_t count = 1;

    if (file < 0 || fstat(file, &info) != 0)
        *why = strerror(errno);
    else if (!S_ISREG(info.st_mode))
        *why = "it is not a regular file";
    else if (info.st_size > FILE_BYTES_MAX)
        *why = "it is larger than 1 MiB";
    else
        bytes = mem_alloc((size_t)info.st_size + 1);
    *size = 0;
    while (bytes != NULL && count > 0 && *size < (size_t)info.st_size) {
        count = read(file, bytes + *size, (size_t)info.st_size - *size);
        *size += count > 0 ? (size_t)count : 0;
    }
    if (count < 0) {
        *why = strerror(errno);
        free(bytes);
        bytes = NULL;
    }
    *mode = info.st_mode;
    if (file >= 0)
        close(file);
    return bytes;
}

bool tokens_read(const char *path, struct tokens **tokens, struct config_problems *problems)
{
    const char *why = NULL;
    size_t size;
    mode_t mode;
    char *bytes = read_file(path, &size, &mode, &why);

    if (bytes == NULL) {
        problem_add(problems, path, 0, "", "cannot read the tokens: %s", why);
        return false;
    }
    bool ok = tokens_parse((struct str){bytes, size}, path, tokens, problems);
    OPENSSL_cleanse(bytes, size);
    free(bytes);
    if (ok)
        (*tokens)->were_open = (mode & S_IRWXO) != 0;
    return ok;
}

void tokens_free(struct tokens *tokens)
{
    if (tokens == NULL)
        return;
    free(tokens->at);
    free(tokens->lines);
    free(tokens);
}

size_t tokens_count(const struct tokens *tokens)
{
    return tokens->count;
}

bool tokens_were_open(const struct tokens *tokens)
{
    return tokens->were_open;
}

const struct token *tokens_find(const struct tokens *tokens, struct str presented)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    size_t found = 0; /* number of the token, from 1 */

    (void)SHA256((const unsigned char *)presented.at, presented.len, digest);
    for (size_t i = 0; i < tokens->count; i++) {
        size_t same = CRYPTO_memcmp(digest, tokens->at[i].digest, sizeof(digest)) == 0;
        found |= (0 - same) & (i + 1); /* at most one is the same */
    }
    return found > 0 ? &tokens->at[found - 1] : NULL;
}
