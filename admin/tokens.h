#pragma once

/*
 * tokens - who may call the Admin API by showing a secret: the file that admin_tokens_file names.
 *
 *     # name      may         token, or its SHA-256 in hexadecimal
 *     dashboard   read-only   N2Q1ODRmYjE0ZTk3YjM3
 *     deploy      read-write  sha256:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9
 *
 * Words are parted by blanks and tabs; '#' in front makes a line a comment. Only digests are kept. Mistakes
 * are reported without a word of the line, which may be the secret in the wrong place.
 *
 * Threads: any; immutable once read.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"

struct config_problems;
struct tokens;

enum {
    TOKEN_NAME_MAX = 64
};

struct token {
    char name[TOKEN_NAME_MAX + 1]; /* for logs: letters, digits and -._@ */
    bool can_write;
    unsigned char digest[32];
};

/* False: `problems` has got every mistake, in line order, as lines of `where`. No token at all is no mistake:
 * then nobody has one. */
bool tokens_parse(struct str text, const char *where, struct tokens **tokens,
                  struct config_problems *problems) MUST_CHECK;
/* The same of a file. Blocks on the disk. */
bool tokens_read(const char *path, struct tokens **tokens, struct config_problems *problems) MUST_CHECK;
void tokens_free(struct tokens *tokens);
size_t tokens_count(const struct tokens *tokens);
/* Could every user of this machine open the file when it was read? */
bool tokens_were_open(const struct tokens *tokens);

/*
 * Whose token that is; NULL: nobody's. How long it takes depends on the length of what was presented and on
 * the number of tokens, not on which one it is or how much of one it has.
 */
const struct token *tokens_find(const struct tokens *tokens, struct str presented);
