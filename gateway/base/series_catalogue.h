#pragma once

/*
 * series_catalogue - all series that threads have made (series.h), the same labels together, as text.
 *
 * It grows and is never forgotten: a reader looks at a series for the first time only once. Learning and
 * writing are done in pieces as large as the caller likes, so that he can do other things between two.
 *
 * Threads: a catalogue belongs to its reader.
 */

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/str.h"

struct series_catalogue;
struct series_catalogue *series_catalogue_new(void);
void series_catalogue_free(struct series_catalogue *catalogue);

/* Looks for series that are new, at most `most` of them. false: there may be more. */
bool series_catalogue_learn(struct series_catalogue *catalogue, size_t most);

/* Where somebody is who writes it piece by piece; begins as {0}. */
struct series_cursor {
    size_t kind, family, entry;
};
/* Adds about `bytes` of text, or all that is left. false: that was the end. */
bool series_catalogue_write(const struct series_catalogue *catalogue, struct series_cursor *cursor,
                            struct buf *out, size_t bytes);
