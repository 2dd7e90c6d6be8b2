/* library: gateway_cli */

/*
 * YAML: whatever is in it, reading ends with a tree or with a reason; a tree is written as a text that is
 * read as the same tree. The same bytes as a declarative file end in a list of entities or of mistakes.
 */

#include <assert.h>
#include <stdint.h>

#include "gateway/cli/declaration.h"
#include "gateway/cli/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(const cJSON *tree)
{
    struct buf text = {0};
    struct err err;
    cJSON *again = NULL;
    bool is_written = yaml_write(tree, &text, &err);
    assert(is_written);
    bool is_read = yaml_read(buf_str(&text), &again, &err);
    assert(is_read && cJSON_Compare(tree, again, true));
    cJSON_Delete(again);
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct schemas *schemas = schemas_new();
    struct declaration *declaration = NULL;
    struct err err;
    cJSON *tree = NULL;

    schemas_add_core(schemas);
    if (yaml_read(text, &tree, &err))
        check_written(tree);
    else
        assert(err.text[0] != '\0');
    if (declaration_read(text, schemas, &declaration, &err))
        assert(declaration_resolve(declaration, /* now_us= */ 1795400100000000) ==
               (declaration->problem_count == 0));
    declaration_free(declaration);
    cJSON_Delete(tree);
    schemas_free(schemas);
    return 0;
}
