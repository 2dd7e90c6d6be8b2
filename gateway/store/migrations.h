#pragma once

/*
 * migrations - the texts of the steps, made from migrations/NNNN_name.sql when the program is built.
 *
 * Each is the body of one DO block: statements, no SELECT at the top level, no BEGIN or COMMIT.
 *
 * Threads: any; constant.
 */

#include <stddef.h>

struct migration {
    const char *name; /* "0001_core" */
    const char *sql;
};

extern const struct migration migrations[];
extern const size_t migration_count;
/* Removes what all of them made. */
extern const char migrations_reset[];
