/* library: admin */

/*
 * fuzz_query_string - any bytes as a URL: its path, its query, and the page they ask for.
 */

#include <stddef.h>
#include <stdint.h>

#include "admin/paging.h"
#include "admin/path.h"
#include "gateway/model/entities.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct query_string query;
    struct answer answer = {0};
    struct paging paging;
    struct path path;

    if (path_parse(text, &path))
        (void)path_matches(&path, "/schemas/{name}/validate");
    path_fini(&path);
    if (query_string_parse(text, &query))
        (void)!paging_read(&query, &consumer_schema, &paging, &answer);
    query_string_fini(&query);
    answer_fini(&answer);
    return 0;
}
