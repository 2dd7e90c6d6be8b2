#pragma once

/*
 * value - one setting's text turned into its value, by its kind. Used by config.c only.
 *
 * Threads: any.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/config/config.h"

enum {
    CONFIG_REASON_SIZE = 256
};

/*
 * Parses `text` (trimmed, NULL: unset) and stores it in the member of `config`. What was there is freed.
 * false: reason says what is wrong and what would be right; the member is as before.
 */
bool value_set(struct config *config, const struct config_key *key, const char *text,
               char reason[CONFIG_REASON_SIZE]) MUST_CHECK;
/* The value as it would be written in a file; NULL: unset. The caller owns it. Secrets are not masked. */
char *value_text(const struct config *config, const struct config_key *key);
void value_free(struct config *config, const struct config_key *key);
