#pragma once

/*
 * source - the raw text of every setting and where it came from, before any of it is understood.
 *
 * Threads: one caller.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/attributes.h"
#include "gateway/config/config.h"

struct raw_setting {
    char *text;        /* NULL: not set anywhere */
    const char *where; /* as in struct config_problem; borrowed */
    int line;
    bool inherited; /* text of another setting, whose mistakes are reported there */
};

void problem_add(struct config_problems *problems, const char *where, int line, const char *key,
                 const char *format, ...) PRINTF_LIKE(5, 6);

/*
 * Fills raw[i] for config_keys[i] from the file at `path` (NULL: none), later lines over earlier ones.
 * Unknown names are warnings; lines that are no settings and a file that cannot be read are problems.
 */
void source_read_file(const char *path, struct raw_setting *raw, struct config_problems *problems,
                      struct config_problems *warnings);
/*
 * KONG_<NAME>, then FRESHET_<NAME>, over what is there. A secret can be in a file that <NAME>_FILE names, as
 * orchestrators mount them; so a reload reads it again.
 */
void source_read_environment(struct raw_setting *raw, struct config_problems *problems);
/* Puts {vault://env/NAME} references in place of themselves. */
void source_resolve(struct raw_setting *raw, struct config_problems *problems);
