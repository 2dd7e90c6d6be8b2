/* library: gateway_model */

/*
 * fuzz_secret - any text as a value that may be a reference: it has a value, or there is a reason; a member
 * is one of the object in the variable.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/model/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_strndup((const char *)data, size);
    char *value = NULL;
    struct err err = {0};

    (void)setenv("A_B", "{\"k\":\"text\",\"n\":1.5,\"y\":true,\"o\":{},\"z\":null}", 1);
    (void)setenv("C", "plain", 1);
    if (secret_is_reference(text)) {
        bool ok = secret_resolve(text, &value, &err);
        demand(ok ? value != NULL : value == NULL && err.text[0] != '\0');
        demand(strcmp(text, "{vault://env/c}") != 0 || strcmp(value, "plain") == 0);
        demand(strcmp(text, "{vault://env/a-b/k}") != 0 || strcmp(value, "text") == 0);
        demand(strcmp(text, "{vault://env/a-b/o}") != 0 || !ok);
    }
    free(value);
    free(text);
    return 0;
}
